"""What are synthetic records worth in real ones? Scores by number of training records, 5 strict folds.

python -m experiments.run --config configs/learning_curve.py

Spoken digits: --config.data.path=FILE, 40 records of each digit with --config.data.class_counts="(40,40,40,40,40,40,40,40,40,40)"
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Five to all records a class of the simulated set."""
    config = base.get_config()
    config.experiment = "learning_curve"
    config.study.candidates = ("latent_rda", "tuned_warp")
    config.study.ratios = (1.0, 5.0)
    config.study.modes = ("balanced",)
    config.study.records_per_class = (5, 10, 20, 0)
    return config
