"""Is the verdict itself to be trusted? How often it says "helps" where nothing helps, and where something does.

Small data sets of a known population are judged as real ones are: folds, a classifier with and without synthetic
records, the corrected test, a word. In the null conditions no generator can help; in the others synthetic records are
fresh draws from the population itself, the best that any generator could give. Classes are of equal size: with permuted
labels any classifier is then right equally often, with whatever it was trained on.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

from gcims_jax.errors import InputError
from gcims_jax.evaluation import classify, protocols, verdict
from gcims_jax.evaluation.classify import ClassifierConfig

SHAPE = (8, 12)
CLASSES = 4
COMPOUNDS = 12
SPREAD_BETWEEN, SPREAD_WITHIN = 0.3, 0.6  # of logarithms of amounts
NOISE = 0.6
SAYS = ("verdict", "plain t-test over folds", "Bayesian, 95 % better", "t-test over records")
NULLS = ("permuted", "duplicated")


class Condition(NamedTuple):
    """What is judged, and how.

    Attributes:
      kind: "permuted" (labels without meaning, class Gaussians), "duplicated" (copies of training records) or "population"
        (fresh records of the class).
      ratio: synthetic records per training record.
      records: in the data set.
      judge: a key of ``CLASSIFIERS``.
      folds, repeats: of the cross-validation.
    """

    kind: str
    ratio: float
    records: int
    judge: str
    folds: int
    repeats: int

    @property
    def is_null(self) -> bool:
        """Whether nothing can help."""
        return self.kind in NULLS


class Population(NamedTuple):
    """Records of a few compounds whose amounts differ by class.

    Attributes:
      peaks_CxRxT: one peak per compound.
      log_amounts_KxC: class means of the logarithm of each amount.
    """

    peaks_CxRxT: np.ndarray
    log_amounts_KxC: np.ndarray


def population(seed: int) -> Population:
    """Twelve peaks and four classes whose mean amounts differ by half the spread within a class."""
    rng = np.random.default_rng(seed)
    rows, columns = (np.arange(n)[None, :] - rng.uniform(1, n - 2, (COMPOUNDS, 1)) for n in SHAPE)
    peaks_CxRxT = np.exp(-(rows[:, :, None] ** 2 + columns[:, None, :] ** 2) / 2.0)
    return Population(peaks_CxRxT, rng.normal(0.0, SPREAD_BETWEEN, (CLASSES, COMPOUNDS)))


def draw_records(rng: np.random.Generator, source: Population, labels_N: np.ndarray) -> np.ndarray:
    """Records N×R×T of the given classes: log-normal amounts, white noise, a log scale."""
    noise_NxC = rng.normal(0.0, SPREAD_WITHIN, (len(labels_N), COMPOUNDS))
    amounts_NxC = np.exp(source.log_amounts_KxC[labels_N] + noise_NxC)
    x_NxRxT = np.einsum("nc,crt->nrt", amounts_NxC, source.peaks_CxRxT)
    return np.float32(np.log1p(np.abs(x_NxRxT + rng.normal(0.0, NOISE, x_NxRxT.shape))))


def class_labels(records: int) -> np.ndarray:
    """Labels of a data set, classes of one size."""
    return np.repeat(np.arange(CLASSES), records // CLASSES)


def synthesise(
    rng: np.random.Generator, condition: Condition, source: Population, x_NxRxT: np.ndarray, labels_N: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic records and labels for training records."""
    labels_S = protocols.synthetic_labels(labels_N, condition.ratio, False)
    if condition.kind == "population":
        return draw_records(rng, source, labels_S), labels_S
    synthetic_SxRxT = np.empty((len(labels_S), *SHAPE), np.float32)
    for k in np.unique(labels_S):
        own, wanted = x_NxRxT[labels_N == k], np.flatnonzero(labels_S == k)
        if condition.kind == "duplicated":
            synthetic_SxRxT[wanted] = own[rng.integers(len(own), size=len(wanted))]
        else:
            weights = rng.standard_normal((len(wanted), len(own))) / np.sqrt(len(own) - 1)
            mean = own.mean(axis=0)
            synthetic_SxRxT[wanted] = mean + np.einsum("sn,nrt->srt", weights, own - mean)
    return synthetic_SxRxT, labels_S


def judge(seed: int, condition: Condition) -> dict[str, Any]:
    """One data set, judged.

    Args:
      seed: of population, records, folds, draws and classifiers.
      condition: what is judged.

    Returns:
      ``delta``, the mean change; ``errors``, its standard error by the corrected test, and by plain ones over folds and over
      records; ``word``, the verdict; ``says``, for each of ``SAYS`` whether it calls the change a gain after the first
      repeat, after two, and so on.

    Raises:
      InputError: fewer records of a class than folds.
    """
    rng = np.random.default_rng(seed)
    source = population(seed)
    labels_N = class_labels(condition.records)
    x_NxRxT = draw_records(rng, source, labels_N)
    if condition.kind == "permuted":
        labels_N = rng.permutation(labels_N)
    folds = protocols.make_folds(
        labels_N, None, folds=condition.folds, repeats=condition.repeats, grouped=False, seed=seed
    )
    right_RxN = np.zeros((condition.repeats, len(labels_N)))
    for index, fold in enumerate(folds):
        train, test = ((x_NxRxT[part], labels_N[part]) for part in (fold.train, fold.test))
        right_RxN[fold.repeat, fold.test] = _gains(rng, condition, source, train, test, index)
    differences_J = np.array([right_RxN[fold.repeat, fold.test].mean() for fold in folds])
    test_to_train = float(np.mean([len(fold.test) / len(fold.train) for fold in folds]))
    says: dict[str, list[bool]] = {test: [] for test in SAYS}
    for repeats in range(1, condition.repeats + 1):
        some_J = differences_J[: repeats * condition.folds]
        comparison = verdict.compare(some_J, np.zeros_like(some_J), test_to_train)
        # As if folds were independent; or records, each with its mean over repeats.
        plain_error, plain = _plain_test(some_J)
        record_error, records = _plain_test(right_RxN[:repeats].mean(axis=0))
        word = verdict.in_words(comparison)
        found = word == "helps", plain, verdict.posterior(comparison).better > 0.95, records
        for test, gain in zip(SAYS, found, strict=True):
            says[test].append(gain)
    return {
        "delta": comparison.delta,
        "errors": {"corrected": comparison.error, "plain": plain_error, "records": record_error},
        "word": word,
        "says": says,
    }


def _plain_test(differences_M: np.ndarray) -> tuple[float, bool]:
    """Standard error of the mean, and whether a two-sided t-test at 5 % finds it above 0; without spread it does not."""
    error = float(differences_M.std(ddof=1) / np.sqrt(len(differences_M)))
    return error, bool(error > 0 and differences_M.mean() / error > stats.t.ppf(0.975, len(differences_M) - 1))


def true_gain(seed: int, condition: Condition, tested: int = 1000) -> float:
    """The gain of one training set of the size of a fold's, measured on fresh records."""
    rng = np.random.default_rng(seed)
    source = population(seed)
    labels_N = class_labels(round(condition.records * (1 - 1 / condition.folds)))
    x_NxRxT = draw_records(rng, source, labels_N)
    test_labels_M = class_labels(tested)
    test_MxRxT = draw_records(rng, source, test_labels_M)
    if condition.kind == "permuted":
        # Labels mean nothing in training nor in testing.
        labels_N, test_labels_M = rng.permutation(labels_N), rng.permutation(test_labels_M)
    return float(np.mean(_gains(rng, condition, source, (x_NxRxT, labels_N), (test_MxRxT, test_labels_M), seed)))


def _gains(
    rng: np.random.Generator,
    condition: Condition,
    source: Population,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> np.ndarray:
    """Per tested record: 1 if it is right with synthetic records only, -1 if only without, else 0."""
    config = ClassifierConfig(condition.judge, components=COMPOUNDS, trees=10)
    synthetic = synthesise(rng, condition, source, *train)
    both = (np.concatenate(sides) for sides in zip(train, synthetic, strict=True))
    with warnings.catch_warnings():
        # Partial least squares need not converge on components that are noise.
        warnings.simplefilter("ignore", ConvergenceWarning)
        plain, augmented = (classify.fit(config, *records, seed) for records in (train, both))
    right, before = (classify.predict(one, test[0]) == test[1] for one in (augmented, plain))
    return right.astype(float) - before


def summarise(condition: Condition, judged: Sequence[Mapping[str, Any]], gains: Sequence[float]) -> dict[str, Any]:
    """How often each test says that synthetic records help, with Clopper–Pearson intervals, and the true gain."""
    says = {}
    for test in SAYS:
        counts_R = np.sum([row["says"][test] for row in judged], axis=0)
        interval = stats.binomtest(int(counts_R[-1]), len(judged)).proportion_ci(0.95, "exact")
        says[test] = {
            "share": counts_R[-1] / len(judged),
            "ci95": (float(interval.low), float(interval.high)),
            "after_repeats": counts_R / len(judged),
        }
    words, counts = np.unique([row["word"] for row in judged], return_counts=True)
    return {
        **condition._asdict(),
        "is_null": condition.is_null,
        "data_sets": len(judged),
        "true_gain": float(np.mean(gains)),
        "true_gain_error": float(np.std(gains, ddof=1) / np.sqrt(len(gains))),
        "mean_change": float(np.mean([row["delta"] for row in judged])),
        "spread_of_change": float(np.std([row["delta"] for row in judged], ddof=1)),
        "mean_errors": {
            name: float(np.nanmean([row["errors"][name] for row in judged])) for name in judged[0]["errors"]
        },
        "says_helps": says,
        "words": {str(w): int(c) for w, c in zip(words, counts, strict=True)},
    }


def plan(
    judges: Sequence[str], records: Sequence[int], repeats: Sequence[int], ratios: Sequence[float], folds: int
) -> list[Condition]:
    """All conditions: the nulls and every planted ratio, for each judge with its number of records and of repeats.

    Raises:
      InputError: lists of different length, an unknown judge, too few records, folds or repeats, a ratio of 0 or less.
    """
    if not len(judges) == len(records) == len(repeats) > 0:
        raise InputError(
            "calibration: expected as many records and repeats as judges, one or more, got "
            f"{len(records)}, {len(repeats)} and {len(judges)}"
        )
    if wrong := [ratio for ratio in ratios if not 0.0 < ratio < np.inf]:
        raise InputError(f"calibration.ratios: expected numbers above 0, got {wrong[0]}")
    conditions = []
    for judge_name, count, times in zip(judges, records, repeats, strict=True):
        ClassifierConfig(judge_name)
        protocols.make_folds(class_labels(count), None, folds=folds, repeats=times, grouped=False, seed=0)
        kinds = [*((kind, 1.0) for kind in NULLS), *(("population", ratio) for ratio in ratios)]
        conditions += [Condition(kind, ratio, count, judge_name, folds, times) for kind, ratio in kinds]
    return conditions
