"""How many synthetic records? From a quarter to twenty times the training records, 5 strict folds.

python -m experiments.run --config configs/ratio.py

Spoken digits: --config.data.path=FILE --config.data.class_counts="(40,35,30,25,20,15,12,10,8,8)"
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Five folds of the simulated set, the paper's classifier."""
    config = base.get_config()
    config.experiment = "ratio"
    config.study.candidates = ("latent_rda", "tuned_warp")
    config.study.ratios = (0.25, 1.0, 2.0, 5.0, 10.0, 20.0)
    config.study.classifiers = ("pca_rf",)
    return config
