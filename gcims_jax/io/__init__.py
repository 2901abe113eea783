"""Files in, files out. One module per family of formats, one table of readers and one of writers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gcims_jax.errors import InputError
from gcims_jax.io import arrays, hdf5, mea, netcdf, store, tables
from gcims_jax.records import Axis, Records

# By the ending of the file name, lower case; of several that fit, the longest.
READERS: dict[str, Callable[[Path], Records]] = {
    ".nc": netcdf.read,
    ".nc4": netcdf.read,
    ".h5": hdf5.read,
    ".hdf5": hdf5.read,
    ".npz": arrays.read,
    ".mea": mea.read,
    ".mea.gz": mea.read,
    ".zip": tables.read_zip,
    ".csv": tables.read_csv,
    "_ims.csv": tables.read_mcc,
    ".zarr": store.read,
}
WRITERS: dict[str, Callable[[Records, Path], None]] = {
    ".nc": netcdf.write,
    ".nc4": netcdf.write,
    ".h5": hdf5.write,
    ".hdf5": hdf5.write,
    ".npz": arrays.write,
    ".mea": mea.write,
    ".mea.gz": mea.write,
    ".csv": tables.write_csv,
    ".zarr": store.write,
}


def read(path: str | Path) -> Records:
    """Reads labelled records from a file, the format told by its ending.

    Raises:
      InputError: missing file, unknown ending, or content that is not what the format asks for.
    """
    path = _as_path(path, "read")
    if not path.is_file() and not (path.is_dir() and is_known(path)):
        found = (
            f"a folder; gcims-jax ingest {path} --output records.zarr makes one file of it"
            if path.is_dir()
            else "nothing; check the path"
        )
        raise InputError(f"{path}: expected a file with records, found {found}")
    reader = _by_ending(READERS, path)
    try:
        return reader(path)
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(
            f"{path}: expected a file that may be read, got no permission; change its access rights"
        ) from error
    except Exception as error:  # a damaged file can make the libraries below raise anything
        raise InputError(
            f"{path}: expected a file of its kind, got one that its reader cannot make sense of "
            f"({type(error).__name__}: {error}); it may be damaged or of another format"
        ) from error


def read_axes(path: Path) -> tuple[Axis, Axis] | None:
    """Slow and fast axis of a file of one record where its format tells them without reading it; None where not.

    Raises:
      InputError: as ``read``.
    """
    path = Path(path)
    return mea.read_axes(path) if path.name.lower().endswith((".mea", ".mea.gz")) else None


def write(records: Records, path: str | Path) -> None:
    """Writes records, the format told by the ending; a killed writer leaves the old file or none.

    A name without an ending is a folder, which gets one ``CLASS/NAME.csv`` per record.
    """
    if not isinstance(records, Records):
        raise InputError(f"write: expected Records and then a path, got {type(records).__name__}")
    path = _as_path(path, "write")
    if not path.suffix:
        tables.write_folder(records, path)
    else:
        _by_ending(WRITERS, path)(records, path)


def _as_path(path: Any, of: str) -> Path:
    if not isinstance(path, str | Path):
        raise InputError(f"{of}: expected the path of a file, got {type(path).__name__}")
    return Path(path)


def endings() -> list[str]:
    """Endings of file names that can be read."""
    return sorted(READERS)


def is_known(path: Path) -> bool:
    """Whether a reader takes files of this name."""
    return path.name.lower().endswith(tuple(READERS))


def _by_ending(table: dict[str, Callable], path: Path) -> Callable:
    fitting = [ending for ending in table if path.name.lower().endswith(ending)]
    if not fitting:
        raise InputError(f"{path}: expected a file name ending in one of {sorted(table)}, got {path.suffix!r}")
    return table[max(fitting, key=len)]
