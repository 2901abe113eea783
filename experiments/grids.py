"""What studies go through, as frozen dataclasses read from a ``ConfigDict``: candidates and doses, or samplers and sizes."""

import dataclasses

from ml_collections import ConfigDict

from gcims_jax.codec.double import CodecConfig
from gcims_jax.errors import InputError
from gcims_jax.evaluation.candidates import PLAIN, on_grid, parse_candidate
from gcims_jax.evaluation.classify import ClassifierConfig
from gcims_jax.evaluation.study import Study, doses_of
from gcims_jax.generators.codecs import Tucker
from gcims_jax.preprocessing import scale
from gcims_jax.samplers import SAMPLERS

CODECS = ("tucker", "transformers")


@dataclasses.dataclass(frozen=True)
class SamplerStudy:
    """Grid of the sampler study.

    Attributes:
      samplers: keys of ``SAMPLERS``.
      ridges: λ to try beside each sampler's own choice.
      latents: values of d.
      records_per_class: most training records of a class; 0 keeps all.
    """

    samplers: tuple[str, ...]
    ridges: tuple[float, ...]
    latents: tuple[int, ...]
    records_per_class: tuple[int, ...]

    def __post_init__(self) -> None:
        unknown = [name for name in self.samplers if name not in SAMPLERS]
        if unknown or not self.samplers:
            raise InputError(
                f"sampler_study.samplers: expected some of {', '.join(SAMPLERS)}, got {', '.join(unknown) or 'none'}"
            )
        if any(not 0.0 <= ridge <= 1.0 for ridge in self.ridges):
            raise InputError(f"sampler_study.ridges: expected numbers from 0 to 1, got {self.ridges}")
        if not self.latents or not self.records_per_class or any(m < 0 or m == 1 for m in self.records_per_class):
            raise InputError(
                "sampler_study: expected one or more latents and records_per_class, the latter 0 (all) or 2 and more, got "
                f"{self.latents} and {self.records_per_class}"
            )


def read_sampler_study(config: ConfigDict) -> SamplerStudy:
    """The grid that a config describes."""
    return SamplerStudy(
        samplers=tuple(config.sampler_study.samplers) or tuple(SAMPLERS),
        ridges=tuple(config.sampler_study.ridges),
        latents=tuple(config.sampler_study.latents) or (config.codec.latent,),
        records_per_class=tuple(config.sampler_study.records_per_class) or (0,),
    )


def read_study(config: ConfigDict, codec: CodecConfig, compression: scale.Compression) -> Study:
    """What a config compares; candidates that fit these records."""
    options = config.study
    if options.codec not in CODECS:
        raise InputError(f"study.codec: expected one of {', '.join(CODECS)}, got {options.codec!r}")
    names = [name for name in options.candidates if name != PLAIN.name]
    return Study(
        candidates=(PLAIN, *(on_grid(parse_candidate(name), compression) for name in names)),
        doses=doses_of(options.ratios, options.modes),
        classifiers=tuple(ClassifierConfig(**{**config.classifier, "name": name}) for name in options.classifiers),
        codec=Tucker(codec.latent) if options.codec == "tucker" else codec,
        inner_splits=options.inner_splits,
        records_per_class=tuple(options.records_per_class),
    )
