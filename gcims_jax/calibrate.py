"""Is the verdict itself to be trusted? How often it says "helps" where nothing helps, and where something does.

Small data sets of a known population are judged as real ones are: folds, a classifier with and without synthetic
records, the corrected test, a word. In the null conditions no generator can help; in the others synthetic records are
fresh draws from the population itself, the best that any generator could give.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from gcims_jax import classify, protocols, verdict
from gcims_jax.classify import ClassifierConfig

SHAPE = (8, 12)
SHARES_K = np.array([0.4, 0.3, 0.2, 0.1])
COMPOUNDS = 6
JUDGE = ClassifierConfig("pca_rf", components=8, trees=10)
SAYS = ("verdict", "plain t-test over folds", "Bayesian, 95 % better")


class Condition(NamedTuple):
    """What is judged.

    Attributes:
      kind: "permuted" (labels without meaning, class Gaussians), "duplicated" (copies of training records) or "population"
        (fresh records of the class).
      ratio: synthetic records per training record.
      records: in the data set.
    """

    kind: str
    ratio: float
    records: int

    @property
    def name(self) -> str:
        """For tables and file names."""
        return f"{self.kind}, {self.ratio:g} ×, {self.records} records"


class Population(NamedTuple):
    """Records of a few compounds whose amounts differ by class.

    Attributes:
      peaks_CxRxT: one peak per compound.
      log_amounts_KxC: class means of the logarithm of each amount.
    """

    peaks_CxRxT: np.ndarray
    log_amounts_KxC: np.ndarray


def population(seed: int) -> Population:
    """Six peaks and four classes whose mean amounts differ by about the spread within a class."""
    rng = np.random.default_rng(seed)
    rows, columns = (np.arange(n)[None, :] - rng.uniform(1, n - 2, (COMPOUNDS, 1)) for n in SHAPE)
    peaks_CxRxT = np.exp(-(rows[:, :, None] ** 2 + columns[:, None, :] ** 2) / 2.0)
    return Population(peaks_CxRxT, rng.normal(0.0, 0.6, (len(SHARES_K), COMPOUNDS)))


def draw_records(rng: np.random.Generator, source: Population, labels_N: np.ndarray) -> np.ndarray:
    """Records N×R×T of the given classes: log-normal amounts, white noise."""
    noise_NxC = rng.normal(0.0, 0.6, (len(labels_N), COMPOUNDS))
    amounts_NxC = np.exp(source.log_amounts_KxC[labels_N] + noise_NxC)
    x_NxRxT = np.einsum("nc,crt->nrt", amounts_NxC, source.peaks_CxRxT)
    return np.float32(np.log1p(np.abs(x_NxRxT + rng.normal(0.0, 0.1, x_NxRxT.shape))))


def class_labels(records: int) -> np.ndarray:
    """Labels of a data set, classes in fixed shares."""
    return np.repeat(np.arange(len(SHARES_K)), np.maximum(5, np.round(SHARES_K * records)).astype(int))


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


def judge(seed: int, condition: Condition, folds: int, repeats: int) -> dict[str, Any]:
    """One data set, judged: change per fold, and which of ``SAYS`` call it a gain.

    Args:
      seed: of population, records, folds, draws and classifiers.
      condition: what is judged.
      folds, repeats: of the cross-validation.
    """
    rng = np.random.default_rng(seed)
    source = population(seed)
    labels_N = class_labels(condition.records)
    x_NxRxT = draw_records(rng, source, labels_N)
    if condition.kind == "permuted":
        labels_N = rng.permutation(labels_N)
    splits = protocols.make_folds(labels_N, None, folds=folds, repeats=repeats, grouped=False, seed=seed)
    differences_J, ratio_J = [], []
    for index, fold in enumerate(splits):
        differences_J.append(
            _gain(
                rng,
                condition,
                source,
                (x_NxRxT, labels_N),
                fold.train,
                (x_NxRxT[fold.test], labels_N[fold.test]),
                index,
            )
        )
        ratio_J.append(len(fold.test) / len(fold.train))
    differences_J = np.array(differences_J)
    comparison = verdict.compare(differences_J, np.zeros_like(differences_J), float(np.mean(ratio_J)))
    # A t-test over folds as if they were independent; without spread it finds nothing.
    spread = differences_J.std(ddof=1) / np.sqrt(len(differences_J))
    plain = spread > 0 and differences_J.mean() / spread > stats.t.ppf(0.975, len(differences_J) - 1)
    word = verdict.in_words(comparison)
    return {
        "delta": comparison.delta,
        "word": word,
        "says": dict(
            zip(SAYS, (word == "helps", bool(plain), verdict.posterior(comparison).better > 0.95), strict=True)
        ),
    }


def true_gain(seed: int, condition: Condition, folds: int, tested: int = 4000) -> float:
    """The gain of one training set of the size of a fold's, measured on thousands of fresh records."""
    rng = np.random.default_rng(seed)
    source = population(seed)
    labels_N = class_labels(round(condition.records * (1 - 1 / folds)))
    x_NxRxT = draw_records(rng, source, labels_N)
    test_labels = rng.choice(len(SHARES_K), tested, p=SHARES_K)
    test = draw_records(rng, source, test_labels), test_labels
    if condition.kind == "permuted":
        # Labels mean nothing in training nor in testing.
        labels_N, test = rng.permutation(labels_N), (test[0], rng.permutation(test_labels))
    return _gain(rng, condition, source, (x_NxRxT, labels_N), np.arange(len(labels_N)), test, seed)


def _gain(
    rng: np.random.Generator,
    condition: Condition,
    source: Population,
    records: tuple[np.ndarray, np.ndarray],
    train: np.ndarray,
    test: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> float:
    """Accuracy with synthetic records less accuracy without."""
    x_NxRxT, labels_N = (a[train] for a in records)
    synthetic_SxRxT, labels_S = synthesise(rng, condition, source, x_NxRxT, labels_N)
    plain = classify.fit(JUDGE, x_NxRxT, labels_N, seed)
    augmented = classify.fit(
        JUDGE, np.concatenate([x_NxRxT, synthetic_SxRxT]), np.concatenate([labels_N, labels_S]), seed
    )
    right = [np.mean(classify.predict(one, test[0]) == test[1]) for one in (plain, augmented)]
    return float(right[1] - right[0])


def summarise(condition: Condition, judged: Sequence[Mapping[str, Any]], gains: Sequence[float]) -> dict[str, Any]:
    """How often each test says that synthetic records help, with Clopper–Pearson intervals, and the true gain."""
    says = {}
    for test in SAYS:
        count = sum(row["says"][test] for row in judged)
        interval = stats.binomtest(count, len(judged)).proportion_ci(0.95, "exact")
        says[test] = {"share": count / len(judged), "ci95": (float(interval.low), float(interval.high))}
    words, counts = np.unique([row["word"] for row in judged], return_counts=True)
    return {
        **condition._asdict(),
        "name": condition.name,
        "data_sets": len(judged),
        "true_gain": float(np.mean(gains)),
        "true_gain_error": float(np.std(gains, ddof=1) / np.sqrt(len(gains))),
        "mean_change": float(np.mean([row["delta"] for row in judged])),
        "says_helps": says,
        "words": {str(w): int(c) for w, c in zip(words, counts, strict=True)},
    }
