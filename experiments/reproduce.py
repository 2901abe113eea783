"""Runs the studies behind README and documentation again and writes their figures: ``python -m experiments.reproduce``.

Each study is a run in ``runs/reproduce/NAME`` that goes on where it stopped; its figures become ``docs/results/NAME.json``,
and tables, figures and pictures of the documentation are written from these files. ``--check`` says in seconds whether
documentation and files agree, ``--fill`` writes the documentation from the files without running anything.
"""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from gcims_jax.errors import InputError, suggest

from . import command, published, workdir
from .published import ROOT, STUDIES


def main(argv: list[str] | None = None) -> int:
    """Runs, fills or checks; gives the exit status."""
    return command.main("reproduce", _run, argv)


def _run(argv: list[str]) -> int:
    parser = command.Parser("reproduce", __doc__, "%(prog)s OPTIONS")
    parser.add_argument("--only", action="append", help=f"a study; may be given again. Known: {', '.join(STUDIES)}")
    parser.add_argument("--budget", type=float, help="minutes, after which a run is interrupted; it goes on next time")
    parser.add_argument(
        "--data", type=Path, help="folder of real records; studies whose file is not in it are left out"
    )
    parser.add_argument("--check", action="store_true", help="compare documentation and figures, run nothing")
    parser.add_argument("--fill", action="store_true", help="write the documentation from figures, run nothing")
    own = parser.parse_args(argv)
    if not (ROOT / "docs").is_dir():
        raise InputError(
            "reproduce: expected a clone with its folder docs, got an installed package; clone the project"
        )
    if own.check:
        found = list(published.differences(ROOT))
        print("\n".join(found) or "documentation and figures agree")
        return int(bool(found))
    if not own.fill:
        _reproduce(_wanted(own.only), own.data, own.budget)
    fill()
    return 0


def _wanted(only: list[str] | None) -> list[str]:
    if wrong := [name for name in only or () if name not in STUDIES]:
        raise InputError(
            f"--only: expected some of {', '.join(STUDIES)}, got {wrong[0]!r}" + suggest(wrong[0], STUDIES)
        )
    return only or list(STUDIES)


def _reproduce(names: list[str], data: Path | None, budget: float | None) -> None:
    revision = workdir.about_software()["git_revision"]
    if revision is None or revision.endswith("-dirty"):
        raise InputError(
            f"reproduce: expected a clone without changes, whose commit says what was run, got {revision}; commit first"
        )
    end = None if budget is None else time.monotonic() + 60 * budget
    for name in names:
        study = STUDIES[name]
        path = next(iter(sorted(data.rglob(study.data))), None) if data and study.data else None
        if study.data and path is None:
            print(f"{name}: left out, --data names no folder with {study.data}", flush=True)
            continue
        folder = ROOT / "runs" / "reproduce" / name
        print(f"{name}: {study.typed()}", flush=True)
        if not _finished(study.argv(path), folder, end):
            print(f"{name}: the budget is over; the same command goes on from here", flush=True)
            return
        publish(name, folder, ROOT)


def _finished(options: list[str], folder: Path, end: float | None) -> bool:
    """Runs in a process of its own, whose memory goes back; whether it came to its end in time."""
    process = subprocess.Popen([sys.executable, "-m", "experiments.run", *options, f"--workdir={folder}"], cwd=ROOT)
    try:
        status = process.wait(None if end is None else max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()
        return False
    except KeyboardInterrupt:
        process.wait()
        raise
    if status:
        raise InputError(f"{folder.name}: expected a run that ends well, got exit status {status}; see above")
    return True


def publish(name: str, folder: Path, root: Path) -> None:
    """Writes the figures of a finished run, and its pictures, into the documentation."""
    made, about = (json.loads((folder / file).read_text()) for file in ("results.json", "config.json"))
    study = STUDIES[name]
    pictures = {}
    for picture, source in study.pictures.items():
        shutil.copyfile(folder / "figures" / source, root / "docs" / picture)
        pictures[picture] = published.hash_of(root / "docs" / picture)
    options = published.read_by(about["config"])
    if study.data:
        options["data"]["path"] = study.data
    found = {
        "command": study.typed(),
        "commit": about["git_revision"],
        "device": about["device"],
        "versions": about["versions"],
        "data": about["data"],
        "options": options,
        "seconds": made["timing"]["total"],
        "pictures": pictures,
        "figures": published.keep(made),
    }
    (root / "docs" / "results").mkdir(exist_ok=True)
    workdir.write_text(root / "docs" / "results" / f"{name}.json", workdir.to_json(found))


def fill(root: Path = ROOT) -> None:
    """Writes tables and figures of all pages from ``docs/results``."""
    made = published.load(root / "docs")
    for page in published.pages(root):
        text = page.read_text(encoding="utf-8")
        if (filled := published.fill(text, made)) != text:
            workdir.write_text(page, filled)
            print(f"{page.relative_to(root)}: written", flush=True)


if __name__ == "__main__":
    sys.exit(main())
