"""What every sampler is, and what all of them check and share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from gcims_jax.errors import InputError


class Sampler(NamedTuple):
    """A way to draw latent matrices.

    Attributes:
      fit: ``fit(latents_NxDxD, labels_N, **options) -> state``.
      sample: ``sample(key, state, labels_S) -> latents_SxDxD``.
      log_density: ``log_density(state, latents_MxDxD, labels_M) -> log_density_M`` in nats, of each latent matrix under
        its label's distribution; None where it has no closed form.
    """

    fit: Callable[..., Any]
    sample: Callable[[jax.Array, Any, jax.Array], jax.Array]
    log_density: Callable[[Any, np.ndarray, np.ndarray], np.ndarray] | None = None


class ClassStatistics(NamedTuple):
    """Training latents split into class centres and deviations from them, float64.

    Attributes:
      classes_K: integer labels, sorted.
      counts_K: records of each class.
      positions_N: index of each record's class in ``classes_K``.
      centre_KxP: class means.
      deviations_NxP: each record less its class mean.
      latent: d.
    """

    classes_K: np.ndarray
    counts_K: np.ndarray
    positions_N: np.ndarray
    centre_KxP: np.ndarray
    deviations_NxP: np.ndarray
    latent: int


def class_statistics(latents_NxDxD: np.ndarray, labels_N: np.ndarray) -> ClassStatistics:
    """Checks a sampler's input and centres it.

    Raises:
      InputError: shapes that disagree, labels that are not integers, latents that are not finite, no class with two
        records.
    """
    latents_NxP, labels_N = check_fit_input(latents_NxDxD, labels_N)
    classes_K, positions_N, counts_K = np.unique(labels_N, return_inverse=True, return_counts=True)
    if len(labels_N) == len(classes_K):
        raise InputError("latents: expected a class with at least 2 records to learn a covariance from, got none")
    centre_KxP = np.stack([latents_NxP[positions_N == k].mean(axis=0) for k in range(len(classes_K))])
    deviations_NxP = latents_NxP - centre_KxP[positions_N]
    return ClassStatistics(classes_K, counts_K, positions_N, centre_KxP, deviations_NxP, latents_NxDxD.shape[1])


def class_rows(stats: ClassStatistics) -> tuple[np.ndarray, np.ndarray]:
    """Records of each class as indices K×M, padded with 0, and which of them are not padding; M is the largest count."""
    members_KxM = np.zeros((len(stats.classes_K), stats.counts_K.max()), int)
    for k, count in enumerate(stats.counts_K):
        members_KxM[k, :count] = np.flatnonzero(stats.positions_N == k)
    return members_KxM, np.arange(members_KxM.shape[1]) < stats.counts_K[:, None]


def check_fit_input(latents_NxDxD: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latents flattened to N×P in float64 and labels as an integer array.

    Raises:
      InputError: shapes that disagree, labels that are not integers, latents that are not finite.
    """
    latents = np.asarray(latents_NxDxD, np.float64)
    labels_N = np.asarray(labels_N)
    if latents.ndim != 3 or latents.shape[1] != latents.shape[2] or 0 in latents.shape:
        raise InputError(f"latents: expected shape (N, d, d), got {latents.shape}")
    if labels_N.shape != latents.shape[:1] or not np.issubdtype(labels_N.dtype, np.integer):
        raise InputError(
            f"labels: expected {len(latents)} integers, got shape {labels_N.shape} of type {labels_N.dtype}"
        )
    if not np.all(np.isfinite(latents)):
        raise InputError(f"latents: expected finite numbers, got {np.sum(~np.isfinite(latents))} NaN or infinite")
    return latents.reshape(len(latents), -1), labels_N


def check_fraction(name: str, value: Any) -> None:
    """Raises InputError unless the value is a number from 0 to 1."""
    if isinstance(value, str) or not 0.0 <= value <= 1.0:
        raise InputError(f"sampler.{name}: expected a number from 0 to 1, got {value!r}")


def class_positions(classes_K: jax.Array, labels_S: jax.Array) -> jax.Array:
    """Position of each label among the fitted classes.

    Raises:
      InputError: a label that was not seen in fit (checked where labels are concrete, so not under jit).
    """
    if not isinstance(labels_S, jax.core.Tracer) and not isinstance(classes_K, jax.core.Tracer):
        unseen = sorted(set(np.asarray(labels_S).tolist()) - set(np.asarray(classes_K).tolist()))
        if unseen:
            raise InputError(f"labels: expected some of {np.asarray(classes_K).tolist()} (seen in fit), got {unseen}")
    return jax.numpy.searchsorted(classes_K, labels_S)
