"""arXiv 2502.13183 with its latent size on simulated records, leak-free and as published.

d = 32, 5 folds, protocols ``strict`` and ``paper``; the difference between them is the leak.

python -m experiments.run --config configs/paper.py
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Both protocols at d = 32, longer training than the quickstart."""
    config = base.get_config()
    config.codec.latent = 32
    config.train.steps = 1000
    config.protocol.names = "strict,paper"
    return config
