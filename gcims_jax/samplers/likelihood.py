"""Log-likelihood of records that a member of the linear-Gaussian family has not learned from, over whole grids of α, λ, h.

Leaving a group out, all records of a physical sample at once, takes from a class of n records the b that belong to the
group: its mean moves by -Σ y/(n - b) and its scatter loses FᵀF, where F = Y + t·1·Σy with t = (√(n/(n - b)) - 1)/b. So the
likelihood of every record under what other groups say costs one eigendecomposition per class, α and size of group, in
the span of the deviations, and a b×b one per group (Hoffbeck & Landgrebe 1996, doi:10.1109/34.506799, for single
records; extended here to groups, to the trace-scaled ridge, to pooling and to the smoothed bootstrap).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from gcims_jax.samplers.contract import ClassStatistics
from gcims_jax.samplers.mixing import shares

TINY = np.finfo(float).tiny


class _Scored(NamedTuple):
    """Records to score in groups Q of B, in a basis of R directions that spans the covariance.

    Attributes:
      points_QxBxR: records less the mean that remains of their class.
      outside_QxB: squared length of what is outside the basis; 0 where the basis spans it all.
      starts_CxR: records around which draws start; one zero where they start at the mean.
      absent_QxC: starts that leave with the group.
    """

    points_QxBxR: np.ndarray
    outside_QxB: np.ndarray
    starts_CxR: np.ndarray
    absent_QxC: np.ndarray


def leave_group_out(
    stats: ClassStatistics,
    neighbourhood_KxK: np.ndarray,
    alpha_A: np.ndarray,
    ridge_G: np.ndarray,
    bandwidth_H: np.ndarray,
    *,
    around_records: bool,
) -> np.ndarray:
    """Mean log-density A×G×H of a record under the distribution fitted to all records of other groups.

    A class whose records are all of one group, and one whose deviations vanish, has nobody to leave out; -inf where that
    holds for all. The neighbourhood of a class and the coordinates in use are kept while a group is left out.

    Args:
      stats: training latents.
      neighbourhood_KxK: see ``mixing.nearest_classes``.
      alpha_A, ridge_G, bandwidth_H: values to try.
      around_records: whether draws start at a random record, never one of the own group, rather than at the class mean.
    """
    size = stats.deviations_NxP.shape[1]
    total_AxGxH = np.zeros((len(alpha_A), len(ridge_G), len(bandwidth_H)))
    scored = 0
    coordinates_NxR = _coordinates(stats.deviations_NxP)
    for k, leaving_K, groups_Q in _patterns(stats):
        counts_K = stats.counts_K - leaving_K
        own_N = stats.positions_N == k
        if not np.any(counts_K > 1) or not np.any(coordinates_NxR[own_N]):
            continue
        share_AxK = np.stack([shares(counts_K, neighbourhood_KxK, alpha)[k] for alpha in alpha_A])
        spanning_K = np.any(share_AxK > 0.0, axis=0) | (np.arange(len(counts_K)) == k)
        used_N = spanning_K[stats.positions_N]
        span_UxR = np.linalg.qr(coordinates_NxR[used_N].T, mode="r").T
        positions_U, groups_U = stats.positions_N[used_N], stats.groups_N[used_N]
        # Rows of each class that leave with each group, and the factor of what its scatter loses.
        lost, classes_D = [], []
        for c in np.flatnonzero(spanning_K & (leaving_K > 0)):
            y_QxBxR = _members(span_UxR, positions_U == c, groups_U, groups_Q)
            b, left = leaving_K[c], max(counts_K[c], 1)  # a class that leaves whole has no share
            t = (np.sqrt(stats.counts_K[c] / left) - 1.0) / b
            lost.append(y_QxBxR + t * y_QxBxR.sum(axis=1, keepdims=True))
            classes_D += [c] * b
        lost_QxDxR = np.concatenate(lost, axis=1)
        points_QxBxR = _members(span_UxR, positions_U == k, groups_U, groups_Q)
        starts_CxR, absent_QxC = np.zeros((1, span_UxR.shape[1])), np.zeros((len(groups_Q), 1), bool)
        if around_records:
            starts_CxR = span_UxR[positions_U == k]
            absent_QxC = groups_U[positions_U == k] == groups_Q[:, None]
        else:
            points_QxBxR = points_QxBxR + points_QxBxR.sum(axis=1, keepdims=True) / counts_K[k]
        records = _Scored(points_QxBxR, np.zeros(points_QxBxR.shape[:2]), starts_CxR, absent_QxC)
        for a, share_K in enumerate(share_AxK):
            covariance_RxR = (span_UxR * share_K[positions_U, None]).T @ span_UxR
            downdate_QxDxR = np.sqrt(share_K[classes_D])[:, None] * lost_QxDxR
            total_AxGxH[a] += _summed(covariance_RxR, downdate_QxDxR, records, ridge_G, bandwidth_H, size)
        scored += records.outside_QxB.size
    return total_AxGxH / scored if scored else np.full(total_AxGxH.shape, -np.inf)


def held_out(
    stats: ClassStatistics,
    neighbourhood_KxK: np.ndarray,
    alpha_A: np.ndarray,
    ridge_G: np.ndarray,
    bandwidth_KxH: np.ndarray,
    held_MxP: np.ndarray,
    positions_M: np.ndarray,
    *,
    around_records: bool,
) -> np.ndarray:
    """Summed log-density A×G×H of other records under the distribution fitted to the training latents.

    Args:
      stats: training latents.
      neighbourhood_KxK: see ``mixing.nearest_classes``.
      alpha_A, ridge_G: values to try.
      bandwidth_KxH: values to try, of each class.
      held_MxP: the other records less the mean of their class.
      positions_M: index of their class.
      around_records: whether draws start at a random record rather than at the class mean.
    """
    size = stats.deviations_NxP.shape[1]
    total_AxGxH = np.zeros((len(alpha_A), len(ridge_G), bandwidth_KxH.shape[1]))
    share_AxKxK = np.stack([shares(stats.counts_K, neighbourhood_KxK, alpha) for alpha in alpha_A])
    bases: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}  # of the records that count, the same for most classes
    for k in np.unique(positions_M):
        spanning_K = np.any(share_AxKxK[:, k] > 0.0, axis=0) | (np.arange(len(stats.counts_K)) == k)
        used_N = spanning_K[stats.positions_N]
        positions_U = stats.positions_N[used_N]
        if used_N.tobytes() not in bases:
            bases[used_N.tobytes()] = np.linalg.qr(stats.deviations_NxP[used_N].T)
        basis_PxR, upper_RxU = bases[used_N.tobytes()]
        own_MxP = held_MxP[positions_M == k]
        points_MxR = own_MxP @ basis_PxR
        outside_M = np.maximum(np.sum(own_MxP**2, axis=1) - np.sum(points_MxR**2, axis=1), 0.0)
        starts_CxR = upper_RxU.T[positions_U == k] if around_records else np.zeros((1, len(upper_RxU)))
        records = _Scored(points_MxR[None], outside_M[None], starts_CxR, np.zeros((1, len(starts_CxR)), bool))
        nothing_1x0xR = np.zeros((1, 0, len(upper_RxU)))
        for a, share_KxK in enumerate(share_AxKxK):
            covariance_RxR = (upper_RxU * share_KxK[k, positions_U]) @ upper_RxU.T
            total_AxGxH[a] += _summed(covariance_RxR, nothing_1x0xR, records, ridge_G, bandwidth_KxH[k], size)
    return total_AxGxH


def _patterns(stats: ClassStatistics) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Class to score, records of every class that leave, and the groups that take these numbers with them."""
    members_QxK = np.zeros((stats.groups_N.max() + 1, len(stats.classes_K)), int)
    np.add.at(members_QxK, (stats.groups_N, stats.positions_N), 1)
    for k, count in enumerate(stats.counts_K):
        leaving_Q = np.flatnonzero((members_QxK[:, k] > 0) & (members_QxK[:, k] < count))
        patterns_VxK, pattern_Q = np.unique(members_QxK[leaving_Q], axis=0, return_inverse=True)
        for v, leaving_K in enumerate(patterns_VxK):
            yield k, leaving_K, leaving_Q[pattern_Q.ravel() == v]


def _members(rows_UxR: np.ndarray, of_class_U: np.ndarray, groups_U: np.ndarray, groups_Q: np.ndarray) -> np.ndarray:
    """Rows Q×B×R of a class that belong to groups which have B of them each."""
    own_U = np.flatnonzero(of_class_U & np.isin(groups_U, groups_Q))
    return rows_UxR[own_U[np.argsort(groups_U[own_U], kind="stable")]].reshape(len(groups_Q), -1, rows_UxR.shape[1])


def _coordinates(deviations_NxP: np.ndarray) -> np.ndarray:
    """Deviations in an orthonormal basis of their span: N×R with R ≤ min(N, P), inner products kept."""
    if deviations_NxP.shape[1] <= len(deviations_NxP):
        return deviations_NxP
    return np.linalg.qr(deviations_NxP.T, mode="r").T


def _summed(
    covariance_RxR: np.ndarray,
    downdate_QxDxR: np.ndarray,
    records: _Scored,
    ridge_G: np.ndarray,
    bandwidth_H: np.ndarray,
    size: int,
) -> np.ndarray:
    """Summed log-density G×H of the records; -inf where a covariance is not of full rank.

    For group q the covariance is (1-λ)(covariance - downdate_qᵀ downdate_q) + σ_q² I, σ_q² = λ·trace/P.
    """
    values_R, vectors_RxR = np.linalg.eigh(covariance_RxR)
    values_R = np.maximum(values_R, 0.0)
    points_QxBxR, downdate_QxDxR = records.points_QxBxR @ vectors_RxR, downdate_QxDxR @ vectors_RxR
    starts_CxR = records.starts_CxR @ vectors_RxR
    trace_Q = np.maximum(values_R.sum() - np.sum(downdate_QxDxR**2, axis=(1, 2)), TINY)
    remaining_Q = np.sum(~records.absent_QxC, axis=1)
    outside = size - len(values_R)
    result_GxH = np.full((len(ridge_G), len(bandwidth_H)), -np.inf)
    for g, ridge in enumerate(ridge_G):
        isotropic_Q = ridge * trace_Q / size
        variance_QxR = (1.0 - ridge) * values_R + isotropic_Q[:, None]
        if np.any(variance_QxR <= 0.0) or (outside and ridge == 0.0):
            continue
        inverse_QxR = 1.0 / variance_QxR
        beta = 1.0 - ridge
        weighted_QxDxR = downdate_QxDxR * inverse_QxR[:, None]
        kept_QxDxD = np.eye(downdate_QxDxR.shape[1]) - beta * weighted_QxDxR @ _t(downdate_QxDxR)
        kept_QxD, turn_QxDxD = np.linalg.eigh(kept_QxDxD)
        kept_QxD = np.maximum(kept_QxD, TINY)
        log_determinant_Q = np.sum(np.log(variance_QxR), axis=1) + np.sum(np.log(kept_QxD), axis=1)
        # Squared lengths of point - start, each as |point|² + |start|² - 2 point·start, in matrix products.
        scaled_QxBxR = points_QxBxR * inverse_QxR[:, None]
        square_QxBxC = np.sum(scaled_QxBxR * points_QxBxR, axis=2)[..., None] - 2.0 * scaled_QxBxR @ starts_CxR.T
        quadratic_QxBxC = np.maximum(square_QxBxC + (inverse_QxR @ (starts_CxR**2).T)[:, None], 0.0)
        to_points_QxDxB = _t(turn_QxDxD) @ (weighted_QxDxR @ _t(points_QxBxR))
        to_starts_QxDxC = _t(turn_QxDxD) @ (weighted_QxDxR @ starts_CxR.T)
        for d in range(kept_QxD.shape[1]):
            cross_QxBxC = to_points_QxDxB[:, d, :, None] - to_starts_QxDxC[:, d, None]
            quadratic_QxBxC += beta / kept_QxD[:, d, None, None] * cross_QxBxC**2
        if outside:
            log_determinant_Q += outside * np.log(isotropic_Q)
            quadratic_QxBxC += (records.outside_QxB / isotropic_Q[:, None])[..., None]
        quadratic_QxBxC = np.where(records.absent_QxC[:, None], np.inf, quadratic_QxBxC)
        for h, bandwidth in enumerate(bandwidth_H):
            terms_QxB = logsumexp(-0.5 * quadratic_QxBxC / bandwidth**2, axis=2) - np.log(remaining_Q)[:, None]
            constant_Q = size * np.log(2.0 * np.pi * bandwidth**2) + log_determinant_Q
            result_GxH[g, h] = np.sum(terms_QxB - 0.5 * constant_Q[:, None])
    return result_GxH


def _t(a_QxMxN: np.ndarray) -> np.ndarray:
    return np.swapaxes(a_QxMxN, 1, 2)
