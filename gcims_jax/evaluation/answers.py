"""Kept answers, and what is chosen by them: pure functions of what ``scoring.score_fold`` returned.

A fold's answers hold one row per candidate, dose, classifier and setting, each with an answer per held-out record, and the
same rows for every inner split of its training part. Whatever is chosen is chosen by the inner ones.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gcims_jax.evaluation import choice
from gcims_jax.evaluation.candidates import Dose
from gcims_jax.evaluation.choice import Inner
from gcims_jax.evaluation.splits import Fold
from gcims_jax.parts import Part
from gcims_jax.records import Records

Row = Mapping[str, Any]


class FoldAnswers(NamedTuple):
    """All answers of one fold.

    Attributes:
      fold: which records teach and which test.
      rows: one per candidate, dose, classifier and setting.
      inner: what the same rows answered inside the training part; None without inner splits.
      notes: per candidate what its generator chose.
      cells: what was read, for figures beside answers.
    """

    fold: Fold
    rows: Sequence[Row]
    inner: Inner | None
    notes: Mapping[str, Row]
    cells: Sequence[Mapping[str, Any]]


class Truth(NamedTuple):
    """What answers are held against.

    Attributes:
      labels_N: integer labels of all records.
      groups_N: their groups.
      classes: K names.
    """

    labels_N: np.ndarray
    groups_N: np.ndarray
    classes: Sequence[str]


class Chosen(NamedTuple):
    """One answer per repeat and record, from whichever row was chosen in its fold.

    Attributes:
      predicted_RxN: labels; -1 where a record was not tested.
      model_RxN: number of the fold whose classifier answered.
      rows: the chosen row of every fold.
    """

    predicted_RxN: np.ndarray
    model_RxN: np.ndarray
    rows: Sequence[Row]


def truth_of(records: Records, part: Part) -> Truth:
    """The truth about all records of a set."""
    return Truth(part.labels_N, part.groups_N, [str(name) for name in records.classes])


def gather(fold: Fold, cells: Sequence[Mapping[str, Any]]) -> FoldAnswers:
    """The cells of one fold, candidate after candidate, as one."""
    splits = []
    for same in zip(*(cell["inner"] for cell in cells), strict=True):
        splits.append({**same[0], "rows": [row for split in same for row in split["rows"]]})
    rows = [row for cell in cells for row in cell["rows"]]
    notes = {note["candidate"]: note for cell in cells for note in cell["generators"]}
    return FoldAnswers(fold, rows, choice.gather(splits), notes, cells)


def choose(
    folds: Sequence[FoldAnswers],
    allowed: Callable[[Row], bool],
    truth: Truth,
    *,
    rule: str = "best",
    plain: Callable[[Row], bool] = lambda row: False,
) -> Chosen:
    """In every fold the allowed row that its training part chooses; candidates and doses are in order.

    Where nothing was scored inside, that is the first allowed row.

    Args:
      folds: all folds.
      allowed: rows to choose among.
      truth: what answers are held against.
      rule: a key of ``choice.RULES``.
      plain: rows that some rules lean to.
    """
    repeats = 1 + max(answers.fold.repeat for answers in folds)
    predicted_RxN = np.full((repeats, len(truth.labels_N)), -1)
    model_RxN = np.full_like(predicted_RxN, -1)
    rows = []
    for number, answers in enumerate(folds):
        fitting = [i for i, row in enumerate(answers.rows) if allowed(row)]
        fallback = [i for i in fitting if plain(answers.rows[i])]
        inner = answers.inner
        rows.append(answers.rows[fitting[0] if inner is None else choice.RULES[rule](inner, fitting, fallback)])
        predicted_RxN[answers.fold.repeat, answers.fold.test] = rows[-1]["predicted_M"]
        model_RxN[answers.fold.repeat, answers.fold.test] = number
    return Chosen(predicted_RxN, model_RxN, rows)


def dose_of(row: Row) -> Dose:
    """The dose of a row."""
    return Dose(row["ratio"], row["balanced"])


def in_order(folds: Sequence[FoldAnswers], of: Callable[[Row], Any]) -> list[Any]:
    """What rows have, each once, in the order of the first fold."""
    return list(dict.fromkeys(of(row) for row in folds[0].rows))


def tally(names: Sequence[str]) -> dict[str, int]:
    """How often each name stands in a list, most frequent first."""
    values, counts = np.unique(names, return_counts=True)
    return {str(values[i]): int(counts[i]) for i in np.argsort(-counts, kind="stable")}
