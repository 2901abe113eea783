"""How often answers change: plain classifiers of all training records against the same of half of them.

No generator is needed for it, so it is known before a run. Answers that change between all and half of the records are about
as many as those that change when as many fresh records are added.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gcims_jax.evaluation import planner, scoring, splits, verdict
from gcims_jax.evaluation.candidates import PLAIN
from gcims_jax.evaluation.planner import Design, Seen
from gcims_jax.evaluation.scoring import Plan
from gcims_jax.evaluation.splits import Fold
from gcims_jax.parts import Part

REPEATS = 4  # at most, and two at least: what persists between models shows in no fewer
SMALLEST = 4  # groups a fold of the smallest class; fewer are not halved to save time


class Pilot(NamedTuple):
    """What one plain classifier says of held-out records.

    Attributes:
      classifier: its name.
      accuracy: trained on whole training parts.
      seen: its answers with all and with half of the training records.
    """

    classifier: str
    accuracy: float
    seen: Seen


def run(part: Part, plan: Plan, *, folds: int, seed: int, seconds: float) -> list[Pilot]:
    """Plain classifiers, two to four times over all folds; over half of the records, or a quarter, where time is short.

    Args:
      part: compressed records in the input's unit.
      plan: scale and classifiers.
      folds: of each repeat.
      seed: of folds, halves and classifiers.
      seconds: about so long.

    Raises:
      InputError: fewer records or groups of a class than folds.
    """
    start = time.perf_counter()
    while True:
        splits_J = splits.make_folds(part.labels_N, part.groups_N, folds=folds, repeats=REPEATS, seed=seed)
        # The first fold compiles; the second tells how long all take.
        answers = [_answer(part, splits_J[0], plan, seed)]
        begun = time.perf_counter()
        answers.append(_answer(part, splits_J[1], plan, seed + 1))
        needed = 2 * folds * (time.perf_counter() - begun)
        fewest = min(len(np.unique(part.groups_N[part.labels_N == k])) for k in np.unique(part.labels_N))
        if needed <= seconds - (time.perf_counter() - start) or fewest < 2 * SMALLEST * folds:
            break
        part = splits.halve(part, seed)
    for index, fold in enumerate(splits_J[2:], 2):
        if fold.repeat > 1 and time.perf_counter() - start > seconds:
            break
        answers.append(_answer(part, fold, plan, seed + index))
    return [_sum_up(part, splits_J, which, config.name, answers) for which, config in enumerate(plan.classifiers)]


def _answer(part: Part, fold: Fold, plan: Plan, seed: int) -> np.ndarray:
    """Labels of a test part by each classifier, of all and of half of the training records: sides, classifiers, records."""
    train, test, keys = part.take(fold.train), part.take(fold.test), splits.fold_keys(seed, "strict", 0)
    sides = (scoring.score(keys, [PLAIN], learn, test, plan, seed) for learn in (train, splits.halve(train, seed)))
    return np.array([[row["predicted_M"] for row in side["rows"]] for side in sides])


def _sum_up(part: Part, folds: Sequence[Fold], which: int, name: str, answers: Sequence[np.ndarray]) -> Pilot:
    predicted_2xRxN = np.full((2, REPEATS, len(part)), -1)
    model_RxN = np.full((REPEATS, len(part)), -1)
    for index, (fold, predicted) in enumerate(zip(folds, answers, strict=False)):
        predicted_2xRxN[:, fold.repeat, fold.test] = predicted[:, which]
        model_RxN[fold.repeat, fold.test] = index
    gain_RxN = verdict.gains(*predicted_2xRxN, part.labels_N)
    accuracy = float(np.mean((predicted_2xRxN[0] == part.labels_N)[predicted_2xRxN[0] >= 0]))
    return Pilot(name, accuracy, planner.see(gain_RxN, model_RxN, part.groups_N))


def design(part: Part, folds: int, repeats: int) -> Design:
    """The cross-validation of all records; groups of unequal size count as fewer."""
    counts_G = np.unique(part.groups_N, return_counts=True)[1]
    return Design(float(counts_G.sum() ** 2 / np.sum(counts_G**2)), folds, repeats)
