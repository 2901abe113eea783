"""The two stages of the codec as pure functions of a pytree: what both ways of training, and all uses, share.

Stage 1 maps every drift series (R×T to R×d), stage 2 every retention series of the result (R×d to d×d). Each is a
linear path plus a transformer (arXiv 2502.13183); either may be absent.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax.codec import series
from gcims_jax.codec.model import SeriesAutoencoder

Array = jax.Array


class Stage(NamedTuple):
    """One stage, a pytree.

    Attributes:
      params: weights of its ``SeriesAutoencoder``; None where the transformer is off.
      linear_LxD: the linear path, orthonormal columns, encodes and its transpose decodes; zeros where there is none.
      mean: subtracted from its series; the mean record, R×T in stage 1 and R×d in stage 2.
      scale: they are divided by it, scalar.
      latent_scale: the transformer sees and makes latents in this unit, scalar.
    """

    params: Any
    linear_LxD: Array
    mean: Array
    scale: Array
    latent_scale: Array


class Codec(NamedTuple):
    """Both stages, a pytree of arrays.

    Attributes:
      drift: stage 1.
      retention: stage 2.
      principal_PxRxT: orthonormal components of what the stages' linear paths leave of whole records, filled up with
        zeros; their scores lie in the last columns of the latent matrix, where those paths are zero. None where there
        are none.
    """

    drift: Stage
    retention: Stage
    principal_PxRxT: Array | None = None


class Models(NamedTuple):
    """The networks of both stages, static."""

    drift: SeriesAutoencoder
    retention: SeriesAutoencoder


def encode_drift(model: SeriesAutoencoder, drift: Stage, x_NxRxT: Array, key: Array | None = None) -> Array:
    """Stage 1 of records on the [0, 1] scale, N×R×d; a key switches dropout on."""
    standard = series.to_drift_series((x_NxRxT - drift.mean) / drift.scale)
    return series.from_drift_series(_encode(model, drift, standard, key), len(x_NxRxT))


def encode_retention(model: SeriesAutoencoder, retention: Stage, z_NxRxD: Array, key: Array | None = None) -> Array:
    """Stage 2, latent matrices N×d×d; entry (i, j) belongs to component i of stage 1 and component j of stage 2."""
    standard = series.to_retention_series((z_NxRxD - retention.mean) / retention.scale)
    n, _, d = z_NxRxD.shape
    return _encode(model, retention, standard, key).reshape(n, d, d)


def decode_retention(model: SeriesAutoencoder, retention: Stage, e_NxDxD: Array, key: Array | None = None) -> Array:
    """Inverse of stage 2, N×R×d."""
    n, d, _ = e_NxDxD.shape
    standard = _decode(model, retention, e_NxDxD.reshape(n * d, d), key)
    return series.from_retention_series(standard, n) * retention.scale + retention.mean


def decode_drift(model: SeriesAutoencoder, drift: Stage, z_NxRxD: Array, key: Array | None = None) -> Array:
    """Inverse of stage 1, records on the [0, 1] scale."""
    standard = _decode(model, drift, series.to_drift_series(z_NxRxD), key)
    return series.from_drift_series(standard, len(z_NxRxD)) * drift.scale + drift.mean


def encode(models: Models, codec: Codec, x_NxRxT: Array, key: Array | None = None) -> Array:
    """Latent matrices N×d×d of records."""
    drift_key, retention_key = _split(key)
    z_NxRxD = encode_drift(models.drift, codec.drift, x_NxRxT, drift_key)
    e_NxDxD = encode_retention(models.retention, codec.retention, z_NxRxD, retention_key)
    if codec.principal_PxRxT is None:
        return e_NxDxD
    return e_NxDxD + encode_principal(codec, (x_NxRxT - codec.drift.mean) / codec.drift.scale)


def decode(models: Models, codec: Codec, e_NxDxD: Array, key: Array | None = None) -> Array:
    """Records of latent matrices."""
    drift_key, retention_key = _split(key)
    drift, retention, principal_PxRxT = codec
    z_NxRxD = decode_retention(models.retention, retention, e_NxDxD, retention_key)
    if principal_PxRxT is None:
        return decode_drift(models.drift, drift, z_NxRxD, drift_key)
    linear_NxRxT = decode_principal(codec, e_NxDxD)
    # The first stage's transformer sees the linear reconstruction as the latents that stage 1 gives it, and what stage
    # 1's path would make of these is already there.
    linear_NxRxD = linear_NxRxT @ drift.linear_LxD
    twice_NxRxT = linear_NxRxD @ drift.linear_LxD.T
    out_NxRxT = decode_drift(models.drift, drift, z_NxRxD + linear_NxRxD, drift_key)
    return out_NxRxT + (linear_NxRxT - twice_NxRxT) * drift.scale


def encode_principal(codec: Codec, standard_NxRxT: Array) -> Array:
    """Scores of standardised records on the principal components in the last columns of N×d×d."""
    d = codec.drift.linear_LxD.shape[1]
    scores_NxP = jnp.einsum("nrt,prt->np", standard_NxRxT, codec.principal_PxRxT) / codec.retention.scale
    return into_last_columns(scores_NxP, d)


def decode_principal(codec: Codec, e_NxDxD: Array) -> Array:
    """Standardised records of such scores."""
    flat = e_NxDxD.swapaxes(1, 2).reshape(len(e_NxDxD), -1)
    scores_NxP = flat[:, flat.shape[1] - len(codec.principal_PxRxT) :] * codec.retention.scale
    return jnp.einsum("np,prt->nrt", scores_NxP, codec.principal_PxRxT)


def into_last_columns(scores_NxP: Array, latent: int) -> Array:
    """N×d×d matrices that hold P numbers in their last columns, column by column, and zeros before them."""
    n, p = scores_NxP.shape
    return jnp.pad(scores_NxP, ((0, 0), (latent**2 - p, 0))).reshape(n, latent, latent).swapaxes(1, 2)


def spread(a: np.ndarray) -> np.float32:
    """Standard deviation, at least 1e-6: constant records must not divide by zero."""
    return np.float32(max(np.std(a), 1e-6))


def _encode(model: SeriesAutoencoder, stage: Stage, series_MxL: Array, key: Array | None) -> Array:
    linear_MxD = series_MxL @ stage.linear_LxD
    if stage.params is None:
        return linear_MxD
    z_MxD = model.apply(stage.params, series_MxL, key is None, method="encode", rngs=_rngs(key))
    return linear_MxD + stage.latent_scale * z_MxD


def _decode(model: SeriesAutoencoder, stage: Stage, z_MxD: Array, key: Array | None) -> Array:
    linear_MxL = z_MxD @ stage.linear_LxD.T
    if stage.params is None:
        return linear_MxL
    series_MxL = model.apply(stage.params, z_MxD / stage.latent_scale, key is None, method="decode", rngs=_rngs(key))
    return linear_MxL + series_MxL


def _rngs(key: Array | None) -> dict[str, Array]:
    return {} if key is None else {"dropout": key}


def _split(key: Array | None) -> tuple[Array | None, Array | None]:
    return (None, None) if key is None else tuple(jax.random.split(key))


jitted_encode_drift = jax.jit(encode_drift, static_argnums=0)
jitted_encode = jax.jit(encode, static_argnums=0)
jitted_decode = jax.jit(decode, static_argnums=0)
