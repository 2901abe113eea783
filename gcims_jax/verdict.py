"""Does it help? A corrected test over folds, and its answer in words."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from gcims_jax.errors import InputError


class Comparison(NamedTuple):
    """One arm against another over the same folds; a positive difference favours the first.

    Attributes:
      delta: mean difference.
      ci95: 95 % interval of it.
      p_value: two-sided.
    """

    delta: float
    ci95: tuple[float, float]
    p_value: float


def compare(scores_J: np.ndarray, reference_J: np.ndarray, test_to_train: float) -> Comparison:
    """Corrected resampled t-test of Nadeau & Bengio (2003).

    Training sets of different folds overlap, so the differences are correlated and a plain t-test finds effects that
    are not there. The correction adds n_test / n_train to 1 / J in the variance: t = mean / sqrt((1/J + n_test/n_train)
    s²) with J - 1 degrees of freedom.

    Args:
      scores_J: scores of one arm in J folds.
      reference_J: scores of the other in the same folds.
      test_to_train: records in a test part over records in a training part.

    Raises:
      InputError: fewer than two folds or unequal numbers of them.
    """
    scores_J, reference_J = np.asarray(scores_J, np.float64), np.asarray(reference_J, np.float64)
    if scores_J.shape != reference_J.shape or scores_J.ndim != 1 or len(scores_J) < 2:
        raise InputError(
            f"comparison: expected scores of the same 2 or more folds, got {scores_J.shape} and {reference_J.shape}"
        )
    differences_J = scores_J - reference_J
    count = len(differences_J)
    delta = float(differences_J.mean())
    error = np.sqrt((1.0 / count + test_to_train) * differences_J.var(ddof=1))
    if error < 1e-12:
        # All folds agree to the last digit. Equal scores are a finding; equal gains are a coincidence of small test
        # parts and leave nothing to estimate an error from, so the interval is all that scores allow.
        return Comparison(delta, (0.0, 0.0) if abs(delta) < 1e-12 else (-1.0, 1.0), 1.0)
    reach = stats.t.ppf(0.975, count - 1) * error
    p_value = 2.0 * stats.t.sf(abs(delta) / error, count - 1)
    return Comparison(delta, (float(delta - reach), float(delta + reach)), float(p_value))


def in_words(comparison: Comparison, margin: float = 0.01) -> str:
    """One of ``helps``, ``hurts``, ``no difference``, ``cannot tell``.

    The interval lies above zero, below zero, within ± margin, or none of these.
    """
    low, high = comparison.ci95
    if low >= -margin and high <= margin:
        return "no difference"
    if low > 0.0:
        return "helps"
    if high < 0.0:
        return "hurts"
    return "cannot tell"
