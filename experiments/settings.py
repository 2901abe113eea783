"""Turns a ``ConfigDict`` into records and frozen dataclasses; nothing below this module sees a ``ConfigDict``."""

import dataclasses
import hashlib
import math
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments import data
from gcims_jax import io
from gcims_jax.codec.double import CodecConfig, check_latent
from gcims_jax.codec.losses import LossConfig
from gcims_jax.codec.model import ModelConfig
from gcims_jax.codec.perturb import PerturbConfig
from gcims_jax.codec.train import TrainConfig
from gcims_jax.errors import InputError
from gcims_jax.evaluation import study
from gcims_jax.evaluation.classify import ClassifierConfig
from gcims_jax.evaluation.protocols import PROTOCOLS, Fold, Method, leave_one_group_out, make_folds
from gcims_jax.evaluation.study_results import MODES
from gcims_jax.phase import registration
from gcims_jax.preprocessing import scale
from gcims_jax.records import Records
from gcims_jax.samplers import SAMPLERS
from gcims_jax.samplers import options as sampler_options
from gcims_jax.simulation import gcims

# Where the volatiles of the simulated set lie: behind dead time and reactant ion peak.
ANALYTE_WINDOW = {"slow_range": (30.0, 500.0), "fast_range": (8.0, 15.0)}
AUTO_POINTS = 96
# Options of samplers that are numbers with a fraction; the others are counts.
FRACTIONS = ("ridge", "alpha", "bandwidth")
# Experiments that split in a way of their own, one record or one class among them.
OWN_SPLITS = ("instrument_peaks",)


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
      candidates: generators, as ``study.parse_candidate`` reads them; "none" is always among them.
      doses: ratios × modes.
      classifiers: keys of ``CLASSIFIERS`` that are trained with synthetic records.
      plain_classifiers: that may be chosen without.
      codec: a key of ``study.CODECS``.
      inner_splits: of each training part, to choose by; 1 to 3.
      records_per_class: points of the learning curve, 0 for all.
    """

    candidates: tuple[study.Candidate, ...]
    doses: tuple[study.Dose, ...]
    classifiers: tuple[str, ...]
    plain_classifiers: tuple[str, ...]
    codec: str
    inner_splits: int
    records_per_class: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in (*self.classifiers, *self.plain_classifiers):
            ClassifierConfig(name)
        if not self.classifiers or not self.doses or not self.records_per_class:
            raise InputError("study: expected one or more classifiers, ratios, modes and records_per_class, got none")
        if wrong := [dose.ratio for dose in self.doses if not 0.0 < dose.ratio < math.inf]:
            raise InputError(f"study.ratios: expected numbers above 0, got {wrong[0]}")
        if self.codec not in study.CODECS:
            raise InputError(f"study.codec: expected one of {', '.join(study.CODECS)}, got {self.codec!r}")
        if self.inner_splits not in (1, 2, 3):
            raise InputError(f"study.inner_splits: expected 1, 2 or 3, got {self.inner_splits}")
        if self.candidates == (study.PLAIN,):
            raise InputError("study.candidates: expected one or more generators beside none, got none")
        if any(most < 0 or most == 1 for most in self.records_per_class):
            raise InputError(f"study.records_per_class: expected 0 (all) or 2 and more, got {self.records_per_class}")


class Setup(NamedTuple):
    """All that a run needs, checked before anything long starts or anything is written.

    Attributes:
      records: the data.
      fingerprint: hash of its values and labels.
      compression: crop and wavelet plan.
      method: configuration of the method.
      protocols: names of the protocols to run.
      folds: the splits, the same for every protocol; none for ``OWN_SPLITS``.
      sampler_study: grid of the sampler study.
      study: what the studies of usefulness compare.
      grouped: whether groups stay together.
      seed: of the run.
      variability: of the simulated set; None for data from a file.
      codec_study: options of the studies of the codec.
      calibration: options of the calibration of the verdict.
      sanity_class: whose peaks are compared; "" is the largest.
      also_write: formats of the synthetic records beside netCDF.
    """

    records: Records
    fingerprint: str
    compression: scale.Compression
    method: Method
    protocols: tuple[str, ...]
    folds: list[Fold]
    sampler_study: SamplerStudy
    study: Study
    grouped: bool
    seed: int
    variability: gcims.Variability | None
    codec_study: dict[str, Any]
    calibration: dict[str, Any]
    sanity_class: str
    also_write: tuple[str, ...]


def prepare(config: ConfigDict) -> Setup:
    """Loads the data and checks every option against it.

    Raises:
      InputError: the first thing that is wrong, named.
    """
    protocols = tuple(name.strip() for name in config.protocol.names.split(",") if name.strip())
    unknown = [name for name in protocols if name not in PROTOCOLS]
    if unknown or not protocols:
        raise InputError(f"protocol.names: expected some of {', '.join(PROTOCOLS)}, got {config.protocol.names!r}")
    method = _method(config)
    records = data.load(config.data, config.seed)
    compression_config = _resolve_preprocess(config, records)
    compression = scale.make_compression(records.slow, records.fast, compression_config)
    aligned = dataclasses.replace(method.preprocess, max_shift=compression_config.max_shift)
    method = dataclasses.replace(method, preprocess=aligned)
    sampler_study = _sampler_study(config)
    for latent in {method.codec.latent, *sampler_study.latents}:
        check_latent(latent, compression.shape)
    if config.experiment in OWN_SPLITS:
        folds = []
    elif config.protocol.leave_one_group_out:
        folds = leave_one_group_out(records.labels, records.groups)
    else:
        folds = make_folds(
            records.labels,
            records.groups,
            folds=config.protocol.folds,
            repeats=config.protocol.repeats,
            grouped=config.protocol.grouped,
            seed=config.seed,
        )
    digest = hashlib.sha256(np.ascontiguousarray(records.values))
    digest.update("\n".join(records.labels).encode())
    if config.sanity_class and config.sanity_class not in records.labels:
        raise InputError(
            f"sanity_class: expected one of {', '.join(map(str, np.unique(records.labels)))}, got {config.sanity_class!r}"
        )
    also_write = tuple(config.also_write)
    if wrong := [name for name in also_write if f".{name}" not in io.WRITERS]:
        raise InputError(f"also_write: expected some of {sorted(e[1:] for e in io.WRITERS)}, got {wrong[0]!r}")
    return Setup(
        also_write=also_write,
        records=records,
        fingerprint=digest.hexdigest()[:16],
        compression=compression,
        method=method,
        protocols=protocols,
        folds=folds,
        sampler_study=sampler_study,
        study=_study(config, compression),
        grouped=config.protocol.grouped or config.protocol.leave_one_group_out,
        seed=config.seed,
        variability=None if config.data.path else data.simulated_variability(config.data),
        codec_study=config.codec_study.to_dict(),
        calibration=config.calibration.to_dict(),
        sanity_class=config.sanity_class,
    )


def _method(config: ConfigDict) -> Method:
    if config.sampler.name not in SAMPLERS:
        raise InputError(f"sampler.name: expected one of {sorted(SAMPLERS)}, got {config.sampler.name!r}")
    options = _sampler_options(config)
    method = Method(
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
        ratio=config.protocol.ratio,
        balanced=config.protocol.balanced,
    )
    rehearse(method.sampler, options)
    return method


def _sampler_study(config: ConfigDict) -> SamplerStudy:
    return SamplerStudy(
        samplers=tuple(config.sampler_study.samplers) or tuple(SAMPLERS),
        ridges=tuple(config.sampler_study.ridges),
        latents=tuple(config.sampler_study.latents) or (config.codec.latent,),
        records_per_class=tuple(config.sampler_study.records_per_class) or (0,),
    )


def _study(config: ConfigDict, compression: scale.Compression) -> Study:
    options = config.study
    if unknown := [mode for mode in options.modes if mode not in MODES]:
        raise InputError(f"study.modes: expected some of {', '.join(MODES)}, got {unknown[0]!r}")
    names = [name for name in options.candidates if name != study.PLAIN.name]
    return Study(
        candidates=(study.PLAIN, *(_candidate(name, compression) for name in names)),
        doses=tuple(study.Dose(ratio, mode == "balanced") for mode in options.modes for ratio in options.ratios),
        classifiers=tuple(options.classifiers),
        plain_classifiers=tuple(options.plain_classifiers),
        codec=options.codec,
        inner_splits=options.inner_splits,
        records_per_class=tuple(options.records_per_class),
    )


def _candidate(text: str, compression: scale.Compression) -> study.Candidate:
    """A candidate that fits these records; where drift times count from the reactant ion peak, its warps leave that alone."""
    candidate = study.parse_candidate(text)
    if candidate.generator != "phase_amplitude":
        return candidate
    registration.check_shape(compression.shape, registration.RegistrationConfig())
    axis = compression.fast
    if axis.name == "relative_drift_time" and "anchor" not in dict(candidate.options):
        anchor = float((1.0 - axis.values[0]) / (axis.values[-1] - axis.values[0]))
        return dataclasses.replace(candidate, options=(*candidate.options, ("anchor", anchor)))
    return candidate


def _sampler_options(config: ConfigDict) -> dict[str, Any]:
    """The options that were set, as numbers where they are numbers."""
    options: dict[str, Any] = {}
    taken = sampler_options(config.sampler.name)
    for name, text in config.sampler.items():
        if name == "name" or text == "":
            continue
        if name not in taken:
            raise InputError(
                f"sampler.{name}: {config.sampler.name} expects only {', '.join(taken)}, got {name}={text}"
            )
        try:
            options[name] = float(text) if name in FRACTIONS else int(text)
        except ValueError as error:
            if name not in FRACTIONS:
                raise InputError(f"sampler.{name}: expected a whole number, got {text!r}") from error
            options[name] = text
    return options


def rehearse(sampler: str, options: dict[str, Any]) -> None:
    """Fits two records, which rejects bad options now rather than after training."""
    if "steps" in sampler_options(sampler):
        options = {**options, "steps": min(1, options.get("steps", 1))}
    SAMPLERS[sampler].fit(np.eye(2)[None].repeat(2, axis=0), np.zeros(2, int), **options)


def _resolve_preprocess(config: ConfigDict, records: Records) -> scale.PreprocessConfig:
    """Replaces "auto" ranges and levels by what they mean for these records."""
    options: dict[str, Any] = dict(config.preprocess)
    align = options.pop("align")
    for which, axis in (("slow", records.slow), ("fast", records.fast)):
        key = f"{which}_range"
        if options[key] == "auto":
            unit = gcims.RIP_DRIFT_MS if axis.name == "relative_drift_time" else 1.0
            options[key] = None if config.data.path else tuple(end / unit for end in ANALYTE_WINDOW[key])
        else:
            options[key] = data.parse_range(f"preprocess.{key}", options[key])
        if options[f"{which}_level"] == -1:
            low, high = options[key] or (-math.inf, math.inf)
            points = int(np.sum((axis.values >= low) & (axis.values <= high)))
            options[f"{which}_level"] = max(0, int(math.log2(max(points, 1) / AUTO_POINTS)))
    step = float(np.median(np.abs(np.diff(records.slow.values)))) * 2 ** options["slow_level"]
    return scale.PreprocessConfig(**options, max_shift=align / step)


def describe_device() -> str:
    """The device that JAX computes on, in words."""
    device = jax.devices()[0]
    return f"{device.platform}: {device.device_kind}, {jax.device_count()} device(s)"
