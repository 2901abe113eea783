"""The double autoencoder: a record becomes a d×d latent matrix, and a latent matrix a record.

Stage 1 encodes every drift series (R×T to R×d), stage 2 every retention series of the result (R×d to d×d).
arXiv 2502.13183; where the paper is silent, each stage standardises its series with statistics of its training part.
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax import series
from gcims_jax.errors import InputError
from gcims_jax.model import ModelConfig, SeriesAutoencoder
from gcims_jax.train import Curves, TrainConfig
from gcims_jax.train import fit as fit_series

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class CodecConfig:
    """Latent size, networks and training of both stages.

    Attributes:
      latent: d; the latent matrix is d×d.
      model: sizes of the two autoencoders.
      train: optimisation of each stage.
      threshold, kept_fraction: see ``series.undersample``; drift series of the first stage only.
      batch_records: records encoded or decoded at once; bounds memory.
    """

    latent: int = 16
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    threshold: float = 0.1
    kept_fraction: float = 0.2
    batch_records: int = 16


class Stage(NamedTuple):
    """One trained stage, a pytree.

    Attributes:
      params: weights of its ``SeriesAutoencoder``.
      mean: subtracted from its series; the mean record, R×T in stage 1 and R×d in stage 2.
      scale: they are divided by it, scalar.
    """

    params: Any
    mean: Array
    scale: Array


class Codec(NamedTuple):
    """Both trained stages, a pytree of arrays.

    Attributes:
      drift: stage 1.
      retention: stage 2.
    """

    drift: Stage
    retention: Stage


def fit(
    key: Array,
    train_NxRxT: np.ndarray,
    config: CodecConfig,
    *,
    directory: Path | None = None,
    title: str | None = None,
) -> tuple[Codec, dict[str, Curves]]:
    """Trains both stages on training records, the second on the latents of the first.

    Args:
      key: of everything random.
      train_NxRxT: training records on the [0, 1] scale; some are held out for validation.
      config: sizes and optimisation.
      directory: checkpoints of both stages, continued from where there are any; None keeps none.
      title: prefix of the progress bars; None shows none.

    Returns:
      The codec and the training curves of each stage.

    Raises:
      InputError: d larger than a series, fewer than two records.
      TrainingDiverged: a loss is no longer finite.
    """
    n, r, t = train_NxRxT.shape
    check_latent(config.latent, (r, t))
    if n < 2:
        raise InputError(f"training records: expected at least 2 (one is held out for validation), got {n}")
    split_key, thin_key, drift_key, retention_key, look_key = jax.random.split(key, 5)
    order_N = np.asarray(jax.random.permutation(split_key, n))
    n_held = max(1, round(config.train.validation_fraction * n))
    x_NxRxT = np.asarray(train_NxRxT)[order_N]

    # Arrays whose sizes differ between folds are cut on the host: on the device each size would be compiled anew.
    def fit_stage(
        name: str, key: Array, cut: Callable[[Any], Any], a_NxRxM: np.ndarray, mean: np.ndarray, kept: np.ndarray | None
    ) -> tuple[Stage, Curves]:
        scale = np.std(a_NxRxM[n_held:] - mean) + 1e-12  # constant records must not divide by zero
        held = cut((a_NxRxM[:n_held] - mean) / scale)
        rest = cut((a_NxRxM[n_held:] - mean) / scale)
        looks_V = np.asarray(jax.random.randint(look_key, (config.train.validation_series,), 0, len(held)))
        params, curves = fit_series(
            key,
            SeriesAutoencoder(rest.shape[1], config.latent, config.model),
            config.train,
            rest if kept is None else rest[kept],
            held[looks_V],
            directory=directory and directory / name,
            title=title and f"{title} {name} series",
        )
        return Stage(params, jnp.asarray(mean), jnp.float32(scale)), curves

    drift_series = series.to_drift_series(x_NxRxT[n_held:])
    kept = np.asarray(series.undersample(thin_key, drift_series, config.threshold, config.kept_fraction))
    mean_RxT = x_NxRxT[n_held:].mean(axis=0)
    drift, drift_curves = fit_stage("drift", drift_key, series.to_drift_series, x_NxRxT, mean_RxT, kept)
    z_NxRxD = _in_batches(functools.partial(_encode_drift, config, t, drift), x_NxRxT, config.batch_records)
    mean_RxD = z_NxRxD[n_held:].mean(axis=0)
    retention, retention_curves = fit_stage(
        "retention", retention_key, series.to_retention_series, z_NxRxD, mean_RxD, None
    )
    return Codec(drift, retention), {"drift": drift_curves, "retention": retention_curves}


def encode(codec: Codec, x_NxRxT: np.ndarray, config: CodecConfig) -> np.ndarray:
    """Latent matrices N×d×d of records on the [0, 1] scale."""
    return _in_batches(functools.partial(_encode, config, x_NxRxT.shape[1:], codec), x_NxRxT, config.batch_records)


def decode(codec: Codec, latents_SxDxD: np.ndarray, config: CodecConfig, shape: tuple[int, int]) -> np.ndarray:
    """Records S×R×T on the [0, 1] scale of latent matrices; ``shape`` is (R, T)."""
    return _in_batches(functools.partial(_decode, config, shape, codec), latents_SxDxD, config.batch_records)


def reconstruct(codec: Codec, x_NxRxT: np.ndarray, config: CodecConfig) -> np.ndarray:
    """Records through both autoencoders and back."""
    return decode(codec, encode(codec, x_NxRxT, config), config, x_NxRxT.shape[1:])


def check_latent(latent: int, shape: tuple[int, int]) -> None:
    """Raises InputError unless 1 ≤ d ≤ min(R, T)."""
    if not 1 <= latent <= min(shape):
        raise InputError(
            f"codec.latent: expected a dimension d from 1 to {min(shape)}, the shorter side of the preprocessed records "
            f"({shape[0]} × {shape[1]}), got {latent}"
        )


def _models(config: CodecConfig, shape: tuple[int, int]) -> tuple[SeriesAutoencoder, SeriesAutoencoder]:
    r, t = shape
    return SeriesAutoencoder(t, config.latent, config.model), SeriesAutoencoder(r, config.latent, config.model)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _encode_drift(config: CodecConfig, length: int, drift: Stage, x_NxRxT: Array) -> Array:
    model = SeriesAutoencoder(length, config.latent, config.model)
    standard = series.to_drift_series((x_NxRxT - drift.mean) / drift.scale)
    return series.from_drift_series(model.apply(drift.params, standard, method="encode"), len(x_NxRxT))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _encode(config: CodecConfig, shape: tuple[int, int], codec: Codec, x_NxRxT: Array) -> Array:
    z_NxRxD = _encode_drift(config, shape[1], codec.drift, x_NxRxT)
    standard = series.to_retention_series((z_NxRxD - codec.retention.mean) / codec.retention.scale)
    e_MxD = _models(config, shape)[1].apply(codec.retention.params, standard, method="encode")
    return e_MxD.reshape(len(x_NxRxT), config.latent, config.latent)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _decode(config: CodecConfig, shape: tuple[int, int], codec: Codec, e_NxDxD: Array) -> Array:
    n, d, _ = e_NxDxD.shape
    drift_model, retention_model = _models(config, shape)
    standard = retention_model.apply(codec.retention.params, e_NxDxD.reshape(n * d, d), method="decode")
    z_NxRxD = series.from_retention_series(standard, n) * codec.retention.scale + codec.retention.mean
    series_MxT = drift_model.apply(codec.drift.params, series.to_drift_series(z_NxRxD), method="decode")
    return series.from_drift_series(series_MxT, n) * codec.drift.scale + codec.drift.mean


def _in_batches(function: Callable[[Array], Array], a_Nx: np.ndarray, size: int) -> np.ndarray:
    """Applies a jitted function to equal batches; the last one is filled up so that nothing is compiled twice."""
    n = len(a_Nx)
    padded_Nx = np.concatenate([a_Nx, np.repeat(a_Nx[-1:], -n % size, axis=0)])
    parts = [np.asarray(function(padded_Nx[i : i + size])) for i in range(0, len(padded_Nx), size)]
    return np.concatenate(parts)[:n]
