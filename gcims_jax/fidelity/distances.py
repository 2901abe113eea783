"""Distances between two sets of records of equal size, of many pairs of sets at once.

What needs all records is computed once, in ``space``; a comparison then looks up rows and columns. That makes thousands of
comparisons cheap, as an exact null needs them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from gcims_jax import linalg

COMPONENTS = 20
NEIGHBOURS = 5
FOLDS = 5  # of the classifier that tells two sets apart
RIDGE = 0.5  # of that classifier; a support vector machine with C = 1 has it too
DIRECTIONS = 50
POINTS = 300  # of a record whose values are compared one by one
IDEALS = {
    "sliced Wasserstein distance": "low",
    "energy distance": "low",
    "maximum mean discrepancy": "low",
    "classifier two-sample accuracy": "half",
    "density": "high",
    "coverage": "high",
    "error of correlations": "low",
    "error of marginals": "low",
}


class Space(NamedTuple):
    """All A records of a comparison, as its measures need them.

    Attributes:
      scores_AxC: on common principal components, in units of the largest component's standard deviation.
      distance_AxA: Euclidean, between scores.
      kernel_AxA: Gaussian, at the median distance.
      classifier_AxA: Gaussian, of scores of variance 1, plus 1: a kernel with an intercept.
      slices_BxA: scores along random directions.
      points_FxA: values of some points, in units of their pooled spread.
    """

    scores_AxC: np.ndarray
    distance_AxA: np.ndarray
    kernel_AxA: np.ndarray
    classifier_AxA: np.ndarray
    slices_BxA: np.ndarray
    points_FxA: np.ndarray


def projection(x_AxRxT: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Scores N×C on the principal components of some records, in units of the largest one's standard deviation among them."""
    x_AxRxT = np.asarray(x_AxRxT, np.float32)
    basis = linalg.principal_basis(x_AxRxT, COMPONENTS)
    if not len(basis.components_PxF):  # records that are all the same
        return lambda x_NxRxT: np.zeros((len(x_NxRxT), 1))

    def project(x_NxRxT: np.ndarray) -> np.ndarray:
        scores_NxC = (x_NxRxT - basis.mean_RxT).reshape(len(x_NxRxT), -1) @ basis.components_PxF.T
        return scores_NxC.astype(np.float64)

    spread = project(x_AxRxT)[:, 0].std(ddof=1)
    return lambda x_NxRxT: project(x_NxRxT) / spread


def space(seed: int, x_AxRxT: np.ndarray) -> Space:
    """Everything that a comparison of some of these records with others of them looks up.

    All records have the same weight in the components: components of some alone would fit these better than the others,
    and tell them apart by that.
    """
    return space_of(seed, projection(x_AxRxT)(x_AxRxT), x_AxRxT.reshape(len(x_AxRxT), -1))


def space_of(seed: int, scores_AxC: np.ndarray, values_AxF: np.ndarray) -> Space:
    """``space`` of given scores and values."""
    distance_AxA = euclidean_distances(scores_AxC)
    np.fill_diagonal(distance_AxA, 0.0)
    middle = np.median(distance_AxA[distance_AxA > 0.0]) if np.any(distance_AxA > 0.0) else 1.0
    unit_AxC = scores_AxC / np.maximum(scores_AxC.std(axis=0), 1e-12)
    classifier_AxA = 1.0 + np.exp(-euclidean_distances(unit_AxC, squared=True) / scores_AxC.shape[1])
    directions_CxB = np.random.default_rng(seed).standard_normal((scores_AxC.shape[1], DIRECTIONS))
    directions_CxB /= np.linalg.norm(directions_CxB, axis=0)
    points_AxF = values_AxF[:, :: max(1, values_AxF.shape[1] // POINTS)].astype(np.float32)
    spread = max(float(np.sqrt(np.mean(np.var(points_AxF, axis=0)))), 1e-12)
    return Space(
        scores_AxC,
        distance_AxA,
        np.exp(-((distance_AxA / middle) ** 2)),
        classifier_AxA,
        np.ascontiguousarray((scores_AxC @ directions_CxB).T),
        np.ascontiguousarray(points_AxF.T / np.float32(spread)),
    )


def compare(at: Space, a_DxM: np.ndarray, b_DxM: np.ndarray) -> np.ndarray:
    """All measures of D pairs of sets, in the order of ``IDEALS``.

    Args:
      at: all records.
      a_DxM: positions of the M records that are judged.
      b_DxM: of as many that they are judged by.

    Returns:
      D×Q.
    """
    both_DxL = np.concatenate([a_DxM, b_DxM], axis=1)
    pairs = both_DxL[:, :, None], both_DxL[:, None, :]
    distance_DxLxL = at.distance_AxA[pairs]
    return np.stack(
        [
            sorted_distance(at.slices_BxA, a_DxM, b_DxM),
            _contrast(distance_DxLxL),
            np.sqrt(np.maximum(-_contrast(at.kernel_AxA[pairs]), 0.0)),
            two_sample_accuracy(at.classifier_AxA[pairs]),
            *density_coverage(distance_DxLxL),
            correlation_error(at.scores_AxC[a_DxM], at.scores_AxC[b_DxM]),
            sorted_distance(at.points_FxA, a_DxM, b_DxM),
        ],
        axis=1,
    )


def sorted_distance(values_FxA: np.ndarray, a_DxM: np.ndarray, b_DxM: np.ndarray) -> np.ndarray:
    """Mean over F of the 1-Wasserstein distance, which of sets of equal size is that between sorted values; D of them.

    Of scores along random directions it is the sliced Wasserstein distance (Rabin et al. 2011).
    """
    a_FxDxM, b_FxDxM = (np.sort(values_FxA[:, side], axis=2) for side in (a_DxM, b_DxM))
    return np.abs(a_FxDxM - b_FxDxM).mean(axis=(0, 2))


def _contrast(between_DxLxL: np.ndarray) -> np.ndarray:
    """Twice the mean between the two halves of rows less the means within.

    Of distances it is the energy distance (Székely & Rizzo 2013); of a kernel, minus the squared maximum mean discrepancy
    (Gretton et al. 2012, the biased estimate).
    """
    m = between_DxLxL.shape[1] // 2
    within = between_DxLxL[:, :m, :m].mean(axis=(1, 2)) + between_DxLxL[:, m:, m:].mean(axis=(1, 2))
    return 2.0 * between_DxLxL[:, :m, m:].mean(axis=(1, 2)) - within


def two_sample_accuracy(kernel_DxLxL: np.ndarray) -> np.ndarray:
    """Cross-validated accuracy of a classifier that tells the first half of rows from the second; one half where alike.

    Lopez-Paz & Oquab 2017 (C2ST), by least squares with a kernel (Rifkin & Lippert 2007): it sees differences of spread
    and shape, not of means alone, and its predictions for rows left out need one inverse G for all folds: the errors
    of the rows of a fold are G_ff⁻¹ (G y)_f.
    """
    m = kernel_DxLxL.shape[1] // 2
    side_L = np.repeat([1.0, -1.0], m)
    fold_L = np.tile(np.arange(m) % min(FOLDS, m), 2)
    inverse_DxLxL = np.linalg.inv(kernel_DxLxL + RIDGE * np.eye(2 * m))
    weights_DxL = inverse_DxLxL @ side_L
    right = 0.0
    for fold in range(fold_L.max() + 1):
        out = np.flatnonzero(fold_L == fold)
        errors_DxM = np.linalg.solve(inverse_DxLxL[:, out][:, :, out], weights_DxL[:, out, None])[..., 0]
        right = right + np.sum(side_L[out] * errors_DxM < 1.0, axis=1)
    return right / (2.0 * m)


def density_coverage(distance_DxLxL: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Density and coverage (Naeem et al. 2020) of the second half of rows by the first: D of each.

    With k = 5 neighbours, fewer in small sets. Balls reach to each record's k-th nearest neighbour on its side; a record on
    the edge counts as inside, so identical sets are covered.
    """
    m = distance_DxLxL.shape[1] // 2
    k = min(NEIGHBOURS, m - 1)
    radius_DxM = np.sort(distance_DxLxL[:, m:, m:], axis=2)[:, :, k]
    inside_DxMxM = distance_DxLxL[:, :m, m:] <= radius_DxM[:, None, :] * (1 + 1e-6)
    return inside_DxMxM.sum(axis=(1, 2)) / (max(k, 1) * m), inside_DxMxM.any(axis=1).mean(axis=1)


def correlation_error(a_DxMxC: np.ndarray, b_DxMxC: np.ndarray) -> np.ndarray:
    """Mean absolute difference of the correlations between scores; D of them."""
    if a_DxMxC.shape[2] < 2:
        return np.zeros(len(a_DxMxC))
    first, second = np.triu_indices(a_DxMxC.shape[2], 1)
    a_DxP, b_DxP = (_correlations(x)[:, first, second] for x in (a_DxMxC, b_DxMxC))
    return np.abs(a_DxP - b_DxP).mean(axis=1)


def _correlations(x_DxMxC: np.ndarray) -> np.ndarray:
    """D×C×C; 0 with a score that does not vary."""
    centred_DxMxC = x_DxMxC - x_DxMxC.mean(axis=1, keepdims=True)
    length_Dx1xC = np.linalg.norm(centred_DxMxC, axis=1, keepdims=True)
    unit_DxMxC = centred_DxMxC / np.where(length_Dx1xC > 0.0, length_Dx1xC, 1.0)
    return np.swapaxes(unit_DxMxC, 1, 2) @ unit_DxMxC
