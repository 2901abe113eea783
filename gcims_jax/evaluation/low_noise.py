"""Few records teach, all other groups are tested, again and again: what a generator changes, known well for one data set.

Changes are paired by draw. Their intervals say how a change varies with the training records that were drawn from this data
set, not what other data sets would show.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from gcims_jax.evaluation import metrics, results
from gcims_jax.evaluation.answers import Chosen, FoldAnswers, Truth, choose, in_order


def _balanced(folds: Sequence[FoldAnswers], chosen: Chosen, truth: Truth) -> np.ndarray:
    """Balanced accuracy of each draw, of the classes that it tests."""
    n_classes = len(truth.classes)
    return np.array(
        [
            metrics.score(
                truth.labels_N[fold.test], chosen.predicted_RxN[fold.repeat, fold.test], n_classes
            ).balanced_accuracy
            for fold in (answers.fold for answers in folds)
        ]
    )


def paired(change_D: np.ndarray) -> dict[str, Any]:
    """Mean change over draws and its 95 % interval (Student's t); none from a single draw."""
    mean, draws = float(np.mean(change_D)), len(change_D)
    if draws < 2:
        return {"mean": mean, "ci95": None}
    half = float(stats.t.ppf(0.975, draws - 1) * np.std(change_D, ddof=1) / np.sqrt(draws))
    return {"mean": mean, "ci95": [mean - half, mean + half]}


def table(folds: Sequence[FoldAnswers], truth: Truth, is_plain: Callable[[str], bool]) -> dict[str, Any]:
    """Every candidate with every classifier, and what is chosen inside, against the best plain classifier.

    Args:
      folds: draws of few training records, one to a repeat, with inner answers.
      truth: what answers are held against.
      is_plain: whether a candidate adds nothing new.

    Returns:
      ``lines`` with ``balanced_accuracy`` and ``to_same`` (change against the same classifier on real records alone) and
      ``to_best_plain``; ``best_plain`` and ``best``, both in hindsight; ``chosen``, by training parts alone, leaning on plain.
    """
    found: dict[tuple[str, str], np.ndarray] = {}
    for classifier in in_order(folds, lambda row: row["classifier"]):
        for candidate in in_order(folds, lambda row: row["candidate"]):
            mine = choose(folds, lambda row: (row["candidate"], row["classifier"]) == (candidate, classifier), truth)  # noqa: B023
            found[candidate, classifier] = _balanced(folds, mine, truth)
    best = max(found, key=lambda pair: found[pair].mean())
    plain = max((pair for pair in found if is_plain(pair[0])), key=lambda pair: found[pair].mean())
    chosen, _ = results.best_sides(folds, truth, is_plain)
    chosen_D = _balanced(folds, chosen, truth)
    return {
        "draws": len(folds),
        "n_test": float(np.mean([len(answers.fold.test) for answers in folds])),
        "lines": [
            {
                "candidate": candidate,
                "classifier": classifier,
                "plain": is_plain(candidate),
                "balanced_accuracy": float(values_D.mean()),
                "to_same": paired(values_D - found["none", classifier]),
                "to_best_plain": paired(values_D - found[plain]),
            }
            for (candidate, classifier), values_D in found.items()
        ],
        "best_plain": [*plain, float(found[plain].mean())],
        "best": [*best, float(found[best].mean())],
        "chosen": {
            "balanced_accuracy": float(chosen_D.mean()),
            "to_best_plain": paired(chosen_D - found[plain]),
            "plain_draws": sum(is_plain(row["candidate"]) for row in chosen.rows),
        },
    }
