"""A study that is scored in no time, for tests of how studies are run."""

from pathlib import Path
from typing import Any

from conftest import make_records

from configs import base
from experiments import settings
from gcims_jax import io


def prepare(folder: Path, folds: int, **study: Any) -> settings.Setup:
    """27 records of two classes, with these options of the study."""
    io.write(make_records((18, 9)), folder / "records.nc")
    config = base.get_config()
    config.data.path = str(folder / "records.nc")
    config.codec.latent = 3
    config.protocol.folds = folds
    config.classifier.trees = 5
    config.study.update({"ratios": (1.0,), "inner_splits": 1, **study})
    return settings.prepare(config)
