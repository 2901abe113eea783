"""How often does the verdict say "helps" where nothing helps, and how often where something does?

python -m experiments.run --config configs/calibrate_verdict.py

About 40 minutes of one core. Expect the deciding test to say "helps" in at most 2.5 %, within error, of the data sets of each
condition where nothing helps, and in more than half of those where fresh records add 5 points to 200 records.
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """200 data sets in each condition where nothing helps, 100 where something does."""
    config = base.get_config()
    config.experiment = "calibrate_verdict"
    config.data.n_retention, config.data.n_drift = 64, 128  # not used
    return config
