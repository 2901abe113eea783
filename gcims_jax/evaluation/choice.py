"""How a training part chooses among rows of kept answers, by what was answered inside it.

Inner answers are few, and the best of many rows is partly luck. So a row that adds synthetic records has to be better than
the best plain one by more than the standard error of the difference (the one-standard-error rule of Breiman et al. 1984).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Row = Mapping[str, Any]
BOOTSTRAPS = 200


class Inner(NamedTuple):
    """What C rows answered inside a training part, over all inner splits.

    Attributes:
      right_CxM: 1 where the answer to an inner held-out record is right, else 0.
      weight_M: of each answer, so that the weighted sum is the mean over splits of accuracy and balanced accuracy, half and
        half.
      group_M: number of each record's group; a record may be answered in several splits.
    """

    right_CxM: np.ndarray
    weight_M: np.ndarray
    group_M: np.ndarray

    def scores(self) -> np.ndarray:
        """Mean over inner splits of accuracy and balanced accuracy, half and half."""
        return self.right_CxM @ self.weight_M


def gather(splits: Sequence[Mapping[str, Any]]) -> Inner | None:
    """Inner splits, each with ``labels_M``, ``groups_M`` and ``rows``; None without any."""
    if not splits:
        return None
    rights, weights, groups = [], [], []
    for split in splits:
        labels_M = np.asarray(split["labels_M"], int)
        counts_K = np.bincount(labels_M)
        balanced_M = 1.0 / (counts_K[labels_M] * np.count_nonzero(counts_K))
        weights.append(0.5 * (1.0 / len(labels_M) + balanced_M) / len(splits))
        rights.append([np.asarray(row["predicted_M"], int) == labels_M for row in split["rows"]])
        groups.append(split["groups_M"])
    group_M = np.unique(np.concatenate(groups), return_inverse=True)[1]
    return Inner(np.concatenate(rights, axis=1).astype(float), np.concatenate(weights), group_M)


def spread(inner: Inner, row: int, other: int) -> tuple[float, float]:
    """How much better one row is than another inside, and the standard error of that, clustered by group.

    The error is infinite where a single group changes: what one group does says nothing of the next.
    """
    change_M = inner.right_CxM[row] - inner.right_CxM[other]
    gain = float(change_M @ inner.weight_M)
    if len(np.unique(inner.group_M[change_M != 0.0])) < 2:
        return gain, np.inf if np.any(change_M) else 0.0
    sums_G = np.bincount(inner.group_M, inner.weight_M * (change_M - gain))
    count = len(sums_G)
    return gain, float(np.sqrt(np.sum(sums_G**2) * count / (count - 1)))


def best(inner: Inner, rows: Sequence[int], plain: Sequence[int]) -> int:
    """The row with the best inner score, the first of equals."""
    return rows[int(np.argmax(inner.scores()[list(rows)]))]


def lean(inner: Inner, rows: Sequence[int], plain: Sequence[int], errors: float = 1.0) -> int:
    """The best plain row, unless another is better by more than ``errors`` standard errors of the difference."""
    favourite = best(inner, rows, plain)
    if favourite in plain or not plain:
        return favourite
    fallback = best(inner, plain, plain)
    gain, error = spread(inner, favourite, fallback)
    return favourite if gain > errors * error * (1.0 + 1e-9) else fallback  # equal but for rounding is not more


def bagged(inner: Inner, rows: Sequence[int], plain: Sequence[int]) -> int:
    """The row that is best most often when the groups of inner answers are drawn again with replacement.

    The bootstrap of Tsamardinos et al. (2018), who correct with it the estimate of what was chosen, as a way to choose.
    """
    count = int(inner.group_M.max()) + 1
    draws_BxG = np.random.default_rng(0).multinomial(count, np.full(count, 1.0 / count), BOOTSTRAPS)
    score_BxC = (draws_BxG[:, inner.group_M] * inner.weight_M) @ inner.right_CxM[list(rows)].T
    return rows[int(np.argmax(np.bincount(score_BxC.argmax(axis=1), minlength=len(rows))))]


RULES: dict[str, Callable[[Inner, Sequence[int], Sequence[int]], int]] = {"best": best, "lean": lean, "bagged": bagged}
