"""Runs one experiment from a recipe: ``gcims-jax run --config quickstart``.

From a clone: ``python -m experiments.run --config configs/quickstart.py``. Your own data: ``--config.data.path=my_records.nc``.
Results, report, synthetic records and checkpoints go to the work directory; the same command again goes on where an
interrupted run stopped.
"""

import importlib
import os
import signal
import sys
import time
from pathlib import Path

from ml_collections import ConfigDict

from gcims_jax.errors import InputError, suggest

from . import command
from .progress import Progress

# Module and function of each; it writes its results and returns what to print. They are imported when they are run: JAX
# and what stands on it take seconds, and mistakes on the command line are told before.
EXPERIMENTS = {
    "augment": "augment.run",
    "augmentation": "augmentation.run",
    "calibrate_verdict": "calibrate_verdict.run",
    "codec_ablation": "codec_ablation.run",
    "cross_dimension": "cross_dimension.run",
    "diagnostics": "diagnostics.run",
    "instrument_peaks": "instrument_peaks.run",
    "latent_dimension": "latent_dimension.run",
    "leaderboard": "studies.leaderboard",
    "learning_curve": "studies.learning_curve",
    "minority": "studies.minority",
    "ratio": "studies.ratio",
    "registration": "registration_study.run",
    "sampler_study": "sampler_study.run",
    "synthetic_sanity": "synthetic_sanity.run",
}
AUGMENT = """Makes synthetic records with the generators that did best, and says whether they help on your data.

gcims-jax augment FILE_OR_FOLDER is gcims-jax run --config augment --input FILE_OR_FOLDER."""


def main(argv: list[str] | None = None) -> int:
    """Checks everything, then runs; gives the exit status."""
    return command.main("run", lambda options: _run(command.Parser("run", __doc__), options, None), argv)


def augment(argv: list[str] | None = None) -> int:
    """The same with the recipe of that name, for records of one's own."""
    return command.main("augment", lambda options: _run(command.Parser("augment", AUGMENT), options, "augment"), argv)


def _interrupted(*_: object) -> None:
    """Ctrl-C: files and checkpoints are whole or absent at any moment, so leaving at once is safe, mid-save too."""
    print("\ninterrupted; the same command goes on from here", file=sys.stderr, flush=True)
    os._exit(130)


def _run(parser: command.Parser, argv: list[str], recipe: str | None) -> None:
    signal.signal(signal.SIGINT, _interrupted)
    parser.add_argument("--workdir", help="where results go; default runs/NAME_OF_RECIPE")
    parser.add_argument("--compilation_cache", help="folder in which JAX keeps compiled code for later runs")
    own, config = command.read(parser, argv, recipe)
    if recipe and not config.data.path:
        raise InputError("augment: expected records, for example gcims-jax augment my_records.nc, got none")
    if config.experiment == "benchmark":
        raise InputError("experiment: expected one of a single data set, got benchmark; gcims-jax benchmark runs it")
    if config.experiment not in EXPERIMENTS:
        raise InputError(
            f"experiment: expected one of {', '.join(EXPERIMENTS)}, got {config.experiment!r}"
            + suggest(config.experiment, EXPERIMENTS)
        )
    _execute(config, Path(own.workdir or Path("runs") / Path(own.config).stem), own.compilation_cache)


def _execute(config: ConfigDict, folder: Path, cache: str | None) -> None:
    start = time.perf_counter()
    print(f"data: {config.data.path or 'simulated records'}", flush=True)
    with Progress() as progress:
        closing = _work(config, folder, cache, progress)
    print(f"\n{closing}\n{time.perf_counter() - start:.0f} s; report: {folder / 'report.html'}")


def _work(config: ConfigDict, folder: Path, cache: str | None, progress: Progress) -> str:
    start = time.perf_counter()
    import jax
    from absl import logging

    from gcims_jax.codec.train import TrainingDiverged
    from gcims_jax.io.checks import check_place

    from . import settings, workdir
    from .job import Job

    logging.set_verbosity(logging.WARNING)  # JAX and orbax narrate
    if cache:
        jax.config.update("jax_compilation_cache_dir", str(Path(cache).absolute()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # small programs are many
    check_place(folder, "choose another --workdir", folder=True)
    if cache:
        check_place(Path(cache), "choose another --compilation_cache", folder=True)
    setup = settings.prepare(config)
    software = workdir.about_software()
    made_by = {**software["versions"], "code": workdir.code_version()}
    workdir.claim(
        folder,
        identity={"config": config.to_dict(), "data": settings.about_data(setup), "software": made_by},
        about={**software, "device": settings.describe_device(), "seed": config.seed},
    )
    n, r, t = setup.records.shape
    print(
        f"{n} records of {r} × {t} points, {len(setup.records.classes)} classes; preprocessed to "
        f"{' × '.join(map(str, setup.compression.shape))}; {'at most ' * bool(setup.budget_minutes)}"
        f"{len(setup.folds)} folds; {settings.describe_device()}",
        flush=True,
    )
    seconds = {"data": time.perf_counter() - start}
    if setup.banner:
        print(setup.banner, flush=True)
    module, function = EXPERIMENTS[config.experiment].split(".")
    experiment = getattr(importlib.import_module(f".{module}", __package__), function)
    try:
        return experiment(Job(setup, folder, software, seconds, progress))
    except TrainingDiverged as error:
        raise InputError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
