"""arXiv 2502.13183 with its latent size on simulated records, leak-free and as published.

d = 32, 5 folds, protocols ``strict`` and ``paper``; the difference between them is the leak.

python -m experiments.run --config configs/paper.py
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Both protocols at d = 32, the two autoencoders trained one after the other from random weights."""
    config = base.get_config()
    config.codec.latent = 32
    config.codec.start = "random"
    config.codec.patch = 16
    config.train.steps = 1000
    config.train.batch = 128
    config.train.optimiser = "adamw"
    config.train.learning_rate = 3e-3
    config.train.weight_decay = 1e-4
    config.sampler.name = "gaussian_cholesky"
    config.protocol.names = "strict,paper"
    return config
