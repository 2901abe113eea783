"""Which generators help on which kind of data? ``gcims-jax benchmark``; from a clone ``python -m experiments.benchmark``.

So many records of a class teach and all other groups are tested, in 20 draws: what is left of chance is small. Simulated
sets differ in what varies between their records; real files come beside them. The same command goes on where it stopped.
"""

import sys
from pathlib import Path
from typing import Any

from . import command

if __name__ == "__main__":
    command.begin("benchmark", sys.argv[1:])  # before the imports below, which take seconds

from absl import logging
from ml_collections import ConfigDict

from gcims_jax.errors import InputError, suggest
from gcims_jax.evaluation import low_noise, splits
from gcims_jax.io.checks import check_place
from gcims_jax.reports import benchmark as page

from . import cells, settings, workdir
from .progress import Progress
from .settings import Setup

# What differs from the simulated set as it was measured, in options of the section ``data``.
SETS: dict[str, dict[str, Any]] = {
    "peaks at rest": {"misalignment": 0.0},
    "as measured": {},
    "peaks move twice as far": {"misalignment": 2.0},
    "strong batches": {"batch_log_sd": 0.5, "group_column": "batch"},
    "batches unequal by class": {"batch_log_sd": 0.5, "batch_skew": 1.0},
    "markers come and go": {"absent": 0.3},
    "heavy-tailed amounts": {"tail": 3.0},
    "channel gains": {"gain_log_sd": 0.4},
}
SIMULATED = {"n_retention": 128, "n_drift": 256, "each": 72}


def main(argv: list[str] | None = None) -> int:
    """Runs what is missing and prints a line per set and number; gives the exit status."""
    return command.main("benchmark", _run, argv)


def _run(argv: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)
    parser = command.Parser("benchmark", __doc__, "%(prog)s OPTIONS")
    parser.add_argument("--workdir", default="runs/benchmark", help="where results go; default runs/benchmark")
    own, config = command.read(parser, argv, "benchmark")
    folder = Path(own.workdir)
    sets = _sets(config)
    check_place(folder, "choose another --workdir", folder=True)
    software = workdir.about_software()
    made_by = {**software["versions"], "code": workdir.code_version()}
    about = {**software, "device": settings.describe_device(), "seed": config.seed}
    plans, identities = [], {}
    for name, changed in sets.items():
        setup = _prepare(config, name, changed)
        identities[name] = {
            "config": _what_makes_cells(config),
            "data": settings.about_data(setup),
            "software": made_by,
        }
        for each in map(int, config.benchmark.per_class):
            try:
                plans.append((name, each, _with(setup, each, config)))
            except InputError:
                print(f"{name}, {each} a class: left out, the set is too small", flush=True)
    if not plans:
        raise InputError("benchmark: expected one or more sets with enough records, got none; take smaller per_class")
    for name in dict.fromkeys(name for name, *_ in plans):  # a set is a run of its own: others may be added later
        workdir.claim(folder / _slug(name), identity=identities[name], about=about)
    rows = []
    with Progress() as progress:
        progress.expect(sum(len(setup.folds) * len(setup.study.with_copies()) for *_, setup in plans))
        for name, each, setup in plans:
            found = _score(
                setup, folder / _slug(name) / "checkpoints" / f"class_{each:03d}", progress, f"{name}, {each}"
            )
            rows.append({"set": name, "per_class": each, **found})
            print(page.line(rows[-1]), flush=True)
    summary = {"rows": rows, "sentence": page.sentence(rows)}
    page.write(folder, summary)
    workdir.write_text(folder / "results.json", workdir.to_json(summary))
    print(f"\n{summary['sentence']}\nreport: {folder / 'report.html'}")


def _sets(config: ConfigDict) -> dict[str, dict[str, Any]]:
    """Options of the section ``data`` by name of the set."""
    names = tuple(config.benchmark.sets) or (() if config.benchmark.files else tuple(SETS))
    if wrong := [name for name in names if name not in SETS]:
        raise InputError(
            f"benchmark.sets: expected some of {', '.join(SETS)}, got {wrong[0]!r}" + suggest(wrong[0], SETS)
        )
    if absent := [path for path in config.benchmark.files if not Path(path).exists()]:
        raise InputError(f"benchmark.files: expected files of records, got {absent[0]!r}, which is not there")
    if config.benchmark.draws < 2 or not all(int(each) >= 2 for each in config.benchmark.per_class):
        raise InputError(
            f"benchmark: expected 2 or more draws and training records of a class, got {config.benchmark.draws} draws and "
            f"{tuple(config.benchmark.per_class)}"
        )
    files = {Path(path).stem: {"path": str(path)} for path in config.benchmark.files}
    if len(files) < len(config.benchmark.files):
        raise InputError("benchmark.files: expected files of different names, got two of one name; rename one")
    return {name: {**SIMULATED, **SETS[name]} for name in names} | files


def _prepare(config: ConfigDict, name: str, changed: dict[str, Any]) -> Setup:
    own = ConfigDict(config.to_dict())
    own.experiment = "leaderboard"
    own.data.update(changed)
    try:
        return settings.prepare(own)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _with(setup: Setup, each: int, config: ConfigDict) -> Setup:
    """The set with so many training records of a class in every draw."""
    draws = config.benchmark.draws
    folds = splits.few_per_class(setup.records.labels, setup.part.groups_N, each=each, draws=draws, seed=config.seed)
    return setup._replace(folds=folds)


def _what_makes_cells(config: ConfigDict) -> dict[str, Any]:
    """The options without those that only say which sets, numbers and draws are wanted: more of them go on."""
    own = config.to_dict()
    del own["benchmark"]
    return own


def _slug(name: str) -> str:
    return "_".join(name.split())


def _score(setup: Setup, folder: Path, progress: Progress, title: str) -> dict[str, Any]:
    candidates, files = setup.study.with_copies(), cells.Files(folder)
    plain = {candidate.name for candidate in candidates if candidate.is_plain}
    for _ in range(sum((one.name, i) in files for i in range(len(setup.folds)) for one in candidates)):
        progress.done()
    folds = cells.score(setup, files, lambda name: progress.done(f"{title} a class, {name}"))
    return low_noise.table(folds, setup.truth, plain.__contains__)


if __name__ == "__main__":
    sys.exit(main())
