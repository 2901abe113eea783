"""Does it help? The deciding test, a cautious one beside it, and their answers in words."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from gcims_jax.errors import InputError
from gcims_jax.evaluation import clustered

# What clustering by record and by model cannot see: training sets of different folds share records, and each record has its
# part in them. No estimate from one data set finds this (Bengio & Grandvalet 2004). So a record counts once more for the models
# that it trains as for the answer that it is given, in what of that answer persists from model to model. On data sets where
# nothing helps (``calibration``) the error is then as large as the spread of the change, or up to a quarter larger; a factor on
# the whole error is too wide where answers vary from model to model, and too narrow after many repeats.
TRAINING = 1.0


class Comparison(NamedTuple):
    """With against without, by the deciding or the cautious test; a positive difference favours with.

    Attributes:
      delta: mean difference.
      ci95: 95 % interval of it.
      p_value: two-sided.
      error: standard error of the difference; NaN where there was nothing to estimate it from.
      degrees: of freedom.
      word: see ``in_words``.
    """

    delta: float
    ci95: tuple[float, float]
    p_value: float
    error: float
    degrees: float
    word: str


def decide(
    gain_RxN: np.ndarray,
    model_RxN: np.ndarray,
    groups_N: np.ndarray | None = None,
    *,
    weights_N: np.ndarray | None = None,
    margin: float = 0.01,
    limits: tuple[float, float] = (-1.0, 1.0),
) -> Comparison:
    """The deciding test: the mean gain of held-out records, clustered by record (or group) and by fitted model.

    The variance is that of ``clustered.estimate`` and ``TRAINING`` times the part of it that persists between models; the
    interval is Student's. A few answers none of which changes are no proof that none would: the interval reaches at least as
    far as n unchanged records or groups allow, 1 - 0.025 ** (1 / n), which is about 3.7 / n (Clopper & Pearson 1934), times
    the largest change of a record or group that was seen, or that the score allows where none was.

    Args:
      gain_RxN: per repeat and held-out record, right with minus right without, or another score's difference; NaN where
        not tested.
      model_RxN: integer number of the fitted model, that is of the fold, that answered; any value where not tested.
      groups_N: group of each record, where records are not independent.
      weights_N: of records; ``balance_weights`` makes accuracy balanced accuracy.
      margin: differences up to this do not matter.
      limits: the least and largest gain that the score allows; infinite ones for a log score.

    Raises:
      InputError: arrays that do not agree, nothing tested, gains outside the limits, a margin below 0.
    """
    low, high = limits
    if not (low < 0.0 < high and margin >= 0.0):
        raise InputError(f"verdict: expected limits around 0 and a margin of 0 or more, got {limits} and {margin}")
    gain_RxN = np.asarray(gain_RxN, np.float64)
    if np.any((gain_RxN < low) | (gain_RxN > high)):
        raise InputError(
            f"verdict: expected gains within {limits}, got {np.nanmin(gain_RxN):g} to {np.nanmax(gain_RxN):g}; set limits to "
            "what the score allows"
        )
    found = clustered.estimate(gain_RxN, model_RxN, groups_N, weights_N)
    student = float(stats.t.ppf(0.975, max(found.degrees, 1.0)))
    change = min(found.largest, (high - low) / 2.0) or (high - low) / 2.0
    unseen = change * (1.0 - 0.025 ** (1.0 / found.size)) if np.isfinite(high - low) else 0.0
    error = max(float(np.sqrt(found.variance + TRAINING * found.persistent)), unseen / student)
    if not (error > 0.0 and found.degrees > 0.0):
        # A single group, or a score without limits that never changed: nothing to estimate an error from.
        return Comparison(found.mean, (low, high), 1.0, np.nan, found.degrees, "cannot tell")
    reach = student * error
    interval = max(low, found.mean - reach), min(high, found.mean + reach)
    p_value = float(2.0 * stats.t.sf(abs(found.mean) / error, found.degrees))
    comparison = Comparison(found.mean, interval, p_value, error, found.degrees, "")
    return comparison._replace(word=in_words(comparison, margin))


def gains(predicted_with_RxN: np.ndarray, predicted_without_RxN: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """Per repeat and record 1 if only the answer with synthetic records is right, -1 if only that without, else 0.

    Args:
      predicted_with_RxN: predicted labels, integers from 0; -1 or NaN where not tested, and there the gain is NaN.
      predicted_without_RxN: the same without synthetic records.
      labels_N: true labels.

    Raises:
      InputError: arrays that do not agree, or a record tested on one side only.
    """
    with_RxN, without_RxN = np.asarray(predicted_with_RxN), np.asarray(predicted_without_RxN)
    labels_N = np.asarray(labels_N)
    if with_RxN.ndim != 2 or with_RxN.shape != without_RxN.shape or with_RxN.shape[1:] != labels_N.shape:
        raise InputError(
            "verdict: expected predictions of one shape, repeats × records, and a label a record, got "
            f"{with_RxN.shape}, {without_RxN.shape} and {labels_N.shape}; compare answers to the same records"
        )
    tested_RxN = with_RxN >= 0
    if np.any(tested_RxN != (without_RxN >= 0)):
        raise InputError(
            f"verdict: expected every record tested with and without, got {np.sum(tested_RxN != (without_RxN >= 0))} answers "
            "on one side only; score both sides on the same folds"
        )
    return np.where(tested_RxN, (with_RxN == labels_N).astype(float) - (without_RxN == labels_N), np.nan)


def balance_weights(labels_N: np.ndarray) -> np.ndarray:
    """Weights N / (K · n_k) with which a mean over records is the mean over classes; their mean is 1."""
    _, class_N, counts_K = np.unique(np.asarray(labels_N), return_inverse=True, return_counts=True)
    return len(class_N) / (len(counts_K) * counts_K[class_N])


def at_chance(right_RxN: np.ndarray, labels_N: np.ndarray, groups_N: np.ndarray | None = None) -> bool:
    """Whether a classifier cannot be told from one whose answers know nothing of the labels.

    Such answers have a balanced accuracy of 1 / K, however often each class is answered and however large classes are; their
    accuracy can be anything up to the share of the largest class. So balanced accuracy is what is looked at: at chance, its
    95 % interval, clustered as in ``decide``, does not lie above 1 / K.

    Args:
      right_RxN: per repeat and held-out record 1 where the answer is right, else 0; NaN where not tested.
      labels_N: true labels.
      groups_N: group of each record, where records are not independent.

    Raises:
      InputError: arrays that do not agree.
    """
    right_RxN, labels_N = np.asarray(right_RxN, np.float64), np.asarray(labels_N)
    if right_RxN.ndim != 2 or right_RxN.shape[1:] != labels_N.shape:
        raise InputError(
            f"verdict: expected answers of repeats × records and a label a record, got {right_RxN.shape} and {labels_N.shape}"
            "; give the labels of the same records"
        )
    tested_N = ~np.all(np.isnan(right_RxN), axis=0)
    right_RxM, labels_M = right_RxN[:, tested_N], labels_N[tested_N]
    groups_M = None if groups_N is None else np.asarray(groups_N)[tested_N]
    repeat_RxM = np.broadcast_to(np.arange(len(right_RxM))[:, None], right_RxM.shape)
    chance = 1.0 / max(1, len(np.unique(labels_M)))
    limits, weights_M = (-chance, 1.0 - chance), balance_weights(labels_M)
    if not limits[1] > 0.0:
        # A single class, or nothing tested: no answer can be better than chance.
        return True
    return not decide(right_RxM - chance, repeat_RxM, groups_M, weights_N=weights_M, limits=limits).ci95[0] > 0.0


def compare(scores_J: np.ndarray, reference_J: np.ndarray, test_to_train: float) -> Comparison:
    """The cautious test: the corrected resampled t-test of Nadeau & Bengio (2003).

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
            return Comparison(delta, (0.0, 0.0), 1.0, 0.0, count - 1.0, "no difference")
        return Comparison(delta, (-1.0, 1.0), 1.0, np.nan, count - 1.0, "cannot tell")
    reach = stats.t.ppf(0.975, count - 1) * error
    p_value = 2.0 * stats.t.sf(abs(delta) / error, count - 1)
    interval = float(delta - reach), float(delta + reach)
    comparison = Comparison(delta, interval, float(p_value), float(error), count - 1.0, "")
    return comparison._replace(word=in_words(comparison))


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
    student = stats.t(comparison.degrees, comparison.delta, comparison.error)
    worse, better = float(student.cdf(-rope)), float(student.sf(rope))
    return Posterior(worse, max(0.0, 1.0 - worse - better), better)
