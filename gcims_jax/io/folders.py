"""Folders and tables of files: which file has which label.

Labels come from the folders, ``Class/Sample/file`` or ``Class/file``, or from a table (.csv, .xlsx) with a column of
file names and a column of labels. What cannot be matched is listed, never guessed.
"""

import dataclasses
import fnmatch
import io as text_io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from gcims_jax import io
from gcims_jax.errors import InputError, counted, need

NAME_COLUMNS = ("name", "file", "filename", "file name", "file_name")
LABEL_COLUMNS = ("label", "class", "labels")


class Entry(NamedTuple):
    """One file of a set.

    Attributes:
      path: where it is.
      name: unique in the set; the path below the folder, without its ending where that is unique.
      label: class name.
      group: batch or physical sample, None where the set has no groups.
      covariates: other columns of the table, by name.
    """

    path: Path
    name: str
    label: str
    group: str | None
    covariates: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Listing:
    """The files of a set and what was left out of it.

    Attributes:
      root: the folder.
      entries: sorted by path.
      unmatched_files: files that no reader knows, that have no class, or that no row of the table names.
      unmatched_rows: names in the table that no file has.
      warnings: what looks like a mistake.
    """

    root: Path
    entries: tuple[Entry, ...]
    unmatched_files: tuple[str, ...] = ()
    unmatched_rows: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def describe(self) -> str:
        """What was found and what not, at most ten names of each."""
        classes = {e.label for e in self.entries}
        lines = [f"{self.root}: {counted(len(self.entries), 'file')} in {counted(len(classes), 'class')}"]
        for what, rest, names in (
            ("file", "left out", self.unmatched_files),
            ("row", "without a file", self.unmatched_rows),
        ):
            if names:
                lines.append(f"{counted(len(names), what)} {rest}: {_some(names, 10)}")
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])

    def check_classes(self) -> None:
        """Raises InputError unless there are two classes or more: a folder too high, or one class alone."""
        labels = {e.label for e in self.entries}
        if len(labels) < 2:
            (label,) = labels
            parts = [e.path.relative_to(self.root).parts for e in self.entries]
            below = sorted({p[1] for p in parts if len(p) > 2})
            remedy = (
                f"; if {_some(below, 3)} are the classes, give {self.root / label} instead"
                if len(below) > 1 and (self.root / label).is_dir()
                else "; give the folder above the classes"
            )
            raise InputError(
                f"{self.root}: expected 2 classes or more, as Class/file or Class/Sample/file, got one, {label!r}{remedy}"
                + _hint(self.root)
            )


def scan(
    root: str | Path,
    table: str | Path | None = None,
    *,
    classes: Sequence[str] = (),
    pattern: str = "",
    group_column: str = "group",
) -> Listing:
    """Lists the record files below a folder, with labels from folders or from a table.

    Args:
      root: the folder. Files and folders whose names begin with a dot are skipped.
      table: .csv (comma, semicolon or tab) or .xlsx with columns ``name`` (file name, with or without ending, or path
        within the folder), ``label``, optionally ``group`` and others. Without one, the first level of folders is the
        label and the second, where there is one, the physical sample: group ``Class/Sample``, whatever lies deeper.
      classes: labels to keep; () keeps all.
      pattern: shell pattern of file names, or of paths within the folder, to keep; "" keeps all.
      group_column: column of the table that holds the group, for example ``batch``.

    Raises:
      InputError: no such folder or table, no file, columns that are missing, a name that fits several files or rows,
        a class without a file.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(
            f"{root}: expected a folder with record files, found {'a file' if root.exists() else 'nothing'}"
        )
    files, unmatched = [], []
    for path in _walk(root):
        (files if io.is_known(path) else unmatched).append(path)
    if table is None:
        found, more, rows = *_from_folders(root, files), ()
    else:
        unmatched = [p for p in unmatched if p != Path(table)]
        files = [p for p in files if p != Path(table)]
        found, more, rows = _from_table(root, files, Path(table), group_column)
    missing = sorted(set(classes) - {e.label for e in found})
    if missing:
        raise InputError(
            f"{root}: expected files of class {missing[0]!r}, found only {', '.join(sorted({e.label for e in found}))}"
        )
    kept = [
        e
        for e in found
        if (not classes or e.label in classes)
        and (
            not pattern
            or fnmatch.fnmatchcase(e.path.name, pattern)
            or fnmatch.fnmatchcase(e.path.relative_to(root).as_posix(), pattern)
        )
    ]
    if table is not None and not found:
        there = [p.relative_to(root).as_posix() for p in files]
        raise InputError(
            f"{table}: expected names of files below {root}, for example {_some(there, 2) or 'one that is there'}, got "
            f"{_some(rows, 3) or 'no rows'}; write them as they are in the folder"
        )
    unmatched_files = tuple(sorted(p.relative_to(root).as_posix() for p in [*unmatched, *more]))
    if not kept:
        raise InputError(
            f"{root}: expected record files as Class/file or Class/Sample/file with endings {', '.join(io.endings())}"
            + (f" that fit {pattern!r}" if pattern else "")
            + f"; found {counted(len(found), 'record file')} with a class and {counted(len(unmatched_files), 'other')}"
            + (f" ({_some(unmatched_files, 5)})" if unmatched_files else "")
            + _hint(root)
        )
    warnings = _stray(root, kept) if table is None else ()
    return Listing(root, tuple(_named(root, kept)), unmatched_files, tuple(rows), warnings)


def _walk(folder: Path) -> list[Path]:
    """All files below, and folders that are stores of a known format, sorted."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not io.is_known(path):
            found.extend(_walk(path))
        else:
            found.append(path)
    return found


def _from_folders(root: Path, files: list[Path]) -> tuple[list[Entry], list[Path]]:
    entries, without_class = [], []
    for path in files:
        label, *samples = path.relative_to(root).parts[:-1] or (None,)
        if label is None:
            without_class.append(path)
        else:
            entries.append(Entry(path, "", label, f"{label}/{samples[0]}" if samples else None, {}))
    if any(e.group for e in entries):
        # A file beside sample folders is a sample of its own.
        entries = [e if e.group else e._replace(group=f"{e.label}/{e.path.name}") for e in entries]
    return entries, without_class


def _stray(root: Path, entries: list[Entry]) -> tuple[str, ...]:
    """Few files deeper or less deep than the others: they change what stays together."""
    depths = [len(e.path.relative_to(root).parts) for e in entries]
    usual = max(set(depths), key=depths.count)
    others = [e.path.relative_to(root).as_posix() for e, depth in zip(entries, depths, strict=True) if depth != usual]
    if not others:
        return ()
    layout = "/".join(["Class", "Sample", *["folder"] * usual][: usual - 1])
    return (
        f"{counted(len(others), 'file')} of {len(entries)} not in {layout} as the others: {_some(others, 3)}; a folder within a class is "
        "a physical sample, whose records stay together: move the files, or leave them out with --pattern",
    )


def _hint(root: Path) -> str:
    """How to name labels without folders, and which tables lie there."""
    tables = _tables(root)
    there = f", for example {root / tables[0]}" if tables else ""
    more = f"; tables there: {', '.join(tables)}" if len(tables) > 1 else ""
    return f"; or name files and labels in a table with --data.table{there}{more}"


def _tables(root: Path) -> list[str]:
    """Tables of names and labels in a folder."""
    tables = []
    for path in sorted(root.iterdir()):
        if path.suffix.lower() == ".xlsx":
            tables.append(path.name)
        elif path.suffix.lower() in (".csv", ".tsv", ".txt") and path.is_file():
            with path.open(encoding="utf-8-sig", errors="replace") as lines:
                head = lines.readline(1000).strip()
            cells = {cell.strip().lower() for cell in head.split(_separator(head))}
            if cells & set(NAME_COLUMNS) and cells & set(LABEL_COLUMNS):
                tables.append(path.name)
    return tables


def _some(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _separator(line: str) -> str:
    return max(",;\t", key=line.count)


def _from_table(
    root: Path, files: list[Path], table: Path, group_column: str
) -> tuple[list[Entry], list[Path], list[str]]:
    if not table.is_file():
        raise InputError(
            f"--data.table: expected a table of file names and labels, found no {table}"
            + (_hint(root) if _tables(root) else "; check the path")
        )
    rows, columns = _read_table(table)
    name_column = _column(columns, NAME_COLUMNS, table)
    label_column = _column(columns, LABEL_COLUMNS, table)
    if group_column not in columns and group_column != "group":
        raise InputError(f"{table}: expected a column {group_column!r} for the groups, got {', '.join(columns)}")
    by_key: dict[str, set[Path]] = {}
    for path in files:
        relative = path.relative_to(root)
        for key in (relative.as_posix(), _stem(relative.as_posix()), path.name, _stem(path.name)):
            by_key.setdefault(key, set()).add(path)
    entries: dict[Path, Entry] = {}
    unmatched_rows = []
    for number, row in enumerate(rows, start=2):
        name, label = row[name_column].strip(), row[label_column].strip()
        if not name or not label:
            raise InputError(f"{table}, row {number}: expected a file name and a label, got {name!r} and {label!r}")
        paths = by_key.get(name.replace("\\", "/"), set())
        if not paths:
            unmatched_rows.append(name)
            continue
        if len(paths) > 1:
            raise InputError(
                f"{table}, row {number}: {name!r} fits {len(paths)} files "
                f"({', '.join(sorted(p.relative_to(root).as_posix() for p in paths)[:3])}); write the path within {root}"
            )
        (path,) = paths
        if path in entries:
            raise InputError(f"{table}, row {number}: expected each file once, got {name!r} again; drop one row")
        others = {c: row[c] for c in columns if c not in (name_column, label_column, group_column)}
        group = row[group_column].strip() if group_column in columns else None
        if group == "":
            raise InputError(f"{table}, row {number}: expected a {group_column} for every file, got none for {name!r}")
        entries[path] = Entry(path, "", label, group, others)
    return [entries[p] for p in files if p in entries], [p for p in files if p not in entries], unmatched_rows


def _read_table(table: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Rows as texts by column name."""
    ending = table.suffix.lower()
    if ending not in (".csv", ".tsv", ".txt", ".xlsx"):
        raise InputError(f"{table}: expected a table ending in .csv or .xlsx, got {ending!r}")
    if ending == ".xlsx":
        need("openpyxl", "excel", str(table))
    options = {"header": None, "dtype": str, "keep_default_na": False}
    try:
        if ending == ".xlsx":
            frame = pd.read_excel(table, engine="openpyxl", **options)
        else:
            text = table.read_text(encoding="utf-8-sig")
            frame = pd.read_csv(text_io.StringIO(text), sep=_separator(text.split("\n", 1)[0]), **options)
        cells = frame.fillna("").astype(str).to_numpy().tolist()
        columns, rows = [c.strip() for c in cells[0]], cells[1:]
    except Exception as error:  # pandas, zipfile, openpyxl and xml each have their own
        raise InputError(
            f"{table}: expected a table, got something unreadable ({error}); save it anew as .csv"
        ) from error
    if len(set(columns)) < len(columns):
        raise InputError(f"{table}: expected columns of different names, got {columns}")
    return [dict(zip(columns, row, strict=True)) for row in rows], columns


def _column(columns: list[str], accepted: tuple[str, ...], table: Path) -> str:
    found = [c for c in columns if c.lower() in accepted]
    if len(found) != 1:
        raise InputError(f"{table}: expected one column named {accepted[0]!r}, got columns {columns}")
    return found[0]


def _named(root: Path, entries: list[Entry]) -> list[Entry]:
    """Names: the path below the folder, without its ending where names stay unique."""
    paths = [e.path.relative_to(root).as_posix() for e in entries]
    stems = [_stem(path) for path in paths]
    names = stems if len(set(stems)) == len(stems) else paths
    return [e._replace(name=name) for e, name in zip(entries, names, strict=True)]


def _stem(name: str) -> str:
    """The name without its ending, whole endings such as .mea.gz included."""
    lower = name.lower()
    for ending in sorted(io.endings(), key=len, reverse=True):
        if lower.endswith(ending):
            return name[: -len(ending)]
    return name
