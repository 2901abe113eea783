"""Choices inside a training part leave whole groups out and count groups: measurements of one sample say one thing once."""

from collections.abc import Sequence

import numpy as np


def split_groups(
    rng: np.random.Generator,
    labels_N: np.ndarray,
    groups_N: np.ndarray,
    splits: int,
    shares: Sequence[float] | None = None,
) -> np.ndarray:
    """Number of the split that each record is held out in: groups stay whole, classes spread as evenly as may be.

    Groups come class by class, the larger first, in random order. Each goes where there is least of its classes, which for
    groups of one record means one split after the other.

    Args:
      rng: of the order, and of the first split of each class.
      labels_N, groups_N: of the records.
      splits: how many; with fewer groups than that some are empty.
      shares: of the records in each split; None makes them equal.
    """
    classes_K, class_N = np.unique(labels_N, return_inverse=True)
    group_N, count = number_groups(groups_N)
    records_GxK = np.zeros((count, len(classes_K)))
    np.add.at(records_GxK, (group_N, class_N), 1.0)
    share_GxK, size_G, main_G = (
        records_GxK / records_GxK.sum(axis=0),
        records_GxK.sum(axis=1),
        records_GxK.argmax(axis=1),
    )
    share_S = np.ones(splits) if shares is None else np.asarray(shares, float)
    held_SxK, split_G = np.zeros((splits, len(classes_K))), np.empty(count, int)
    for k in range(len(classes_K)):
        own_G = rng.permutation(np.flatnonzero(main_G == k))
        first = int(rng.integers(splits))
        for g in own_G[np.argsort(-size_G[own_G], kind="stable")]:
            load_S = np.roll((held_SxK + records_GxK[g]) @ share_GxK[g] / share_S, -first)
            split_G[g] = (first + int(load_S.argmin())) % splits
            held_SxK[split_G[g]] += records_GxK[g]
    return split_G[group_N]


def group_means(values_N: np.ndarray, groups_N: np.ndarray) -> np.ndarray:
    """Mean of each group, in the order in which groups first appear."""
    group_N, count = number_groups(groups_N)
    return np.bincount(group_N, values_N, count) / np.bincount(group_N, minlength=count)


def pays(gain_G: np.ndarray, threshold: float) -> bool:
    """Whether the mean gain of groups is above 0 by so many standard errors; a single group tells nothing."""
    if len(gain_G) < 2:
        return False
    return bool(gain_G.mean() > threshold * gain_G.std(ddof=1) / np.sqrt(len(gain_G)))


def number_groups(groups_N: np.ndarray) -> tuple[np.ndarray, int]:
    """Groups as numbers in the order in which they first appear, and how many there are."""
    _, first_G, group_N = np.unique(groups_N, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first_G))[group_N], len(first_G)
