"""What studies go through, as frozen dataclasses read from a ``ConfigDict``: candidates and doses, or samplers and sizes."""

import dataclasses
import math

from ml_collections import ConfigDict

from gcims_jax.codec.double import CodecConfig
from gcims_jax.errors import InputError
from gcims_jax.evaluation.candidates import PLAIN, Candidate, Dose, parse_candidate
from gcims_jax.evaluation.classify import ClassifierConfig
from gcims_jax.evaluation.splits import INNER
from gcims_jax.generators.codecs import Tucker
from gcims_jax.phase import registration
from gcims_jax.preprocessing import scale
from gcims_jax.samplers import SAMPLERS

MODES = ("proportional", "balanced")
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


@dataclasses.dataclass(frozen=True)
class Study:
    """What the studies of usefulness compare.

    Attributes:
      candidates: as ``candidates.parse_candidate`` reads them; "none" is always among them.
      doses: ratios × modes.
      classifiers: keys of ``CLASSIFIERS``, the same with synthetic records and without.
      codec: that generators take.
      inner_splits: of each training part, to choose by, with synthetic records and without; 1 to ``splits.INNER``.
      records_per_class: points of the learning curve, 0 for all.
    """

    candidates: tuple[Candidate, ...]
    doses: tuple[Dose, ...]
    classifiers: tuple[str, ...]
    codec: Tucker | CodecConfig
    inner_splits: int
    records_per_class: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in self.classifiers:
            ClassifierConfig(name)
        if not self.classifiers or not self.doses or not self.records_per_class:
            raise InputError("study: expected one or more classifiers, ratios, modes and records_per_class, got none")
        if wrong := [dose.ratio for dose in self.doses if not 0.0 < dose.ratio < math.inf]:
            raise InputError(f"study.ratios: expected numbers above 0, got {wrong[0]}")
        if not 1 <= self.inner_splits <= INNER:
            raise InputError(f"study.inner_splits: expected 1 to {INNER}, got {self.inner_splits}")
        if self.candidates == (PLAIN,):
            raise InputError("study.candidates: expected one or more generators beside none, got none")
        if any(most < 0 or most == 1 for most in self.records_per_class):
            raise InputError(f"study.records_per_class: expected 0 (all) or 2 and more, got {self.records_per_class}")


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
    if unknown := [mode for mode in options.modes if mode not in MODES]:
        raise InputError(f"study.modes: expected some of {', '.join(MODES)}, got {unknown[0]!r}")
    if options.codec not in CODECS:
        raise InputError(f"study.codec: expected one of {', '.join(CODECS)}, got {options.codec!r}")
    names = [name for name in options.candidates if name != PLAIN.name]
    return Study(
        candidates=(PLAIN, *(_candidate(name, compression) for name in names)),
        doses=tuple(Dose(ratio, mode == "balanced") for mode in options.modes for ratio in options.ratios),
        classifiers=tuple(options.classifiers),
        codec=Tucker(codec.latent) if options.codec == "tucker" else codec,
        inner_splits=options.inner_splits,
        records_per_class=tuple(options.records_per_class),
    )


def _candidate(text: str, compression: scale.Compression) -> Candidate:
    """A candidate that fits these records; where drift times count from the reactant ion peak, its warps leave that alone."""
    candidate = parse_candidate(text)
    if candidate.generator != "phase_amplitude":
        return candidate
    registration.check_shape(compression.shape, registration.RegistrationConfig())
    axis = compression.fast
    if axis.name == "relative_drift_time" and "anchor" not in dict(candidate.options):
        anchor = float((1.0 - axis.values[0]) / (axis.values[-1] - axis.values[0]))
        return dataclasses.replace(candidate, options=(*candidate.options, ("anchor", anchor)))
    return candidate
