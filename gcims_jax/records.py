"""Records: a labelled set of 2D measurements on one grid."""

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gcims_jax.errors import InputError


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


@dataclasses.dataclass(frozen=True)
class Records:
    """N records on one R×T grid, with axes, labels, groups and names; validated on construction.

    Attributes:
      values: N×R×T, float32; record, slow axis (retention time), fast axis (drift time).
      slow: the slow axis, R coordinates.
      fast: the fast axis, T coordinates.
      labels: N class names, strings.
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
        object.__setattr__(self, "labels", _checked_strings(self.labels, n, "labels"))
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
                    f"values: expected finite numbers, got {bad} NaN or infinite in record {name!r} "
                    f"(first at slow index {row}, fast index {column}); repair or drop the record"
                )

    def __len__(self) -> int:
        return len(self.values)

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
        return {str(c): int(n) for c, n in zip(classes_K, counts_K, strict=True)}

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
        return dataclasses.replace(
            self,
            values=self.values[indices],
            labels=self.labels[indices],
            groups=None if self.groups is None else self.groups[indices],
            names=self.names[indices],
            covariates={name: values[indices] for name, values in self.covariates.items()},
        )


def identify(x_NxRxT: np.ndarray) -> np.ndarray:
    """Identity of each record: a hash of its shape and values, which nothing but the values changes."""
    rows = np.ascontiguousarray(x_NxRxT)
    rows = rows + 0.0 if rows.dtype.kind == "f" else rows  # -0.0 and 0.0 are equal
    start = f"{rows.dtype.str}{rows.shape[1:]}".encode()
    return np.asarray([hashlib.blake2b(row.data, digest_size=12, key=start[:64]).hexdigest() for row in rows])


def merge_groups(groups_N: np.ndarray, identities_N: np.ndarray) -> np.ndarray:
    """Groups that share a record, told by its identity, become one, under the first of their names."""
    nodes, places = np.unique(np.concatenate([groups_N, identities_N]), return_inverse=True)
    group_N, identity_N = np.split(places, 2)
    links = coo_array((np.ones(len(groups_N)), (group_N, identity_N)), shape=(len(nodes),) * 2)
    _, component = connected_components(links, directed=False)
    component_N = component[group_N]
    first = {}
    for name, at in sorted(zip(groups_N.tolist(), component_N.tolist(), strict=True), reverse=True):
        first[at] = name
    return np.asarray([first[at] for at in component_N.tolist()])


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


def _checked_strings(values: Any, length: int, what: str) -> np.ndarray:
    strings = np.asarray([str(v) for v in values])
    if strings.shape != (length,):
        raise InputError(f"{what}: expected one for each of the {length} records, got {len(strings)}")
    return strings
