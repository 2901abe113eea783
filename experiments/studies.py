"""Studies of usefulness: each a table of candidates, doses and folds, a summary and a page."""

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from gcims_jax.evaluation import class_size, predictions, results, study
from gcims_jax.evaluation.answers import FoldAnswers, dose_of
from gcims_jax.evaluation.candidates import PLAIN, Candidate
from gcims_jax.evaluation.scoring import Plan
from gcims_jax.io.netcdf import write_dataset
from gcims_jax.reports import comparisons
from gcims_jax.reports import leaderboard as leaderboard_page
from gcims_jax.reports import learning_curve as curve_page
from gcims_jax.reports import minority as minority_page
from gcims_jax.reports import ratio as ratio_page

from . import budget, cells, progress
from .job import Job


def leaderboard(job: Job, before_results: Callable[[list[FoldAnswers]], leaderboard_page.Written] | None = None) -> str:
    """All generators against each other: which helps which classifier, everything chosen inside training parts.

    ``before_results`` writes more files of these answers before the results, which say that the run is complete.
    """
    start = time.perf_counter()
    setup = job.setup
    truth = setup.truth
    plain = {candidate.name for candidate in candidates_of(job) if candidate.is_plain}
    sides = functools.partial(results.best_sides, truth=truth, is_plain=plain.__contains__)
    folds = choose_inside(job, functools.partial(budget.enough, setup, sides))
    summary = {
        **_about(job),
        "folds": len(folds),
        **study.compare_all(folds, truth, candidates_of(job), leaks=bool(setup.banner)),
    }
    _keep(job, folds)
    job.timed("study", start)
    written = None if before_results is None else before_results(folds)
    job.finish(summary, functools.partial(leaderboard_page.write, written=written))
    return f"{_scores(summary['lines'])}\n{leaderboard_page.sentence(summary)}"


def _scores(lines: list[dict[str, Any]]) -> str:
    """All lines as a table of text."""
    return progress.table(
        ["percent, and change in points", *comparisons.TITLES.values(), "change of accuracy", "p, adjusted"],
        [
            [
                f"{line['classifier']}, {comparisons.label(line)}",
                *(f"{100 * line[score]['mean']:.1f}" for score in comparisons.TITLES),
                *(
                    ["", ""]
                    if line["candidate"] == PLAIN.name
                    else [comparisons.points(line["comparison"]), f"{comparisons.p_adjusted(line['comparison']):.2f}"]
                ),
            ]
            for line in lines
        ],
    )


def choose_inside(job: Job, enough: Callable[[list[FoldAnswers]], bool]) -> list[FoldAnswers]:
    """Answers of every candidate, with those of inner splits to choose by."""
    return cells.run(job, candidates_of(job), plan_of(job), inner=job.setup.study.inner_splits, enough=enough)


def ratio(job: Job) -> str:
    """How many synthetic records: change of scores by ratio, for each candidate and mode."""
    start = time.perf_counter()
    folds = cells.run(job, job.setup.study.candidates, plan_of(job, tuned=False))
    by_dose = results.lines(
        folds,
        job.setup.truth,
        lambda row: (row["classifier"], row["candidate"], dose_of(row)),
        leaks=bool(job.setup.banner),
    )
    shown = [line for line in by_dose if line["candidate"] != PLAIN.name]
    summary = {**_about(job), "lines": shown, "sentence": ratio_page.sentence(shown)}
    _keep(job, folds)
    job.timed("study", start)
    job.finish(summary, ratio_page.write)
    return summary["sentence"]


def minority(job: Job) -> str:
    """Do small classes gain most: change of recall per class against the class size, at the last ratio."""
    start = time.perf_counter()
    setup = job.setup
    plan = plan_of(job, tuned=False)
    plan = plan._replace(classifiers=plan.classifiers[:1])
    folds = cells.run(job, setup.study.candidates, plan)
    dose = setup.study.doses[-1].ratio
    found = results.lines(
        folds,
        setup.truth,
        lambda row: (row["classifier"], row["candidate"], dose_of(row)),
        leaks=bool(setup.banner),
    )
    plain = next(line for line in found if line["candidate"] == PLAIN.name)
    lines = class_size.slopes(folds, setup.truth, found, dose)
    summary = {
        **_about(job),
        "classifier": setup.study.classifiers[0].name,
        "ratio": dose,
        "recall_K": list(plain["per_class_recall"].values()),
        "lines": lines,
        "sentence": minority_page.sentence(lines),
    }
    _keep(job, folds)
    job.timed("study", start)
    job.finish(summary, minority_page.write)
    return summary["sentence"]


def learning_curve(job: Job) -> str:
    """What synthetic records are worth in real ones: scores by number of training records, with and without.

    Doses are chosen inside the training part of each size.
    """
    start = time.perf_counter()
    setup, lines = job.setup, []
    for most in sorted(setup.study.records_per_class, key=lambda m: m or np.inf):
        tag = f"class_{most:03d}"
        inner = setup.study.inner_splits
        folds = cells.run(job, setup.study.candidates, plan_of(job), inner=inner, records_per_class=most, tag=tag)
        n_train = float(np.mean([cell["n_train"] for answers in folds for cell in answers.cells]))
        lines += [
            {"n_train": n_train, "records_per_class": most, **line}
            for line in results.lines(folds, setup.truth, leaks=bool(setup.banner))
        ]
    summary = {**_about(job), "lines": lines, "sentence": curve_page.sentence(lines)}
    job.timed("study", start)
    job.finish(summary, curve_page.write)
    return summary["sentence"]


def candidates_of(job: Job) -> tuple[Candidate, ...]:
    """Those asked for, and copies."""
    return job.setup.study.with_copies()


def plan_of(job: Job, *, tuned: bool = True) -> Plan:
    """How candidates are scored."""
    setup = job.setup
    return setup.study.plan(setup.method.preprocess, len(setup.truth.classes), tuned=tuned)


def _about(job: Job) -> dict[str, Any]:
    return job.setup.study.describe(job.setup.folds)


def _keep(job: Job, folds: list[FoldAnswers]) -> None:
    found = predictions.to_dataset({"strict": folds}, job.setup.truth, job.setup.records.names)
    write_dataset(found, job.workdir / "predictions.nc")
