"""Spoken-digit spectrograms: 203 records of unequal classes, leak-free and as published.

Draws 40, 35, 30, 25, 20, 15, 12, 10, 8 and 8 records of the ten classes by seed.

python -m experiments.run --config configs/spoken_digits.py --config.data.path=spoken_digits.nc
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Both protocols at d = 16."""
    config = base.get_config()
    config.data.path = "set --config.data.path"
    config.data.class_counts = (40, 35, 30, 25, 20, 15, 12, 10, 8, 8)
    config.codec.patch = 16
    config.train.steps = 800
    config.sampler.name = "gaussian_cholesky"
    config.protocol.names = "strict,paper"
    return config
