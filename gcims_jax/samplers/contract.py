"""What every sampler is, and what all of them check."""

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
    """

    fit: Callable[..., Any]
    sample: Callable[[jax.Array, Any, jax.Array], jax.Array]


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
