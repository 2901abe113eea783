"""How much to regularise a class covariance: the mix of class covariances, and λ, α and h by leave-one-out likelihood.

Leaving one record out changes a class mean, its covariance and the pooled one by one and the same rank-one term, so
the likelihood of every record under what the others say costs one eigendecomposition per class and α, in the span of
the deviations (Hoffbeck & Landgrebe 1996, doi:10.1109/34.506799, extended here to the trace-scaled ridge, to pooling
and to the smoothed bootstrap).
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp
from sklearn.covariance import ledoit_wolf_shrinkage

from gcims_jax.errors import InputError
from gcims_jax.samplers.contract import ClassStatistics, check_fraction

LIKELIHOOD = "likelihood"
RIDGES = (0.001, 0.003, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
ALPHAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
BANDWIDTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5)
# Used where the records say nothing: every class has one record or identical ones.
FALLBACK = {"alpha": 0.5, "ridge": 0.1, "bandwidth": 0.5}


class Selection(NamedTuple):
    """What was tried and what the left-out records say to it.

    Attributes:
      alpha_A, ridge_G, bandwidth_H: values tried; one where it was given.
      log_likelihood_AxGxH: mean log-density in nats of a left-out record; -inf where no class could be left out.
    """

    alpha_A: np.ndarray
    ridge_G: np.ndarray
    bandwidth_H: np.ndarray
    log_likelihood_AxGxH: np.ndarray


def check_options(alpha: Any, ridge: Any, neighbours: int | None, bandwidth: Any) -> None:
    """Raises InputError for an option outside its range."""
    if alpha != LIKELIHOOD:
        check_fraction("alpha", alpha)
    if isinstance(ridge, str):
        words = (LIKELIHOOD, "ledoit_wolf", "oas") if alpha == 0.0 and bandwidth is None else (LIKELIHOOD,)
        if ridge not in words:
            raise InputError(f"sampler.ridge: expected a number from 0 to 1 or {' or '.join(words)}, got {ridge!r}")
    else:
        check_fraction("ridge", ridge)
    if neighbours is not None and neighbours < 1:
        raise InputError(f"sampler.neighbours: expected 1 class or more, got {neighbours}")
    if isinstance(bandwidth, str):
        if bandwidth not in (LIKELIHOOD, "silverman"):
            raise InputError(f"sampler.bandwidth: expected a number, likelihood or silverman, got {bandwidth!r}")
    elif bandwidth is not None and not 0.0 < bandwidth < np.inf:
        raise InputError(f"sampler.bandwidth: expected a number above 0, got {bandwidth}")


def nearest_classes(centre_KxP: np.ndarray, neighbours: int | None) -> np.ndarray:
    """K×K, 1 where class c belongs to the neighbourhood of class k: itself and the nearest by centre, or all."""
    count = len(centre_KxP)
    if neighbours is None or neighbours >= count - 1:
        return np.ones((count, count))
    squared_K = np.sum(centre_KxP**2, axis=1)
    distance_KxK = squared_K[:, None] + squared_K - 2.0 * centre_KxP @ centre_KxP.T
    np.fill_diagonal(distance_KxK, -np.inf)
    near_KxK = np.zeros((count, count))
    np.put_along_axis(near_KxK, np.argsort(distance_KxK, axis=1)[:, : neighbours + 1], 1.0, axis=1)
    return near_KxK


def mix(counts_K: np.ndarray, neighbourhood_KxK: np.ndarray, alpha: float) -> np.ndarray:
    """K×K share of the covariance of class c in that of class k; rows sum to 1.

    α of the neighbourhood's pooled covariance and 1 - α of the own one; all of the pooled one for a class with one
    record, and of all classes where its neighbourhood has no class with two.
    """
    freedom_K = counts_K - 1.0
    pooled_KxK = neighbourhood_KxK * freedom_K
    pooled_KxK[pooled_KxK.sum(axis=1) == 0.0] = freedom_K
    pooled_KxK /= np.maximum(pooled_KxK.sum(axis=1, keepdims=True), 1.0)
    alpha_Kx1 = np.where(freedom_K > 0.0, alpha, 1.0)[:, None]
    return alpha_Kx1 * pooled_KxK + (1.0 - alpha_Kx1) * np.eye(len(counts_K))


def choose(
    stats: ClassStatistics, neighbourhood_KxK: np.ndarray, alpha: Any, ridge: Any, bandwidth: Any
) -> tuple[float, np.ndarray, np.ndarray, Selection | None]:
    """α, λ per class and h per class; those that are words are worked out from the training latents."""
    count = len(stats.classes_K)
    grid = {
        "alpha": np.asarray(ALPHAS if alpha == LIKELIHOOD else [alpha]),
        "ridge": np.asarray(RIDGES if ridge == LIKELIHOOD else [ridge]),
        "bandwidth": np.asarray(BANDWIDTHS if bandwidth == LIKELIHOOD else [1.0 if bandwidth is None else bandwidth]),
    }
    if bandwidth == "silverman":
        grid["bandwidth"] = np.ones(1)
    selection = None
    if LIKELIHOOD in (alpha, ridge, bandwidth):
        log_likelihood_AxGxH = leave_one_out(
            stats, neighbourhood_KxK, *grid.values(), around_records=bandwidth is not None
        )
        selection = Selection(*grid.values(), log_likelihood_AxGxH)
        best = np.unravel_index(np.argmax(log_likelihood_AxGxH), log_likelihood_AxGxH.shape)
        undecided = not np.isfinite(log_likelihood_AxGxH).any()
        chosen = {
            name: FALLBACK[name] if undecided and len(values) > 1 else values[i]
            for (name, values), i in zip(grid.items(), best, strict=True)
        }
    else:
        chosen = {name: values[0] for name, values in grid.items()}
    ridge_K = closed_form_ridge(stats, ridge) if ridge in ("ledoit_wolf", "oas") else np.full(count, chosen["ridge"])
    bandwidth_K = silverman(stats) if bandwidth == "silverman" else np.full(count, chosen["bandwidth"])
    return float(chosen["alpha"]), ridge_K.astype(float), bandwidth_K.astype(float), selection


def closed_form_ridge(stats: ClassStatistics, rule: str) -> np.ndarray:
    """λ of each class by Ledoit & Wolf (2004) or OAS (Chen et al. 2010), without a P×P matrix; 0 for one record."""
    ridge_K = np.zeros(len(stats.classes_K))
    for k in np.flatnonzero(stats.counts_K > 1):
        x_NxP = stats.deviations_NxP[stats.positions_N == k]
        n, size = x_NxP.shape
        gram_NxN = x_NxP @ x_NxP.T / n
        trace, square = np.trace(gram_NxN), np.sum(gram_NxN**2)
        if trace == 0.0:
            continue
        if rule == "ledoit_wolf":
            ridge_K[k] = ledoit_wolf_shrinkage(x_NxP, assume_centered=True)
        else:
            numerator = square / size**2 + (trace / size) ** 2
            denominator = (n + 1.0) * (square / size**2 - (trace / size) ** 2 / size)
            ridge_K[k] = 1.0 if denominator <= 0.0 else min(1.0, numerator / denominator)
    return ridge_K


def silverman(stats: ClassStatistics) -> np.ndarray:
    """h of each class by Silverman's rule (1986), with the effective rank of the pooled covariance as the dimension."""
    gram_NxN = stats.deviations_NxP @ stats.deviations_NxP.T
    dimension = max(1.0, np.trace(gram_NxN) ** 2 / max(np.sum(gram_NxN**2), np.finfo(float).tiny))
    return (4.0 / ((dimension + 2.0) * stats.counts_K)) ** (1.0 / (dimension + 4.0))


def leave_one_out(
    stats: ClassStatistics,
    neighbourhood_KxK: np.ndarray,
    alpha_A: np.ndarray,
    ridge_G: np.ndarray,
    bandwidth_H: np.ndarray,
    *,
    around_records: bool,
) -> np.ndarray:
    """Mean log-density A×G×H of a record under the distribution fitted to all others of the training part.

    Classes with one record, and those whose deviations vanish, have nobody to leave out. The neighbourhood of a class
    is kept while its records are left out.

    Args:
      stats: training latents.
      neighbourhood_KxK: see ``nearest_classes``.
      alpha_A, ridge_G, bandwidth_H: values to try.
      around_records: whether draws start at a random record rather than at the class mean.
    """
    size = stats.deviations_NxP.shape[1]
    total_AxGxH = np.zeros((len(alpha_A), len(ridge_G), len(bandwidth_H)))
    left_out = 0
    coordinates_NxR = _coordinates(stats.deviations_NxP)
    for k in np.flatnonzero(stats.counts_K > 1):
        counts_K = stats.counts_K - (np.arange(len(stats.counts_K)) == k)
        if not np.any(counts_K > 1):
            continue
        mix_AxK = np.stack([mix(counts_K, neighbourhood_KxK, a)[k] for a in alpha_A])
        share_AxK = mix_AxK / np.maximum(counts_K - 1, 1)
        used_N = np.any(share_AxK > 0.0, axis=0)[stats.positions_N] | (stats.positions_N == k)
        span_UxR = np.linalg.qr(coordinates_NxR[used_N].T, mode="r").T
        positions_U = stats.positions_N[used_N]
        own_BxR = span_UxR[positions_U == k]
        if not np.any(own_BxR):
            continue
        for a, share_K in enumerate(share_AxK):
            scatter_RxR = (span_UxR * share_K[positions_U, None]).T @ span_UxR
            total_AxGxH[a] += _left_out_of_class(
                scatter_RxR, own_BxR, share_K[k], ridge_G, bandwidth_H, size, around_records
            )
        left_out += len(own_BxR)
    return total_AxGxH / left_out if left_out else np.full(total_AxGxH.shape, -np.inf)


def _coordinates(deviations_NxP: np.ndarray) -> np.ndarray:
    """Deviations in an orthonormal basis of their span: N×R with R ≤ min(N, P), inner products kept."""
    if deviations_NxP.shape[1] <= len(deviations_NxP):
        return deviations_NxP
    return np.linalg.qr(deviations_NxP.T, mode="r").T


def _left_out_of_class(
    scatter_RxR: np.ndarray,
    own_BxR: np.ndarray,
    share: float,
    ridge_G: np.ndarray,
    bandwidth_H: np.ndarray,
    size: int,
    around_records: bool,
) -> np.ndarray:
    """Summed log-density G×H of the B records of a class, each left out once.

    With record n left out the covariance is (1-λ)(scatter - downdate·c_n c_nᵀ) + σ_n² I, σ_n² = λ·trace/P.
    """
    n = len(own_BxR)
    downdate = share * n / (n - 1.0)
    values_R, vectors_RxR = np.linalg.eigh(scatter_RxR)
    values_R = np.maximum(values_R, 0.0)
    y_BxR = own_BxR @ vectors_RxR
    trace_B = np.maximum(values_R.sum() - downdate * np.sum(y_BxR**2, axis=1), np.finfo(float).tiny)
    result_GxH = np.full((len(ridge_G), len(bandwidth_H)), -np.inf)
    for g, ridge in enumerate(ridge_G):
        if ridge == 0.0 and len(values_R) < size:
            continue  # a covariance that is not of full rank has no density
        variance_BxR = (1.0 - ridge) * values_R + (ridge * trace_B / size)[:, None]
        if np.any(variance_BxR <= 0.0):
            continue
        beta = (1.0 - ridge) * downdate
        own_B = np.sum(y_BxR**2 / variance_BxR, axis=1)
        kept_B = np.maximum(1.0 - beta * own_B, np.finfo(float).tiny)
        log_determinant_B = np.sum(np.log(variance_BxR), axis=1) + np.log(kept_B)
        if len(values_R) < size:
            log_determinant_B += (size - len(values_R)) * np.log(ridge * trace_B / size)
        if around_records:
            difference_BxBxR = y_BxR[:, None] - y_BxR
            square_BxB = np.sum(difference_BxBxR**2 / variance_BxR[:, None], axis=2)
            cross_BxB = np.einsum("ijr,ir->ij", difference_BxBxR, y_BxR / variance_BxR)
            quadratic_BxB = square_BxB + beta * cross_BxB**2 / kept_B[:, None]
            quadratic_BxB[np.diag_indices(n)] = np.inf
        else:
            quadratic_BxB = ((n / (n - 1.0)) ** 2 * own_B / kept_B)[:, None]
        for h, bandwidth in enumerate(bandwidth_H):
            terms_B = logsumexp(-0.5 * quadratic_BxB / bandwidth**2, axis=1) - np.log(
                n - 1.0 if around_records else 1.0
            )
            constant_B = size * np.log(2.0 * np.pi * bandwidth**2) + log_determinant_B
            result_GxH[g, h] = np.sum(terms_B - 0.5 * constant_B)
    return result_GxH
