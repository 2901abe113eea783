"""The method under test as a frozen dataclass, read from a ``ConfigDict``: codec, sampler, classifier, dose."""

import dataclasses
import math
from typing import Any

from ml_collections import ConfigDict

from gcims_jax.codec.double import CodecConfig
from gcims_jax.codec.losses import LossConfig
from gcims_jax.codec.model import ModelConfig
from gcims_jax.codec.perturb import PerturbConfig
from gcims_jax.codec.train import TrainConfig
from gcims_jax.errors import InputError
from gcims_jax.evaluation.candidates import Candidate, Dose
from gcims_jax.evaluation.classify import ClassifierConfig
from gcims_jax.options import from_text, read
from gcims_jax.preprocessing import scale
from gcims_jax.samplers import SAMPLERS


@dataclasses.dataclass(frozen=True)
class Method:
    """The method under test, from compressed records to synthetic ones.

    Attributes:
      preprocess, codec, classifier: see there.
      sampler: a key of ``SAMPLERS``.
      sampler_options: its keyword options as (name, value) pairs.
      dose: how many synthetic records.
    """

    preprocess: scale.PreprocessConfig = scale.PreprocessConfig()
    codec: CodecConfig = CodecConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    sampler: str = "rda"
    sampler_options: tuple[tuple[str, Any], ...] = ()
    dose: Dose = Dose(1.0, False)

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise InputError(f"sampler.name: expected one of {sorted(SAMPLERS)}, got {self.sampler!r}")
        if not 0.0 < self.dose.ratio < math.inf:
            raise InputError(
                f"protocol.ratio: expected synthetic records per training record above 0, got {self.dose.ratio}"
            )

    def candidate(self, name: str, real: str = "original") -> Candidate:
        """The method as a candidate."""
        options = (("codec", self.codec), ("sampler", self.sampler), *self.sampler_options)
        return Candidate(name, "double_autoencoder", options, real=real)


def read_method(config: ConfigDict) -> Method:
    """The method that a config describes; alignment waits for the data."""
    if config.sampler.name not in SAMPLERS:
        raise InputError(f"sampler.name: expected one of {sorted(SAMPLERS)}, got {config.sampler.name!r}")
    options = _sampler_options(config)
    return Method(
        preprocess=scale.PreprocessConfig(log=config.preprocess.log, log_knee=config.preprocess.log_knee),
        codec=CodecConfig(
            latent=config.codec.latent,
            start=config.codec.start,
            model=ModelConfig(**{field.name: config.codec[field.name] for field in dataclasses.fields(ModelConfig)}),
            train=TrainConfig(**config.train),
            loss=LossConfig(**config.loss),
            perturb=PerturbConfig(**config.perturb),
            latent_noise=config.codec.latent_noise,
            kl=config.codec.kl,
            **config.series,
        ),
        classifier=ClassifierConfig(**config.classifier),
        sampler=config.sampler.name,
        sampler_options=tuple(sorted(options.items())),
        dose=Dose(config.protocol.ratio, config.protocol.balanced),
    )


def _sampler_options(config: ConfigDict) -> dict[str, Any]:
    """The options that were set, in their types."""
    sampler = SAMPLERS[config.sampler.name]
    given = {name: value for name, value in config.sampler.items() if name != "name" and value != ""}
    for name, value in given.items():
        if name not in sampler.options:
            raise InputError(
                f"sampler.{name}: {config.sampler.name} expects only {', '.join(sampler.options)}, got {name}={value}"
            )
    given = {name: from_text(value) for name, value in given.items()}
    return read("sampler", sampler.rules(given), given)
