"""How large must the latent matrix be? Every codec at d = 4 to 64 on simulated records with known truth.

python -m experiments.run --config configs/latent_dimension.py

Spoken digits, five draws of 160 training records: --config.data.path=FILE --config.codec_study.train_records=160
--config.codec_study.draws=5 --config.codec_study.latents="(8,16,32)" --config.codec.patch=16 --config.train.steps=800
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Three folds of the simulated set."""
    config = base.get_config()
    config.experiment = "latent_dimension"
    config.codec_study.draws = 3
    return config
