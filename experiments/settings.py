"""Turns a ``ConfigDict`` into records and frozen dataclasses; nothing below this module sees a ``ConfigDict``."""

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments import data
from gcims_jax import io, parts
from gcims_jax.codec.double import CodecConfig, check_latent
from gcims_jax.codec.losses import LossConfig
from gcims_jax.codec.model import ModelConfig
from gcims_jax.codec.perturb import PerturbConfig
from gcims_jax.codec.train import TrainConfig
from gcims_jax.errors import InputError
from gcims_jax.evaluation.answers import Truth
from gcims_jax.evaluation.candidates import PLAIN, Candidate, Dose, parse_candidate
from gcims_jax.evaluation.classify import ClassifierConfig
from gcims_jax.evaluation.splits import INNER, PROTOCOLS, Fold, leave_one_group_out, make_folds
from gcims_jax.generators.codecs import Tucker
from gcims_jax.parts import Part
from gcims_jax.phase import registration
from gcims_jax.preprocessing import scale
from gcims_jax.records import Records, merge_groups
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
# Experiments that may end when more repeats cannot change the word, and the most repeats that they do.
BUDGETED = ("augment", "augmentation", "leaderboard")
MOST_REPEATS = 20
MODES = ("proportional", "balanced")
CODECS = ("tucker", "transformers")
REPLICATES_LEAK = (
    "Replicates on both sides: leaks. protocol.grouped=False splits records of one group, so scores are too high."
)


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


class Setup(NamedTuple):
    """All that a run needs, checked before anything long starts or anything is written.

    Attributes:
      records: the data.
      part: all of them, compressed, with labels, groups and identities.
      truth: what answers are held against.
      compression: crop and wavelet plan.
      method: configuration of the method.
      protocols: names of the protocols to run.
      folds: the splits, the same for every protocol; none for ``OWN_SPLITS``.
      banner: what leaks whatever the protocol; "" where nothing does.
      sampler_study: grid of the sampler study.
      study: what the studies of usefulness compare.
      seed: of the run.
      variability: of the simulated set; None for data from a file.
      codec_study: options of the studies of the codec.
      calibration: options of the calibration of the verdict.
      sanity_class: whose peaks are compared; "" is the largest.
      also_write: formats of the synthetic records beside netCDF.
    """

    records: Records
    part: Part
    truth: Truth
    compression: scale.Compression
    method: Method
    protocols: tuple[str, ...]
    folds: list[Fold]
    banner: str
    sampler_study: SamplerStudy
    study: Study
    seed: int
    variability: gcims.Variability | None
    codec_study: dict[str, Any]
    calibration: dict[str, Any]
    sanity_class: str
    also_write: tuple[str, ...]
    budget_minutes: float = 0.0


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
    if "paper" in protocols and config.experiment != "augmentation":
        print(
            f"experiment {config.experiment}: strict only; protocol.names={config.protocol.names} is for augmentation"
        )
    also_write = tuple(config.also_write)
    if wrong := [name for name in also_write if f".{name}" not in io.WRITERS]:
        raise InputError(f"also_write: expected some of {sorted(e[1:] for e in io.WRITERS)}, got {wrong[0]!r}")
    budget = config.protocol.budget_minutes
    if budget < 0.0 or (budget and config.experiment not in BUDGETED):
        raise InputError(
            f"protocol.budget_minutes: expected minutes above 0 in {', '.join(BUDGETED)}, or 0 for no budget, got {budget:g} in "
            f"{config.experiment}"
        )
    records = data.load(config.data, config.seed)
    if config.sanity_class and config.sanity_class not in records.labels:
        raise InputError(
            f"sanity_class: expected one of {', '.join(map(str, np.unique(records.labels)))}, got {config.sanity_class!r}"
        )
    compression_config = _resolve_preprocess(config, records)
    compression = scale.make_compression(records.slow, records.fast, compression_config)
    aligned = dataclasses.replace(method.preprocess, max_shift=compression_config.max_shift)
    method = dataclasses.replace(method, preprocess=aligned)
    sampler_study = _sampler_study(config)
    for latent in {method.codec.latent, *sampler_study.latents}:
        check_latent(latent, compression.shape)
    study = _study(config, method.codec, compression)
    parts.check_labels_of_equals(records)
    part = parts.from_records(records, scale.compress(compression, records.values), grouped=config.protocol.grouped)
    together = len(np.unique(merge_groups(records.sample_groups(), part.groups_N)))
    banner = REPLICATES_LEAK if len(np.unique(part.groups_N)) > together else ""
    return Setup(
        records=records,
        part=part,
        truth=Truth(part.labels_N, part.groups_N, [str(name) for name in records.classes]),
        compression=compression,
        method=method,
        protocols=protocols,
        folds=[] if config.experiment in OWN_SPLITS else _folds(config, records.labels, part.groups_N),
        banner=banner,
        sampler_study=sampler_study,
        study=study,
        seed=config.seed,
        variability=None if config.data.path else data.simulated_variability(config.data),
        codec_study=config.codec_study.to_dict(),
        calibration=config.calibration.to_dict(),
        sanity_class=config.sanity_class,
        also_write=also_write,
        budget_minutes=budget,
    )


def _folds(config: ConfigDict, labels_N: np.ndarray, groups_N: np.ndarray) -> list[Fold]:
    if config.protocol.leave_one_group_out:
        return leave_one_group_out(labels_N, groups_N)
    folds, groups = config.protocol.folds, len(np.unique(groups_N))
    if 2 <= groups < folds:
        print(f"{groups} groups that stay together: {groups} folds instead of {folds}", flush=True)
        folds = groups
    repeats = config.protocol.repeats or (MOST_REPEATS if config.protocol.budget_minutes else 1)
    return make_folds(labels_N, groups_N, folds=folds, repeats=repeats, seed=config.seed)


def about_data(setup: Setup) -> dict[str, str]:
    """What a run was made of, as hashes by name, so that a difference can be named."""
    records = setup.records
    axes = [f"{axis.name} {axis.unit} {axis.values.tolist()}" for axis in (records.slow, records.fast)]
    return {
        "values": _digest(records.identities),
        "axes": _digest(axes),
        "labels": _digest(records.labels),
        "groups": _digest(setup.part.groups_N),
        "names": _digest(records.names),
        "folds": _digest([f"{f.repeat} {f.fold} {f.train.tolist()} {f.test.tolist()}" for f in setup.folds]),
    }


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(map(str, texts)).encode()).hexdigest()[:16]


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
        dose=Dose(config.protocol.ratio, config.protocol.balanced),
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


def _study(config: ConfigDict, codec: CodecConfig, compression: scale.Compression) -> Study:
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
    """Fits a few records, which rejects bad options now rather than after training."""
    if "steps" in sampler_options(sampler):
        options = {**options, "steps": min(1, options.get("steps", 1))}
    latents_4xDxD = np.random.default_rng(0).normal(size=(4, 2, 2))
    SAMPLERS[sampler].fit(parts.from_arrays(latents_4xDxD, np.zeros(4, int)), **options)


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
