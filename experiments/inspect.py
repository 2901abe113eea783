"""Looks at a set of records: ``python -m experiments.inspect --data.path=DIR_OR_FILE``.

Takes the options of the section ``data`` in configs/base.py that say which files, for example ``--data.table``. Prints
what there is and what is odd about it; the page with a contact sheet goes to the work directory. Files stay as they
are, and one record is in memory at a time, so mixed axes and broken files are part of what it shows.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags
from tqdm import tqdm

from configs import base
from experiments import data
from gcims_jax import io
from gcims_jax.errors import InputError
from gcims_jax.io.folders import Entry
from gcims_jax.preprocessing import conversion, inspection
from gcims_jax.preprocessing.inspection import Look
from gcims_jax.records import Records
from gcims_jax.reports import inspection as inspection_page

DATA = config_flags.DEFINE_config_dict("data", base.get_config().data)
WORKDIR = flags.DEFINE_string("workdir", "runs/inspect", "Where the page and its pictures go.")


def main(argv: list[str]) -> None:
    """Prints and writes; input errors end with one message."""
    try:
        if len(argv) > 1:
            raise InputError(f"command line: expected options that begin with --, got {argv[1:]}")
        _run()
    except InputError as error:
        sys.exit(f"error: {error}")


def _run() -> None:
    section, workdir = DATA.value, Path(WORKDIR.value)
    left_out, broken = [], []
    if data.is_folder(section):
        listing = data.scan(section)
        left_out += [(name, "no record file, or none with a label") for name in listing.unmatched_files]
        left_out += [(name, "named in the table, but there is no such file") for name in listing.unmatched_rows]
        looks = list(_look_at_files(listing.entries, broken))
    else:
        looks = list(_look_at(data.load(section, seed=0)))
    if not looks:
        raise InputError(f"{section.path}: expected files that can be read, got none; {broken[0][0]}: {broken[0][1]}")
    warnings = [f"cannot be read: {name}: {error}" for name, error in broken] + inspection.warnings(looks)
    for what, value in inspection.summary(looks):
        print(f"{what:18s} {value}")
    classes, groups, counts = inspection_page.classes_by_groups(looks)
    for label, row in zip(classes, counts, strict=True):
        of_groups = "" if groups == ["no group"] else f" in {sum(n > 0 for n in row)} of {len(groups)} groups"
        print(f"class {label}: {sum(row)} records{of_groups}")
    for name, why in left_out:
        print(f"left out {name}: {why}")
    for text in warnings:
        print(f"warning: {text}")
    workdir.mkdir(parents=True, exist_ok=True)
    inspection_page.write(workdir, looks, warnings, left_out)
    print(f"\npage: {workdir / 'report.html'}; contact sheet: {workdir / 'figures' / 'contact_sheet.png'}")


def _look_at_files(entries: tuple[Entry, ...], broken: list[tuple[str, str]]) -> Iterator[Look]:
    """Looks at one file after the other; those that cannot be read are added to ``broken``."""
    for entry in tqdm(entries, "looking", unit="file", disable=None, leave=False):
        records, error = conversion.attempt(lambda e: io.read(e.path), entry)
        if error:
            broken.append((entry.path.name, error))
            continue
        for i, record_RxT in enumerate(records.values):
            name = entry.name if len(records) == 1 else f"{entry.name}_{records.names[i]}"
            yield inspection.look(
                record_RxT, records.slow, records.fast, name=name, label=entry.label, group=entry.group
            )


def _look_at(records: Records) -> Iterator[Look]:
    for i, record_RxT in enumerate(records.values):
        group = None if records.groups is None else str(records.groups[i])
        name, label = str(records.names[i]), str(records.labels[i])
        yield inspection.look(record_RxT, records.slow, records.fast, name=name, label=label, group=group)


if __name__ == "__main__":
    app.run(main)
