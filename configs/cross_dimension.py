"""One autoencoder of whole records or a pair of stages? By number of records, also with coupled axes.

python -m experiments.run --config configs/cross_dimension.py
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Two folds of the simulated set, as it is and with drift times that change along the run."""
    config = base.get_config()
    config.experiment = "cross_dimension"
    config.codec_study.draws = 2
    config.codec_study.records = (40, 176)
    return config
