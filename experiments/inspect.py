"""Looks at a set of records: ``gcims-jax inspect DIR_OR_FILE``; from a clone ``python -m experiments.inspect --data.path=DIR_OR_FILE``.

Prints what there is and what is odd about it; the page with a contact sheet goes to the work directory. Files stay as they
are, and one record is in memory at a time, so mixed axes and broken files are part of what it shows.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from . import command

if __name__ == "__main__":
    command.begin("inspect", sys.argv[1:])  # before the imports below, which take seconds

import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from gcims_jax import io
from gcims_jax.errors import InputError, counted
from gcims_jax.io.checks import check_place
from gcims_jax.io.folders import Entry
from gcims_jax.preprocessing import conversion, grid, inspection
from gcims_jax.preprocessing.inspection import Look
from gcims_jax.records import Records
from gcims_jax.reports import inspection as inspection_page

from . import data


def main(argv: list[str] | None = None) -> int:
    """Prints and writes; gives the exit status."""
    return command.main("inspect", _run, argv)


def _run(argv: list[str]) -> None:
    parser = command.Parser("inspect", __doc__)
    parser.add_argument(
        "--workdir", type=Path, default=Path("runs/inspect"), help="where page and pictures go; default runs/inspect"
    )
    own, config = command.read(parser, argv, "quickstart")
    section, workdir = config.data, own.workdir
    check_place(workdir, "choose another --workdir", folder=True)
    left_out, broken, read = [], [], []
    if data.is_folder(section):
        listing = data.scan(section)
        left_out += [(name, "no record file, or none with a label") for name in listing.unmatched_files]
        left_out += [(name, "named in the table, but there is no such file") for name in listing.unmatched_rows]
        looks = list(_look_at_files(listing.entries, broken, read))
    else:
        if not section.path:
            print("simulated records, since no file or folder was named; yours: gcims-jax inspect FILE_OR_FOLDER")
        looks = list(_look_at(data.load(section, seed=0)))
    if not looks:
        raise InputError(f"{section.path}: expected files that can be read, got none; {broken[0][0]}: {broken[0][1]}")
    warnings = [f"cannot be read: {name}: {error}" for name, error in broken] + inspection.warnings(looks)
    warnings += listing.warnings if read else ()
    for what, value in inspection.summary(looks):
        print(f"{what:18s} {value}")
    classes, groups, counts = inspection_page.classes_by_groups(looks)
    for label, row in zip(classes, counts, strict=True):
        of_groups = "" if groups == ["no group"] else f" in {sum(n > 0 for n in row)} of {len(groups)} groups"
        print(f"class {label}: {counted(sum(row), 'record')}{of_groups}")
    for name, why in left_out:
        print(f"left out {name}: {why}")
    ranges = config.preprocess.slow_range, config.preprocess.fast_range
    if data.is_folder(section):
        print(
            "\n".join(["a run with these options takes", data.handling(section, *ranges), *_grid(read, looks, section)])
        )
    for text in warnings:
        print(f"warning: {text}")
    workdir.mkdir(parents=True, exist_ok=True)
    inspection_page.write(workdir, looks, warnings, left_out)
    print(f"\npage: {workdir / 'report.html'}; contact sheet: {workdir / 'figures' / 'contact_sheet.png'}")


def _look_at_files(entries: tuple[Entry, ...], broken: list[tuple[str, str]], read: list[Entry]) -> Iterator[Look]:
    """Looks at one file after the other; those that cannot be read are added to ``broken``, others to ``read`` for each record."""
    for entry in tqdm(entries, "looking", unit="file", disable=None, leave=False):
        records, error = conversion.attempt(lambda e: io.read(e.path), entry)
        if error:
            broken.append((entry.path.name, error))
            continue
        for i, record_RxT in enumerate(records.values):
            read.append(entry)
            name = entry.name if len(records) == 1 else f"{entry.name}_{records.names[i]}"
            yield inspection.look(
                record_RxT, records.slow, records.fast, name=name, label=entry.label, group=entry.group
            )


def _grid(read: list[Entry], looks: list[Look], section: ConfigDict) -> tuple[str, ...]:
    """How a run brings the files to one grid, or why it cannot; nothing where they are one file."""
    if not read:
        return ()
    fasts = [one.fast for one in looks]
    if section.rip_relative:
        if without := [one.name for one in looks if np.isnan(one.rip)]:
            return (f"warning: no reactant ion peak in {without[0]}, which --rip-relative needs",)
        fasts = [grid.relative_extent(one.fast, one.rip) for one in looks]
    config = data.conversion_config(section)
    try:
        first = conversion.probe(read[0], config)
        slows = [one.slow for one in looks]
        plan, dropped = conversion.choose_plan(read, first, slows, [[fast] for fast in fasts], config)
    except InputError as error:
        return (f"warning: a run would end with: {error}",)
    return (*plan.choices, *(f"left out {read[i].name}: {why}" for i, why in dropped.items()))


def _look_at(records: Records) -> Iterator[Look]:
    for i, record_RxT in enumerate(records.values):
        group = None if records.groups is None else str(records.groups[i])
        name, label = str(records.names[i]), str(records.labels[i])
        yield inspection.look(record_RxT, records.slow, records.fast, name=name, label=label, group=group)


if __name__ == "__main__":
    sys.exit(main())
