"""What does registration do? Pictures, and the error of the codec with and without a warp, 5 strict folds.

python -m experiments.run --config configs/registration.py

Spoken digits: --config.data.path=FILE --config.data.class_counts="(40,35,30,25,20,15,12,10,8,8)"
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Five folds of the simulated set."""
    config = base.get_config()
    config.experiment = "registration"
    return config
