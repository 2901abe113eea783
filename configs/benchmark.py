"""Which generators help on which kind of data, and does choosing inside find them? Few records of a class teach, all others are tested.

python -m experiments.benchmark
Real records beside the simulated sets: --config.benchmark.files="spoken_digits.nc,watch_motion.nc", alone where no sets are named; one set:
--config.benchmark.sets="channel gains"; quickly: --config.benchmark.draws=4 --config.benchmark.per_class=10
"""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    """All simulated sets, 5 to 40 training records of a class, 20 draws."""
    config = base.get_config()
    config.experiment = "benchmark"
    config.study.candidates = ("class_weights", "latent_rda", "tuned_warp", "phase_amplitude", "scale", "mix")
    config.study.ratios = (5.0,)
    config.study.modes = ("balanced",)
    config.study.classifiers = ("svm", "pca_rf", "pca_lda")
    config.codec.latent = 8
    config.preprocess.points = 40
    return config
