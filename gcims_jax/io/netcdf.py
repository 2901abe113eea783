"""The native file: netCDF4 with dimensions (record, slow axis, fast axis), through xarray and h5netcdf.

The one three-dimensional variable holds the values; ``label`` per record is required, ``group`` and ``name`` are
optional, and so is ``covariate_NAME``. Axes are coordinate variables with a ``units`` attribute.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from gcims_jax.errors import InputError
from gcims_jax.io.checks import check_promise, replacing
from gcims_jax.records import Axis, Records

COVARIATE = "covariate_"  # prefix of further per-record variables
NEXUS = ("NX_class", "signal", "axes")


def read(path: Path) -> Records:
    """Reads a native file.

    Raises:
      InputError: not a netCDF4 file, no or several three-dimensional variables, no ``label``, bad records.
    """
    try:
        with h5py.File(
            path, "r"
        ) as file:  # h5netcdf stumbles over attributes that cannot be read and leaves the file open
            file.attrs.get("_nc3_strict")
        dataset = xr.open_dataset(path, engine="h5netcdf", phony_dims="access")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: expected a netCDF4 (HDF5) file, got something that h5netcdf cannot open ({error}); "
            "write one with gcims_jax.io.write or xarray's to_netcdf(engine='h5netcdf')"
        ) from error
    with dataset:
        return from_dataset(dataset, path)


def from_dataset(dataset: xr.Dataset, path: Path) -> Records:
    """Records in the native layout; ``path`` is for messages.

    Raises:
      InputError: no or several three-dimensional variables, no ``label``, bad records.
    """
    cubes = [name for name, variable in dataset.data_vars.items() if variable.ndim == 3]
    if len(cubes) != 1:
        raise InputError(
            f"{path}: expected exactly one variable of dimensions (record, slow axis, fast axis), "
            f"got {cubes or 'none'} among {list(dataset.variables)}"
        )
    values = dataset[cubes[0]]
    if path.is_file():
        check_promise(path, "values", values.nbytes, path.stat().st_size)
    record, slow, fast = (str(d) for d in values.dims)
    if "label" not in dataset.variables:
        raise InputError(
            f"{path}: expected a variable 'label' with one class name per {record}, got only {list(dataset.variables)}"
        )
    per_record = {}
    covariates = [str(name) for name in dataset.variables if str(name).startswith(COVARIATE)]
    for name in ("label", "group", "name", *covariates):
        if name in dataset.variables:
            if dataset[name].dims != (record,):
                raise InputError(f"{path}: expected {name!r} of dimensions ({record},), got {dataset[name].dims}")
            per_record[name] = dataset[name].values
    try:
        return Records(
            values=values.values,
            slow=_axis(dataset, slow),
            fast=_axis(dataset, fast),
            labels=per_record["label"],
            groups=per_record.get("group"),
            names=per_record.get("name"),
            covariates={name.removeprefix(COVARIATE): per_record[name] for name in covariates},
            attrs={
                **{k: v for k, v in dataset.attrs.items() if k not in NEXUS},
                **{k: v for k, v in values.attrs.items() if k == "units"},
            },
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def write(records: Records, path: Path) -> None:
    """Writes a native file; compressed, replaced as a whole or not at all.

    Attributes of NeXus NXdata let HDF5 viewers such as silx plot it.
    """
    per_record = {"label": ("record", records.labels), "name": ("record", records.names)}
    if records.groups is not None:
        per_record["group"] = ("record", records.groups)
    per_record |= {COVARIATE + name: ("record", texts) for name, texts in records.covariates.items()}
    attrs = dict(records.attrs)
    value_attrs = {"units": attrs.pop("units")} if "units" in attrs else {}
    dataset = xr.Dataset(
        {"values": (("record", records.slow.name, records.fast.name), records.values, value_attrs)},
        coords={
            **per_record,
            **{a.name: (a.name, a.values, {"units": a.unit}) for a in (records.slow, records.fast)},
        },
        attrs={name: attribute(value) for name, value in attrs.items()},
    )
    with replacing(path) as temporary:
        dataset.to_netcdf(
            temporary, engine="h5netcdf", encoding={"values": {"zlib": True, "complevel": 1, "shuffle": True}}
        )
        with h5py.File(temporary, "r+") as file:
            file.attrs["NX_class"], file.attrs["signal"] = "NXdata", "values"
            file.attrs.create("axes", [".", records.slow.name, records.fast.name], dtype=h5py.string_dtype("utf-8"))


def write_dataset(dataset: xr.Dataset, path: Path) -> None:
    """Writes any data set as netCDF4; compressed, replaced as a whole or not at all."""
    packed = {name: {"zlib": True, "complevel": 1} for name, v in dataset.data_vars.items() if v.dtype.kind in "fi"}
    with replacing(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf", encoding=packed)


def _axis(dataset: xr.Dataset, name: str) -> Axis:
    coordinate = dataset[name]  # xarray supplies 0, 1, 2, … where a dimension has no coordinate
    if not np.issubdtype(coordinate.dtype, np.number):
        raise InputError(f"axis {name!r}: expected numbers, got {coordinate.dtype}")
    return Axis(name, str(coordinate.attrs.get("units", "1")), coordinate.values)


def attribute(value: Any) -> Any:
    """A value that netCDF attributes can hold; lists of strings become one text, a line each."""
    if isinstance(value, (str, bool, int, float, np.number)):
        return int(value) if isinstance(value, bool) else value
    array = np.asarray(value)
    return array if np.issubdtype(array.dtype, np.number) else "\n".join(map(str, array.ravel()))
