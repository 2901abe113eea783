"""Records: a labelled set of 2D measurements on one grid."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gcims_jax.errors import InputError, counted
from gcims_jax.identity import identify, merge_groups

if TYPE_CHECKING:
    import xarray as xr

COVARIATE = "covariate_"  # prefix of further per-record variables in xarray and in files


class Axis(NamedTuple):
    """One axis of a record.

    Attributes:
      name: what it measures, for example ``"retention_time"``; also the dimension's name in files.
      unit: unit of the coordinates, for example ``"s"``; ``"1"`` where there is none.
      values: coordinates, shape (length,), strictly increasing or strictly decreasing.
    """

    name: str
    unit: str
    values: np.ndarray

    @property
    def label(self) -> str:
        """Name and unit as an axis label."""
        text = self.name.replace("_", " ")
        return text if self.unit in ("", "1") else f"{text} [{self.unit}]"


@dataclasses.dataclass(frozen=True, eq=False)
class Records:
    """N records on one R×T grid, with axes, labels, groups and names; validated on construction.

    Attributes:
      values: N×R×T, float32; record, slow axis (retention time), fast axis (drift time).
      slow: the slow axis, R coordinates.
      fast: the fast axis, T coordinates.
      labels: N class names: strings, or whole numbers where they were given as such; from files always strings.
      groups: N names of what a record belongs to: its physical sample, batch or day; "" where it belongs to nothing but
        itself; or None.
      names: N record names; ``record_0000`` and so on where not given.
      covariates: further columns by name, N texts each, for example the instrument or the day.
      attrs: free metadata, kept through reading and writing.

    Raises:
      InputError: shapes that disagree, values that are not finite, axes that do not run one way.
    """

    values: np.ndarray
    slow: Axis
    fast: Axis
    labels: np.ndarray
    groups: np.ndarray | None = None
    names: np.ndarray | None = None
    covariates: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    attrs: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = _ragged_shapes(self.values)
        if shapes:
            raise InputError(f"values: expected records of one shape, got {shapes}; bring them to one grid first")
        values_NxRxT = np.asarray(self.values, dtype=np.float32)
        if values_NxRxT.ndim != 3 or 0 in values_NxRxT.shape:
            raise InputError(
                "values: expected an array of shape (records, slow axis, fast axis) with no empty "
                f"dimension, got shape {values_NxRxT.shape}"
            )
        object.__setattr__(self, "values", values_NxRxT)
        n, r, t = values_NxRxT.shape
        object.__setattr__(self, "slow", _checked_axis(self.slow, r, "slow"))
        object.__setattr__(self, "fast", _checked_axis(self.fast, t, "fast"))
        if self.slow.name == self.fast.name:
            raise InputError(f"axes: expected two names, got {self.slow.name!r} for both")
        names = [f"record_{i:04d}" for i in range(n)] if self.names is None else self.names
        object.__setattr__(self, "names", _checked_strings(names, n, "names"))
        object.__setattr__(self, "labels", _checked_labels(self.labels, n))
        if self.groups is not None:
            object.__setattr__(self, "groups", _checked_strings(self.groups, n, "groups"))
        covariates = {str(k): _checked_strings(v, n, f"covariate {k!r}") for k, v in self.covariates.items()}
        object.__setattr__(self, "covariates", covariates)
        object.__setattr__(self, "attrs", dict(self.attrs))
        # Record by record: a mask of the whole set would cost a quarter of its memory.
        for name, record_RxT in zip(self.names, values_NxRxT, strict=True):
            bad = record_RxT.size - np.count_nonzero(np.isfinite(record_RxT))
            if bad:
                row, column = np.argwhere(~np.isfinite(record_RxT))[0]
                raise InputError(
                    f"values: expected finite numbers, got {bad} NaN or infinite in record {str(name)!r} "
                    f"(first at slow index {row}, fast index {column}); repair or drop the record"
                )

    @classmethod
    def from_arrays(
        cls,
        X: Any,
        y: Any,
        groups: Any = None,
        slow: Axis | Any = None,
        fast: Axis | Any = None,
    ) -> "Records":
        """Records of arrays: NumPy, JAX, or anything that NumPy can make one of.

        Args:
          X: values, N×R×T; N×T are N series, each a record of one row.
          y: N labels, strings or whole numbers.
          groups: physical sample, batch or day of each; None where every record is its own.
          slow, fast: R and T coordinates, or an ``Axis`` with name and unit; None numbers the points.

        Raises:
          InputError: shapes that disagree, labels of another kind, values that are not finite numbers.

        >>> import numpy as np
        >>> Records.from_arrays(np.eye(4), ["a", "a", "b", "b"])
        <4 records of 1 × 4 points, 2 classes>
        """
        try:
            values = np.asarray(X)
            if values.dtype.kind in "cmM":
                raise TypeError(f"values of type {values.dtype}")
            values = values.astype(np.float32, copy=False)
        except (TypeError, ValueError) as error:
            got = "records of several shapes" if "inhomogeneous" in str(error) else error
            raise InputError(f"X: expected numbers of one shape for each record, got {got}") from error
        if values.ndim == 2:
            values = values[:, None, :]
        if values.ndim != 3:
            raise InputError(
                f"X: expected an array of shape (records, slow axis, fast axis) or (records, points), got {values.shape}"
            )
        labels = np.asarray(y)
        if not labels.ndim:
            raise InputError(f"y: expected a label for each of the {len(values)} records, got {y!r}")
        if labels.dtype.kind not in "USTiu" and not all(isinstance(label, str) for label in labels.tolist()):
            raise InputError(
                f"y: expected labels that are strings or whole numbers, got {labels.dtype}; convert them, for example with "
                "y.astype(str)"
            )
        axes = (
            given if isinstance(given, Axis) else Axis(name, "1", np.arange(length) if given is None else given)
            for given, name, length in ((slow, "slow", values.shape[1]), (fast, "fast", values.shape[2]))
        )
        return cls(values, *axes, labels=labels, groups=groups)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        n, r, t = self.shape
        groups = "" if self.groups is None else f" in {counted(len(np.unique(self.sample_groups())), 'group')}"
        axes = [f" {axis.label}" if axis.unit != "1" else "" for axis in (self.slow, self.fast)]
        return f"<{counted(n, 'record')}{groups} of {r}{axes[0]} × {t}{axes[1]} points, {counted(len(self.classes), 'class')}>"

    def __getitem__(self, which: Any) -> "Records":
        """The records at an index, a slice, a mask or an array of indices."""
        if isinstance(which, (int, np.integer)):
            return self.take(np.arange(len(self))[[which]])
        if isinstance(which, slice):
            return self.take(np.arange(len(self))[which])
        indices = np.asarray(which)
        if indices.dtype == bool and indices.shape == (len(self),):
            return self.take(np.flatnonzero(indices))
        if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
            raise InputError(
                f"records: expected an index, a slice, a mask of {len(self)} or an array of indices, got {indices.dtype} of "
                f"shape {indices.shape}"
            )
        return self.take(indices.astype(int))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, R, T)."""
        return self.values.shape

    @property
    def classes(self) -> np.ndarray:
        """The K class names, sorted."""
        return np.unique(self.labels)

    def class_counts(self) -> dict[str, int]:
        """Records per class."""
        classes_K, counts_K = np.unique(self.labels, return_counts=True)
        return dict(zip(classes_K.tolist(), counts_K.tolist(), strict=True))

    @functools.cached_property
    def identities(self) -> np.ndarray:
        """N identities: equal values, equal identity."""
        return identify(self.values)

    def sample_groups(self, *, grouped: bool = True) -> np.ndarray:
        """What is never split: N group names; a record without a group is its own, equal records are one.

        Args:
          grouped: False leaves the groups of the set out.
        """
        identities_N = self.identities
        if self.groups is None or not grouped:
            return identities_N
        return merge_groups(np.where(self.groups == "", identities_N, self.groups), identities_N)

    def take(self, indices: Sequence[int] | np.ndarray) -> "Records":
        """The records at the given indices, in that order."""
        indices = np.asarray(indices)
        if not indices.size or indices.dtype.kind not in "iub":
            raise InputError(f"take: expected the indices of one or more records, got {indices.tolist()!r}")
        if indices.dtype.kind != "b" and not -len(self) <= indices.min() <= indices.max() < len(self):
            raise InputError(f"take: expected indices below {len(self)}, the number of records, got {indices.max()}")
        return dataclasses.replace(
            self,
            values=self.values[indices],
            labels=self.labels[indices],
            groups=None if self.groups is None else self.groups[indices],
            names=self.names[indices],
            covariates={name: values[indices] for name, values in self.covariates.items()},
        )

    def to_xarray(self) -> "xr.Dataset":
        """The records as a data set, in the layout of the native file: ``values(record, slow axis, fast axis)``."""
        import xarray as xr  # half a second, which those who read no files do without

        per_record = {"label": ("record", self.labels), "name": ("record", self.names)}
        if self.groups is not None:
            per_record["group"] = ("record", self.groups)
        per_record |= {COVARIATE + name: ("record", texts) for name, texts in self.covariates.items()}
        attrs = dict(self.attrs)
        value_attrs = {"units": attrs.pop("units")} if "units" in attrs else {}
        axes = {a.name: (a.name, a.values, {"units": a.unit}) for a in (self.slow, self.fast)}
        values = (("record", *axes), self.values, value_attrs)
        return xr.Dataset({"values": values}, coords={**per_record, **axes}, attrs=attrs)

    @classmethod
    def from_xarray(cls, dataset: "xr.Dataset | xr.DataArray") -> "Records":
        """Records of a data set in the layout of ``to_xarray``, or of its values with their coordinates.

        The one three-dimensional variable holds the values; ``label`` per record is required, ``group`` and ``name`` are
        optional, and so is ``covariate_NAME``. Axes are coordinates with a ``units`` attribute.

        Raises:
          InputError: no or several three-dimensional variables, no ``label``, bad records.
        """
        if not hasattr(dataset, "data_vars"):
            dataset = dataset.to_dataset(name="values")
        cubes = [name for name, variable in dataset.data_vars.items() if variable.ndim == 3]
        if len(cubes) != 1:
            raise InputError(
                f"expected exactly one variable of dimensions (record, slow axis, fast axis), "
                f"got {cubes or 'none'} among {list(dataset.variables)}"
            )
        values = dataset[cubes[0]]
        record, slow, fast = (str(d) for d in values.dims)
        if "label" not in dataset.variables:
            raise InputError(
                f"expected a variable 'label' with one class name per {record}, got only {list(dataset.variables)}"
            )
        per_record = {}
        covariates = [str(name) for name in dataset.variables if str(name).startswith(COVARIATE)]
        for name in ("label", "group", "name", *covariates):
            if name in dataset.variables:
                if dataset[name].dims != (record,):
                    raise InputError(f"expected {name!r} of dimensions ({record},), got {dataset[name].dims}")
                per_record[name] = dataset[name].values
        return cls(
            values=values.values,
            slow=_axis_of(dataset, slow),
            fast=_axis_of(dataset, fast),
            labels=per_record["label"],
            groups=per_record.get("group"),
            names=per_record.get("name"),
            covariates={name.removeprefix(COVARIATE): per_record[name] for name in covariates},
            attrs={**dataset.attrs, **{k: v for k, v in values.attrs.items() if k == "units"}},
        )


def _axis_of(dataset: "xr.Dataset", name: str) -> Axis:
    coordinate = dataset[name]  # xarray supplies 0, 1, 2, … where a dimension has no coordinate
    if not np.issubdtype(coordinate.dtype, np.number):
        raise InputError(f"axis {name!r}: expected numbers, got {coordinate.dtype}")
    return Axis(name, str(coordinate.attrs.get("units", "1")), coordinate.values)


def subsample(records: Records, counts: Sequence[int], seed: int) -> Records:
    """Draws records without replacement, the k-th sorted class having ``counts[k]`` of them.

    Args:
      records: the set to draw from.
      counts: records per class, in the order of the sorted class names.
      seed: of the draw.

    Returns:
      The drawn records, in their original order.

    Raises:
      InputError: as many counts as classes are needed, each at most the class's size.
    """
    have = records.class_counts()
    if len(counts) != len(have):
        raise InputError(
            f"class counts: expected one for each of the {len(have)} classes {list(have)}, got {len(counts)}"
        )
    rng = np.random.default_rng(seed)
    picked: list[int] = []
    for (name, size), count in zip(have.items(), counts, strict=True):
        if not 0 <= count <= size:
            raise InputError(f"class counts: expected between 0 and {size} for class {name!r}, got {count}")
        picked.extend(rng.permutation(np.flatnonzero(records.labels == name))[:count])
    return records.take(np.sort(picked))


def _ragged_shapes(values: Any) -> str:
    """The different shapes in a list of records, as text; empty where there is only one."""
    if isinstance(values, np.ndarray):
        return ""
    return ", ".join(sorted({str(np.shape(v)) for v in values})) if len({np.shape(v) for v in values}) > 1 else ""


def _checked_axis(axis: Axis, length: int, which: str) -> Axis:
    coordinates = np.asarray(axis.values, dtype=np.float64)
    if coordinates.shape != (length,):
        raise InputError(f"{which} axis {axis.name!r}: expected {length} coordinates, got shape {coordinates.shape}")
    steps = np.diff(coordinates)
    if not np.all(np.isfinite(coordinates)) or not (np.all(steps > 0) or np.all(steps < 0)):
        raise InputError(
            f"{which} axis {axis.name!r}: expected finite coordinates that run one way without repeats; "
            "sort the axis or drop repeated points"
        )
    return Axis(str(axis.name), str(axis.unit), coordinates)


def _checked_labels(values: Any, length: int) -> np.ndarray:
    labels = np.asarray(values)
    if labels.dtype.kind not in "iu":
        return _checked_strings(values, length, "labels")
    if labels.shape != (length,):
        raise InputError(f"labels: expected one for each of the {length} records, got shape {labels.shape}")
    return labels


def _checked_strings(values: Any, length: int, what: str) -> np.ndarray:
    values = list(values)
    if missing := [i for i, value in enumerate(values) if value is None or value != value]:  # NaN differs from itself
        raise InputError(
            f"{what}: expected one for each record, got {values[missing[0]]!r} for record {missing[0]}; an empty text stands for none"
        )
    strings = np.asarray([str(v) for v in values])
    if strings.shape != (length,):
        raise InputError(f"{what}: expected one for each of the {length} records, got {len(strings)}")
    return strings
