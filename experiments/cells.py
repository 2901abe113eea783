"""Cells of a study: one file per candidate and fold, kept, so that a killed study goes on with what remains."""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from gcims_jax import hosts
from gcims_jax.codec import ensemble
from gcims_jax.errors import counted
from gcims_jax.evaluation import answers, scoring, splits, study
from gcims_jax.evaluation.answers import FoldAnswers
from gcims_jax.evaluation.candidates import Candidate
from gcims_jax.evaluation.scoring import Made, Plan
from gcims_jax.generators import codecs

from . import remote
from .job import Job
from .settings import Setup
from .workdir import to_json, write_text

COMPILES = "the first compiles its code, which takes up to a minute"


def run(
    job: Job,
    candidates: Sequence[Candidate],
    plan: Plan,
    *,
    inner: int = 0,
    records_per_class: int = 0,
    tag: str = "cells",
    enough: Callable[[list[FoldAnswers]], bool] = lambda answers: False,
) -> list[FoldAnswers]:
    """Answers of all candidates in every fold; they are scored side by side, or on a cluster.

    Args:
      job: data, folds, work directory.
      candidates: to score.
      plan: how.
      inner: splits of each training part, to choose by; 0 chooses nothing.
      records_per_class: most training records of a class; 0 keeps all.
      tag: name of the folder of these cells.
      enough: asked after each repeat with all answers so far; whether the rest is left out.
    """
    setup = job.setup
    files = Files(job.workdir / "checkpoints" / tag)
    missing = [(one.name, i) for i in range(len(setup.folds)) for one in candidates if (one.name, i) not in files]
    if missing:
        at_most = "at most " * bool(setup.budget_minutes)
        job.progress.expect(len(missing))
        job.progress.stage(
            "judging", f": {at_most}{counted(len(missing), 'cell')}, a candidate in a fold each; {COMPILES}"
        )
    with remote.scorer(job.scheduler) as scorer:
        return study.score_folds(
            setup.part,
            setup.folds,
            candidates,
            plan,
            setup.seed,
            inner=inner,
            records_per_class=records_per_class,
            cells=files,
            enough=enough,
            tell=lambda name: job.progress.done(f"judging, {name}"),
            scorer=scorer,
        )


def score(setup: Setup, files: "Files", tell: Callable[[str], None] = lambda name: None) -> list[FoldAnswers]:
    """Answers of a study's candidates, and copies, in every fold of a setup that is no job of its own.

    Args:
      setup: data, folds and study.
      files: finished cells, and where new ones are put.
      tell: told of each cell that is scored, the name of its candidate.
    """
    return study.score_folds(
        setup.part,
        setup.folds,
        setup.study.with_copies(),
        setup.study.plan(setup.method.preprocess, len(setup.truth.classes)),
        setup.seed,
        inner=setup.study.inner_splits,
        cells=files,
        tell=tell,
    )


class Files:
    """Cells as files, each whole or absent at any moment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, cell: tuple[str, int]) -> Path:
        name, index = cell
        return self._folder / _slug(name) / f"fold_{index:03d}.json"

    def __contains__(self, cell: tuple[str, int]) -> bool:
        return self._path(cell).exists()

    def __getitem__(self, cell: tuple[str, int]) -> dict[str, Any]:
        return json.loads(self._path(cell).read_text())

    def __setitem__(self, cell: tuple[str, int], value: dict[str, Any]) -> None:
        write_text(self._path(cell), to_json(value))


def run_together(
    job: Job,
    protocol: str,
    candidates: Sequence[Candidate],
    plan: Plan,
    *,
    measure: Callable[[Made], dict[str, Any]],
    tell: Callable[[int, FoldAnswers], str],
    enough: Callable[[list[FoldAnswers]], bool] = lambda answers: False,
) -> list[FoldAnswers]:
    """Answers of candidates that share a generator, one file per fold; unfinished codecs are checkpoints.

    Args:
      job: data, folds, work directory.
      protocol: a key of ``splits.LEAKS``.
      candidates: training sets of one generator.
      plan: how they are scored.
      measure: adds figures to each cell.
      tell: a line to print after each fold.
      enough: asked after each repeat with all answers so far; whether the rest is left out.
    """
    setup = job.setup
    folder = job.workdir / "checkpoints" / protocol
    result = []
    paths = [folder / f"fold_{index:03d}.json" for index in range(len(setup.folds))]
    job.progress.expect(sum(not path.exists() for path in paths))
    for index, (fold, path) in enumerate(zip(setup.folds, paths, strict=True)):
        if not path.exists():
            first = not any(folder.glob("fold_*.json"))
            job.progress.stage(f"{_title(job, protocol, index)} codec", f"; {COMPILES}" * first)
            arguments, seed = _of_fold(job, protocol, index, candidates, plan), setup.seed + index
            options = _learned_from(job, protocol, index)
            judging = functools.partial(job.progress.stage, f"{_title(job, protocol, index)} judging")
            with threadpool_limits(1):  # decompositions of a few hundred rows, which several threads only slow down
                cell = scoring.score_fold(*arguments, seed, measure=measure, tell=judging, **options)
            write_text(path, to_json(cell))
            job.progress.done()
        result.append(answers.gather(fold, [json.loads(path.read_text())]))
        print(f"{_title(job, protocol, index)} {tell(index, result[-1])}", flush=True)
        if splits.ends_repeat(setup.folds, index) and enough(result):
            break
    return result


def train_codecs(job: Job, protocols: Sequence[str], plan: Plan) -> None:
    """Trains the transformer codecs of all folds that are not finished together, where that pays, before any is judged.

    ``run_together`` then finds them. With a budget nobody knows yet how many folds there will be, so each is trained in its turn.

    Args:
      job: data, folds, work directory.
      protocols: keys of ``splits.LEAKS``.
      plan: with the codec.
    """
    if not ensemble.wanted(plan.codec.train) or job.setup.budget_minutes:
        return
    left = [
        (protocol, index)
        for protocol in protocols
        # What a leaking protocol learns it learns once.
        for index in range(len(job.setup.folds) if not splits.LEAKS[protocol] else 1)
        if not (job.workdir / "checkpoints" / protocol / f"fold_{index:03d}.json").exists()
    ]
    left = hosts.from_first(left)
    if not left or (len(left) == 1 and not hosts.several()):
        return
    keys, sources, units, directories = [], [], [], []
    for protocol, index in left:
        (fit_key, _), _, train, test, _ = _of_fold(job, protocol, index, (), plan)
        options = _learned_from(job, protocol, index)
        _, source, of_scale = scoring.scaled_source(train, test, plan, options["learn_from"])
        keys.append(fit_key)
        sources.append(source)
        units.append(of_scale)
        directories.append(options["directory"])
    with threadpool_limits(1):
        codecs.fit_all(keys, sources, plan.codec, directories=directories, title="codecs:", units=units)


def make_together(job: Job, protocol: str, index: int, candidates: Sequence[Candidate], plan: Plan) -> Made:
    """What a fold of ``run_together`` makes, from its checkpoint where there is one."""
    with threadpool_limits(1):
        return scoring.make(*_of_fold(job, protocol, index, candidates, plan), **_learned_from(job, protocol, index))


def _of_fold(job: Job, protocol: str, index: int, candidates: Sequence[Candidate], plan: Plan) -> tuple[Any, ...]:
    """The first arguments of ``scoring.make``. What a leaking protocol learns it learns once, under one key."""
    fold, part = job.setup.folds[index], job.setup.part
    fit_key, draw_key = splits.fold_keys(job.setup.seed, protocol, index)
    if splits.LEAKS[protocol]:
        fit_key, _ = splits.fold_keys(job.setup.seed, protocol, 0)
    return (fit_key, draw_key), candidates, part.take(fold.train), part.take(fold.test), plan


def _learned_from(job: Job, protocol: str, index: int) -> dict[str, Any]:
    """Where codecs are kept and what is learned from, the training part or all records."""
    leaks, folder = splits.LEAKS[protocol], job.workdir / "checkpoints" / protocol
    return {
        "learn_from": job.setup.part if leaks else None,
        "directory": folder / ("all" if leaks else f"fold_{index:03d}"),
        "title": f"{protocol}:" if leaks else _title(job, protocol, index),
    }


def _title(job: Job, protocol: str, index: int) -> str:
    return f"{protocol} fold {index + 1} of {len(job.setup.folds)}:"


def _slug(name: str) -> str:
    """A name as a folder; the hash tells names apart that differ in other characters alone."""
    return f"{re.sub(r'[^A-Za-z0-9.]+', '_', name)}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"
