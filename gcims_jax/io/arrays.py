"""NumPy archives, ``.npz``: ``values`` N×R×T or R×T, and where there are any ``labels``, ``groups``, ``names`` and axes.

Axes are ``slow`` and ``fast`` with ``slow_name``, ``slow_unit`` and so on; without them points are numbered. Objects
are never unpickled.
"""

import json
import zipfile
from pathlib import Path

import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.io.checks import UNLABELLED, check_promise, replacing, stem
from gcims_jax.records import Axis, Records

SLOW, FAST = ("retention_time", "s"), ("drift_time", "ms")


def read(path: Path) -> Records:
    """Reads an archive.

    Raises:
      InputError: no zip archive, no ``values``, objects instead of numbers, or records that disagree.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                check_promise(path, info.filename, info.file_size, info.compress_size)
                _check_shape(path, archive, info)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: expected a NumPy .npz archive, got something else ({error})") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: expected arrays of numbers and text, got {error}") from error
    if "values" not in arrays or arrays["values"].ndim not in (2, 3) or arrays["values"].dtype.kind not in "fiub":
        found = {name: array.shape for name, array in arrays.items()}
        raise InputError(
            f"{path}: expected an array 'values' of shape (records, slow, fast) or (slow, fast), got {found}"
        )
    values = arrays["values"] if arrays["values"].ndim == 3 else arrays["values"][None]
    n, r, t = values.shape
    try:
        return Records(
            values=values,
            slow=_axis(arrays, "slow", SLOW, r),
            fast=_axis(arrays, "fast", FAST, t),
            labels=np.asarray(arrays.get("labels", np.full(n, UNLABELLED))).astype(str),
            groups=arrays.get("groups"),
            names=arrays.get("names", np.asarray([stem(path)]) if n == 1 else None),
            attrs=json.loads(str(arrays["attrs"])) if "attrs" in arrays else {"origin": "read from .npz"},
        )
    except (InputError, TypeError) as error:
        raise InputError(f"{path}: {error}") from error


def write(records: Records, path: Path) -> None:
    """Writes an archive with everything that ``read`` takes; attributes as JSON."""
    arrays = {"values": records.values, "labels": records.labels, "names": records.names}
    if records.groups is not None:
        arrays["groups"] = records.groups
    for which, axis in (("slow", records.slow), ("fast", records.fast)):
        arrays |= {which: axis.values, f"{which}_name": np.asarray(axis.name), f"{which}_unit": np.asarray(axis.unit)}
    arrays["attrs"] = np.asarray(json.dumps({k: np.asarray(v).tolist() for k, v in records.attrs.items()}))
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _check_shape(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """The header of an array must promise what its member holds: NumPy allocates before it reads."""
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(file)
        promised = int(np.prod([int(s) for s in shape], dtype=object)) * dtype.itemsize
        if dtype.hasobject or promised != info.file_size - file.tell():
            raise InputError(
                f"{path}: expected plain arrays whose header fits their data, got {info.filename} of shape {shape} and type "
                f"{dtype} in {info.file_size} bytes"
            )


def _axis(arrays: dict[str, np.ndarray], which: str, default: tuple[str, str], length: int) -> Axis:
    if which not in arrays:
        return Axis(
            default[0] if which + "_name" not in arrays else str(arrays[which + "_name"]), "1", np.arange(length)
        )
    name, unit = (
        str(arrays.get(f"{which}_{part}", value)) for part, value in zip(("name", "unit"), default, strict=True)
    )
    return Axis(name, unit, arrays[which])
