"""Files in, files out. One module per family of formats, one table of readers and one of writers."""

from collections.abc import Callable
from pathlib import Path

from gcims_jax.errors import InputError
from gcims_jax.io import netcdf
from gcims_jax.records import Records

# By the ending of the file name, lower case.
READERS: dict[str, Callable[[Path], Records]] = {".nc": netcdf.read, ".nc4": netcdf.read, ".h5": netcdf.read}
WRITERS: dict[str, Callable[[Records, Path], None]] = {".nc": netcdf.write, ".nc4": netcdf.write}


def read(path: str | Path) -> Records:
    """Reads labelled records from a file, the format told by its ending.

    Raises:
      InputError: missing file, unknown ending, or content that is not what the format asks for.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: expected a file with records, found {'a folder' if path.is_dir() else 'nothing'}")
    return _by_ending(READERS, path)(path)


def write(records: Records, path: str | Path) -> None:
    """Writes records, the format told by the ending; a killed writer leaves the old file or none."""
    path = Path(path)
    _by_ending(WRITERS, path)(records, path)


def _by_ending(table: dict[str, Callable], path: Path) -> Callable:
    if path.suffix.lower() not in table:
        raise InputError(f"{path}: expected a file name ending in one of {sorted(table)}, got {path.suffix!r}")
    return table[path.suffix.lower()]
