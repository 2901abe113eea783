"""G.A.S. instrument files, ``.mea`` and ``.mea.gz``: a text header, a zero byte, then int16 counts row by row."""

import gzip
import io
import re
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.io.checks import check_promise, replacing, single
from gcims_jax.records import Axis, Records

# A header is some kilobytes of "key = value [unit]" lines; far beyond this there is none.
HEADER_LIMIT = 2**20
LINE = re.compile(r"^\s*(.*?)\s*=\s*(.*?)\s*(?:\[([^\]]*)\])?\s*$")
AXIS_KEYS = {
    "rows": "Chunks count",
    "columns": "Chunk sample count",
    "rate_khz": "Chunk sample rate",
    "averages": "Chunk averages",
    "repetition_ms": "Chunk trigger repetition",
}


def read(path: Path) -> Records:
    """Reads one record: counts as float32, retention time in seconds, drift time in milliseconds, header as attributes.

    A row takes (averages + 1) × trigger repetition.

    Raises:
      InputError: no header, a key of the axes missing or not a positive number, fewer or more counts than promised.
    """
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            header, start = _header(path, file)
            return _record(path, file, header, start)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: expected a whole gzip file, got a damaged or truncated one ({error})") from error


def read_axes(path: Path) -> tuple[Axis, Axis]:
    """Slow and fast axis from the header alone.

    Raises:
      InputError: as ``read`` for the header.
    """
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            header, _ = _header(path, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: expected a whole gzip file, got a damaged or truncated one ({error})") from error
    numbers = {name: _number(path, header, key) for name, key in AXIS_KEYS.items()}
    _check_size(path, int(numbers["rows"]), int(numbers["columns"]))
    retention_R, drift_T = _coordinates(numbers)
    return Axis("retention_time", "s", retention_R), Axis("drift_time", "ms", drift_T)


def _coordinates(numbers: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    row_seconds = (numbers["averages"] + 1.0) * numbers["repetition_ms"] / 1000.0
    return np.arange(int(numbers["rows"])) * row_seconds, np.arange(int(numbers["columns"])) / numbers["rate_khz"]


def _header(path: Path, file: BinaryIO) -> tuple[dict[str, str], bytes]:
    """Keys and values of the header, and the counts that were read along with it."""
    head = file.read(HEADER_LIMIT)
    end = head.find(0)
    if end < 0:
        raise InputError(
            f"{path}: expected a G.A.S. header that ends in a zero byte, got none within "
            f"{min(len(head), HEADER_LIMIT)} bytes; is this a .mea file?"
        )
    header = {}
    for line in head[:end].decode("windows-1252", errors="replace").splitlines():
        match = LINE.match(line)
        if match:
            key, value, unit = match.groups()
            header[key] = value.strip('"') if unit is None else f"{value.strip(chr(34))} {unit}"
    return header, head[end + 1 :]


def _record(path: Path, file: BinaryIO, header: dict[str, str], start: bytes) -> Records:
    numbers = {name: _number(path, header, key) for name, key in AXIS_KEYS.items()}
    rows, columns = int(numbers["rows"]), int(numbers["columns"])
    promised = 2 * rows * columns
    _check_size(path, rows, columns)
    data = start + file.read(max(0, promised - len(start)) + 2)
    if len(data) != promised:
        raise InputError(
            f"{path}: expected {rows} × {columns} counts ({promised} bytes) after the header, got "
            f"{len(data) if len(data) < promised else 'more'}; the file is truncated or its header is of another"
        )
    return single(
        path,
        np.frombuffer(data, "<i2").reshape(rows, columns),
        *_coordinates(numbers),
        attrs={**header, "units": "counts", "origin": "measured (G.A.S. .mea)"},
    )


def _check_size(path: Path, rows: int, columns: int) -> None:
    promised, size = 2 * rows * columns, path.stat().st_size
    if path.suffix.lower() == ".gz":
        check_promise(path, "a record", promised, size)
    elif promised > size:
        raise InputError(
            f"{path}: expected {rows} × {columns} counts ({promised} bytes) as the header says, got a file of {size} bytes; "
            "it is truncated"
        )


def _number(path: Path, header: dict[str, str], key: str) -> float:
    if key not in header:
        raise InputError(f"{path}: expected the key {key!r} in the header, got only {sorted(header)[:12]}")
    text = header[key].split()[0] if header[key].split() else ""
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    lowest = 0.0 if key == AXIS_KEYS["averages"] else np.finfo(float).tiny
    whole = key in (AXIS_KEYS["rows"], AXIS_KEYS["columns"])
    if not lowest <= value < 1e9 or (whole and value != int(value)):
        raise InputError(f"{path}: expected a positive number for {key!r} in the header, got {header[key]!r}")
    return value


def write(records: Records, path: Path) -> None:
    """Writes one record as counts, rounded to int16; for exchange with instrument software and for tests.

    Raises:
      InputError: more than one record, an axis that is not evenly spaced from 0, counts beyond int16.
    """
    if len(records) != 1:
        raise InputError(f"{path}: expected one record, got {len(records)}; write each to its own file")
    counts_RxT = np.rint(records.values[0])
    if np.abs(counts_RxT).max() > 32767:
        raise InputError(
            f"{path}: expected counts from -32767 to 32767, got {np.abs(counts_RxT).max():.0f}; rescale first"
        )
    steps = {}
    for axis in (records.slow, records.fast):
        step = axis.values[-1] / max(len(axis.values) - 1, 1)
        if step <= 0 or not np.allclose(axis.values, np.arange(len(axis.values)) * step, atol=1e-3 * step):
            raise InputError(f"{path}: expected an evenly spaced {axis.name} that starts at 0, as .mea files have")
        steps[axis.name] = step
    lines = [
        "Chunk averages                 = 0",
        f"Chunk sample count             = {len(records.fast.values)}",
        f"Chunk sample rate              = {1.0 / steps[records.fast.name]:.12g} [kHz]",
        f"Chunk trigger repetition       = {1000.0 * steps[records.slow.name]:.12g} [ms]",
        f"Chunks count                   = {len(records.slow.values)}",
        f'Timestamp                      = "{records.attrs.get("Timestamp", "1970-01-01T00:00:00")}"',
    ]
    known = {line.split("=")[0].strip() for line in lines}
    lines += [f'{k} = "{v}"'.replace("\n", " ").replace("\0", " ") for k, v in records.attrs.items() if k not in known]
    data = "\n".join(lines).encode("windows-1252", errors="replace") + b"\n\0" + counts_RxT.astype("<i2").tobytes()
    if path.suffix.lower() == ".gz":
        buffer = io.BytesIO()
        with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as file:
            file.write(data)
        data = buffer.getvalue()
    with replacing(path) as temporary:
        temporary.write_bytes(data)
