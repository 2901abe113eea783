"""What readers and writers share: promises of a header are checked against the file, and files are replaced as a whole."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.records import Axis, Records

# Deflate shrinks nothing by more than 1032 to 1, so a larger promise is a lie.
DEFLATE_LIMIT = 1032
UNLABELLED = "unlabelled"


def check_promise(path: Path, what: str, promised: int, stored: int) -> None:
    """Raises InputError where ``promised`` bytes cannot come out of ``stored`` compressed ones."""
    if promised > DEFLATE_LIMIT * stored + 4096:
        raise InputError(
            f"{path}: expected {what} that fits the file, got a promise of {promised} bytes from {stored} stored ones; "
            "the file is damaged or a decompression bomb"
        )


def check_place(path: Path, remedy: str, *, folder: bool = False) -> None:
    """Makes sure that something can be written at a path, and writes nothing.

    Args:
      path: of the file or folder to be.
      remedy: what to do, for the message.
      folder: whether it is to be a folder.

    Raises:
      InputError: a file where a folder has to be, or no permission.
    """
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not there.is_dir() and (folder or there != path):
        raise InputError(f"{path}: expected a folder that can be written, but {there} is a file; {remedy}")
    if not os.access(there, os.W_OK):
        raise InputError(f"{path}: expected a place that can be written, got no permission for {there}; {remedy}")


@contextlib.contextmanager
def replacing(path: Path, size: int = 0) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when all went well, and leaves nothing otherwise.

    Args:
      path: of the file to be.
      size: bytes that it may take. They have to be free beforehand: the HDF5 library can crash where a disk fills up.

    Raises:
      InputError: less is free.
    """
    if size and (free := shutil.disk_usage(path.absolute().parent).free) < size:
        raise InputError(
            f"{path}: expected {size / 1e6:.1f} MB of free disk, got {free / 1e6:.1f} MB; make room, or write elsewhere"
        )
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def single(
    path: Path,
    values_RxT: np.ndarray,
    retention_R: np.ndarray,
    drift_T: np.ndarray,
    *,
    attrs: dict[str, object],
    name: str | None = None,
    label: str = UNLABELLED,
    fast: str = "drift_time",
    fast_unit: str = "ms",
) -> Records:
    """Records with the one record of a file, named after it unless a name is given.

    Raises:
      InputError: as ``Records`` does, with the file's name in front.
    """
    try:
        return Records(
            values=np.asarray(values_RxT, np.float32)[None],
            slow=Axis("retention_time", "s", np.asarray(retention_R, np.float64)),
            fast=Axis(fast, fast_unit, np.asarray(drift_T, np.float64)),
            labels=np.asarray([label]),
            names=np.asarray([name or stem(path)]),
            attrs=attrs,
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def stem(path: Path) -> str:
    """The file's name without its ending; ``a.mea.gz`` and ``a.mea`` are both ``a``."""
    name = path.name
    for ending in (".gz", "_ims.csv"):
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return Path(name).stem if "." in name else name
