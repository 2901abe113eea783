"""Instrument files in folders, ``DIR/Class/file`` or ``DIR/Class/Sample/file``: drift times relative to the RIP.

Files of one sample folder stay on one side of every split.

python -m experiments.run --config configs/folder.py --config.data.path=DIR
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Every file on the common grid, cropped behind the RIP; strict folds; synthetic records for gc-ims-tools as well."""
    config = base.get_config()
    config.also_write = ("hdf5",)
    config.data.path = "set --config.data.path"
    config.data.rip_relative = True
    config.preprocess.fast_range = "1.05:2.0"
    return config
