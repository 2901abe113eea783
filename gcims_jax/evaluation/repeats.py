"""When more repeats cannot change the word.

Another repeat splits the same records again. It makes smaller what comes and goes with the model, and leaves what persists in
each record. So the word after all planned repeats can often be told after a few.
"""

import numpy as np
from scipy import stats

from gcims_jax.evaluation import planner, verdict

FIRST = 2  # after which the word may be settled; a single repeat does not tell what persists
CERTAIN = 0.995  # of what may still come must leave the word as it is
GRID = 400  # quantiles of what may still come


def settled(
    gain_RxN: np.ndarray, model_RxN: np.ndarray, groups_N: np.ndarray | None, planned: int, *, margin: float = 0.01
) -> bool:
    """Whether the deciding test's word after all planned repeats is known after these.

    The change after all repeats lies around that of today by what model luck is left. The interval then is as wide as the
    parts of the variance say.

    Args:
      gain_RxN: per repeat so far and held-out record, right with minus right without; NaN where not tested.
      model_RxN: number of the fold that answered.
      groups_N: group of each record, where records are not independent.
      planned: repeats in all.
      margin: of ``verdict.decide``.
    """
    if len(gain_RxN) >= planned:
        return True
    if len(gain_RxN) < FIRST:
        return False
    found = verdict.decide(gain_RxN, model_RxN, groups_N, margin=margin)
    if not found.error > 0.0:
        return False
    return float(np.mean(words(gain_RxN, model_RxN, groups_N, planned, margin) == found.word)) >= CERTAIN


def words(
    gain_RxN: np.ndarray, model_RxN: np.ndarray, groups_N: np.ndarray | None, planned: int, margin: float = 0.01
) -> np.ndarray:
    """The word after all planned repeats, for each of ``GRID`` continuations of equal probability."""
    delta = verdict.decide(gain_RxN, model_RxN, groups_N).delta
    seen = planner.see(gain_RxN, model_RxN, groups_N)
    parts, (size, folds, repeats) = planner.components(seen), seen.design
    per_repeat = np.sqrt(parts.passing / size + parts.shared / folds)
    luck = stats.t.ppf((np.arange(GRID) + 0.5) / GRID, max(folds * repeats - 1.0, 1.0))
    delta_B = delta + luck * per_repeat * np.sqrt(1.0 / repeats - 1.0 / planned)
    then = planner.error(parts, seen.design._replace(repeats=planned))
    reach = float(stats.t.ppf(0.975, then.degrees) * then.error)
    return np.array(
        [
            verdict.in_words(verdict.Comparison(d, (d - reach, d + reach), 1.0, reach, float(then.degrees), ""), margin)
            for d in delta_B
        ]
    )
