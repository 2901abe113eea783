"""Samplers and their regularisation against each other on the same latents: one row per fold, summed up over folds.

Everything is strict: scaling, codec, sampler, chosen options and classifier see the training part of a fold alone.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from gcims_jax.codec import double
from gcims_jax.evaluation import classify, metrics
from gcims_jax.evaluation.protocols import Fold, Generator, Method, synthetic_labels
from gcims_jax.evaluation.verdict import compare
from gcims_jax.fidelity import energy
from gcims_jax.preprocessing import scale
from gcims_jax.reports.samplers import CHOSEN
from gcims_jax.samplers import SAMPLERS, family
from gcims_jax.samplers import options as sampler_options

Row = Mapping[str, Any]


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


def make_points(samplers: Sequence[str], ridges: Sequence[float]) -> list[Point]:
    """Every sampler at its own choice and, where it takes one, at every ridge."""
    return [
        Point(name, ridge)
        for name in samplers
        for ridge in (None, *(ridges if "ridge" in sampler_options(name) else ()))
    ]


def thin(labels_N: np.ndarray, indices: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Indices with at most ``most`` records of a class, drawn by seed; 0 keeps all."""
    if most == 0:
        return indices
    order = np.random.default_rng(seed).permutation(indices)
    kept = [order[labels_N[order] == k][:most] for k in np.unique(labels_N[indices])]
    return np.sort(np.concatenate(kept))


def score_points(
    key: jax.Array,
    generator: Generator,
    method: Method,
    points: Sequence[Point],
    compressed_NxRxT: np.ndarray,
    labels_N: np.ndarray,
    fold: Fold,
    seed: int,
) -> dict[str, Any]:
    """Every point's likelihood, fidelity and use on the held-out records of one fold.

    Args:
      key: of the draws; every point gets the same.
      generator: scaling and codec, learned from ``fold.train``.
      method: configuration; its sampler is not used.
      points: samplers and settings.
      compressed_NxRxT: all compressed records.
      labels_N: integer labels 0 … K-1.
      fold: which records train and which test.
      seed: of the classifier.

    Returns:
      A row that can be written as JSON: the fold, scores without augmentation, the distance of real training records
      from the held-out ones, and one entry per point.
    """
    shape = compressed_NxRxT.shape[1:]
    n_classes = int(labels_N.max()) + 1
    train, test = (scale.apply(generator.scaling, compressed_NxRxT[part]) for part in (fold.train, fold.test))
    train_labels, test_labels = labels_N[fold.train], labels_N[fold.test]
    train_latents, test_latents = (double.encode(generator.codec, x, method.codec) for x in (train, test))
    draw_labels_S = synthetic_labels(train_labels, method.ratio, method.balanced)

    def score(records: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        classifier = classify.fit(method.classifier, records, labels, seed)
        scores = metrics.score(test_labels, classify.predict(classifier, test), n_classes)
        return {"accuracy": scores.accuracy, "balanced_accuracy": scores.balanced_accuracy}

    def distance(records: np.ndarray, held_out: np.ndarray) -> float:
        return energy.energy_distance(records.reshape(len(records), -1), held_out.reshape(len(held_out), -1))

    entries = []
    for point in points:
        state, fit_seconds = _fit(point, train_latents, train_labels)
        draws, draw_seconds = _draw(key, point, state, draw_labels_S)
        records_SxRxT = double.decode(generator.codec, draws, method.codec, shape)
        augmented = np.concatenate([train, records_SxRxT]), np.concatenate([train_labels, draw_labels_S])
        entries.append(
            {
                "sampler": point.sampler,
                "setting": point.setting,
                "log_likelihood": _log_likelihood(point, state, test_latents, test_labels),
                "latent_energy": distance(draws, test_latents),
                "record_energy": distance(records_SxRxT, test),
                **score(*augmented),
                "condition": _condition(state),
                "used": _used(state),
                "fit_seconds": fit_seconds,
                "draw_seconds": draw_seconds,
            }
        )
    return {
        "repeat": fold.repeat,
        "fold": fold.fold,
        "n_train": len(fold.train),
        "n_test": len(fold.test),
        "original": score(train, train_labels),
        "real": {"latent_energy": distance(train_latents, test_latents), "record_energy": distance(train, test)},
        "points": entries,
    }


def _fit(point: Point, latents_NxDxD: np.ndarray, labels_N: np.ndarray) -> tuple[Any, float]:
    start = time.perf_counter()
    options = {} if point.ridge is None else {"ridge": point.ridge}
    state = jax.block_until_ready(SAMPLERS[point.sampler].fit(latents_NxDxD, labels_N, **options))
    return state, time.perf_counter() - start


def _draw(key: jax.Array, point: Point, state: Any, labels_S: np.ndarray) -> tuple[np.ndarray, float]:
    """The draws, and the seconds of a second call, which compiles nothing."""
    sample = SAMPLERS[point.sampler].sample
    draws_SxDxD = np.asarray(sample(key, state, labels_S))
    start = time.perf_counter()
    jax.block_until_ready(sample(key, state, labels_S))
    return draws_SxDxD, time.perf_counter() - start


def _log_likelihood(point: Point, state: Any, latents_MxDxD: np.ndarray, labels_M: np.ndarray) -> float | None:
    """Mean log-density in nats of a held-out latent matrix; None where the sampler has none."""
    log_density = SAMPLERS[point.sampler].log_density
    return None if log_density is None else float(np.mean(log_density(state, latents_MxDxD, labels_M)))


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


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Means over folds of one cell's rows, and for each point the change against no augmentation, with its interval."""
    test_to_train = float(np.mean([row["n_test"] / row["n_train"] for row in rows]))
    result: dict[str, Any] = {
        "folds": len(rows),
        "original": {
            s: float(np.mean([row["original"][s] for row in rows])) for s in ("accuracy", "balanced_accuracy")
        },
        "real": {s: float(np.mean([row["real"][s] for row in rows])) for s in ("latent_energy", "record_energy")},
        "points": [],
    }
    for entries in zip(*(row["points"] for row in rows), strict=True):
        point = {"sampler": entries[0]["sampler"], "setting": entries[0]["setting"]}
        for name in ("log_likelihood", "latent_energy", "record_energy", "condition", "fit_seconds", "draw_seconds"):
            values = [entry[name] for entry in entries]
            point[name] = None if None in values else float(np.mean(values))
        point["used"] = {name: float(np.mean([e["used"][name] for e in entries])) for name in entries[0]["used"]}
        for score in ("accuracy", "balanced_accuracy"):
            comparison = compare(
                np.array([entry[score] for entry in entries]),
                np.array([row["original"][score] for row in rows]),
                test_to_train,
            )
            point[f"delta_{score}"] = comparison._asdict()
        result["points"].append(point)
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
