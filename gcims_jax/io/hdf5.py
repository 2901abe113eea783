"""HDF5 of other tools: data sets and single spectra of gc-ims-tools, and the cache of GC-IMS-GAN (``sample_0000/…``).

A native file is HDF5 as well: whatever looks like none of these is given to ``netcdf``.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.io import netcdf
from gcims_jax.io.checks import UNLABELLED, check_promise, replacing, single, stem
from gcims_jax.records import Axis, Records

# gc-ims-tools requires a time; records that have none get this.
NO_TIME = "1970-01-01T00:00:00"


def read(path: Path) -> Records:
    """Reads a file of any of the kinds above, told apart by what it holds.

    Raises:
      InputError: no HDF5 file, members missing, spectra on different grids, labels that cannot be matched to spectra.
    """
    try:
        with h5py.File(path, "r") as file:
            if "dataset" in file and isinstance(file["dataset"], h5py.Group):
                return _read_dataset(path, file)
            if {"values", "ret_time", "drift_time"} <= set(file):
                values_RxT, retention_R, drift_T = _spectrum(path, file, "ret_time", "drift_time")
                about = {"origin": "gc-ims-tools spectrum", **_attributes(file)}
                return _single(path, file, values_RxT, retention_R, drift_T, about)
            if any(name.startswith("sample_") for name in file):
                return _read_cache(path, file)
    except (OSError, RuntimeError, KeyError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected an HDF5 file, got one that cannot be read ({error})") from error
    return netcdf.read(path)


def write(records: Records, path: Path) -> None:
    """Writes a data set that ``ims.Dataset.read_hdf5`` of gc-ims-tools 0.1.10 opens with every label in its place.

    Its reader pairs labels with spectra by position, so the root keeps the order of creation; names are numbered so
    that they are unique and sort as written. Attributes stand on the root and, as text, with every spectrum.
    """
    names = [f"{i:0{len(str(len(records)))}d}_{name}".replace("/", "_") for i, name in enumerate(records.names)]
    text = h5py.string_dtype("utf-8")
    about = {key: netcdf.attribute(value) for key, value in records.attrs.items()}
    with replacing(path, records.values.nbytes) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        file.attrs.update(about)
        group = file.create_group("dataset")
        samples = records.names if records.groups is None else records.groups
        for key, values in (
            ("labels", records.labels),
            ("samples", samples),
            ("files", names),
            ("preprocessing", []),
        ):
            group.create_dataset(key, data=np.asarray([str(value) for value in values], object), dtype=text)
        for name, values_RxT in zip(names, records.values, strict=True):
            spectrum = file.create_group(name)
            spectrum.attrs.update({"name": name, "time": NO_TIME, "drift_time_label": _drift_label(records.fast)})
            spectrum.create_dataset("values", data=values_RxT, compression="gzip", compression_opts=1, shuffle=True)
            spectrum.create_dataset("ret_time", data=records.slow.values)
            spectrum.create_dataset("drift_time", data=records.fast.values)
            lines = np.asarray([f"{key} = {value}" for key, value in about.items()], object)
            spectrum.create_dataset("meta_attr", data=lines, dtype=text)


def _drift_label(axis: Axis) -> str:
    return "Drift Time RIP relative" if axis.unit == "1" else f"Drift Time [{axis.unit}]"


def _read_dataset(path: Path, file: h5py.File) -> Records:
    about = {key: _texts(path, file["dataset"], key) for key in ("labels", "samples", "files")}
    groups = [name for name in file if name != "dataset"]
    if not groups or len({len(values) for values in about.values()} | {len(groups)}) > 1:
        counts = {key: len(values) for key, values in about.items()}
        raise InputError(
            f"{path}: expected one label, sample and file per spectrum, got {counts} for {len(groups)} spectra"
        )
    order = _order(path, groups, [_text(file[name].attrs.get("name", name)) for name in groups], about["files"])
    spectra = [_spectrum(path, file[name], "ret_time", "drift_time") for name in groups]
    label = _text(file[groups[0]].attrs.get("drift_time_label", "Drift Time [ms]"))
    return _stack(
        path,
        spectra,
        fast=Axis("drift_time_relative", "1", np.zeros(0)) if "RIP" in label else Axis("drift_time", "ms", np.zeros(0)),
        labels=[about["labels"][i] for i in order],
        groups=[about["samples"][i] for i in order],
        names=[_text(file[name].attrs.get("name", name)) for name in groups],
        attrs={"origin": "gc-ims-tools data set", **_attributes(file)},
    )


def _order(path: Path, groups: list[str], names: list[str], files: list[str]) -> list[int]:
    """For each spectrum the position of its label: by file name where names fit, else the order of the file.

    The writer of gc-ims-tools lets HDF5 sort its groups, so positions alone pair labels with the wrong spectra.
    """
    stems = [Path(name).name.split(".")[0] for name in files]
    if len(set(stems)) == len(stems):
        for candidates in (names, groups):
            short = [Path(name).name.split(".")[0] for name in candidates]
            if set(short) == set(stems):
                return [stems.index(name) for name in short]
    raise InputError(
        f"{path}: expected the file names of a gc-ims-tools data set to name its spectra, got files {files[:3]} and spectra "
        f"{names[:3]}; labels cannot be matched to spectra, write the set again from its original files"
    )


def _read_cache(path: Path, file: h5py.File) -> Records:
    names = sorted(name for name in file if name.startswith("sample_"))
    labels, spectra, titles = [], [], []
    for name in names:
        attrs = _attributes(file[name])
        labels.append(str(next((attrs[key] for key in ("label", "class", "category") if key in attrs), UNLABELLED)))
        titles.append(str(next((attrs[key] for key in ("name", "filename", "file") if key in attrs), name)))
        spectra.append(_spectrum(path, file[name], "rettime", "drifttime"))
    return _stack(
        path,
        spectra,
        fast=Axis("drift_time", "ms", np.zeros(0)),
        labels=labels,
        groups=None,
        names=titles if len(set(titles)) == len(titles) else names,
        attrs={"origin": "GC-IMS-GAN cache", **_attributes(file)},
    )


def _stack(
    path: Path, spectra: list[tuple], *, fast: Axis, labels: list, groups: Any, names: list, attrs: dict
) -> Records:
    values_RxT, retention_R, drift_T = spectra[0]
    for name, (other_RxT, other_R, other_T) in zip(names, spectra, strict=True):
        if other_RxT.shape != values_RxT.shape or not (
            np.allclose(other_R, retention_R) and np.allclose(other_T, drift_T)
        ):
            raise InputError(
                f"{path}: expected spectra on one grid, got {values_RxT.shape} for {names[0]!r} and {other_RxT.shape} for "
                f"{name!r} or other axis values; write each to its own file and read their folder, which brings them to one"
            )
    try:
        return Records(
            values=np.stack([spectrum[0] for spectrum in spectra]).astype(np.float32),
            slow=Axis("retention_time", "s", retention_R),
            fast=fast._replace(values=drift_T),
            labels=labels,
            groups=groups,
            names=names,
            attrs=attrs,
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _spectrum(path: Path, group: h5py.Group, slow: str, fast: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values (retention, drift) and both axes of one group, each checked against what is stored."""
    arrays = []
    for name in ("values", slow, fast):
        if name not in group or not isinstance(group[name], h5py.Dataset):
            raise InputError(
                f"{path}: expected data sets values, {slow} and {fast} in {group.name!r}, got {list(group)}"
            )
        data = group[name]
        if data.dtype.kind not in "fiu":
            raise InputError(f"{path}: expected numbers in {data.name!r}, got {data.dtype}")
        check_promise(path, data.name, data.size * data.dtype.itemsize, data.id.get_storage_size())
        arrays.append(np.asarray(data[()]))
    values_RxT, retention_R, drift_T = arrays
    if values_RxT.shape != (retention_R.size, drift_T.size):
        raise InputError(
            f"{path}: expected values of shape {(retention_R.size, drift_T.size)} in {group.name!r}, got {values_RxT.shape}"
        )
    return values_RxT, retention_R.ravel(), drift_T.ravel()


def _single(path: Path, file: h5py.File, values_RxT: np.ndarray, retention_R: np.ndarray, drift_T: np.ndarray, about: dict) -> Records:  # fmt: skip
    relative = "RIP" in str(about.get("drift_time_label", ""))
    name = str(about.pop("name", stem(path)))
    fast, unit = ("drift_time_relative", "1") if relative else ("drift_time", "ms")
    return single(path, values_RxT, retention_R, drift_T, attrs=about, name=name, fast=fast, fast_unit=unit)


def _texts(path: Path, group: h5py.Group, key: str) -> list[str]:
    if key not in group or not isinstance(group[key], h5py.Dataset):
        raise InputError(f"{path}: expected 'dataset/{key}' in a gc-ims-tools data set, got only {list(group)}")
    check_promise(path, group[key].name, group[key].size, group[key].id.get_storage_size())
    return [_text(value) for value in np.asarray(group[key][()]).ravel()]


def _text(value: Any) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def _attributes(group: h5py.Group) -> dict[str, Any]:
    """Attributes as text and numbers; lists in JSON become lines."""
    result: dict[str, Any] = {}
    for key, value in group.attrs.items():
        value = _text(value) if isinstance(value, (bytes, str)) else netcdf.attribute(np.asarray(value).tolist())
        if key == "meta_attr" and isinstance(value, str):
            with contextlib.suppress(ValueError):
                value = netcdf.attribute(json.loads(value))
        result[key] = value
    return result
