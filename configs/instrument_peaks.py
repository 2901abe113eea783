"""Do small peaks of a real instrument survive the codec? Even rows of one record teach it, odd rows test it.

python -m experiments.run --config configs/instrument_peaks.py --config.data.path=FILE.mea.gz

Set --config.preprocess.fast_range to what lies behind the reactant ion peak of your instrument, in ms.
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """One record in windows of every second row, cropped for a reactant ion peak at 7.7 ms."""
    config = base.get_config()
    config.experiment = "instrument_peaks"
    config.preprocess.fast_range = "8.1:11.1"
    config.preprocess.slow_level = 0  # neighbouring rows must keep noise of their own
    config.codec_study.latents = (8, 16, 32)
    return config
