"""A study: candidates, doses and classifiers, scored in every fold, and what is said of all of them together."""

import dataclasses
import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, NamedTuple, Protocol

from threadpoolctl import threadpool_limits

from gcims_jax.codec.double import CodecConfig
from gcims_jax.errors import InputError
from gcims_jax.evaluation import answers, classify, results, scoring, splits
from gcims_jax.evaluation.answers import FoldAnswers, Truth
from gcims_jax.evaluation.candidates import COPIES, PLAIN, Candidate, Dose
from gcims_jax.evaluation.classify import ClassifierConfig
from gcims_jax.evaluation.scoring import Plan
from gcims_jax.evaluation.splits import MOST_INNER, Fold
from gcims_jax.generators.codecs import Tucker
from gcims_jax.parts import Part
from gcims_jax.preprocessing.scale import PreprocessConfig
from gcims_jax.records import Records

MODES = ("proportional", "balanced")


class Cells(Protocol):
    """Finished cells, what ``scoring.score_fold`` says of one candidate in one fold, by its name and the fold's number.

    A dict keeps them in memory.
    """

    def __contains__(self, cell: tuple[str, int], /) -> bool: ...

    def __getitem__(self, cell: tuple[str, int], /) -> Mapping[str, Any]: ...

    def __setitem__(self, cell: tuple[str, int], value: dict[str, Any], /) -> None: ...


@dataclasses.dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
      candidates: as ``candidates.parse_candidate`` reads them; "none" is always among them.
      doses: ratios × modes.
      classifiers: the same with synthetic records and without.
      codec: that generators take.
      inner_splits: of each training part, to choose by, with synthetic records and without; 1 to ``splits.MOST_INNER``.
      records_per_class: points of the learning curve, 0 for all.
    """

    candidates: tuple[Candidate, ...]
    doses: tuple[Dose, ...]
    classifiers: tuple[ClassifierConfig, ...]
    codec: Tucker | CodecConfig
    inner_splits: int
    records_per_class: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if not self.classifiers or not self.doses or not self.records_per_class:
            raise InputError("study: expected one or more classifiers, ratios, modes and records_per_class, got none")
        if wrong := [dose.ratio for dose in self.doses if not 0.0 < dose.ratio < math.inf]:
            raise InputError(f"study.ratios: expected numbers above 0, got {wrong[0]}")
        if not 1 <= self.inner_splits <= MOST_INNER:
            raise InputError(f"study.inner_splits: expected 1 to {MOST_INNER}, got {self.inner_splits}")
        if self.candidates == (PLAIN,):
            raise InputError("study.candidates: expected one or more generators beside none, got none")
        if any(most < 0 or most == 1 for most in self.records_per_class):
            raise InputError(f"study.records_per_class: expected 0 (all) or 2 and more, got {self.records_per_class}")

    def with_copies(self) -> tuple[Candidate, ...]:
        """The candidates, and copies, which every generator has to beat; plain ones first: of equals the first is taken."""
        plain = [candidate for candidate in self.candidates if candidate.is_plain]
        if COPIES not in plain:
            plain.append(COPIES)
        return (*plain, *(candidate for candidate in self.candidates if not candidate.is_plain))

    def plan(self, preprocess: PreprocessConfig, n_classes: int, *, tuned: bool = True) -> Plan:
        """How candidates are scored.

        Args:
          preprocess: of the scale.
          n_classes: K.
          tuned: classifiers with every setting that training parts choose among, or as they are.
        """
        every = [one for config in self.classifiers for one in (classify.tried(config) if tuned else [config])]
        return Plan(preprocess, self.codec, self.doses, tuple(every), n_classes)

    def describe(self, folds: Sequence[Fold]) -> dict[str, Any]:
        """How it was done, for summaries."""
        return {
            "folds": len(folds),
            "codec": type(self.codec).__name__,
            "latent": self.codec.latent,
            "inner_splits": f"a third held out, {self.inner_splits} ×",
        }


def doses_of(ratios: Sequence[float], modes: Sequence[str]) -> tuple[Dose, ...]:
    """Ratios × modes.

    Raises:
      InputError: an unknown mode, a ratio that is no number.
    """
    if unknown := [mode for mode in modes if mode not in MODES]:
        raise InputError(f"study.modes: expected some of {', '.join(MODES)}, got {unknown[0]!r}")
    if wrong := [ratio for ratio in ratios if isinstance(ratio, str)]:
        raise InputError(f"study.ratios: expected numbers above 0, got {wrong[0]!r}")
    return tuple(Dose(float(ratio), mode == "balanced") for mode in modes for ratio in ratios)


class Cell(NamedTuple):
    """One candidate in one fold, and all that scoring it needs beside the records; small enough to be sent.

    Attributes:
      candidate: to score.
      fold, index: the fold and its number.
      plan, seed, inner, records_per_class: see ``score_folds``.
    """

    candidate: Candidate
    fold: Fold
    index: int
    plan: Plan
    seed: int
    inner: int
    records_per_class: int


# Scores cells of a part in any order, each with its result.
Scorer = Callable[[Part, Sequence[Cell]], Iterator[tuple[Cell, dict[str, Any]]]]


def score_cell(part: Part, cell: Cell) -> dict[str, Any]:
    """What ``scoring.score_fold`` says of a candidate in a fold, and on inner splits of its training part; pure."""
    train = splits.thin(part.take(cell.fold.train), cell.records_per_class, cell.seed + cell.index)
    return scoring.score_fold(
        splits.fold_keys(cell.seed, "strict", cell.index),
        [cell.candidate],
        train,
        part.take(cell.fold.test),
        cell.plan,
        cell.seed + cell.index,
        inner=splits.inner_splits(train, cell.inner, cell.seed + cell.index),
    )


def side_by_side(part: Part, cells: Sequence[Cell]) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Scores the candidates of a fold on as many cores, each with one thread: a few hundred records do not fill more."""
    for _, of_fold in itertools.groupby(cells, lambda cell: cell.index):
        together = list(of_fold)
        count = max(1, min(len(together), _cores()))
        with threadpool_limits(1), ThreadPoolExecutor(count) as pool:
            futures = {pool.submit(score_cell, part, cell): cell for cell in together}
            for done in as_completed(futures):
                result = done.result()
                result["wall_seconds"] /= count  # its share of the time that passes for whoever waits
                yield futures[done], result


def score_folds(
    part: Part,
    folds: Sequence[Fold],
    candidates: Sequence[Candidate],
    plan: Plan,
    seed: int,
    *,
    inner: int = 0,
    records_per_class: int = 0,
    cells: Cells | None = None,
    enough: Callable[[list[FoldAnswers]], bool] = lambda answered: False,
    tell: Callable[[str], None] = lambda name: None,
    scorer: Scorer = side_by_side,
) -> list[FoldAnswers]:
    """Answers of all candidates in every fold.

    Args:
      part: all records, compressed.
      folds: of them.
      candidates: to score.
      plan: how.
      seed: of the run.
      inner: splits of each training part, to choose by; 0 chooses nothing.
      records_per_class: most training records of a class; 0 keeps all.
      cells: finished ones, which are not scored again, and where new ones are put; None keeps them in memory alone.
      enough: asked after each repeat with all answers so far; whether the rest is left out.
      tell: told of each cell that is scored, the name of its candidate.
      scorer: where the cells of a repeat are scored.
    """
    cells = {} if cells is None else cells
    names = [candidate.name for candidate in candidates]
    result: list[FoldAnswers] = []
    while len(result) < len(folds):
        first = len(result)
        last = next(index for index in range(first, len(folds)) if splits.ends_repeat(folds, index))
        left = [
            Cell(candidate, folds[index], index, plan, seed, inner, records_per_class)
            for index in range(first, last + 1)
            for candidate in candidates
            if (candidate.name, index) not in cells
        ]
        for cell, found in scorer(part, left):
            cells[cell.candidate.name, cell.index] = found
            tell(cell.candidate.name)
        for index in range(first, last + 1):
            result.append(answers.gather(folds[index], [cells[name, index] for name in names]))
        if enough(result):
            break
    return result


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compare_all(
    folds: Sequence[FoldAnswers], truth: Truth, candidates: Sequence[Candidate], *, leaks: bool = False
) -> dict[str, Any]:
    """All candidates against each other: ``lines`` for each, and ``context``, whether to augment at all."""
    is_plain: Callable[[str], bool] = {c.name for c in candidates if c.is_plain}.__contains__
    return {
        "lines": results.lines(folds, truth, leaks=leaks),
        "pairs": results.pairs(folds, truth, leaks=leaks),
        "context": results.context(folds, truth, is_plain, leaks=leaks),
    }


def dataset(records: Records, part: Part) -> dict[str, Any]:
    """The data in figures, for summaries."""
    return {
        "records": len(records),
        "shape": list(records.shape[1:]),
        "classes": records.class_counts(),
        "groups": len(set(part.groups_N.tolist())),
    }
