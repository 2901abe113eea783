"""How much to regularise: sampler × λ × latent size × records per class on simulated records, strict folds.

λ = 0 is left out: the covariance of a few dozen records then has no density at all.

python -m experiments.run --config configs/ablation_regularization.py
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Five samplers at six ridges and at their own choice, three latent sizes, two class sizes, four folds."""
    config = base.get_config()
    config.experiment = "sampler_study"
    config.sampler_study.samplers = ("gaussian", "pooled", "rda", "kde", "matrix_normal")
    config.sampler_study.ridges = (0.01, 0.03, 0.1, 0.3, 0.6, 1.0)
    config.sampler_study.latents = (8, 16, 32)
    config.sampler_study.records_per_class = (8, 0)
    config.protocol.folds = 4
    return config
