"""The paper's table with error bars: original, with synthetic, reconstructed with synthetic; leak-free and as published.

python -m experiments.run --config configs/augmentation_study.py

Spoken digits: --config.data.path=FILE --config.data.class_counts="(40,35,30,25,20,15,12,10,8,8)"
--config.codec.patch=16
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Two repeats of five folds, the paper's sampler at d = 16."""
    config = base.get_config()
    config.sampler.name = "gaussian_cholesky"
    config.protocol.names = "strict,paper"
    config.protocol.repeats = 2
    config.train.steps = 200  # half the usual: 11 codecs are trained
    return config
