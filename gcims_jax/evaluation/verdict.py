"""Does it help? A corrected test over folds, and its answer in words."""

from collections.abc import Sequence
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
      error: standard error of the difference; NaN where folds left nothing to estimate it from.
      folds: J.
    """

    delta: float
    ci95: tuple[float, float]
    p_value: float
    error: float
    folds: int


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
        if abs(delta) < 1e-12:
            return Comparison(delta, (0.0, 0.0), 1.0, 0.0, count)
        return Comparison(delta, (-1.0, 1.0), 1.0, np.nan, count)
    reach = stats.t.ppf(0.975, count - 1) * error
    p_value = 2.0 * stats.t.sf(abs(delta) / error, count - 1)
    return Comparison(delta, (float(delta - reach), float(delta + reach)), float(p_value), float(error), count)


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


class Posterior(NamedTuple):
    """Probabilities that an arm is worse, practically the same, and better than another."""

    worse: float
    same: float
    better: float


def posterior(comparison: Comparison, rope: float = 0.01) -> Posterior:
    """Bayesian correlated t-test (Corani & Benavoli 2015) with a region of practical equivalence of ± ``rope``.

    With its matching prior the posterior of the difference is the Student t of the corrected test, so this only puts the
    same evidence in other words. For repeated k-fold these are the probabilities of ``baycomp``, which is not used because
    it takes every test part to be 1/k of the records, and would load matplotlib here.
    """
    if not comparison.error > 0.0:
        same = float(comparison.error == 0.0)
        return Posterior((1.0 - same) / 2.0, same, (1.0 - same) / 2.0)
    student = stats.t(comparison.folds - 1, comparison.delta, comparison.error)
    worse, better = float(student.cdf(-rope)), float(student.sf(rope))
    return Posterior(worse, max(0.0, 1.0 - worse - better), better)


def records_needed(
    comparison: Comparison, n_records: int, margin: float = 0.01, level: float = 0.05, power: float = 0.8
) -> int | None:
    """Records with which the verdict would be likely to no longer be "cannot tell".

    Assumes that the difference found is the true one and that the variance of a fold's difference falls as one over the
    records tested. A difference beyond the margin is then to be told from zero, a smaller one to be confined to
    ± margin, with the given power. A rough guide: the difference itself is known as badly as its interval says.

    Returns:
      A number of at least ``n_records``, rounded up to two digits; None where no number would do: nothing to go by, or a
      difference on the margin.
    """
    distance = abs(comparison.delta) if abs(comparison.delta) > margin else margin - abs(comparison.delta)
    if not comparison.error > 0.0 or distance < 1e-6:
        return None
    reach = stats.norm.ppf(1.0 - level / 2.0) + stats.norm.ppf(power)
    needed = max(float(n_records), n_records * (reach * comparison.error / distance) ** 2)
    # Two digits are more than it deserves.
    unit = 10.0 ** max(np.floor(np.log10(needed)) - 1.0, 0.0)
    return int(np.ceil(needed / unit) * unit)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values adjusted for their number (Holm 1979): the chance of any false finding stays at the level."""
    p_values = np.asarray(p_values, np.float64)
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
