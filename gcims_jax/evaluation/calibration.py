"""Is the verdict itself to be trusted? How often it says "helps" where nothing helps, and how often where something does.

Small data sets, of known populations or drawn from real records, are judged as a user's are: folds, a classifier with and
without synthetic records, the tests, a word. In the null conditions no generator can help. In the others synthetic records
are fresh draws from the population itself, the best that any generator could give.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

from gcims_jax import parts
from gcims_jax.errors import InputError
from gcims_jax.evaluation import choice, classify, null_sets, splits, verdict
from gcims_jax.evaluation.classify import ClassifierConfig
from gcims_jax.evaluation.null_sets import EXACT, NAMES, NULLS, REAL_NULLS, DataSet, Kind, Setting
from gcims_jax.parts import Part

SAYS = ("deciding test", "corrected t-test", "plain t-test over folds")
SCORES = ("accuracy", "balanced_accuracy")
TREES = 10
COMPONENTS = 12


class Trial(NamedTuple):
    """One cross-validation, from which every test makes what it can.

    Attributes:
      gain_RxN: per repeat and record, 1 if it is right with synthetic records only, -1 if only without, else 0.
      model_RxN: number of the fold that answered.
      data: what was cross-validated.
      test_to_train: records tested over records trained on.
    """

    gain_RxN: np.ndarray
    model_RxN: np.ndarray
    data: DataSet
    test_to_train: float


class Truth(NamedTuple):
    """What holds of one population in one setting.

    Attributes:
      wrong: share of wrong labels at which fresh records of kind "mixed" neither help nor hurt.
      gains: per kind that is not ``EXACT`` and per score, the gain and its standard error.
    """

    wrong: float
    gains: dict[Kind, dict[str, tuple[float, float]]]


def trials(seed: int, setting: Setting, kinds: Sequence[Kind], wrong: float = 0.0) -> dict[Kind, Trial]:
    """One data set of each kind, cross-validated with and without synthetic records; kinds of the same labels share it.

    Args:
      seed: of population, records, folds, draws and classifiers.
      setting: what is judged.
      kinds: of synthetic records.
      wrong: share of wrong labels of "mixed".

    Raises:
      InputError: fewer records or samples of a class than folds.
    """
    found: dict[Kind, Trial] = {}
    for labels in dict.fromkeys(kind.labels for kind in kinds):
        mine = [kind for kind in kinds if kind.labels == labels]
        data = null_sets.draw(seed, setting, labels)
        folds = splits.make_folds(data.labels_N, data.groups_N, folds=setting.folds, repeats=setting.repeats, seed=seed)
        gains = {kind: np.zeros((setting.repeats, len(data.labels_N))) for kind in mine}
        model_RxN = np.zeros((setting.repeats, len(data.labels_N)), int)
        part = parts.from_arrays(data.x_NxRxT, data.labels_N, data.groups_N)
        for index, fold in enumerate(folds):
            train, test = part.take(fold.train), part.take(fold.test)
            found_K = _gains((seed, index), mine, setting, data, train, test, wrong)
            for kind, gain_M in zip(mine, found_K, strict=True):
                gains[kind][fold.repeat, fold.test] = gain_M
            model_RxN[fold.repeat, fold.test] = index
        ratio = float(np.mean([len(fold.test) / len(fold.train) for fold in folds]))
        found |= {kind: Trial(gains[kind], model_RxN, data, ratio) for kind in mine}
    return {kind: found[kind] for kind in kinds}


def _predicted(judge: str, train: Part, test: Part, seed: int) -> np.ndarray:
    """The label that each tested record is given."""
    config = ClassifierConfig(judge, components=COMPONENTS, trees=TREES)
    with warnings.catch_warnings():
        # Partial least squares need not converge on components that are noise.
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier = classify.fit(config, train, seed)
    return classify.answer(classifier, test, 1 + int(max(train.labels_N.max(), test.labels_N.max()))).predicted_M


def _right(judge: str, train: Part, test: Part, seed: int) -> np.ndarray:
    """Whether the answer to each tested record is right, 1.0 or 0.0."""
    return (_predicted(judge, train, test, seed) == test.labels_N).astype(float)


def _gains(
    seed: tuple[int, ...],
    kinds: Sequence[Kind],
    setting: Setting,
    data: DataSet,
    train: Part,
    test: Part,
    wrong: float,
) -> list[np.ndarray]:
    """Per kind and tested record: 1 if it is right with synthetic records only, -1 if only without, else 0.

    Kinds that add the same records share the classifier.
    """
    plain_M = _right(setting.judge, train, test, seed[-1])
    made: dict[Kind, np.ndarray] = {}

    def gain(kind: Kind) -> np.ndarray:
        if kind not in made:
            rng = np.random.default_rng((*seed, NAMES.index(kind.name), round(1000 * kind.ratio)))
            both = _joined(rng, kind, data, train, wrong)
            made[kind] = _right(setting.judge, both, test, seed[-1]) - plain_M
        return made[kind]

    result = []
    for kind in kinds:
        rng = np.random.default_rng((*seed, NAMES.index(kind.name)))
        if kind.name == "choose":
            result.append(rng.choice((-1.0, 1.0)) * gain(Kind("fresh", kind.ratio)))
        elif kind.name == "inside":
            chosen = _chosen_inside(rng, kind, setting, data, train, seed[-1])
            result.append(gain(chosen) if chosen.ratio > 0.0 else np.zeros_like(plain_M))
        else:
            result.append(gain(kind))
    return result


def _joined(rng: np.random.Generator, kind: Kind, data: DataSet, train: Part, wrong: float = 0.0) -> Part:
    """A training set and its synthetic records."""
    made = null_sets.synthesise(rng, kind, data, train.x_NxRxT, train.labels_N, wrong)
    return parts.join(train, parts.synthetic(*made, train.origin))


def _chosen_inside(
    rng: np.random.Generator, kind: Kind, setting: Setting, data: DataSet, train: Part, seed: int
) -> Kind:
    """Nothing, copies or class Gaussians, as a run chooses: whole groups held out inside, leaning on plain."""
    ((inner, held),) = splits.inner_splits(train, 1, seed)
    options = [Kind("permuted", 0.0), Kind("duplicated", kind.ratio), Kind("permuted", kind.ratio)]
    sides = [inner, *(_joined(rng, option, data, inner) for option in options[1:])]
    rows = [{"predicted_M": _predicted(setting.judge, side, held, seed)} for side in sides]
    found = choice.gather([{"labels_M": held.labels_N, "groups_M": held.groups_N, "rows": rows}])
    return options[choice.lean(found, range(3), range(2))]


def truth(which: int, setting: Setting, kinds: Sequence[Kind], steps: int = 120, sets: int = 60) -> Truth:
    """True gains of one population: the mean over many training sets of the size of a fold's, on fresh records.

    The share of wrong labels of "mixed" is found by stochastic approximation (Robbins & Monro 1951), averaged without the first
    third (Polyak & Juditsky 1992): more wrong labels after a gain, fewer after a loss.

    Args:
      which: number of the population.
      setting: what is judged.
      kinds: of synthetic records.
      steps: of the search.
      sets: training sets to average over.
    """
    share, kept = 0.4, []
    mixed = [kind for kind in kinds if kind.name == "mixed"]
    for step in range(steps if mixed else 0):
        gain = _fresh_gains((which, 0, step), setting, mixed, share)[mixed[0]]["accuracy"]
        share = float(np.clip(share + 4.0 * gain / (step + 1) ** 0.6, 0.0, 1.0))
        kept.append(share)
    wrong = float(np.mean(kept[steps // 3 :])) if kept else 0.0
    measured = [kind for kind in kinds if kind.name not in EXACT]
    found = [_fresh_gains((which, 1, index), setting, measured, wrong) for index in range(sets if measured else 0)]
    gains = {}
    for kind in measured:
        values = {score: np.array([one[kind][score] for one in found]) for score in SCORES}
        gains[kind] = {s: (float(v.mean()), float(v.std(ddof=1) / np.sqrt(len(v)))) for s, v in values.items()}
    return Truth(wrong, gains)


def _fresh_gains(
    seed: tuple[int, ...], setting: Setting, kinds: Sequence[Kind], wrong: float, tested: int = 400
) -> dict[Kind, dict[str, float]]:
    """Gain of one training set of a fold's size on fresh records."""
    train, test = null_sets.draw_fresh(seed, setting, tested)
    # Fresh records are of samples and batches of their own, though these are numbered alike.
    sides = parts.from_arrays(train.x_NxRxT, train.labels_N), parts.from_arrays(test.x_NxRxT, test.labels_N)
    weights_M = verdict.balance_weights(test.labels_N)
    found_K = _gains((*seed, 0), kinds, setting, train, *sides, wrong)
    return {
        kind: dict(zip(SCORES, (float(gain_M.mean()), float((weights_M * gain_M).mean())), strict=True))
        for kind, gain_M in zip(kinds, found_K, strict=True)
    }


def judge(seed: int, setting: Setting, kinds: Sequence[Kind], wrong: float = 0.0) -> dict[Kind, dict[str, Any]]:
    """One data set of each kind, judged; arguments and errors are those of ``trials``.

    Returns:
      Per kind and score the change ``delta``, its ``error``, its ``ci95`` and the ``word``; and ``says``, for each of ``SAYS``
      whether it calls the change of accuracy a gain after the first repeat, after two, and so on.
    """
    return {kind: _judged(one) for kind, one in trials(seed, setting, kinds, wrong).items()}


def _judged(tried: Trial) -> dict[str, Any]:
    data = tried.data
    weights = {"accuracy": None, "balanced_accuracy": verdict.balance_weights(data.labels_N)}
    result: dict[str, Any] = {}
    for score in SCORES:
        found = verdict.decide(tried.gain_RxN, tried.model_RxN, data.groups_N, weights_N=weights[score])
        result[score] = {"delta": found.delta, "error": found.error, "ci95": found.ci95, "word": found.word}
    says: dict[str, list[bool]] = {test: [] for test in SAYS}
    for repeats in range(1, len(tried.gain_RxN) + 1):
        gain_RxN, model_RxN = tried.gain_RxN[:repeats], tried.model_RxN[:repeats]
        codes, values = model_RxN.ravel(), gain_RxN.ravel()
        differences_J = np.bincount(codes, values) / np.bincount(codes)
        corrected = verdict.compare(differences_J, np.zeros_like(differences_J), tried.test_to_train)
        spread = float(differences_J.std(ddof=1) / np.sqrt(len(differences_J)))
        found = (
            verdict.decide(gain_RxN, model_RxN, data.groups_N).word == "helps",
            corrected.word == "helps",
            spread > 0.0 and differences_J.mean() / spread > stats.t.ppf(0.975, len(differences_J) - 1),
        )
        for test, gain in zip(SAYS, found, strict=True):
            says[test].append(bool(gain))
    return result | {"says": says, "corrected_error": corrected.error}


def summarise(
    setting: Setting, kind: Kind, judged: Sequence[Mapping[str, Any]], truths: Sequence[Truth]
) -> dict[str, Any]:
    """How often each test says that synthetic records help, and how often the interval holds the true gain.

    Args:
      setting, kind: the condition.
      judged: rows of ``judge`` of that kind, the n-th of population n mod number of ``truths``.
      truths: of every population; none where gains are nil by construction.
    """
    gains_SxP = np.array([[t.gains[kind][s] for t in truths] for s in SCORES]) if kind.name not in EXACT else None
    line: dict[str, Any] = {
        "setting": setting._asdict(),
        "kind": kind.name,
        "ratio": kind.ratio,
        "data_sets": len(judged),
    }
    for index, score in enumerate(SCORES):
        rows = [row[score] for row in judged]
        gain_P, error_P = ([0.0], [0.0]) if gains_SxP is None else gains_SxP[index].T
        held = [row["ci95"][0] <= gain_P[n % len(gain_P)] <= row["ci95"][1] for n, row in enumerate(rows)]
        mean, error = float(np.mean(gain_P)), float(np.sqrt(np.sum(np.square(error_P))) / len(error_P))
        words, counts = np.unique([row["word"] for row in rows], return_counts=True)
        delta_D = np.array([row["delta"] for row in rows])
        line[score] = {
            "true_gain": mean,
            "true_gain_error": error,
            # With meaningless labels and unequal classes it matters how often a classifier names the largest.
            "is_null": kind.name in NULLS
            and (kind.name == "choose" or (kind.name in EXACT and (score != "accuracy" or setting.equal_classes)))
            or (kind.name in NULLS and kind.name not in EXACT and mean <= 2.0 * error),
            "helps": share(sum(row["word"] == "helps" for row in rows), len(rows)),
            "hurts": share(sum(row["word"] == "hurts" for row in rows), len(rows)),
            "covered": share(int(np.sum(held)), len(rows)),
            "words": {str(w): int(c) for w, c in zip(words, counts, strict=True)},
            "mean_change": float(delta_D.mean()),
            "spread_of_change": float(delta_D.std(ddof=1)),
            "mean_error": float(np.nanmean([row["error"] for row in rows])),
        }
    counts = {test: np.sum([row["says"][test] for row in judged], axis=0) for test in SAYS}
    line["says_helps"] = {
        test: {**share(int(counts_R[-1]), len(judged)), "after_repeats": counts_R / len(judged)}
        for test, counts_R in counts.items()
    }
    line["corrected_error"] = float(np.nanmean([row["corrected_error"] for row in judged]))
    return line


def share(count: int, of: int) -> dict[str, Any]:
    """A share with its Clopper–Pearson interval."""
    interval = stats.binomtest(count, of).proportion_ci(0.95, "exact")
    return {"count": count, "share": count / of, "ci95": (float(interval.low), float(interval.high))}


def conditions(settings: Sequence[Setting], ratios: Sequence[float]) -> list[tuple[Setting, list[Kind]]]:
    """What is tried in every setting: its nulls and, where the population is known, every planted ratio.

    Raises:
      InputError: an unknown judge, too few records, folds or repeats, a ratio of 0 or less.
    """
    if wrong := [ratio for ratio in ratios if not 0.0 < ratio < np.inf]:
        raise InputError(f"calibration.ratios: expected numbers above 0, got {wrong[0]}")
    if not settings:
        raise InputError("calibration: expected one or more settings, got none")
    planned = []
    for setting in settings:
        ClassifierConfig(setting.judge)
        null_sets.check(setting)
        nulls = REAL_NULLS if setting.is_real else tuple(name for name in NULLS if name != "halves")
        kinds = [Kind(name, NULLS[name][1]) for name in nulls]
        if not setting.is_real:
            kinds += [Kind("fresh", ratio) for ratio in ratios]
        planned.append((setting, kinds))
    return planned
