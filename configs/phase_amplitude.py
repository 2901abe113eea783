"""Do learned warps beat hand-set ones? The phase–amplitude generator against the others, 40 strict folds.

python -m experiments.run --config configs/phase_amplitude.py

Spoken digits: --config.data.path=FILE --config.data.class_counts="(40,35,30,25,20,15,12,10,8,8)" --config.seed=1
Simulated records whose peaks move twice as far as measured: --config.data.misalignment=2 --config.protocol.repeats=1
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """Eight repeats of five folds, one dose."""
    config = base.get_config()
    config.experiment = "leaderboard"
    config.protocol.repeats = 8
    hand_set = ("warp:size=0.5", "warp:size=1", "warp:size=2", "votes:size=1")
    config.study.candidates = (
        "phase_amplitude", "phase_amplitude:centre=class", "tuned_warp", *hand_set, "mask", "latent_rda",
    )  # fmt: skip
    config.study.ratios = (10.0,)
    config.study.modes = ("balanced",)
    return config
