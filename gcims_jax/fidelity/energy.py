"""Energy distance between two sets of records, and its permutation test: pure functions of arrays."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from gcims_jax.errors import InputError


def energy_distance(a_NxP: np.ndarray, b_MxP: np.ndarray) -> float:
    """Energy distance between two samples, 2·E|a-b| - E|a-a'| - E|b-b'| with Euclidean norms; 0 for equal samples.

    Székely & Rizzo 2013, doi:10.1016/j.jspi.2013.03.018. It has the unit of the samples, and a floor above 0 between
    finite samples of one distribution: read it beside that of two real sets of the same sizes.
    """
    within_a, within_b = (np.mean(euclidean_distances(x)) for x in (a_NxP, b_MxP))
    return float(2.0 * np.mean(euclidean_distances(a_NxP, b_MxP)) - within_a - within_b)


class EnergyTest(NamedTuple):
    """Are two samples of one distribution?

    Attributes:
      distance: energy distance.
      null_median: median of the distance over permutations, the floor at these sizes.
      p_value: share of permutations at least as far apart, the observed split counted among them.
    """

    distance: float
    null_median: float
    p_value: float


def energy_test(
    seed: int,
    a_NxP: np.ndarray,
    b_MxP: np.ndarray,
    permutations: int = 999,
    *,
    strata: tuple[np.ndarray, np.ndarray] | None = None,
) -> EnergyTest:
    """Permutation test of equal distributions by the energy distance (Székely & Rizzo 2004, InterStat 5).

    All pairwise distances are computed once; a permutation then costs one row of a matrix product.

    With strata (class labels) rows change sides only within their stratum, and the distance is that within each stratum,
    averaged with weights N·M / (N + M) of its rows: where classes lie apart, their distances would drown the rest. A
    stratum that one side lacks does not count.

    Args:
      seed: of the permutations.
      a_NxP, b_MxP: the samples; flatten latent matrices first.
      permutations: at least 1; the smallest possible p-value is 1 / (permutations + 1).
      strata: labels (N, M); None is one stratum.

    Raises:
      InputError: samples that are empty, not finite or of different width; strata of the wrong length or without a common
        label; no permutations.
    """
    a_NxP, b_MxP = np.asarray(a_NxP, np.float64), np.asarray(b_MxP, np.float64)
    if a_NxP.ndim != 2 or b_MxP.ndim != 2 or a_NxP.shape[1] != b_MxP.shape[1] or 0 in (*a_NxP.shape, *b_MxP.shape):
        raise InputError(f"energy test: expected shapes (N, P) and (M, P), got {a_NxP.shape} and {b_MxP.shape}")
    if not (np.all(np.isfinite(a_NxP)) and np.all(np.isfinite(b_MxP))):
        raise InputError("energy test: expected finite numbers, got NaN or infinite ones")
    if permutations < 1:
        raise InputError(f"energy test: expected 1 or more permutations, got {permutations}")
    n, m = len(a_NxP), len(b_MxP)
    labels = (np.zeros(n, int), np.zeros(m, int)) if strata is None else tuple(map(np.asarray, strata))
    if (labels[0].shape, labels[1].shape) != ((n,), (m,)):
        raise InputError(f"energy test: expected strata of {n} and {m} rows, got {len(labels[0])} and {len(labels[1])}")
    common = np.intersect1d(*labels)
    if not len(common):
        raise InputError("energy test: expected strata that both samples have, got none")
    kept_N, kept_M = (np.isin(side, common) for side in labels)
    both_MxP = np.concatenate([a_NxP[kept_N], b_MxP[kept_M]])
    strata_M = np.searchsorted(common, np.concatenate([labels[0][kept_N], labels[1][kept_M]]))
    is_a_M = np.arange(len(both_MxP)) < np.sum(kept_N)
    n_K, m_K = np.bincount(strata_M[is_a_M]), np.bincount(strata_M[~is_a_M])
    share_K = n_K * m_K / (n_K + m_K)
    share_K /= share_K.sum()
    # With weights 1/N on one side and -1/M on the other the energy distance is the quadratic form -w·D·w.
    weight_M = np.sqrt(share_K[strata_M]) * np.where(is_a_M, 1.0 / n_K[strata_M], -1.0 / m_K[strata_M])
    distance_MxM = euclidean_distances(both_MxP) * (strata_M[:, None] == strata_M)
    # Sorting by stratum and random numbers below 1 permutes within strata.
    in_order_M = np.argsort(strata_M, kind="stable")
    noise_BxM = np.random.default_rng(seed).random((permutations, len(strata_M)))
    weights_BxM = np.empty_like(noise_BxM)
    weights_BxM[:, in_order_M] = weight_M[np.argsort(strata_M + noise_BxM, axis=1)]
    null_B = -np.einsum("bm,bm->b", weights_BxM @ distance_MxM, weights_BxM)
    distance = float(-weight_M @ distance_MxM @ weight_M)
    # Equal splits differ by rounding only and count as equal.
    reached = null_B >= distance - 1e-9 * distance_MxM.max()
    return EnergyTest(distance, float(np.median(null_B)), float((1 + np.sum(reached)) / (permutations + 1)))
