"""Records as text: generic ``.csv``, MCC-IMS ``_ims.csv``, and the ``.zip`` export of G.A.S. software."""

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gcims_jax.errors import InputError
from gcims_jax.io.checks import UNLABELLED, check_promise, replacing, single
from gcims_jax.records import Records

ZIP_MEMBERS = ("csv_data.csv", "meta_attributes.json")
JSON_LIMIT = 2**22
# Peaks of one sign are this much larger than any excursion of the other; else the polarity cannot be told.
POLARITY_RATIO = 2.0


def read_csv(path: Path) -> Records:
    """Reads one record: first row drift time (ms), first column retention time (s); the corner may hold JSON attributes.

    Raises:
      InputError: cells that are not numbers, rows of different length, no values.
    """
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    head, _, body = text.partition("\n")
    cells = next(csv.reader([head]), [])
    if len(cells) < 2 or not body.strip():
        raise InputError(
            f"{path}: expected a first row of drift times and a first column of retention times, got "
            f"{len(cells)} cells and {'no' if not body.strip() else 'some'} rows below"
        )
    attrs = _corner(cells[0])
    table_RxC = _numbers(path, body, len(cells), first_line=2)
    drift_T = _row(path, cells[1:])
    label, name = str(attrs.pop("label", UNLABELLED)), attrs.pop("name", None)
    attrs = {"origin": "read from .csv", **attrs}
    return single(path, table_RxC[:, 1:], table_RxC[:, 0], drift_T, attrs=attrs, label=label, name=name)


def write_csv(records: Records, path: Path) -> None:
    """Writes one record; label, name and attributes go as JSON into the corner, which other readers skip.

    Raises:
      InputError: more than one record.
    """
    if len(records) != 1:
        raise InputError(
            f"{path}: expected one record, got {len(records)}; give a folder instead of a .csv to write one file a record"
        )
    corner = {"label": str(records.labels[0]), "name": str(records.names[0])}
    corner |= {key: np.asarray(value).tolist() for key, value in records.attrs.items()}
    frame = pd.DataFrame(records.values[0], index=records.slow.values, columns=records.fast.values)
    with replacing(path) as temporary:
        frame.to_csv(temporary, index_label=json.dumps(corner), lineterminator="\n")


def write_folder(records: Records, folder: Path) -> None:
    """Writes ``folder/CLASS/NAME.csv``, one file a record.

    Raises:
      InputError: two records of one class with one name, or names that are no file names.
    """
    # Records of a folder bear their path, with "/" between its parts.
    names = [str(name).replace("/", "_") for name in records.names]
    places = [Path(str(label), f"{name}.csv") for label, name in zip(records.labels, names, strict=True)]
    for place in places:
        if len(place.parts) != 2 or ".." in place.parts:
            raise InputError(f"{folder}: expected labels and names that can be file names, got {str(place)!r}")
    if len(set(places)) < len(places):
        repeated = next(str(place) for place in places if places.count(place) > 1)
        raise InputError(f"{folder}: expected names that differ within a class, got {repeated!r} twice")
    for i, place in enumerate(places):
        (folder / place.parent).mkdir(parents=True, exist_ok=True)
        write_csv(records.take([i]), folder / place)


def read_mcc(path: Path) -> Records:
    """Reads one MCC-IMS record of B&S Analytik: ``#`` lines, a row of retention times, then one row per drift time.

    Values that are stored negative are turned, and ``attrs["polarity"]`` says so.

    Raises:
      InputError: rows missing, cells that are not numbers, peaks of both signs.
    """
    lines = path.read_text(encoding="windows-1252", errors="replace").splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    if len(lines) < start + 3:
        raise InputError(
            f"{path}: expected '#' lines, a row 'tR', a row of spectrum numbers and one row per drift time, got "
            f"{len(lines) - start} rows after {start} '#' lines; the file is truncated or of another kind"
        )
    cells = [cell.strip() for cell in lines[start].split(",")]
    if len(cells) < 3 or cells[1] != "tR":
        raise InputError(
            f"{path}, line {start + 1}: expected a row that begins with '\\, tR', got {lines[start][:40]!r}"
        )
    retention_R = _row(path, [cell for cell in cells[2:] if cell])
    table_TxC = _numbers(path, "\n".join(lines[start + 2 :]), 2 + len(retention_R), first_line=start + 3)
    values_RxT = table_TxC[:, 2:].T
    low, high = float(values_RxT.min()), float(values_RxT.max())
    turned = -low > high
    if min(-low, high) > 0 and max(-low, high) < POLARITY_RATIO * min(-low, high):
        raise InputError(
            f"{path}: expected peaks of one polarity, got values from {low:g} to {high:g}; split or correct the record"
        )
    attrs: dict[str, Any] = {}
    for line in lines[:start]:
        parts = [part.strip() for part in line.lstrip("#").split(",")]
        if len(parts) >= 3 and parts[1]:
            attrs[parts[1]] = ", ".join(part for part in parts[2:] if part)
    attrs["polarity_in_file"] = attrs.pop("polarity", "")
    attrs["polarity"] = "stored negative, turned to positive peaks" if turned else "positive peaks, as stored"
    attrs |= {"units": "signal units", "origin": "measured (MCC-IMS _ims.csv)"}
    return single(path, 0.0 - values_RxT if turned else values_RxT, retention_R, table_TxC[:, 1], attrs=attrs)


def read_zip(path: Path) -> Records:
    """Reads one record that G.A.S. software exported: ``csv_data.csv`` and ``meta_attributes.json``; extracts nothing.

    Raises:
      InputError: no such members, names that leave the archive, more data than the attributes promise, bad numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(path, archive)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path}: expected a zip archive, got one that cannot be read ({error})") from error


def _read_archive(path: Path, archive: zipfile.ZipFile) -> Records:
    members = {info.filename: info for info in archive.infolist()}
    leaving = [name for name in members if name.startswith(("/", "\\")) or ".." in Path(name).parts]
    if leaving:
        raise InputError(f"{path}: expected members inside the archive, got {leaving[0]!r}; this is no G.A.S. export")
    if not set(ZIP_MEMBERS) <= set(members):
        raise InputError(
            f"{path}: expected the members {' and '.join(ZIP_MEMBERS)} of a G.A.S. export, got {sorted(members)[:6]}; "
            "unpack archives of other files"
        )
    data, about = (members[name] for name in ZIP_MEMBERS)
    if about.file_size > JSON_LIMIT:
        raise InputError(f"{path}: expected meta_attributes.json of at most {JSON_LIMIT} bytes, got {about.file_size}")
    try:
        meta = json.loads(archive.read(about))
        rows, columns = (int(meta[key]) for key in ("Chunks count", "Chunk sample count"))
        rate_khz = float(meta["Chunk sample rate [kHz]"])
        row_seconds = (float(meta["Chunk averages"]) + 1.0) * float(meta["Chunk trigger repetition [ms]"]) / 1000.0
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: expected the axes in meta_attributes.json, got {type(error).__name__} {error}"
        ) from error
    if rows < 1 or columns < 1 or not 0.0 < rate_khz < np.inf or not 0.0 < row_seconds < np.inf:
        raise InputError(f"{path}: expected axes of positive length and step, got {rows} × {columns} at {rate_khz} kHz")
    check_promise(path, "csv_data.csv", data.file_size, data.compress_size)
    # A cell takes 2 to about 24 characters.
    if not 2 * rows * columns - 1 <= data.file_size <= 32 * rows * (columns + 1) + 4096:
        raise InputError(
            f"{path}: expected csv_data.csv with {rows} × {columns} cells as meta_attributes.json says, got "
            f"{data.file_size} bytes; the archive is damaged or not a G.A.S. export"
        )
    text = archive.read(data).decode("utf-8", errors="replace")
    # Each line ends in a comma.
    text = "\n".join(line.rstrip().rstrip(",") for line in text.splitlines())
    table_RxT = _numbers(path, text, columns, first_line=1)
    if len(table_RxT) != rows:
        raise InputError(f"{path}: expected {rows} rows in csv_data.csv, got {len(table_RxT)}")
    attrs = {key: value for key, value in meta.items() if isinstance(value, (str, int, float))}
    attrs |= {"units": "counts", "origin": "measured (G.A.S. .zip export)"}
    return single(path, table_RxT, np.arange(rows) * row_seconds, np.arange(columns) / rate_khz, attrs=attrs)


def _numbers(path: Path, text: str, columns: int, *, first_line: int) -> np.ndarray:
    """A block of comma-separated numbers with the same number of cells in every line.

    Raises:
      InputError: the first line with another number of cells, or the first cell that is not a number.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    for i, line in enumerate(lines):
        count = line.rstrip().rstrip(",").count(",") + 1
        if count != columns:
            raise InputError(
                f"{path}, line {first_line + i}: expected {columns} cells, got {count}; the file is damaged"
            )
    try:
        frame = pd.read_csv(io.StringIO("\n".join(lines)), header=None, usecols=range(columns), skipinitialspace=True,
                            dtype=np.float64, na_values=[], keep_default_na=False)  # fmt: skip
    except ValueError:
        for i, line in enumerate(lines):
            for j, cell in enumerate(line.split(",")[:columns]):
                try:
                    float(cell)
                except ValueError as error:
                    raise InputError(
                        f"{path}, line {first_line + i}, cell {j + 1}: expected a number, got {cell.strip()[:40]!r}"
                    ) from error
        raise
    return frame.to_numpy()


def _row(path: Path, cells: list[str]) -> np.ndarray:
    try:
        return np.array([float(cell) for cell in cells])
    except ValueError as error:
        raise InputError(f"{path}: expected numbers in the row that gives an axis, got {error}") from error


def _corner(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
