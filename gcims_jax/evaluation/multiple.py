"""Many comparisons on one page: p-values that allow for their number, and for how alike they are."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

DRAWS = 4000


def influence(gain_RxN: np.ndarray, groups_N: np.ndarray, weights_N: np.ndarray | None = None) -> np.ndarray:
    """What each group adds to the mean change, less its share of it.

    Args:
      gain_RxN: per repeat and record; NaN where not tested.
      groups_N: group of each record.
      weights_N: of records; None weights them equally.
    """
    tested_N = ~np.all(np.isnan(gain_RxN), axis=0)
    weight_N = tested_N * (np.ones(len(tested_N)) if weights_N is None else weights_N)
    counts_N = np.maximum(np.sum(~np.isnan(gain_RxN), axis=0), 1)
    gain_N = np.nansum(gain_RxN, axis=0) / counts_N
    mean = np.sum(weight_N * gain_N) / np.sum(weight_N)
    group_N = np.unique(groups_N, return_inverse=True)[1]
    return np.bincount(group_N, weight_N * (gain_N - mean))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values adjusted for their number (Holm 1979): the chance of any false finding stays at the level."""
    p_values = np.asarray(p_values, np.float64)
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def adjust(p_values: Sequence[float], influence_CxG: np.ndarray) -> np.ndarray:
    """p-values of C comparisons adjusted for their number: the chance of any false finding stays at the level.

    Step-down (Westfall & Young 1993; Romano & Wolf 2005): the largest of the statistics that remain is compared with its
    distribution when nothing differs, from multipliers of groups (Chernozhukov, Chetverikov & Kato 2013). So comparisons that
    say the same thing count as one. Never above Holm's (1979), which knows nothing of this, nor below the p-value itself.

    Args:
      p_values: two-sided, of C comparisons.
      influence_CxG: of each, see ``influence``; of the same groups in all.
    """
    p_C = np.asarray(p_values, np.float64)
    if len(p_C) < 2:
        return p_C
    z_C = stats.norm.isf(p_C / 2.0)
    length_C = np.sqrt(np.sum(influence_CxG**2, axis=1))
    unit_CxG = influence_CxG / np.where(length_C > 0.0, length_C, 1.0)[:, None]
    multipliers_DxG = np.random.default_rng(0).standard_normal((DRAWS, influence_CxG.shape[1]))
    drawn_DxC = np.abs(multipliers_DxG @ unit_CxG.T)
    order = np.argsort(p_C, kind="stable")
    adjusted_C, least = np.empty(len(p_C)), 0.0
    for step, c in enumerate(order):
        largest_D = drawn_DxC[:, order[step:]].max(axis=1)
        least = max(least, (1.0 + np.sum(largest_D >= z_C[c])) / (1.0 + DRAWS))
        adjusted_C[c] = least
    return np.clip(adjusted_C, p_C, holm(p_C))
