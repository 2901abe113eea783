"""Is the verdict itself to be trusted? How often it says "helps" where nothing helps, and where something does.

Small data sets of a known population are judged as real ones are: folds, a classifier with and without synthetic
records, the tests, a word. In the null conditions no generator can help; in the others synthetic records are fresh draws
from the population itself, the best that any generator could give.
"""

import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

from gcims_jax import parts
from gcims_jax.errors import InputError
from gcims_jax.evaluation import classify, populations, splits, verdict
from gcims_jax.evaluation.candidates import Dose, synthetic_labels
from gcims_jax.evaluation.classify import ClassifierConfig
from gcims_jax.evaluation.populations import Population, class_labels, draw_records, population

SAYS = ("deciding test", "corrected t-test", "plain t-test over folds", "Bayesian, 95 % better", "t-test over records")
NULL_RATIO = {"permuted": 1.0, "duplicated": 1.0, "mixed": 2.0, "choose": 2.0}  # synthetic records per training record
NULLS = tuple(NULL_RATIO)
# "mixed" needs the share of wrong labels at which the gain of a population is nil. It is searched for once for each of a
# few populations, well enough that what is left of a gain is small beside a test's error.
MIXED_POPULATIONS = 4
MIXED_STEPS = 150


class Condition(NamedTuple):
    """What is judged, and how.

    Attributes:
      kind: "permuted" (labels without meaning, class Gaussians), "duplicated" (copies of training records), "mixed" (fresh
        records, so many of them mislabelled that the classifier changes and its accuracy does not), "choose" (fresh
        records, given by a coin in each fold to the one side or to the other) or "population" (fresh records).
      ratio: synthetic records per training record.
      records: in the data set.
      judge: a key of ``CLASSIFIERS``.
      folds, repeats: of the cross-validation.
      measurements: records of one sample, always on one side of a split.
    """

    kind: str
    ratio: float
    records: int
    judge: str
    folds: int
    repeats: int
    measurements: int = 1

    @property
    def is_null(self) -> bool:
        """Whether nothing can help."""
        return self.kind in NULLS


class Trial(NamedTuple):
    """One cross-validation, from which every test makes what it can.

    Attributes:
      gain_RxN: per repeat and record, 1 if it is right with synthetic records only, -1 if only without, else 0.
      model_RxN: number of the fold that answered.
      samples_N: which sample a record is of.
      test_to_train: records tested over records trained on.
    """

    gain_RxN: np.ndarray
    model_RxN: np.ndarray
    samples_N: np.ndarray
    test_to_train: float


def trial(seed: int, condition: Condition) -> Trial:
    """One data set, cross-validated with and without synthetic records.

    Args:
      seed: of population, records, folds, draws and classifiers.
      condition: what is judged.

    Raises:
      InputError: fewer records or samples of a class than folds.
    """
    rng = np.random.default_rng(seed)
    source = _source(seed, condition)
    labels_N = class_labels(condition.records)
    x_NxRxT = draw_records(rng, source, labels_N, condition.measurements)
    if condition.kind == "permuted":
        labels_N = populations.permute_labels(rng, labels_N, condition.measurements)
    samples_N = np.arange(len(labels_N)) // condition.measurements
    wrong = wrong_share(seed % MIXED_POPULATIONS, condition) if condition.kind == "mixed" else 0.0
    gain_RxN = np.zeros((condition.repeats, len(labels_N)))
    model_RxN = np.zeros(gain_RxN.shape, int)
    ratios = []
    for index, (repeat, train, test) in enumerate(_folds(condition, labels_N, samples_N, seed)):
        sides = ((x_NxRxT[part], labels_N[part]) for part in (train, test))
        gain_RxN[repeat, test] = _gains(rng, condition, source, *sides, index, wrong)
        model_RxN[repeat, test] = index
        ratios.append(len(test) / len(train))
    return Trial(gain_RxN, model_RxN, samples_N, float(np.mean(ratios)))


def judge(seed: int, condition: Condition) -> dict[str, Any]:
    """One data set, judged.

    Args:
      seed: of population, records, folds, draws and classifiers.
      condition: what is judged.

    Returns:
      ``delta``, the mean change; ``errors``, its standard error by each test; ``word``, the verdict; ``says``, for each of
      ``SAYS`` whether it calls the change a gain after the first repeat, after two, and so on.

    Raises:
      InputError: fewer records or samples of a class than folds.
    """
    tried = trial(seed, condition)
    says: dict[str, list[bool]] = {test: [] for test in SAYS}
    for repeats in range(1, condition.repeats + 1):
        gain_RxN, model_RxN = tried.gain_RxN[:repeats], tried.model_RxN[:repeats]
        decided = verdict.decide(gain_RxN, model_RxN, tried.samples_N)
        differences_J = _means(gain_RxN, model_RxN)
        corrected = verdict.compare(differences_J, np.zeros_like(differences_J), tried.test_to_train)
        # As if folds were independent; or samples, each with its mean over repeats.
        plain_error, plain = _plain_test(differences_J)
        record_error, records = _plain_test(_means(gain_RxN, np.broadcast_to(tried.samples_N, gain_RxN.shape)))
        likely = verdict.posterior(corrected).better > 0.95
        found = decided.word == "helps", verdict.in_words(corrected) == "helps", plain, likely, records
        for test, gain in zip(SAYS, found, strict=True):
            says[test].append(bool(gain))
    return {
        "delta": decided.delta,
        "errors": {
            "deciding": decided.error,
            "corrected": corrected.error,
            "plain": plain_error,
            "records": record_error,
        },
        "word": decided.word,
        "says": says,
    }


def _means(value_RxN: np.ndarray, codes_RxN: np.ndarray) -> np.ndarray:
    """Mean of the values of each code."""
    codes, values = codes_RxN.ravel(), value_RxN.ravel()
    return np.bincount(codes, values) / np.bincount(codes)


def _plain_test(differences_M: np.ndarray) -> tuple[float, bool]:
    """Standard error of the mean, and whether a two-sided t-test at 5 % finds it above 0; without spread it does not."""
    error = float(differences_M.std(ddof=1) / np.sqrt(len(differences_M)))
    return error, bool(error > 0 and differences_M.mean() / error > stats.t.ppf(0.975, len(differences_M) - 1))


def _source(seed: int, condition: Condition) -> Population:
    return population(seed % MIXED_POPULATIONS if condition.kind == "mixed" else seed)


def _folds(
    condition: Condition, labels_N: np.ndarray, samples_N: np.ndarray, seed: int
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Repeat, records to train on and records to test, of every fold; samples are kept together."""
    folds = splits.make_folds(labels_N, samples_N, folds=condition.folds, repeats=condition.repeats, seed=seed)
    return [(fold.repeat, fold.train, fold.test) for fold in folds]


def _right(
    judge: str, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], seed: int
) -> np.ndarray:
    """Whether the answer to each tested record is right, 1.0 or 0.0."""
    config = ClassifierConfig(judge, components=populations.COMPOUNDS, trees=10)
    with warnings.catch_warnings():
        # Partial least squares need not converge on components that are noise.
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier = classify.fit(config, parts.from_arrays(*train), seed)
    answers = classify.answer(classifier, parts.from_arrays(*test), populations.CLASSES)
    return (answers.predicted_M == test[1]).astype(float)


def _gains(
    rng: np.random.Generator,
    condition: Condition,
    source: Population,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    seed: int,
    wrong: float = 0.0,
) -> np.ndarray:
    """Per tested record: 1 if it is right with synthetic records only, -1 if only without, else 0."""
    synthetic = synthesise(rng, condition, source, *train, wrong)
    both = tuple(np.concatenate(sides) for sides in zip(train, synthetic, strict=True))
    gains = _right(condition.judge, both, test, seed) - _right(condition.judge, train, test, seed)
    return gains * rng.choice((-1.0, 1.0)) if condition.kind == "choose" else gains


def synthesise(
    rng: np.random.Generator,
    condition: Condition,
    source: Population,
    x_NxRxT: np.ndarray,
    labels_N: np.ndarray,
    wrong: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic records and labels for training records; ``wrong`` is the share of wrong labels of "mixed"."""
    labels_S = synthetic_labels(labels_N, Dose(condition.ratio, False))
    if condition.kind == "permuted":
        return populations.class_gaussians(rng, x_NxRxT, labels_N, labels_S), labels_S
    if condition.kind == "duplicated":
        return populations.copies(rng, x_NxRxT, labels_N, labels_S), labels_S
    synthetic_SxRxT = draw_records(rng, source, labels_S)
    return synthetic_SxRxT, populations.mislabel(rng, labels_S, wrong) if wrong else labels_S


def true_gain(seed: int, condition: Condition, tested: int = 1000) -> float:
    """The gain of one training set of the size of a fold's, measured on fresh records."""
    wrong = wrong_share(seed % MIXED_POPULATIONS, condition) if condition.kind == "mixed" else 0.0
    return _true_gain(np.random.default_rng(seed), condition, _source(seed, condition), tested, wrong)


def _true_gain(rng: np.random.Generator, condition: Condition, source: Population, tested: int, wrong: float) -> float:
    measured = condition.measurements
    samples = round(condition.records / measured * (1 - 1 / condition.folds)) // populations.CLASSES
    labels_N, labels_M = class_labels(samples * populations.CLASSES * measured), class_labels(tested)
    train = draw_records(rng, source, labels_N, measured)
    test = draw_records(rng, source, labels_M)
    if condition.kind == "permuted":
        # Labels mean nothing in training nor in testing.
        labels_N, labels_M = populations.permute_labels(rng, labels_N, measured), rng.permutation(labels_M)
    return float(np.mean(_gains(rng, condition, source, (train, labels_N), (test, labels_M), 0, wrong)))


@functools.cache
def wrong_share(which: int, condition: Condition) -> float:
    """Share of wrong labels at which fresh records neither help nor hurt in a population.

    Stochastic approximation (Robbins & Monro 1951), averaged without the first third (Polyak & Juditsky 1992): more wrong
    labels after a gain, fewer after a loss.
    """
    rng, source, share, kept = np.random.default_rng(which), population(which), 0.4, []
    for step in range(MIXED_STEPS):
        gain = _true_gain(rng, condition, source, 1000, share)
        share = float(np.clip(share + 4.0 * gain / (step + 1) ** 0.6, 0.0, 1.0))
        kept.append(share)
    return float(np.mean(kept[MIXED_STEPS // 3 :]))


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
    judges: Sequence[str],
    records: Sequence[int],
    repeats: Sequence[int],
    measurements: Sequence[int],
    ratios: Sequence[float],
    folds: int,
) -> list[Condition]:
    """All conditions: the nulls and every planted ratio, for each judge with its records, repeats and measurements a sample.

    Raises:
      InputError: lists of different length, an unknown judge, too few records, folds or repeats, a ratio of 0 or less.
    """
    if not len(judges) == len(records) == len(repeats) == len(measurements) > 0:
        raise InputError(
            "calibration: expected as many records, repeats and measurements as judges, one or more, got "
            f"{len(records)}, {len(repeats)}, {len(measurements)} and {len(judges)}"
        )
    if wrong := [ratio for ratio in ratios if not 0.0 < ratio < np.inf]:
        raise InputError(f"calibration.ratios: expected numbers above 0, got {wrong[0]}")
    conditions = []
    for judge_name, count, times, measured in zip(judges, records, repeats, measurements, strict=True):
        ClassifierConfig(judge_name)
        if measured < 1 or count % (populations.CLASSES * measured):
            raise InputError(
                f"calibration.records: expected a multiple of classes times measurements ({populations.CLASSES} × {measured}), "
                f"got {count}"
            )
        kinds = [(kind, NULL_RATIO[kind]) for kind in NULLS] + [("population", ratio) for ratio in ratios]
        mine = [Condition(kind, ratio, count, judge_name, folds, times, measured) for kind, ratio in kinds]
        labels_N = class_labels(count)
        _folds(mine[0], labels_N, np.arange(count) // measured, 0)
        conditions += mine
    return conditions
