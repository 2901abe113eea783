"""The whole method on simulated GC-IMS records, or with ``--config.data.path=FILE`` on your own.

python -m experiments.run --config configs/quickstart.py
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """220 simulated records, 5 strict folds, four arms, d = 16."""
    return base.get_config()
