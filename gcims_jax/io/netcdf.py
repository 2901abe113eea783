"""The native file: netCDF4 with dimensions (record, slow axis, fast axis), through xarray and h5netcdf.

The one three-dimensional variable holds the values; ``label`` per record is required, ``group`` and ``name`` are
optional, and so is ``covariate_NAME``. Axes are coordinate variables with a ``units`` attribute.
"""

import dataclasses
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from gcims_jax.errors import InputError
from gcims_jax.io.checks import check_promise, replacing
from gcims_jax.records import Records

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
    if path.is_file():
        for values in dataset.data_vars.values():
            check_promise(path, "values", values.nbytes if values.ndim == 3 else 0, path.stat().st_size)
    if "label" in dataset.variables and dataset["label"].dtype.kind in "iu":
        dataset = dataset.assign(label=dataset["label"].astype(str))
    try:
        records = Records.from_xarray(dataset)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return dataclasses.replace(records, attrs={k: v for k, v in records.attrs.items() if k not in NEXUS})


def write(records: Records, path: Path) -> None:
    """Writes a native file; compressed, replaced as a whole or not at all.

    Attributes of NeXus NXdata let HDF5 viewers such as silx plot it.
    """
    dataset = records.to_xarray()
    dataset.attrs = {name: attribute(value) for name, value in dataset.attrs.items()}
    with replacing(path, dataset.nbytes) as temporary:
        dataset.to_netcdf(
            temporary, engine="h5netcdf", encoding={"values": {"zlib": True, "complevel": 1, "shuffle": True}}
        )
        with h5py.File(temporary, "r+") as file:
            file.attrs["NX_class"], file.attrs["signal"] = "NXdata", "values"
            file.attrs.create("axes", [".", records.slow.name, records.fast.name], dtype=h5py.string_dtype("utf-8"))


def write_dataset(dataset: xr.Dataset, path: Path) -> None:
    """Writes any data set as netCDF4; compressed, replaced as a whole or not at all."""
    packed = {name: {"zlib": True, "complevel": 1} for name, v in dataset.data_vars.items() if v.dtype.kind in "fi"}
    with replacing(path, dataset.nbytes) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf", encoding=packed)


def attribute(value: Any) -> Any:
    """A value that netCDF attributes can hold; lists of strings become one text, a line each."""
    if isinstance(value, (str, bool, int, float, np.number)):
        return int(value) if isinstance(value, bool) else value
    array = np.asarray(value)
    return array if np.issubdtype(array.dtype, np.number) else "\n".join(map(str, array.ravel()))
