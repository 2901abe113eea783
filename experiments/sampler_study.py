"""Samplers and their regularisation against each other: likelihood, fidelity, and use for the classifier.

Everything is strict: scaling, codec, sampler, chosen options and classifier see the training part of a fold alone. A finished
fold of a cell (one d, one class size) is a file.
"""

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from gcims_jax.evaluation import answers, guard, results, scoring, splits
from gcims_jax.evaluation.answers import FoldAnswers, choose
from gcims_jax.evaluation.candidates import PLAIN, Candidate
from gcims_jax.evaluation.scoring import Made
from gcims_jax.fidelity import energy
from gcims_jax.generators import double_autoencoder
from gcims_jax.reports import samplers as page
from gcims_jax.reports.samplers import CHOSEN
from gcims_jax.samplers import SAMPLERS, family
from gcims_jax.samplers import options as sampler_options

from .augmentation import plan_of
from .job import Job, kept

MEASURED = ("log_likelihood", "latent_energy", "record_energy", "condition", "fit_seconds")


class Point(NamedTuple):
    """One sampler at one setting.

    Attributes:
      sampler: a key of ``SAMPLERS``.
      ridge: λ; None leaves the sampler its own choice.
    """

    sampler: str
    ridge: float | None

    @property
    def setting(self) -> str:
        """λ as text, or that the sampler chose."""
        return CHOSEN if self.ridge is None else f"{self.ridge:g}"

    def candidate(self, codec: Any) -> Candidate:
        """The point as a candidate."""
        given = () if self.ridge is None else (("ridge", self.ridge),)
        options = (("codec", codec), ("sampler", self.sampler), *given)
        return Candidate(f"{self.sampler}, {self.setting}", "double_autoencoder", options)


def make_points(samplers: Sequence[str], ridges: Sequence[float]) -> list[Point]:
    """Every sampler at its own choice and, where it takes one, at every ridge."""
    return [
        Point(name, ridge)
        for name in samplers
        for ridge in (None, *(ridges if "ridge" in sampler_options(name) else ()))
    ]


def run(job: Job) -> str:
    """Scores every point in every cell and fold; the best and the safe setting, as text."""
    start = time.perf_counter()
    setup, study = job.setup, job.setup.sampler_study
    points = make_points(study.samplers, study.ridges)
    grid = [(d, most) for d in study.latents for most in study.records_per_class]
    found = []
    with tqdm(total=len(grid) * len(setup.folds), desc="cells", unit="cell", disable=None) as bar:
        for d, most in grid:
            folds = []
            for index, fold in enumerate(setup.folds):
                folder = job.workdir / "checkpoints" / f"latent_{d:03d}" / f"class_{most:03d}"
                cell = kept(folder / f"fold_{index:03d}.json", functools.partial(score, job, index, d, most, points))
                folds.append(answers.gather(fold, [cell]))
                bar.update()
            found.append({"latent": d, "records_per_class": most, **summarise(job, folds, points)})
    job.timed("study", start)
    summary = {"cells": found, "recommendation": recommend(found)}
    job.finish(summary, page.write)
    return page.sentence(summary)


def score(job: Job, index: int, latent: int, most: int, points: Sequence[Point]) -> dict[str, Any]:
    """Answers and figures of every point on one fold."""
    setup = job.setup
    fold, method = setup.folds[index], dataclasses.replace(setup.method.codec, latent=latent)
    candidates = [point.candidate(method) for point in points]
    return scoring.score_fold(
        splits.fold_keys(setup.seed, "strict", index),
        [PLAIN, *candidates],
        splits.thin(setup.part.take(fold.train), most, setup.seed + index),
        setup.part.take(fold.test),
        plan_of(job),
        setup.seed + index,
        measure=functools.partial(_measure, candidates),
    )


def _measure(candidates: Sequence[Candidate], made: Made) -> dict[str, Any]:
    """Likelihood of held-out latents, and distances of draws from held-out records beside those of real training records."""

    def distance(part_NxM: np.ndarray, held_out: np.ndarray) -> float:
        return energy.energy_distance(part_NxM.reshape(len(part_NxM), -1), held_out.reshape(len(held_out), -1))

    entries = {}
    for candidate in candidates:
        learned = made.generators[scoring.key_of(candidate)]
        draws = made.draws[scoring.key_of(candidate)]
        guard.check_unseen(made.test, learned, draws)
        train, test, drawn = (double_autoencoder.encode(learned, part) for part in (made.train, made.test, draws))
        real = {
            "latent_energy": distance(train.x_NxRxT, test.x_NxRxT),
            "record_energy": distance(made.train.x_NxRxT, made.test.x_NxRxT),
        }
        sampler, state = SAMPLERS[learned.value.sampler], learned.value.sampler_state
        log_density = sampler.log_density
        likelihood = None if log_density is None else float(np.mean(log_density(state, test.x_NxRxT, test.labels_N)))
        entries[candidate.name] = {
            "log_likelihood": likelihood,
            "latent_energy": distance(drawn.x_NxRxT, test.x_NxRxT),
            "record_energy": distance(draws.x_NxRxT, made.test.x_NxRxT),
            "condition": _condition(state),
            "used": _used(state),
        }
    return {"points": entries, "real": real}


def _condition(state: Any) -> float | None:
    """Mean over classes of log10 of the covariance's condition number; None where the sampler has no covariance."""
    if isinstance(state, family.LowRankGaussian):
        return float(np.mean(np.log10(family.condition(state))))
    condition_K = getattr(state, "condition_K", None)
    return None if condition_K is None else float(np.mean(np.log10(np.asarray(condition_K, float))))


def _used(state: Any) -> dict[str, float]:
    """Mean over classes of the options that a sampler worked out itself."""
    names = ("ridge_K", "alpha_K", "bandwidth_K", "components_K")
    return {name[:-2]: float(np.mean(getattr(state, name))) for name in names if hasattr(state, name)}


def summarise(job: Job, folds: Sequence[FoldAnswers], points: Sequence[Point]) -> dict[str, Any]:
    """Means over folds of one cell, and for each point the change against no augmentation, with its interval."""
    truth = job.setup.truth
    cells_J = [answers.cells[0] for answers in folds]
    plain = choose(folds, lambda row: row["candidate"] == PLAIN.name, truth)
    without = results.scores(folds, plain, truth)
    result: dict[str, Any] = {
        "folds": len(folds),
        "original": {score: without[score]["mean"] for score in results.COMPARED},
        "real": {key: float(np.mean([cell["real"][key] for cell in cells_J])) for key in cells_J[0]["real"]},
        "points": [],
    }
    for point in points:
        name = f"{point.sampler}, {point.setting}"
        entries = [cell["points"][name] for cell in cells_J]
        line: dict[str, Any] = {"sampler": point.sampler, "setting": point.setting}
        for key in MEASURED[:-1]:
            values = [entry[key] for entry in entries]
            line[key] = None if None in values else float(np.mean(values))
        line["fit_seconds"] = float(np.mean([answers.notes[name]["seconds"] for answers in folds]))
        line["used"] = {key: float(np.mean([entry["used"][key] for entry in entries])) for key in entries[0]["used"]}
        chosen = choose(folds, lambda row: row["candidate"] == name, truth)  # noqa: B023
        compared = results.comparison(
            folds, chosen, plain, truth, names=(name, PLAIN.name), leaks=bool(job.setup.banner)
        )
        for score, end in zip(results.COMPARED, ("", "_balanced_accuracy"), strict=True):
            line[f"delta_{score}"] = {"delta": compared[f"delta_{score}"], "ci95": compared[f"ci95{end}"]}
        result["points"].append(line)
    return result


def recommend(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The points that do best over all cells: for the classifier, in their worst cell, and in held-out likelihood.

    Best and safe are picked by looking at the same folds that score them, so their gains are optimistic.
    """
    changes: dict[tuple[str, str], list[float]] = {}
    ranks: dict[tuple[str, str], list[int]] = {}
    for cell in cells:
        for point in cell["points"]:
            change = 0.5 * (point["delta_accuracy"]["delta"] + point["delta_balanced_accuracy"]["delta"])
            changes.setdefault((point["sampler"], point["setting"]), []).append(change)
        with_density = [point for point in cell["points"] if point["log_likelihood"] is not None]
        for rank, point in enumerate(sorted(with_density, key=lambda p: -p["log_likelihood"]), start=1):
            ranks.setdefault((point["sampler"], point["setting"]), []).append(rank)

    def entry(key: tuple[str, str]) -> dict[str, Any]:
        return {
            "sampler": key[0],
            "setting": key[1],
            "mean_change": float(np.mean(changes[key])),
            "worst_change": min(changes[key]),
        }

    likeliest = min(ranks, key=lambda key: np.mean(ranks[key])) if ranks else None
    return {
        "best": entry(max(changes, key=lambda key: np.mean(changes[key]))),
        "safe": entry(max(changes, key=lambda key: min(changes[key]))),
        "likeliest": likeliest
        and {**entry(likeliest), "mean_rank": float(np.mean(ranks[likeliest])), "ranked": len(ranks)},
    }
