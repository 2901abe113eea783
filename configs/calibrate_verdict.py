"""How often does the verdict say "helps" where nothing helps, and how often where something does?

python -m experiments.run --config configs/calibrate_verdict.py

20 minutes on one core of a busy machine.
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """200 data sets in each condition where nothing helps, 100 where something does."""
    config = base.get_config()
    config.experiment = "calibrate_verdict"
    config.data.n_retention, config.data.n_drift = 64, 128  # not used
    return config
