"""Make synthetic records with the generators that did best, and find out whether they help on your data.

python -m experiments.run --config configs/augment.py --config.data.path=FILE_OR_FOLDER --workdir runs/mine

Classifiers with and without, each at its best as chosen inside training parts; ``synthetic.nc`` holds the records of the
generator that the first training part prefers.
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Warps of a chosen size, and phase and amplitude around training records and around class means."""
    config = base.get_config()
    config.experiment = "augment"
    config.protocol.repeats = 2
    config.study.candidates = ("class_weights", "tuned_warp", "phase_amplitude", "phase_amplitude:centre=class")
    config.study.ratios = (1.0, 10.0)
    config.study.modes = ("balanced",)
    return config
