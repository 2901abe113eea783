"""How well a classifier of changed copies tells the class of other records: what sizes of change are chosen by."""

import numpy as np
from scipy import linalg

PENALTY = 0.1


def ridge_scores(
    x_MxRxT: np.ndarray, labels_M: np.ndarray, copies_CxRxT: np.ndarray, copy_labels_C: np.ndarray
) -> np.ndarray:
    """Negative squared error of each record's class indicators by kernel ridge regression of the copies, M.

    Regularised least-squares classification (Rifkin, Yeo & Poggio 2003) with the Gaussian kernel that scikit-learn takes for
    its support vector machine, indicators ±1 and classes weighted equally. It is solved at once, and its squared error
    tells small differences that an accuracy of as many records cannot.

    Args:
      x_MxRxT, labels_M: held-out records; of each class there is a copy.
      copies_CxRxT, copy_labels_C: changed copies of other records.
    """
    rows_MxF, copies_CxF = (a.reshape(len(a), -1) for a in (x_MxRxT, copies_CxRxT))
    variance = float(copies_CxF.var(dtype=np.float64))
    gamma = 1.0 / (copies_CxF.shape[1] * variance) if variance > 0.0 else 1.0
    classes_K, positions_C, counts_K = np.unique(copy_labels_C, return_inverse=True, return_counts=True)
    indicators_CxK = 2.0 * (positions_C[:, None] == np.arange(len(classes_K))) - 1.0
    kernel_CxC = _kernel(copies_CxF, copies_CxF, gamma)
    kernel_CxC[np.diag_indices(len(kernel_CxC))] += PENALTY * len(classes_K) * counts_K[positions_C] / len(positions_C)
    weights_CxK = linalg.solve(kernel_CxC, indicators_CxK, assume_a="pos", overwrite_a=True)
    predicted_MxK = _kernel(rows_MxF, copies_CxF, gamma) @ weights_CxK
    wanted_MxK = 2.0 * (labels_M[:, None] == classes_K) - 1.0
    return -np.sum((predicted_MxK - wanted_MxK) ** 2, axis=1)


def _kernel(a_MxF: np.ndarray, b_CxF: np.ndarray, gamma: float) -> np.ndarray:
    squared_MxC = (a_MxF**2).sum(axis=1)[:, None] + (b_CxF**2).sum(axis=1) - 2.0 * a_MxF @ b_CxF.T
    return np.exp(-gamma * np.maximum(squared_MxC, 0.0)).astype(np.float64)
