"""Converts a folder of instrument files, of any number, into one chunked native store.

    gcims-jax ingest --input DIR --output store.zarr --rip-relative --fast-range 1.05:2 --fast-level 3

From a clone it is ``python -m experiments.ingest``. Files are read, cropped and compressed in parallel (on this machine, or on
a Dask cluster with --scheduler) and stored one by one, in the order of their paths. A file that cannot be used is named and
skipped; the exit status is then 3. The same command again goes on where an interrupted one stopped. Every command takes the
store as --input.
"""

import argparse
import collections
import contextlib
import functools
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict
from tqdm import tqdm

from gcims_jax.errors import InputError, counted, need
from gcims_jax.io import store
from gcims_jax.io.checks import check_place
from gcims_jax.io.folders import Entry, Listing
from gcims_jax.preprocessing import conversion
from gcims_jax.preprocessing.conversion import ConversionConfig, Plan

from . import cluster, command, data
from .workdir import to_json, write_text

SKIPPED = 3  # exit status: stored, but without some files
MOST_WORKERS = 4  # by default: each holds a file
Submit = Callable[..., Any]  # a function and its arguments; gives a future


class Row(NamedTuple):
    """What became of a file; a line of the journal.

    Attributes:
      path: within the folder.
      names: of its records; empty where it was skipped.
      attrs: its metadata.
      error: why it was skipped, else empty.
    """

    path: str
    names: list[str]
    attrs: dict[str, Any]
    error: str


def main(argv: list[str] | None = None) -> int:
    """Returns the exit status: 0, 1 where input was refused, 3 where files were skipped, 130 when interrupted."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return command.main("ingest", _run, argv)
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _parser() -> command.Parser:
    parser = command.Parser("ingest", __doc__)
    add = parser.add_argument
    add("--output", type=Path, help="store to make; its name ends in .zarr")
    for which in ("slow", "fast"):
        add(f"--{which}-range", default="", help=f"low:high to keep of the {which} axis")
        add(f"--{which}-level", type=int, default=0, help="halvings by wavelet approximation; default 0")
    add("--wavelet", default="db3", help="of the approximation; default db3")
    add(
        "--workers",
        type=int,
        default=min(MOST_WORKERS, os.cpu_count() or 1),
        help=f"files at a time on this machine; default up to {MOST_WORKERS}",
    )
    add("--processes", action="store_true", help="workers are processes (Dask): more memory, faster for text files")
    add("--scheduler", default="", help="address of a Dask cluster to use instead, for example tcp://host:8786")
    add("--strict", action="store_true", help="stop at the first file that cannot be used")
    return parser


def _run(argv: list[str]) -> int:
    start = time.perf_counter()
    arguments, recipe = command.read(_parser(), argv, "quickstart")
    output = arguments.output
    if output is None:
        raise InputError("--output: expected a store to make, for example store.zarr, got none")
    if output.suffix != ".zarr":
        raise InputError(f"--output: expected a name that ends in .zarr, got {output}")
    if output.exists():
        raise InputError(f"{output}: expected no such store yet, found one; choose another --output or delete it")
    if arguments.workers < 1:
        raise InputError(f"--workers: expected at least 1, got {arguments.workers}")
    check_place(output, "choose another --output")
    section = _section(recipe.data)
    config = _config(arguments, section)
    listing = data.scan(section)
    print(listing.describe(), flush=True)
    print(data.handling(section, arguments.slow_range, arguments.fast_range), flush=True)
    part = output.with_name(f".{output.name}.part")
    _claim(part, listing, config)
    with _workers(arguments) as (submit, ahead):
        plan, counts, bad = _look(part, listing, config, submit, ahead, arguments.strict)
        rows = _store(part, listing, plan, counts, submit, ahead, arguments.strict)
    bad |= {row.path: row.error for row in rows.values() if row.error}
    stored = [e for e in listing.entries if rows.get(_key(listing, e), Row("", [], {}, "")).names]
    _refuse_if_none(listing, stored, bad)
    _complete(part, listing, plan, rows, stored)
    store.move(part / "store", output)
    shutil.rmtree(part)
    for path, error in sorted(bad.items()):
        print(f"skipped {path}: {error}", file=sys.stderr)
    n = sum(len(rows[_key(listing, e)].names) for e in stored)
    print(
        f"{output}: {counted(n, 'record')} of {len(plan.slow_out.values)} × {len(plan.fast_out.values)} points from "
        f"{counted(len(stored), 'file')}, {len(bad)} skipped; {time.perf_counter() - start:.1f} s"
    )
    return SKIPPED if bad else 0


def _section(section: ConfigDict) -> ConfigDict:
    """The section ``data`` with the whole path: workers may have another working directory."""
    if not section.path:
        raise InputError("--input: expected a folder of files, got none")
    section = section.copy_and_resolve_references()
    section.path = str(Path(section.path).absolute())
    return section


def _config(arguments: argparse.Namespace, section: ConfigDict) -> ConversionConfig:
    return data.conversion_config(
        section,
        slow_range=data.parse_range("--slow-range", arguments.slow_range),
        fast_range=data.parse_range("--fast-range", arguments.fast_range),
        slow_level=arguments.slow_level,
        fast_level=arguments.fast_level,
        wavelet=arguments.wavelet,
    )


@contextlib.contextmanager
def _workers(arguments: argparse.Namespace) -> Iterator[tuple[Submit, int]]:
    """What starts a call on a worker, and how many files may be under way at a time."""
    if not (arguments.scheduler or arguments.processes):
        with ThreadPoolExecutor(arguments.workers) as pool:
            try:
                yield pool.submit, arguments.workers + 1
            finally:
                pool.shutdown(cancel_futures=True)
        return
    if arguments.scheduler:
        with cluster.connect(arguments.scheduler) as client:
            yield functools.partial(client.submit, pure=False), 2 * sum(client.nthreads().values())
        return
    distributed = need("dask.distributed", "dask", "--processes")
    with (
        need("dask", "dask", "--processes").config.set({"distributed.admin.log-format": "%(message)s"}),
        tempfile.TemporaryDirectory(prefix="ingest_") as folder,
        distributed.LocalCluster(
            n_workers=arguments.workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=folder,
            silence_logs="CRITICAL",
        ) as local,
        distributed.Client(local) as client,
    ):
        yield functools.partial(client.submit, pure=False), arguments.workers + 1


def _in_order(
    submit: Submit, ahead: int, function: Callable, entries: Sequence[Entry], *arguments: Any
) -> Iterator[tuple[Entry, Any, str]]:
    """Entry, result and error of each, in their order; at most ``ahead`` are under way or wait to be taken."""
    pending: collections.deque = collections.deque()
    waiting = iter(entries)
    while True:
        while len(pending) < ahead and (entry := next(waiting, None)) is not None:
            pending.append((entry, submit(conversion.attempt, function, entry, *arguments)))
        if not pending:
            return
        entry, future = pending.popleft()
        try:
            result, error = future.result()
        except Exception as reason:  # a worker that died, as for want of memory, or a result that did not arrive
            result, error = None, f"no result from the worker ({type(reason).__name__}: {reason})"
        del future
        yield entry, result, error


def _claim(part: Path, listing: Listing, config: ConversionConfig) -> None:
    """Takes the folder of an unfinished ingest: a new one, or one of the same files and options."""
    files = [[_key(listing, e), e.name, e.label, e.group, e.path.stat().st_size] for e in listing.entries]
    identity = to_json({"options": repr(config), "files": files})
    path = part / "identity.json"
    if path.exists() and path.read_text() != identity:
        raise InputError(
            f"{part}: expected an unfinished ingest of the same files with the same options, found another; "
            "choose another --output, or delete that folder to start over"
        )
    write_text(path, identity)


def _look(
    part: Path, listing: Listing, config: ConversionConfig, submit: Submit, ahead: int, strict: bool
) -> tuple[Plan, dict[str, int], dict[str, str]]:
    """The plan, records per usable file, and what is wrong with the others; read back where it was made before."""
    path = part / "plan.json"
    if not path.exists():
        first, usable, slow_extents, fast_extents, counts, bad = None, [], [], [], {}, {}
        entries = _in_order(submit, ahead, conversion.probe, listing.entries, config)
        for entry, found, error in tqdm(entries, "axes", len(listing.entries), unit="file", disable=None):
            if error:
                _stop_if(strict, entry, error)
                bad[_key(listing, entry)] = error
                continue
            first = first or found
            usable.append(entry)
            slow_extents.append(found.slow_extent)
            fast_extents.append(found.fast_extents)
            counts[_key(listing, entry)] = found.count
        _refuse_if_none(listing, counts, bad)
        plan, dropped = conversion.choose_plan(usable, first, slow_extents, fast_extents, config)
        for i, why in dropped.items():
            _stop_if(strict, usable[i], why)
            bad[_key(listing, usable[i])] = why
            del counts[_key(listing, usable[i])]
        write_text(path, json.dumps({"plan": conversion.plan_to_json(plan), "counts": counts, "bad": bad}))
    there = json.loads(path.read_text())
    plan = conversion.plan_from_json(there["plan"], config)
    print("\n".join(plan.choices), flush=True)
    return plan, there["counts"], there["bad"]


def _store(
    part: Path, listing: Listing, plan: Plan, counts: dict[str, int], submit: Submit, ahead: int, strict: bool
) -> dict[str, Row]:
    """Converts what is not in the store yet; a line of the journal follows each file's records."""
    journal = part / "journal.jsonl"
    rows = _read_journal(journal)
    values = store.resume(part / "store") if rows else store.create(
        part / "store", plan.slow_out, plan.fast_out, sum(counts.values())
    )  # fmt: skip
    position = sum(len(row.names) for row in rows.values())
    units = next((row.attrs.get("units", "1") for row in rows.values() if row.names), None)
    usable = [e for e in listing.entries if _key(listing, e) in counts]
    left = [e for e in usable if _key(listing, e) not in rows]
    converted = _in_order(submit, ahead, conversion.convert, left, plan)
    bar = tqdm(converted, "records", len(usable), initial=len(usable) - len(left), unit="file", disable=None)
    with journal.open("a") as lines:
        for entry, found, error in bar:
            if not error and units is not None and found.attrs.get("units", "1") != units:
                error = f"expected values in {units!r} as in the files before, got {found.attrs.get('units', '1')!r}"
            if error:
                _stop_if(strict, entry, error)
                row = Row(_key(listing, entry), [], {}, error)
            else:
                units = found.attrs.get("units", "1")
                values[position : position + len(found.names)] = found.values_NxRxT
                position += len(found.names)
                row = Row(_key(listing, entry), list(found.names), json.loads(to_json(dict(found.attrs))), "")
            lines.write(json.dumps(row._asdict()) + "\n")
            lines.flush()
            rows[row.path] = row
    return rows


def _read_journal(path: Path) -> dict[str, Row]:
    """Whole lines only: one that was cut off by a kill is taken away, and its file is converted again."""
    text = path.read_text() if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text(path, whole)
    return {row["path"]: Row(**row) for row in map(json.loads, whole.splitlines())}


def _complete(part: Path, listing: Listing, plan: Plan, rows: dict[str, Row], stored: list[Entry]) -> None:
    found = [rows[_key(listing, e)] for e in stored]
    attrs = None
    for row in found:
        attrs = conversion.shared_attrs(attrs, row.attrs, row.path)
    store.complete(
        part / "store",
        sum(len(row.names) for row in found),
        {
            "slow": plan.slow_out,
            "fast": plan.fast_out,
            "names": [name for row in found for name in row.names],
            "attrs": {**attrs, "grid": "\n".join(plan.choices), "conversion": repr(plan.config)},
            **conversion.per_record(stored, [len(row.names) for row in found]),
        },
    )


def _key(listing: Listing, entry: Entry) -> str:
    return entry.path.relative_to(listing.root).as_posix()


def _stop_if(strict: bool, entry: Entry, error: str) -> None:
    if strict:
        raise InputError(f"{entry.path}: {error}; without --strict it is skipped")


def _refuse_if_none(listing: Listing, usable: Any, bad: dict[str, str]) -> None:
    if not usable:
        path, error = next(iter(bad.items()))
        raise InputError(f"{listing.root}: expected files that can be used, got none; the first, {path}: {error}")


if __name__ == "__main__":
    sys.exit(main())
