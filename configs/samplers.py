"""All samplers at their own settings on the simulated records, or with ``--config.data.path=FILE`` on others.

python -m experiments.run --config configs/samplers.py
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Every sampler at d = 16, five folds, twice."""
    config = base.get_config()
    config.experiment = "sampler_study"
    config.protocol.repeats = 2
    return config
