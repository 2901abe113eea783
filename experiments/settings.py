"""Turns a ``ConfigDict`` into records and frozen dataclasses; nothing below this module sees a ``ConfigDict``."""

import dataclasses
import hashlib
import math
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from gcims_jax import io, preprocess, simulate
from gcims_jax.augment import AugmentConfig
from gcims_jax.classify import ClassifierConfig
from gcims_jax.codec import CodecConfig, check_latent
from gcims_jax.errors import InputError
from gcims_jax.losses import LossConfig
from gcims_jax.model import ModelConfig
from gcims_jax.protocols import PROTOCOLS, Fold, Method, make_folds
from gcims_jax.records import Records, subsample
from gcims_jax.samplers import SAMPLERS
from gcims_jax.train import TrainConfig

# Where the volatiles of the simulated set lie: behind dead time and reactant ion peak.
ANALYTE_WINDOW = {"slow_range": (30.0, 500.0), "fast_range": (8.0, 15.0)}
AUTO_POINTS = 96


class Setup(NamedTuple):
    """All that a run needs, checked before anything long starts or anything is written.

    Attributes:
      records: the data.
      fingerprint: hash of its values and labels.
      compression: crop and wavelet plan.
      method: configuration of the method.
      protocols: names of the protocols to run.
      folds: the splits, the same for every protocol.
      seed: of the run.
      variability: of the simulated set; None for data from a file.
      study: options of the studies of the codec.
    """

    records: Records
    fingerprint: str
    compression: preprocess.Compression
    method: Method
    protocols: tuple[str, ...]
    folds: list[Fold]
    seed: int
    variability: simulate.Variability | None
    study: dict[str, Any]


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
    records = _load(config)
    compression_config = _resolve_preprocess(config, records)
    compression = preprocess.make_compression(records.slow, records.fast, compression_config)
    check_latent(method.codec.latent, compression.shape)
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
    variability = None if config.data.path else simulate.Variability(coupling_sd=config.data.coupling_sd)
    study = config.study.to_dict()
    return Setup(
        records, digest.hexdigest()[:16], compression, method, protocols, folds, config.seed, variability, study
    )


def _method(config: ConfigDict) -> Method:
    options = {name: value for name, value in config.sampler.items() if name != "name"}
    method = Method(
        preprocess=preprocess.PreprocessConfig(log=config.preprocess.log, log_knee=config.preprocess.log_knee),
        codec=CodecConfig(
            latent=config.codec.latent,
            start=config.codec.start,
            model=ModelConfig(**{field.name: config.codec[field.name] for field in dataclasses.fields(ModelConfig)}),
            train=TrainConfig(**config.train),
            loss=LossConfig(**config.loss),
            augment=AugmentConfig(**config.augment),
            latent_noise=config.codec.latent_noise,
            **config.series,
        ),
        classifier=ClassifierConfig(**config.classifier),
        sampler=config.sampler.name,
        sampler_options=tuple(sorted(options.items())),
        ratio=config.protocol.ratio,
    )
    # A two-record rehearsal rejects bad sampler options now rather than after training.
    SAMPLERS[method.sampler].fit(np.eye(2)[None].repeat(2, axis=0), np.zeros(2, int), **options)
    return method


def _load(config: ConfigDict) -> Records:
    if config.data.path:
        records = io.read(config.data.path)
    else:
        records, _ = simulate.simulate(
            config.seed,
            n_retention=config.data.n_retention,
            n_drift=config.data.n_drift,
            variability=simulate.Variability(coupling_sd=config.data.coupling_sd),
        )
    if config.data.class_counts:
        records = subsample(records, tuple(config.data.class_counts), config.seed)
    return records


def _resolve_preprocess(config: ConfigDict, records: Records) -> preprocess.PreprocessConfig:
    """Replaces "auto" ranges and levels by what they mean for these records."""
    options: dict[str, Any] = dict(config.preprocess)
    for which, axis in (("slow", records.slow), ("fast", records.fast)):
        key = f"{which}_range"
        if options[key] == "auto":
            options[key] = None if config.data.path else ANALYTE_WINDOW[key]
        else:
            options[key] = _range(key, options[key])
        if options[f"{which}_level"] == -1:
            low, high = options[key] or (-math.inf, math.inf)
            points = int(np.sum((axis.values >= low) & (axis.values <= high)))
            options[f"{which}_level"] = max(0, int(math.log2(max(points, 1) / AUTO_POINTS)))
    return preprocess.PreprocessConfig(**options)


def _range(key: str, text: str) -> tuple[float, float] | None:
    if not text:
        return None
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise InputError(f"preprocess.{key}: expected 'low:high', 'auto' or '', got {text!r}") from error
    return low, high


def describe_device() -> str:
    """The device that JAX computes on, in words."""
    device = jax.devices()[0]
    return f"{device.platform}: {device.device_kind}, {jax.device_count()} device(s)"
