"""Turns a ``ConfigDict`` into records and frozen dataclasses; experiments see no ``ConfigDict``."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from gcims_jax import io, parts
from gcims_jax.codec.double import check_latent
from gcims_jax.errors import InputError
from gcims_jax.evaluation.answers import Truth, truth_of
from gcims_jax.evaluation.splits import PROTOCOLS, Fold, few_per_class, leave_one_group_out, make_folds, possible_folds
from gcims_jax.identity import merge_groups
from gcims_jax.parts import Part
from gcims_jax.preprocessing import automatic, scale
from gcims_jax.records import Records
from gcims_jax.simulation import gcims

from . import data
from .grids import SamplerStudy, Study, read_sampler_study, read_study
from .method import Method, read_method

# Where the volatiles of the simulated set lie: behind dead time and reactant ion peak.
ANALYTE_WINDOW = {"slow_range": (30.0, 500.0), "fast_range": (8.0, 15.0)}
# Experiments that split in a way of their own, one record or one class among them.
OWN_SPLITS = ("instrument_peaks",)
# Experiments that may end when more repeats cannot change the word, and the most repeats that they do.
BUDGETED = ("augment", "augmentation", "leaderboard")
MOST_REPEATS = 20
REPLICATES_LEAK = (
    "Replicates on both sides: leaks. protocol.grouped=False splits records of one group, so scores are too high."
)


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
      budget_minutes: after which no further repeat is begun; 0 for no budget.
      source: name of the file or folder that the records come from; "" for simulated ones.
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
    source: str = ""


def prepare(config: ConfigDict) -> Setup:
    """Loads the data and checks every option against it.

    Raises:
      InputError: the first thing that is wrong, named.
    """
    protocols = tuple(name.strip() for name in config.protocol.names.split(",") if name.strip())
    unknown = [name for name in protocols if name not in PROTOCOLS]
    if unknown or not protocols:
        raise InputError(f"protocol.names: expected some of {', '.join(PROTOCOLS)}, got {config.protocol.names!r}")
    if not 0 <= config.seed < 2**31:  # folds count on from it, for libraries that take no more
        raise InputError(f"seed: expected a whole number from 0 to {2**31 - 1}, got {config.seed}")
    method = read_method(config)
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
    if data.is_folder(config.data):
        print(data.handling(config.data, config.preprocess.slow_range, config.preprocess.fast_range), flush=True)
    compression = scale.make_compression(records.slow, records.fast, compression_config)
    aligned = dataclasses.replace(method.preprocess, max_shift=compression_config.max_shift)
    method = dataclasses.replace(method, preprocess=aligned)
    sampler_study = read_sampler_study(config)
    for latent in {method.codec.latent, *sampler_study.latents}:
        check_latent(latent, compression.shape)
    study = read_study(config, method.codec, compression)
    parts.check_labels_of_equals(records)
    parts.check_not_constant(records)
    part = parts.from_records(records, scale.compress(compression, records.values), grouped=config.protocol.grouped)
    together = len(np.unique(merge_groups(records.sample_groups(), part.groups_N)))
    banner = REPLICATES_LEAK if len(np.unique(part.groups_N)) > together else ""
    return Setup(
        records=records,
        part=part,
        truth=truth_of(records, part),
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
        source=Path(config.data.path).name,
    )


def _folds(config: ConfigDict, labels_N: np.ndarray, groups_N: np.ndarray) -> list[Fold]:
    if config.protocol.leave_one_group_out:
        return leave_one_group_out(labels_N, groups_N)
    repeats = config.protocol.repeats or (MOST_REPEATS if config.protocol.budget_minutes else 1)
    if config.protocol.train_per_class:
        few = config.protocol.train_per_class
        return few_per_class(labels_N, groups_N, each=few, draws=repeats, seed=config.seed)
    folds = possible_folds(groups_N, config.protocol.folds)
    if folds < config.protocol.folds:
        print(f"{folds} groups that stay together: {folds} folds instead of {config.protocol.folds}", flush=True)
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


def _resolve_preprocess(config: ConfigDict, records: Records) -> scale.PreprocessConfig:
    """Replaces "auto" ranges and levels of -1 by what they mean for these records."""
    options: dict[str, Any] = dict(config.preprocess)
    for which, axis in (("slow", records.slow), ("fast", records.fast)):
        key = f"{which}_range"
        if options[key] == "auto":
            unit = gcims.RIP_DRIFT_MS if axis.name == "relative_drift_time" else 1.0
            options[key] = None if config.data.path else tuple(end / unit for end in ANALYTE_WINDOW[key])
        else:
            options[key] = data.parse_range(f"preprocess.{key}", options[key])
        if options[f"{which}_level"] == -1:
            options[f"{which}_level"] = None
    return automatic.for_grid(records.slow, records.fast, **options)


def describe_device() -> str:
    """The device that JAX computes on, in words."""
    device = jax.devices()[0]
    return f"{device.platform}: {device.device_kind}, {jax.device_count()} device(s)"
