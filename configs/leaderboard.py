"""Which generator helps which classifier? All of them, 20 strict folds, every choice made inside training parts.

python -m experiments.run --config configs/leaderboard.py

Spoken digits: --config.data.path=FILE --config.data.class_counts="(40,35,30,25,20,15,12,10,8,8)"
"""

from ml_collections import ConfigDict

from configs import base
from gcims_jax.generators import GENERATORS


def get_config() -> ConfigDict:
    """Four repeats of five folds of the simulated set."""
    config = base.get_config()
    config.experiment = "leaderboard"
    config.protocol.repeats = 4
    copies = ("warp:size=0.5", "warp:size=1", "warp:size=2")
    config.study.candidates = ("class_weights", *(name for name in GENERATORS if name != "warp"), *copies)
    return config
