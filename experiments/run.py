"""Runs one experiment from a recipe: ``gcims-jax run --config quickstart``.

From a clone: ``python -m experiments.run --config configs/quickstart.py``. Your own data: ``--config.data.path=my_records.nc``.
Results, report, synthetic records and checkpoints go to the work directory; the same command again goes on where an
interrupted run stopped.
"""

import argparse
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
ON_A_CLUSTER = (
    "augment",
    "leaderboard",
    "learning_curve",
    "minority",
    "ratio",
)  # their cells know nothing of each other
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
    add = parser.add_argument
    add("--scheduler", default="", help="Dask cluster that scores a study's cells, for example tcp://host:8786")
    add("--coordinator", default="", help="HOST:PORT of the first of several processes that train codecs together")
    add("--processes", type=int, help="how many there are, with --coordinator")
    add("--process", type=int, help="which one this is, from 0")
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
    if own.scheduler and config.experiment not in ON_A_CLUSTER:
        raise InputError(f"--scheduler: expected a study ({', '.join(ON_A_CLUSTER)}), got {config.experiment}")
    _execute(config, Path(own.workdir or Path("runs") / Path(own.config).stem), own)


def _execute(config: ConfigDict, folder: Path, own: argparse.Namespace) -> None:
    start = time.perf_counter()
    print(f"data: {config.data.path or 'simulated records'}", flush=True)
    with Progress() as progress:
        closing = _work(config, folder, own, progress)
    from gcims_jax import hosts

    report = f"; report: {folder / 'report.html'}" if hosts.is_first() else ""
    print(f"\n{closing}\n{time.perf_counter() - start:.0f} s{report}")


def _work(config: ConfigDict, folder: Path, own: argparse.Namespace, progress: Progress) -> str:
    start = time.perf_counter()
    import jax
    from absl import logging

    from gcims_jax import hosts
    from gcims_jax.codec.train import TrainingDiverged
    from gcims_jax.io.checks import check_place

    from . import cluster, settings, workdir
    from .job import Job

    several = hosts.start(own.coordinator, own.processes, own.process)
    logging.set_verbosity(logging.WARNING)  # JAX and orbax narrate
    if own.compilation_cache:
        jax.config.update("jax_compilation_cache_dir", str(Path(own.compilation_cache).absolute()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # small programs are many
    identity = software = None
    try:
        if several:
            _check_shared(config)
        if hosts.is_first():
            check_place(folder, "choose another --workdir", folder=True)
            if own.compilation_cache:
                check_place(Path(own.compilation_cache), "choose another --compilation_cache", folder=True)
        cluster.check(own.scheduler)
        setup = settings.prepare(config)
        software = workdir.about_software()
        made_by = {**software["versions"], "code": workdir.code_version()}
        about = {**software, "device": settings.describe_device(), "seed": config.seed}
        data = settings.about_data(setup)
        if hosts.is_first():
            workdir.claim(folder, identity={"config": config.to_dict(), "data": data, "software": made_by}, about=about)
        identity = {"configuration": workdir.to_json(config.to_dict()), "data": str(data), "code": str(made_by)}
    finally:
        hosts.agree(identity)  # also where this process cannot go on, so that the others need not wait for it
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
        return experiment(Job(setup, folder, software, seconds, progress, own.scheduler))
    except TrainingDiverged as error:
        raise InputError(str(error)) from error


def _check_shared(config: ConfigDict) -> None:
    """Raises InputError for runs that several processes have nothing to share in."""
    if config.experiment != "augmentation" or config.protocol.budget_minutes or config.train.ensemble == "off":
        raise InputError(
            "--coordinator: expected experiment augmentation without protocol.budget_minutes and with train.ensemble other than "
            f"off, whose codecs several processes train together, got {config.experiment}; leave --coordinator out"
        )


if __name__ == "__main__":
    sys.exit(main())
