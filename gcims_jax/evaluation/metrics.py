"""Scores of a classifier on held-out records: pure functions of arrays."""

from typing import NamedTuple

import numpy as np
from sklearn import metrics


class Scores(NamedTuple):
    """Scores of one fold; classes in the order of their integer labels.

    Attributes:
      accuracy: share of records predicted right.
      balanced_accuracy: mean recall of the classes present among the true labels.
      macro_f1: mean F1 of the classes present.
      recall_K: recall per class, NaN where the fold has no record of it.
      confusion_KxK: counts, true class by predicted class.
    """

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    recall_K: np.ndarray
    confusion_KxK: np.ndarray


def score(true_N: np.ndarray, predicted_N: np.ndarray, n_classes: int) -> Scores:
    """Compares integer labels in 0 … K-1 with predictions."""
    confusion_KxK = metrics.confusion_matrix(true_N, predicted_N, labels=np.arange(n_classes))
    counts_K = confusion_KxK.sum(axis=1)
    recall_K = np.divide(np.diag(confusion_KxK), counts_K, out=np.full(n_classes, np.nan), where=counts_K > 0)
    present = np.flatnonzero(counts_K)
    return Scores(
        accuracy=float(np.mean(true_N == predicted_N)),
        balanced_accuracy=float(np.nanmean(recall_K)),
        macro_f1=float(metrics.f1_score(true_N, predicted_N, labels=present, average="macro", zero_division=0.0)),
        recall_K=recall_K,
        confusion_KxK=confusion_KxK,
    )
