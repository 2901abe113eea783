"""Linear-Gaussian samplers in one line of algebra, without a P×P matrix.

With class centres m_k, deviations c_n of all training latents from their own class centre, weights W and scales σ,

    draw(class k) = centre + Σ_n ε_n W_kn c_n + σ_k η,     ε, η standard normal,
    covariance    = Σ_n W_kn² c_n c_nᵀ + σ_k² I.

The covariance is (1 - λ) Σ_c mix_kc S_c + λ·tr/P·I: a mix of the class covariances S_c, shrunk by the ridge λ to an
isotropic one of the same trace. The mix blends a class's own covariance with the pooled one of its neighbourhood by
α (regularised discriminant analysis, Friedman 1989, doi:10.1080/01621459.1989.10478752; borrowing from the nearest
classes only: Yang, Liu & Xu, arXiv 2101.06395). The centre is the class mean, or for the smoothed bootstrap a random
record of the class, with the covariance scaled by h².
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import linalg
from scipy.special import logsumexp

from gcims_jax.batches import traced
from gcims_jax.errors import InputError
from gcims_jax.options import Rules
from gcims_jax.parts import Part
from gcims_jax.samplers import mixing, shrinkage
from gcims_jax.samplers.contract import (
    check_latents,
    class_positions,
    class_rows,
    class_statistics,
    deviations,
    each_class,
    place,
)
from gcims_jax.samplers.shrinkage import Selection

Array = jax.Array


class LowRankGaussian(NamedTuple):
    """Fitted state of every member of the family, a pytree; P of d² coordinates in use.

    Attributes:
      classes_K: integer labels seen in fit, sorted.
      centre_KxDxD: class means.
      used_P: coordinates of a flattened latent that have a distribution; the others are constant.
      deviations_NxP: training latents less their class mean.
      weight_KxN: W, zero where a record does not carry a class's covariance.
      normals_BxN: one-hot, the normal that each record takes where no two classes share a record, so that B normals a
        draw do for the largest class; None where each record takes its own.
      scale_K: σ.
      starts_KxB: smoothed bootstrap only: the records of each class, as indices, padded; else None.
      counts_K: records of each class.
      ridge_K, alpha_K: λ and α that were used.
      bandwidth_K: h that was used; 1 where the centre is the class mean.
      selection: likelihood of the values that were tried; None where all were given.
    """

    classes_K: Array
    centre_KxDxD: Array
    used_P: Array
    deviations_NxP: Array
    weight_KxN: Array
    normals_BxN: Array | None
    scale_K: Array
    starts_KxB: Array | None
    counts_K: Array
    ridge_K: Array
    alpha_K: Array
    bandwidth_K: Array
    selection: Selection | None


def fit_gaussian(part: Part, *, ridge: float | str = "likelihood") -> LowRankGaussian:
    """One Gaussian per class, its covariance shrunk by λ; see ``_fit``."""
    return _fit(part, **FIXED["gaussian"], ridge=ridge)


def fit_pooled(part: Part, *, ridge: float | str = "likelihood") -> LowRankGaussian:
    """Class means with the within-class covariance of all classes; see ``_fit``."""
    return _fit(part, **FIXED["pooled"], ridge=ridge)


def fit_rda(part: Part, *, alpha: float | str = "likelihood", ridge: float | str = "likelihood") -> LowRankGaussian:
    """Regularised discriminant: class and pooled covariance blended by α; see ``_fit``."""
    return _fit(part, alpha=alpha, ridge=ridge)


def fit_borrowed(
    part: Part, *, alpha: float | str = "likelihood", ridge: float | str = "likelihood", neighbours: int = 2
) -> LowRankGaussian:
    """Class covariance blended by α with the pooled one of the class and its nearest classes; see ``_fit``."""
    return _fit(part, alpha=alpha, ridge=ridge, neighbours=neighbours)


def fit_kde(
    part: Part,
    *,
    alpha: float | str = 1.0,
    ridge: float | str = "likelihood",
    bandwidth: float | str = "likelihood",
) -> LowRankGaussian:
    """Smoothed bootstrap: a random record of the class plus h times a draw of the blended covariance; see ``_fit``."""
    return _fit(part, alpha=alpha, ridge=ridge, bandwidth=bandwidth)


# The members of the family, and what each takes as given of the options of ``_fit``.
MEMBERS = {
    "gaussian": fit_gaussian,
    "pooled": fit_pooled,
    "rda": fit_rda,
    "borrowed": fit_borrowed,
    "kde": fit_kde,
}
FIXED = {"gaussian": {"alpha": 0.0}, "pooled": {"alpha": 1.0}}


def rules(name: str, given: Mapping[str, Any]) -> Rules:
    """What the options of a member may be."""
    return shrinkage.rules({**FIXED.get(name, {}), **given})


def _fit(
    part: Part,
    *,
    alpha: float | str,
    ridge: float | str,
    neighbours: int | None = None,
    bandwidth: float | str | None = None,
) -> LowRankGaussian:
    """Fits a member of the family; float64 on the host, O(N²P).

    A class with one record has no covariance of its own and takes the pooled one of its neighbourhood.

    Args:
      part: training latents N×d×d, their integer labels and groups.
      alpha: α, from 0 (own covariance) to 1 (pooled), or ``"likelihood"``.
      ridge: λ, from 0 to 1, or ``"likelihood"``, or with α = 0 ``"ledoit_wolf"`` or ``"oas"``, per class.
      neighbours: classes nearest by centre whose covariance is pooled with a class's own; None pools all.
      bandwidth: h above 0, ``"silverman"`` or ``"likelihood"``; None draws around the class mean.

    What is ``"likelihood"`` is chosen, one value for all classes, by the likelihood of these latents with
    whole groups left out.

    Raises:
      InputError: an option outside its range, malformed latents or labels, no class with two records.
    """
    shrinkage.check_values(alpha, ridge, neighbours, bandwidth)
    stats = class_statistics(part)
    neighbourhood_KxK = mixing.nearest_classes(stats.centre_KxDxD, neighbours)
    alpha, ridge_K, bandwidth_K, selection = shrinkage.choose(stats, neighbourhood_KxK, alpha, ridge, bandwidth)

    count, size = len(stats.classes_K), stats.deviations_NxP.shape[1]
    per_record_KxN = mixing.shares(stats.counts_K, neighbourhood_KxK, alpha)[:, stats.positions_N]
    traces_K = per_record_KxN @ np.sum(stats.deviations_NxP**2, axis=1)
    weight_KxN = np.sqrt((1.0 - ridge_K)[:, None] * per_record_KxN) * bandwidth_K[:, None]
    members_KxB, valid_KxB = class_rows(stats)
    shared = np.any(np.count_nonzero(weight_KxN, axis=0) > 1)
    normals_BxN = np.zeros((members_KxB.shape[1], len(stats.positions_N)))
    normals_BxN[np.nonzero(valid_KxB)[1], members_KxB[valid_KxB]] = 1.0
    return LowRankGaussian(
        classes_K=jnp.asarray(stats.classes_K),
        centre_KxDxD=jnp.asarray(stats.centre_KxDxD, jnp.float32),
        used_P=jnp.asarray(stats.used_P),
        deviations_NxP=jnp.asarray(stats.deviations_NxP, jnp.float32),
        weight_KxN=jnp.asarray(weight_KxN, jnp.float32),
        normals_BxN=None if shared else jnp.asarray(normals_BxN, jnp.float32),
        scale_K=jnp.asarray(np.sqrt(ridge_K * traces_K / size) * bandwidth_K, jnp.float32),
        starts_KxB=None if bandwidth is None else jnp.asarray(members_KxB),
        counts_K=jnp.asarray(stats.counts_K),
        ridge_K=jnp.asarray(ridge_K, jnp.float32),
        alpha_K=jnp.full(count, alpha, jnp.float32),
        bandwidth_K=jnp.asarray(bandwidth_K, jnp.float32),
        selection=selection,
    )


def sample(key: Array, state: LowRankGaussian, labels_S: Array) -> Array:
    """One draw per label, S×d×d, in O(S·N·P)."""
    return _draw(key, state, class_positions(state.classes_K, labels_S))


@jax.jit
def _draw(key: Array, state: LowRankGaussian, positions_S: Array) -> Array:
    weight_key, scale_key, start_key = jax.random.split(key, 3)
    count, size = len(positions_S), state.deviations_NxP.shape[1]
    if state.normals_BxN is None:
        normal_SxN = jax.random.normal(weight_key, (count, state.weight_KxN.shape[1]))
    else:
        normal_SxN = jax.random.normal(weight_key, (count, len(state.normals_BxN))) @ state.normals_BxN
    coefficients_SxN = state.weight_KxN[positions_S] * normal_SxN
    # One product with the rows of all classes: sorting draws by class to skip zero weights was slower below 300 records.
    draws_SxP = coefficients_SxN @ state.deviations_NxP
    draws_SxP += state.scale_K[positions_S, None] * jax.random.normal(scale_key, (count, size))
    if state.starts_KxB is not None:
        picked_S = jax.random.randint(start_key, (count,), 0, state.counts_K[positions_S])
        draws_SxP += state.deviations_NxP[state.starts_KxB[positions_S, picked_S]]
    return place(state.centre_KxDxD, state.used_P, positions_S, draws_SxP)


def log_density(state: LowRankGaussian, latents_MxDxD: np.ndarray, labels_M: np.ndarray) -> np.ndarray:
    """Log-density in nats of each latent matrix under its label's distribution, float64, by the Woodbury identity.

    The density is that of the coordinates in use, and -inf for latents that differ from all training records in a
    coordinate that is constant there.

    Raises:
      InputError: σ = 0, where the covariance has no inverse; labels not seen in fit.
    """
    latents_MxL, labels_M = check_latents(latents_MxDxD, labels_M)
    positions_M = class_positions(state.classes_K, labels_M)
    deviations_MxP, kept_M = deviations(state.centre_KxDxD, state.used_P, positions_M, latents_MxL)
    if traced(state, latents_MxL, positions_M):
        return jnp.where(kept_M, _log_density_in_jax(state, deviations_MxP, positions_M), -jnp.inf)
    positions_M = np.asarray(positions_M)
    result_M = np.empty(len(positions_M))
    for k in np.unique(positions_M):
        scale = float(state.scale_K[k])
        if scale == 0.0:
            raise InputError(
                f"log-density: expected a covariance of full rank, got one of rank below {deviations_MxP.shape[1]} in class "
                f"{int(state.classes_K[k])}; set sampler.ridge above 0"
            )
        rows_NxP = np.asarray(state.deviations_NxP, np.float64)
        weight_N = np.asarray(state.weight_KxN[k], np.float64)
        factor_MxP = (weight_N[:, None] * rows_NxP)[weight_N > 0.0]
        starts_BxP = np.zeros((1, rows_NxP.shape[1]))
        if state.starts_KxB is not None:
            starts_BxP = rows_NxP[state.starts_KxB[k, : state.counts_K[k]]]
        of_class_MxBxP = deviations_MxP[positions_M == k][:, None] - starts_BxP
        terms_MxB = _log_normal(of_class_MxBxP, factor_MxP, scale)
        result_M[positions_M == k] = logsumexp(terms_MxB, axis=1) - np.log(len(starts_BxP))
    return np.where(kept_M, result_M, -np.inf)


def _log_density_in_jax(state: LowRankGaussian, deviations_MxP: Array, positions_M: Array) -> Array:
    """The same inside ``jax.jit``, class by class."""

    def of_class(k: Array) -> Array:
        factor_NxP = state.weight_KxN[k][:, None] * state.deviations_NxP
        if state.starts_KxB is None:
            terms_MxB = _log_normal(deviations_MxP[:, None], factor_NxP, state.scale_K[k], jnp, jax.scipy.linalg)
            found_M = terms_MxB[:, 0]
        else:
            of_start_MxBxP = deviations_MxP[:, None] - state.deviations_NxP[state.starts_KxB[k]]
            terms_MxB = _log_normal(of_start_MxBxP, factor_NxP, state.scale_K[k], jnp, jax.scipy.linalg)
            padding_B = jnp.arange(terms_MxB.shape[1]) >= state.counts_K[k]
            terms_MxB = jnp.where(padding_B, -jnp.inf, terms_MxB)
            found_M = jax.nn.logsumexp(terms_MxB, axis=1) - jnp.log(state.counts_K[k])
        return jnp.where(state.scale_K[k] > 0.0, found_M, jnp.nan)

    return each_class(of_class, len(state.classes_K), positions_M)


def _log_normal(x_XxBxP: Any, factor_MxP: Any, scale: Any, xp: ModuleType = np, linear: ModuleType = linalg) -> Any:
    """Log-density X×B of a normal with mean zero and covariance factorᵀ·factor + scale²·I, in NumPy or JAX."""
    size = factor_MxP.shape[1]
    inner_MxM = xp.eye(len(factor_MxP)) + factor_MxP @ factor_MxP.T / scale**2
    lower_MxM = xp.linalg.cholesky(inner_MxM)
    projected_MxX = linear.solve_triangular(lower_MxM, factor_MxP @ x_XxBxP.reshape(-1, size).T / scale**2, lower=True)
    quadratic_X = xp.sum(x_XxBxP**2, axis=-1).ravel() / scale**2 - xp.sum(projected_MxX**2, axis=0)
    log_determinant = 2.0 * size * xp.log(scale) + 2.0 * xp.sum(xp.log(xp.diag(lower_MxM)))
    return -0.5 * (size * np.log(2.0 * np.pi) + log_determinant + quadratic_X).reshape(x_XxBxP.shape[:2])


def condition(state: LowRankGaussian) -> np.ndarray:
    """Condition number of each class's covariance, K; infinite where it is singular."""
    result = []
    for k, scale in enumerate(np.asarray(state.scale_K, np.float64)):
        weight_N = np.asarray(state.weight_KxN[k], np.float64)
        factor_MxP = (weight_N[:, None] * np.asarray(state.deviations_NxP, np.float64))[weight_N > 0.0]
        values_M = np.linalg.eigvalsh(factor_MxP @ factor_MxP.T) if len(factor_MxP) else np.zeros(1)
        smallest = max(values_M[0], 0.0) if len(factor_MxP) >= factor_MxP.shape[1] else 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            result.append(np.divide(values_M[-1] + scale**2, smallest + scale**2))
    return np.nan_to_num(np.array(result), nan=np.inf, posinf=np.inf)
