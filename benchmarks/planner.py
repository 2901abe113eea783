"""Is the promised gain seen in 4 of 5 cases? Data sets of known populations, promised before and after a run, and judged.

python -m benchmarks.planner --which confirm --seed 1000 --sets 13 --out FILE.json

Synthetic records are fresh draws from the population, or means of four of them, in three doses, so that their true gain is
known from large test sets and lies on both sides of the promise. The share of "helps" where promised and true gain are equal
is read from a logistic regression on the logarithm of their ratio, and counted where they differ by a quarter at most.
"""

import argparse
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy import stats
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from experiments.workdir import to_json
from gcims_jax import parts
from gcims_jax.evaluation import classify, pilot, planner, populations, scoring, splits, verdict
from gcims_jax.evaluation.classify import ClassifierConfig
from gcims_jax.evaluation.populations import Population, class_labels, draw_records
from gcims_jax.preprocessing.scale import PreprocessConfig

FOLDS, REPEATS = 5, 8
DOSES = (1.0, 4.0, 12.0)
SETS_OF_TRUTH, TESTED = 6, 600  # training sets and fresh records by which the true gain is known
NEAR = 1.25
FAMILY = populations.FAMILIES["even"]
CLASSES = len(FAMILY.shares_K)
Side = tuple[np.ndarray, np.ndarray]


class Condition(NamedTuple):
    """What is judged: classifier, records, measurements of one sample, how far classes lie apart, records averaged."""

    judge: str
    records: int
    measurements: int
    apart: float
    averaged: int


CONDITIONS = {
    "tune": (
        Condition("pls_da", 120, 1, 1.0, 1), Condition("pca_nearest", 60, 1, 2.0, 1), Condition("pca_lda", 80, 1, 1.5, 1),
        Condition("pca_nearest", 200, 1, 1.0, 1), Condition("pls_da", 96, 3, 1.5, 1), Condition("pca_lda", 200, 1, 1.0, 1),
        Condition("pca_nearest", 60, 1, 1.0, 4), Condition("pca_nearest", 160, 1, 1.0, 4), Condition("pls_da", 80, 1, 1.5, 4),
        Condition("pls_da", 160, 1, 1.0, 1), Condition("pca_nearest", 120, 1, 1.5, 4),
    ),
    "confirm": (
        Condition("pca_rf", 60, 1, 1.0, 4), Condition("pca_rf", 200, 1, 1.0, 4), Condition("pca_logistic", 100, 1, 1.0, 1),
        Condition("pca_rf", 120, 1, 1.5, 1), Condition("pca_logistic", 160, 1, 1.0, 4), Condition("svm", 200, 1, 1.0, 4),
        Condition("pca_rf", 96, 3, 1.5, 4), Condition("pca_lda", 80, 1, 1.0, 4),
    ),
}  # fmt: skip


def judge(seed: int, condition: Condition) -> list[dict[str, Any]]:
    """One data set: promises before and after, the true gain and the word, a row for each dose."""
    rng = np.random.default_rng(seed)
    source = populations.population(seed)
    source = source._replace(log_amounts_KxC=condition.apart * source.log_amounts_KxC)
    labels_N = class_labels(condition.records)
    x_NxRxT = draw_records(rng, source, labels_N, condition.measurements)
    samples_N = np.arange(condition.records) // condition.measurements
    plain_RxN = np.zeros((REPEATS, condition.records))
    with_DxRxN, model_RxN = np.zeros((len(DOSES), *plain_RxN.shape)), np.zeros(plain_RxN.shape, int)
    folds = splits.make_folds(labels_N, samples_N, folds=FOLDS, repeats=REPEATS, seed=seed)
    for index, fold in enumerate(folds):
        train, test = ((x_NxRxT[part], labels_N[part]) for part in (fold.train, fold.test))
        right = _right(rng, condition, source, train, test, index)
        plain_RxN[fold.repeat, fold.test], with_DxRxN[:, fold.repeat, fold.test] = right[0], right[1:]
        model_RxN[fold.repeat, fold.test] = index
    before = _before(seed, condition, x_NxRxT, labels_N, samples_N)
    true_D = _true_gains(rng, condition, source)
    rows = []
    for dose, gain_RxN, true in zip(DOSES, with_DxRxN - plain_RxN, true_D, strict=True):
        seen = planner.see(gain_RxN, model_RxN, samples_N)
        decided = verdict.decide(gain_RxN, model_RxN, samples_N)
        rows.append(
            {
                **condition._asdict(),
                "seed": seed,
                "dose": dose,
                "true_gain": true,
                "helps": decided.word == "helps",
                "before": before,
                "after": float(planner.smallest_visible(planner.components(seen), seen.design)),
            }
        )
    return rows


def _before(seed: int, condition: Condition, x_NxRxT: np.ndarray, labels_N: np.ndarray, samples_N: np.ndarray) -> float:
    """The promise of the pilot, as ``experiments.plan`` makes it, without a scale of its own."""
    part = parts.from_arrays(x_NxRxT, labels_N, samples_N)
    configs = (_config(condition),)
    plan = scoring.Plan(PreprocessConfig(log=False), None, (), configs, CLASSES)
    found = pilot.run(part, plan, folds=FOLDS, seed=seed, seconds=np.inf)
    design = pilot.design(part, FOLDS, REPEATS)
    return float(planner.smallest_visible(planner.components(found[0].seen, before=True), design))


def _config(condition: Condition) -> ClassifierConfig:
    return ClassifierConfig(condition.judge, components=FAMILY.compounds, trees=10)


def _right(
    rng: np.random.Generator, condition: Condition, source: Population, train: Side, test: Side, seed: int
) -> np.ndarray:
    """Which tested records are answered rightly, without synthetic records and at each dose."""
    most = int(np.ceil(max(DOSES) * len(train[0]) / CLASSES)) * CLASSES
    labels_S = rng.permutation(class_labels(most))
    drawn_S = [draw_records(rng, source, labels_S) for _ in range(condition.averaged)]
    fresh_SxRxT = np.mean(drawn_S, axis=0, dtype=np.float32)
    rows = []
    for dose in (0.0, *DOSES):
        count = round(dose * len(train[0]))
        both = np.concatenate([train[0], fresh_SxRxT[:count]]), np.concatenate([train[1], labels_S[:count]])
        learned = classify.fit(_config(condition), parts.from_arrays(*both), seed)
        answers = classify.answer(learned, parts.from_arrays(*test), CLASSES)
        rows.append(answers.predicted_M == test[1])
    return np.array(rows, float)


def _true_gains(rng: np.random.Generator, condition: Condition, source: Population) -> np.ndarray:
    """Mean gain of each dose over training sets of a fold's size, on fresh records."""
    whole = CLASSES * condition.measurements
    labels_N = class_labels(round(condition.records * (1.0 - 1.0 / FOLDS)) // whole * whole)
    labels_M, gains = class_labels(TESTED), []
    for index in range(SETS_OF_TRUTH):
        train = draw_records(rng, source, labels_N, condition.measurements), labels_N
        right = _right(rng, condition, source, train, (draw_records(rng, source, labels_M), labels_M), index)
        gains.append(right[1:].mean(axis=1) - right[0].mean())
    return np.mean(gains, axis=0)


def coverage(rows: Sequence[dict[str, Any]], promise: str) -> dict[str, Any]:
    """How often a true gain equal to the promised one is seen."""
    ratio_M = np.array([max(row["true_gain"], 1e-3) / row[promise] for row in rows])
    helps_M = np.array([row["helps"] for row in rows])
    names_M = [f"{row['seed']} {[row[name] for name in Condition._fields]}" for row in rows]
    sets_M = np.unique(names_M, return_inverse=True)[1]
    rng, used_M = np.random.default_rng(0), (ratio_M > 0.4) & (ratio_M < 2.5)

    def at_one(index: np.ndarray) -> float:
        log_M, said_M = np.log(ratio_M[index])[:, None], helps_M[index]
        if said_M.all() or not said_M.any():
            return float(said_M.mean())
        return float(LogisticRegression(C=1e3).fit(log_M, said_M).predict_proba([[0.0]])[0, 1])

    used = np.flatnonzero(used_M)
    names = np.unique(sets_M[used])
    rows_of = {name: used[sets_M[used] == name] for name in names}
    drawn = [at_one(np.concatenate([rows_of[n] for n in rng.choice(names, len(names))])) for _ in range(200)]
    near_M = (ratio_M > 1.0 / NEAR) & (ratio_M < NEAR)
    count, of = int(helps_M[near_M].sum()), int(near_M.sum())
    interval = stats.binomtest(count, max(of, 1)).proportion_ci(0.95, "exact")
    return {
        "at_equal_gain": at_one(used),
        "ci95": np.percentile(drawn, (2.5, 97.5)),
        "data_sets": len(names),
        "near": {"seen": count, "of": of, "ci95": (float(interval.low), float(interval.high))},
    }


def main() -> None:
    """Prints the two figures and writes them with all rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--which", choices=sorted(CONDITIONS), default="confirm")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--sets", type=int, default=13, help="of each condition")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    tasks = [(options.seed + i, one) for i in range(options.sets) for one in CONDITIONS[options.which]]
    found = Parallel(options.jobs)(delayed(_quietly)(*task) for task in tasks)
    rows = [row for rows in found for row in rows]
    summary = {promise: coverage(rows, promise) for promise in ("before", "after")}
    print(json.dumps(json.loads(to_json(summary)), indent=1))
    if options.out:
        options.out.write_text(to_json({"which": options.which, "coverage": summary, "rows": rows}))


def _quietly(seed: int, condition: Condition) -> list[dict[str, Any]]:
    with threadpool_limits(1), warnings.catch_warnings():
        # Partial least squares need not converge on components that are noise.
        warnings.simplefilter("ignore")
        return judge(seed, condition)


if __name__ == "__main__":
    main()
