"""Chunked native store: Zarr in the layout of the native file, written record by record.

A store is built in a folder beside its place and moved there when it is complete, so what bears the store's name is
whole. Labels, names and axes are written last, when it is known which records there are.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from gcims_jax.errors import InputError
from gcims_jax.io import netcdf
from gcims_jax.records import COVARIATE, Axis, Records

CHUNK_BYTES = 2**24


def read(path: Path) -> Records:
    """Reads a store into memory.

    Raises:
      InputError: not a Zarr store in the layout of the native file.
    """
    try:
        dataset = xr.open_zarr(path, chunks=None, consolidated=False)
    except Exception as error:  # zarr, xarray and the codecs each have their own
        raise InputError(f"{path}: expected a Zarr store, got something that zarr cannot open ({error})") from error
    with dataset:
        return netcdf.from_dataset(dataset, path)


def write(records: Records, path: Path) -> None:
    """Writes a store; one that was there is replaced when the new one is complete."""
    part = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(part, ignore_errors=True)
    try:
        values = create(part, records.slow, records.fast, len(records))
        for i, record_RxT in enumerate(records.values):
            values[i] = record_RxT
        complete(part, len(records), vars(records))
        move(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def move(part: Path, path: Path) -> None:
    """Puts a complete store in its place; one that was there goes only when the new one stands."""
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.replace(old)
    try:
        part.replace(path)
    except OSError:
        if old.exists():
            old.replace(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def create(folder: Path, slow: Axis, fast: Axis, capacity: int) -> zarr.Array:
    """Begins a store; returns the array that takes the records, capacity×R×T float32."""
    shape = (len(slow.values), len(fast.values))
    rows = max(1, min(shape[0], CHUNK_BYTES // (4 * shape[1])))
    return zarr.open_group(folder, mode="w").create_array(
        "values",
        shape=(capacity, *shape),
        chunks=(1, rows, shape[1]),
        dtype="float32",
        fill_value=np.nan,  # a chunk that got lost is missing values, not zeros
        dimension_names=("record", slow.name, fast.name),
    )


def resume(folder: Path) -> zarr.Array:
    """The array of a store that was begun."""
    return zarr.open_group(folder, mode="r+")["values"]


def complete(folder: Path, count: int, about: Mapping[str, Any]) -> None:
    """Cuts the store to the records that were written, and adds everything else.

    Args:
      folder: of the store.
      count: records in it.
      about: what ``Records`` holds apart from values.
    """
    values = resume(folder)
    values.resize((count, *values.shape[1:]))
    attrs = dict(about["attrs"])
    values.attrs["units"] = str(attrs.pop("units", "1"))
    # Text of any length: fixed widths would cut what is appended later.
    per_record = {
        name: ("record", np.asarray(about[key]).astype(str).astype(object))
        for name, key in (("label", "labels"), ("group", "groups"), ("name", "names"))
        if about.get(key) is not None
    }
    per_record |= {
        COVARIATE + name: ("record", np.asarray(texts, dtype=object)) for name, texts in about["covariates"].items()
    }
    axes = {a.name: (a.name, a.values, {"units": a.unit}) for a in (about["slow"], about["fast"])}
    attributes = {name: netcdf.attribute(value) for name, value in attrs.items()}
    dataset = xr.Dataset(per_record, coords=axes, attrs=attributes)
    dataset.to_zarr(folder, mode="a", consolidated=False)
