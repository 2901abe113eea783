"""The paper's sampler: one Gaussian per class over d×d latent matrices, drawn through a precomputed Cholesky factor."""

import os
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import linalg

from gcims_jax.batches import traced
from gcims_jax.errors import InputError
from gcims_jax.linalg import regularised_cholesky
from gcims_jax.parts import Part
from gcims_jax.samplers.contract import (
    check,
    check_latents,
    class_positions,
    class_statistics,
    deviations,
    each_class,
    place,
)

Array = jax.Array


class GaussianCholesky(NamedTuple):
    """Fitted state, a pytree; P of d² coordinates in use.

    Attributes:
      classes_K: integer labels seen in fit, sorted.
      mean_KxDxD: class means.
      used_P: coordinates of a flattened latent that have a distribution; the others are constant.
      lower_KxPxP: factors of the regularised class covariances, float32.
      jitter_K: added to the diagonal to make the factorisation succeed, in squared latent units.
      condition_K: condition number of the factored covariance.
      rank_K: rank of the regularised covariance before the jitter.
    """

    classes_K: Array
    mean_KxDxD: Array
    used_P: Array
    lower_KxPxP: Array
    jitter_K: Array
    condition_K: Array
    rank_K: Array


def fit(part: Part, *, ridge: float = 0.1) -> GaussianCholesky:
    """Class means and factors of the regularised class covariances; float64 on the host, once.

    With S the covariance of a class (N_k - 1 in the denominator), the factored matrix is
    (1 - λ)·S + λ·tr(S)/P·I. A class with one record has no S of its own and takes the pooled within-class
    covariance instead.

    Args:
      part: training latents N×d×d and their integer labels.
      ridge: λ, from 0 (the empirical covariance) to 1 (isotropic).

    Raises:
      InputError: λ outside [0, 1], malformed latents or labels, no class with two records, or factors that would fill the
        memory.
    """
    check(ridge=ridge)
    stats = class_statistics(part)
    n, size = stats.deviations_NxP.shape
    check_factors_fit(len(stats.classes_K), size)

    factors = []
    for k, count in enumerate(stats.counts_K):
        if count > 1:
            of_class = stats.deviations_NxP[stats.positions_N == k]
            covariance_PxP = of_class.T @ of_class / (count - 1)
        else:
            covariance_PxP = stats.deviations_NxP.T @ stats.deviations_NxP / (n - len(stats.classes_K))
        mean_variance = np.trace(covariance_PxP) / size
        factors.append(regularised_cholesky((1.0 - ridge) * covariance_PxP + ridge * mean_variance * np.eye(size)))
    return GaussianCholesky(
        classes_K=jnp.asarray(stats.classes_K),
        mean_KxDxD=jnp.asarray(stats.centre_KxDxD, jnp.float32),
        used_P=jnp.asarray(stats.used_P),
        lower_KxPxP=jnp.asarray(np.stack([f.lower_PxP for f in factors]), jnp.float32),
        jitter_K=jnp.asarray([f.jitter for f in factors], jnp.float32),
        condition_K=jnp.asarray([f.condition for f in factors], jnp.float32),
        rank_K=jnp.asarray([f.rank for f in factors]),
    )


def check_factors_fit(count: int, size: int) -> None:
    """Raises InputError where the factors of ``count`` classes at P = ``size`` need more than half of the memory."""
    # Kept factors in float32, and covariance, eigenvalue work and factor of one class in float64.
    needed = 4 * count * size**2 + 4 * 8 * size**2
    available = _memory_bytes() // 2
    if needed > available:
        raise InputError(
            f"sampler.name: gaussian_cholesky needs {needed / 2**30:.1f} GiB for {count} factors of "
            f"{size} × {size}, expected at most {available / 2**30:.1f} GiB (half of the memory); use gaussian, which draws from "
            "the same distribution without them"
        )


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


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
    return place(state.mean_KxDxD, state.used_P, positions_S, draws_SxP)


def log_density(state: GaussianCholesky, latents_MxDxD: np.ndarray, labels_M: np.ndarray) -> np.ndarray:
    """Log-density in nats of each latent matrix under its label's Gaussian of the coordinates in use.

    It is -inf for latents that differ from all training records in a coordinate that is constant there.

    Raises:
      InputError: a class without any spread; labels not seen in fit.
    """
    latents_MxL, labels_M = check_latents(latents_MxDxD, labels_M)
    positions_M = class_positions(state.classes_K, labels_M)
    deviations_MxP, kept_M = deviations(state.mean_KxDxD, state.used_P, positions_M, latents_MxL)
    if traced(state, latents_MxL, positions_M):

        def of_class(k: Array) -> Array:
            lower_PxP = state.lower_KxPxP[k]
            white_PxM = jax.scipy.linalg.solve_triangular(lower_PxP, deviations_MxP.T, lower=True)
            log_determinant = 2.0 * jnp.sum(jnp.log(jnp.diag(lower_PxP)))
            constant = len(lower_PxP) * np.log(2.0 * np.pi) + log_determinant
            found_M = -0.5 * (constant + jnp.sum(white_PxM**2, axis=0))
            return jnp.where(jnp.all(jnp.diag(lower_PxP) > 0.0), found_M, jnp.nan)

        return jnp.where(kept_M, each_class(of_class, len(state.classes_K), positions_M), -jnp.inf)
    positions_M = np.asarray(positions_M)
    result_M = np.empty(len(positions_M))
    for k in np.unique(positions_M):
        lower_PxP = np.asarray(state.lower_KxPxP[k], np.float64)
        if not np.all(np.diag(lower_PxP) > 0.0):
            raise InputError(f"log-density: expected records that differ, got none in class {int(state.classes_K[k])}")
        white_PxM = linalg.solve_triangular(lower_PxP, deviations_MxP[positions_M == k].T, lower=True)
        log_determinant = 2.0 * np.sum(np.log(np.diag(lower_PxP)))
        constant = len(lower_PxP) * np.log(2.0 * np.pi) + log_determinant
        result_M[positions_M == k] = -0.5 * (constant + np.sum(white_PxM**2, axis=0))
    return np.where(kept_M, result_M, -np.inf)
