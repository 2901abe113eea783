"""Are class latents Gaussian, and are draws like held-out latents? On simulated records, or with ``--config.data.path=FILE``.

Compares all samplers; ``--config.sampler_study.samplers="('gaussian','kde')"`` some.

python -m experiments.run --config configs/diagnostics.py
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """The codec of the quickstart, d = 16, on the first of five strict folds."""
    config = base.get_config()
    config.experiment = "diagnostics"
    return config
