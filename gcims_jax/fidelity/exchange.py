"""Random exchanges of records between two sides: the null of everything in this folder."""

import numpy as np


def exchange(
    rng: np.random.Generator, labels_N: np.ndarray, groups_N: np.ndarray, first_N: np.ndarray, count: int
) -> np.ndarray:
    """Sides of ``count`` exchanges, B×N: True on the first side.

    Whole groups change sides together, with groups of the same classes only. Every side keeps its number of records of each
    class where groups are of one size, else it is off by half a group at most. A group whose classes no other group has
    stays where it is.

    Args:
      rng: random numbers.
      labels_N: class of each record.
      groups_N: group of each record.
      first_N: whether it is on the first side now.
      count: B.
    """
    _, unit_N = np.unique(groups_N, return_inverse=True)
    classes_K, class_N = np.unique(labels_N, return_inverse=True)
    has_UxK = np.zeros((unit_N.max() + 1, len(classes_K)), bool)
    has_UxK[unit_N, class_N] = True
    stratum_U = np.unique(has_UxK, axis=0, return_inverse=True)[1].ravel()
    size_U = np.bincount(unit_N)
    first_BxU = np.zeros((count, len(size_U)), bool)
    for stratum in range(stratum_U.max() + 1):
        units_M = np.flatnonzero(stratum_U == stratum)
        wanted = int(first_N[np.isin(unit_N, units_M)].sum())
        order_BxM = rng.permuted(np.tile(units_M, (count, 1)), axis=1)
        # A group is on the first side if its middle record is among the first so many.
        middle_BxM = np.cumsum(size_U[order_BxM], axis=1) - size_U[order_BxM] / 2.0
        np.put_along_axis(first_BxU, order_BxM, middle_BxM < wanted, axis=1)
    return first_BxU[:, unit_N]
