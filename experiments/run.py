"""Runs one experiment from a config: ``python -m experiments.run --config configs/quickstart.py``.

Any option of the config can be set on the command line: ``--config.train.steps=800``. Your own data:
``--config.data.path=my_records.nc``. Results, report, synthetic records and checkpoints go to the work directory;
the same command again goes on where an interrupted run stopped.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
from absl import app, flags, logging
from ml_collections import config_flags

from experiments import (
    augment,
    augmentation,
    calibrate_verdict,
    codec_ablation,
    command,
    cross_dimension,
    diagnostics,
    instrument_peaks,
    latent_dimension,
    registration_study,
    sampler_study,
    settings,
    studies,
    synthetic_sanity,
    workdir,
)
from experiments.job import Job
from gcims_jax.codec.train import TrainingDiverged
from gcims_jax.errors import InputError

# Each writes its results and returns what to print.
EXPERIMENTS: dict[str, Callable[[Job], str]] = {
    "augment": augment.run,
    "augmentation": augmentation.run,
    "calibrate_verdict": calibrate_verdict.run,
    "codec_ablation": codec_ablation.run,
    "cross_dimension": cross_dimension.run,
    "diagnostics": diagnostics.run,
    "instrument_peaks": instrument_peaks.run,
    "latent_dimension": latent_dimension.run,
    "leaderboard": studies.leaderboard,
    "learning_curve": studies.learning_curve,
    "minority": studies.minority,
    "ratio": studies.ratio,
    "registration": registration_study.run,
    "sampler_study": sampler_study.run,
    "synthetic_sanity": synthetic_sanity.run,
}

CONFIG = config_flags.DEFINE_config_file("config", None, "The recipe, a file in configs/.", lock_config=True)
WORKDIR = flags.DEFINE_string("workdir", None, "Where results go; default runs/NAME_OF_CONFIG.")
CACHE = flags.DEFINE_string(
    "compilation_cache", None, "Folder in which JAX keeps compiled code for later runs; off by default."
)


def main(argv: list[str]) -> None:
    """Checks everything, then runs; input errors and interruptions end with one message."""
    signal.signal(signal.SIGINT, _interrupted)
    logging.set_verbosity(logging.WARNING)  # JAX and orbax narrate
    try:
        command.check(argv)
        if CONFIG.value is None:
            raise InputError("--config: expected a recipe, for example --config configs/quickstart.py, got none")
        _run()
    except (InputError, TrainingDiverged) as error:
        sys.exit(f"error: {error}")


def _interrupted(*_: object) -> None:
    """Ctrl-C: files and checkpoints are whole or absent at any moment, so leaving at once is safe, mid-save too."""
    print("\ninterrupted; the same command goes on from here", file=sys.stderr, flush=True)
    os._exit(130)


def _run() -> None:
    start = time.perf_counter()
    config = CONFIG.value
    if CACHE.value:
        jax.config.update("jax_compilation_cache_dir", str(Path(CACHE.value).absolute()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # small programs are many
    if config.experiment not in EXPERIMENTS:
        raise InputError(f"experiment: expected one of {sorted(EXPERIMENTS)}, got {config.experiment!r}")
    setup = settings.prepare(config)
    folder = Path(WORKDIR.value or Path("runs") / Path(config_flags.get_config_filename(flags.FLAGS["config"])).stem)
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
    closing = EXPERIMENTS[config.experiment](Job(setup, folder, software, seconds))
    print(f"\n{closing}\n{time.perf_counter() - start:.0f} s; report: {folder / 'report.html'}")


if __name__ == "__main__":
    app.run(main, flags_parser=command.parse)
