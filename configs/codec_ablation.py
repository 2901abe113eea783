"""Does each choice in the codec earn its place? Losses on simulated records, whose small peaks are known.

python -m experiments.run --config configs/codec_ablation.py

Other groups: --config.codec_study.groups="('regularisation','architecture')". Spoken digits: add
--config.data.path=FILE --config.codec_study.train_records=160 --config.codec.patch=16 --config.train.steps=800
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """One fold of the simulated set, the losses."""
    config = base.get_config()
    config.experiment = "codec_ablation"
    config.codec.latent = 32  # up to 16 the simulated set starts at PCA, to which training adds nothing to compare
    config.codec_study.draws = 1
    config.codec_study.groups = ("loss",)
    return config
