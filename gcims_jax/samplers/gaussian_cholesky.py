"""The paper's sampler: one Gaussian per class over d×d latent matrices, drawn through a precomputed Cholesky factor."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.linalg import regularised_cholesky
from gcims_jax.samplers.contract import check_fit_input, class_positions

Array = jax.Array


class GaussianCholesky(NamedTuple):
    """Fitted state, a pytree; P = d².

    Attributes:
      classes_K: integer labels seen in fit, sorted.
      mean_KxDxD: class means.
      lower_KxPxP: factors of the regularised class covariances, float32.
      jitter_K: added to the diagonal to make the factorisation succeed, in squared latent units.
      condition_K: condition number of the factored covariance.
      rank_K: rank of the regularised covariance before the jitter.
    """

    classes_K: Array
    mean_KxDxD: Array
    lower_KxPxP: Array
    jitter_K: Array
    condition_K: Array
    rank_K: Array


def fit(latents_NxDxD: np.ndarray, labels_N: np.ndarray, *, ridge: float = 0.1) -> GaussianCholesky:
    """Class means and factors of the regularised class covariances; float64 on the host, once.

    With S the covariance of a class (N_k - 1 in the denominator), the factored matrix is
    (1 - λ)·S + λ·tr(S)/P·I. A class with one record has no S of its own and takes the pooled within-class
    covariance instead.

    Args:
      latents_NxDxD: training latents.
      labels_N: their integer class labels.
      ridge: λ, from 0 (the empirical covariance) to 1 (isotropic).

    Raises:
      InputError: λ outside [0, 1], malformed latents or labels, or no class with two records.
    """
    if not 0.0 <= ridge <= 1.0:
        raise InputError(f"sampler.ridge: expected a number from 0 to 1, got {ridge}")
    latents_NxP, labels_N = check_fit_input(latents_NxDxD, labels_N)
    n, size = latents_NxP.shape
    classes_K, positions_N, counts_K = np.unique(labels_N, return_inverse=True, return_counts=True)
    if n == len(classes_K):
        raise InputError("latents: expected a class with at least 2 records to learn a covariance from, got none")
    mean_KxP = np.stack([latents_NxP[labels_N == k].mean(axis=0) for k in classes_K])
    deviations_NxP = latents_NxP - mean_KxP[positions_N]

    factors = []
    for k, count in enumerate(counts_K):
        if count > 1:
            of_class = deviations_NxP[positions_N == k]
            covariance_PxP = of_class.T @ of_class / (count - 1)
        else:
            covariance_PxP = deviations_NxP.T @ deviations_NxP / (n - len(classes_K))
        mean_variance = np.trace(covariance_PxP) / size
        factors.append(regularised_cholesky((1.0 - ridge) * covariance_PxP + ridge * mean_variance * np.eye(size)))
    d = latents_NxDxD.shape[1]
    return GaussianCholesky(
        classes_K=jnp.asarray(classes_K),
        mean_KxDxD=jnp.asarray(mean_KxP.reshape(-1, d, d), jnp.float32),
        lower_KxPxP=jnp.asarray(np.stack([f.lower_PxP for f in factors]), jnp.float32),
        jitter_K=jnp.asarray([f.jitter for f in factors], jnp.float32),
        condition_K=jnp.asarray([f.condition for f in factors], jnp.float32),
        rank_K=jnp.asarray([f.rank for f in factors]),
    )


def sample(key: Array, state: GaussianCholesky, labels_S: Array) -> Array:
    """One draw per label, S×d×d: mean of its class plus factor times standard normals."""
    positions_S = class_positions(state.classes_K, labels_S)
    return _draw(key, state, positions_S)


@jax.jit
def _draw(key: Array, state: GaussianCholesky, positions_S: Array) -> Array:
    size = state.lower_KxPxP.shape[-1]
    normal_SxP = jax.random.normal(key, (len(positions_S), size))

    # Class by class: gathering one factor per draw would take S·P² memory.
    def add_class(draws_SxP: Array, k: Array) -> tuple[Array, None]:
        of_class_SxP = normal_SxP @ state.lower_KxPxP[k].T
        return jnp.where((positions_S == k)[:, None], of_class_SxP, draws_SxP), None

    draws_SxP, _ = jax.lax.scan(add_class, jnp.zeros_like(normal_SxP), jnp.arange(len(state.classes_K)))
    return state.mean_KxDxD[positions_S] + draws_SxP.reshape(-1, *state.mean_KxDxD.shape[1:])
