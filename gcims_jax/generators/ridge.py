"""How well a classifier of changed copies tells the class of other records: what sizes of change are chosen by."""

from typing import NamedTuple

import numpy as np
from scipy import linalg
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from gcims_jax.generators.groups import group_means

PENALTY = 0.1
LOG_SHARPNESS = (-2.0, 5.0)  # range of the logarithm that is searched


def class_scores(
    x_MxRxT: np.ndarray, copies_CxRxT: np.ndarray, copy_labels_C: np.ndarray, classes_K: np.ndarray
) -> np.ndarray:
    """Scores of each record for each class by kernel ridge regression of the copies, M×K; -inf for a class without any.

    Regularised least-squares classification (Rifkin, Yeo & Poggio 2003) with the Gaussian kernel that scikit-learn takes for
    its support vector machine, indicators ±1 and classes weighted equally.

    Args:
      x_MxRxT: records that the copies were not made of.
      copies_CxRxT, copy_labels_C: changed copies of other records.
      classes_K: K classes, those of the copies among them.
    """
    # Single precision: the penalty keeps the system so well conditioned that scores change in their sixth digit.
    rows_MxF, copies_CxF = (np.asarray(a.reshape(len(a), -1), np.float32) for a in (x_MxRxT, copies_CxRxT))
    variance = float(copies_CxF.var(dtype=np.float64))
    gamma = 1.0 / (copies_CxF.shape[1] * variance) if variance > 0.0 else 1.0
    known_L, positions_C, counts_L = np.unique(copy_labels_C, return_inverse=True, return_counts=True)
    indicators_CxL = np.float32(2.0 * (positions_C[:, None] == np.arange(len(known_L))) - 1.0)
    kernel_CxC = _kernel(copies_CxF, copies_CxF, gamma)
    penalty_C = PENALTY * len(known_L) * counts_L[positions_C] / len(positions_C)
    kernel_CxC[np.diag_indices(len(kernel_CxC))] += penalty_C.astype(np.float32)
    weights_CxL = linalg.solve(kernel_CxC, indicators_CxL, assume_a="pos", overwrite_a=True)
    scores_MxK = np.full((len(rows_MxF), len(classes_K)), -np.inf)
    scores_MxK[:, np.isin(classes_K, known_L)] = _kernel(rows_MxF, copies_CxF, gamma) @ weights_CxL
    return scores_MxK


class Scores(NamedTuple):
    """How well the own classes of the records of G groups are told, means of each group; both judge the same scores.

    Attributes:
      squared_G: squared error of the indicators: small differences show, but copies that spread further lower all scores,
        whatever class they tell, and look worse than they are.
      likelihood_G: log-probability of the own class by a softmax as sharp as makes all most likely (temperature scaling:
        Guo et al. 2017, arXiv:1706.04599), which does not mind that.
    """

    squared_G: np.ndarray
    likelihood_G: np.ndarray


def judge(scores_NxK: np.ndarray, labels_N: np.ndarray, groups_N: np.ndarray, classes_K: np.ndarray) -> Scores:
    """Judges the scores of the M among N records that have any.

    Args:
      scores_NxK: from ``class_scores``; rows of NaN for records that have none.
      labels_N: classes of the records, of those among ``classes_K``.
      groups_N: groups of the records.
      classes_K: in the order of the scores.
    """
    has_N = ~np.isnan(scores_NxK).any(axis=1)
    if not has_N.any():
        return Scores(np.zeros(1), np.zeros(1))
    scores_MxK, own_M, groups_M = scores_NxK[has_N], np.searchsorted(classes_K, labels_N[has_N]), groups_N[has_N]
    wanted_MxK = 2.0 * (own_M[:, None] == np.arange(len(classes_K))) - 1.0
    squared_MxK = np.where(np.isfinite(scores_MxK), scores_MxK - wanted_MxK, 0.0) ** 2

    def likelihood(log_sharpness: float) -> np.ndarray:
        likelihood_MxK = log_softmax(np.exp(log_sharpness) * scores_MxK, axis=1)
        return group_means(likelihood_MxK[np.arange(len(own_M)), own_M], groups_M)

    best = minimize_scalar(lambda a: -likelihood(a).mean(), bounds=LOG_SHARPNESS, method="bounded").x
    return Scores(group_means(squared_MxK.sum(axis=1), groups_M), likelihood(best))


def _kernel(a_MxF: np.ndarray, b_CxF: np.ndarray, gamma: float) -> np.ndarray:
    """The Gaussian kernel, in one array from product to exponential."""
    kernel_MxC = a_MxF @ b_CxF.T
    kernel_MxC *= np.float32(2.0 * gamma)
    kernel_MxC -= np.float32(gamma) * (a_MxF**2).sum(axis=1)[:, None]
    kernel_MxC -= np.float32(gamma) * (b_CxF**2).sum(axis=1)
    np.minimum(kernel_MxC, 0.0, out=kernel_MxC)
    return np.exp(kernel_MxC, out=kernel_MxC)
