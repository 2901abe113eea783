"""Does the smallest class gain in proportion? Change of recall by class size, 20 strict folds.

python -m experiments.run --config configs/minority.py --config.data.path=FILE
--config.data.class_counts="(40,35,30,25,20,15,12,10,8,8)"
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Unequal classes: of the simulated set 60, 40, 25, 15 and 10 records."""
    config = base.get_config()
    config.experiment = "minority"
    config.protocol.repeats = 4
    config.data.class_counts = (60, 40, 25, 15, 10)
    config.study.candidates = ("class_weights", "latent_rda", "tuned_warp")
    config.study.ratios = (5.0,)
    return config
