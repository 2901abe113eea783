"""Do synthetic records look real? Peak positions and intensities of one class, fidelity, memorisation; first strict fold.

python -m experiments.run --config configs/synthetic_sanity.py

Other data: --config.data.path=FILE; another class than the largest: --config.sanity_class=NAME; other generators beside
the method: --config.study.candidates="('duplicate','latent_kde')".
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """The method of the quickstart beside a linear codec, hand-set warps and plain copies."""
    config = base.get_config()
    config.experiment = "synthetic_sanity"
    config.study.candidates = ("latent_rda", "latent_kde", "raw_smote", "warp", "duplicate")
    return config
