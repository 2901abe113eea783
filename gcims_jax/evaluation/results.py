"""Rows of folds summed up: the content of ``results.json``. Pure functions of what ``protocols.score_fold`` returned."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gcims_jax.evaluation.protocols import ARMS, LEAKS
from gcims_jax.evaluation.verdict import Resampled, compare, holm, in_words, posterior, records_needed

Row = Mapping[str, Any]

SCORES = ("accuracy", "balanced_accuracy", "macro_f1")
TRIED = {"alpha": "alpha_A", "ridge": "ridge_G", "bandwidth": "bandwidth_H"}
STAGES = ("codec", "sampler", "draw", "classify")


def summarise(
    rows_by_protocol: Mapping[str, Sequence[Row]], class_counts: Mapping[str, int], shape: Sequence[int]
) -> dict[str, Any]:
    """All figures of a run, named.

    Args:
      rows_by_protocol: one row per fold for each protocol that was run.
      class_counts: records per class, in the order of the integer labels.
      shape: (N, R, T) of the input.

    Returns:
      ``dataset``, ``reconstruction``, ``arms``, ``comparison``, ``protocol``; with several protocols the middle three
      stand once per protocol under ``protocols``, and ``leakage`` compares ``paper`` with ``strict``.
    """
    classes = list(class_counts)
    result: dict[str, Any] = {
        "dataset": {"records": int(shape[0]), "shape": list(shape[1:]), "classes": dict(class_counts)}
    }
    summaries = {name: _protocol(name, rows, classes) for name, rows in rows_by_protocol.items()}
    if len(summaries) == 1:
        (name,) = summaries
        return {**result, **summaries[name]}
    result["protocols"] = summaries
    if {"strict", "paper"} <= set(summaries):
        result["leakage"] = _leakage(rows_by_protocol["strict"], rows_by_protocol["paper"])
    return result


def seconds(rows_by_protocol: Mapping[str, Sequence[Row]]) -> dict[str, float]:
    """Seconds per stage over all folds. A codec that several folds share is counted once."""
    total = dict.fromkeys(STAGES, 0.0)
    for name, rows in rows_by_protocol.items():
        for i, row in enumerate(rows):
            for stage in STAGES:
                if i == 0 or not LEAKS[name] or stage not in ("codec", "sampler"):
                    total[stage] += row["seconds"][stage]
    return total


def _protocol(name: str, rows: Sequence[Row], classes: Sequence[str]) -> dict[str, Any]:
    first = rows[0]
    return {
        "protocol": {
            "name": name,
            "leaks": LEAKS[name],
            "folds": 1 + max(row["fold"] for row in rows),
            "repeats": 1 + max(row["repeat"] for row in rows),
            "records_train": [row["n_train"] for row in rows],
            "records_test": [row["n_test"] for row in rows],
            "records_synthetic": [row["n_synthetic"] for row in rows],
            "pca_components": first["components"],
        },
        "reconstruction": {key: _over_folds(rows, "reconstruction", key)["mean"] for key in first["reconstruction"]},
        "arms": {arm: _arm(rows, arm, classes) for arm in ARMS},
        "comparison": comparison(rows, leaks=LEAKS[name]),
        "per_class": per_class(rows, classes),
        "real_to_synthetic": {
            score: _over_folds(rows, "real_to_synthetic", score) for score in ("accuracy", "balanced_accuracy")
        },
        "generator": first["generator"],
        "sampler": {
            key: dict(zip(classes, np.array([row["sampler"][key] for row in rows], float).mean(axis=0), strict=True))
            for key in first["sampler"]
            if key != "classes_K"
        },
        "selection": _selection([row["selection"] for row in rows]),
    }


def _selection(selections: Sequence[Row | None]) -> dict[str, Any] | None:
    """What the sampler tried, and the mean leave-one-out log-likelihood over folds."""
    if selections[0] is None:
        return None
    curves = np.array([s["log_likelihood_AxGxH"] for s in selections], float).mean(axis=0)
    tried = {f"{name}s": selections[0][key] for name, key in TRIED.items()}
    return {**tried, "log_likelihood": curves}


def _arm(rows: Sequence[Row], arm: str, classes: Sequence[str]) -> dict[str, Any]:
    recalls_JxK = np.array([row["arms"][arm]["recall_K"] for row in rows], float)
    confusion_KxK = np.sum([row["arms"][arm]["confusion_KxK"] for row in rows], axis=0)
    return {
        **{score: _over_folds(rows, "arms", arm, score) for score in SCORES},
        "per_class_recall": dict(zip(classes, np.nanmean(recalls_JxK, axis=0), strict=True)),
        "confusion": confusion_KxK,
    }


def comparison(rows: Sequence[Row], *, leaks: bool, arm: str = "original+synthetic") -> dict[str, Any]:
    """One arm against ``original``: corrected test on accuracy and on balanced accuracy, and the verdict on the first."""
    test_to_train = float(np.mean([row["n_test"] / row["n_train"] for row in rows]))
    accuracy, balanced = (
        compare(_values(rows, "arms", arm, score), _values(rows, "arms", "original", score), test_to_train)
        for score in ("accuracy", "balanced_accuracy")
    )
    needed = records_needed(accuracy, round(np.mean([row["n_test"] + row["n_train"] for row in rows])))
    return {
        "arms": [arm, "original"],
        "delta_accuracy": accuracy.delta,
        "ci95": accuracy.ci95,
        "p_value": accuracy.p_value,
        "delta_balanced_accuracy": balanced.delta,
        "ci95_balanced_accuracy": balanced.ci95,
        "p_value_balanced_accuracy": balanced.p_value,
        "posterior": posterior(accuracy)._asdict(),
        "records_needed": needed,
        "verdict": "no verdict: this protocol leaks" if leaks else in_words(accuracy),
        "sentence": _sentence(accuracy, len(rows), leaks, needed),
    }


def per_class(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, Any]:
    """Change of each class's recall by synthetic records; p-values adjusted for the number of classes."""
    test_to_train = float(np.mean([row["n_test"] / row["n_train"] for row in rows]))
    with_, without = (_values(rows, "arms", arm, "recall_K") for arm in ("original+synthetic", "original"))
    changes = {}
    for k, name in enumerate(classes):
        there_J = np.isfinite(with_[:, k])
        if there_J.sum() >= 2:
            changes[name] = compare(with_[there_J, k], without[there_J, k], test_to_train)
    adjusted = holm([c.p_value for c in changes.values()])
    return {
        name: {"delta": c.delta, "ci95": c.ci95, "p_holm": float(p)}
        for (name, c), p in zip(changes.items(), adjusted, strict=True)
    }


def _sentence(c: Resampled, count: int, leaks: bool, needed: int | None) -> str:
    figures = (
        f"adding synthetic records changed the accuracy on held-out real records by {100 * c.delta:+.1f} points "
        f"(95 % interval {100 * c.ci95[0]:+.1f} to {100 * c.ci95[1]:+.1f}, p = {c.p_value:.2f}, "
        f"Nadeau–Bengio corrected over {count} folds)"
    )
    if leaks:
        return f"No verdict: this protocol lets test records shape the synthetic ones. In it, {figures}."
    meaning = {
        "helps": "Synthetic records help this classifier",
        "hurts": "Synthetic records hurt this classifier",
        "no difference": "Synthetic records make no difference to this classifier",
        "cannot tell": "Cannot tell with this many records and folds whether synthetic records help",
    }[in_words(c)]
    advice = f" A difference of this size would take about {needed:,} records to tell." if needed else ""
    return f"{meaning}: {figures}." + (advice if in_words(c) == "cannot tell" else "")


def _leakage(strict: Sequence[Row], paper: Sequence[Row]) -> dict[str, Any]:
    """What the published procedure shows beyond what the same folds show without leaking."""
    arm = "original+synthetic"
    test_to_train = float(np.mean([row["n_test"] / row["n_train"] for row in strict]))
    gaps = {
        score: compare(_values(paper, "arms", arm, score), _values(strict, "arms", arm, score), test_to_train)
        for score in ("accuracy", "balanced_accuracy")
    }
    return {score: {"delta": c.delta, "ci95": c.ci95, "p_value": c.p_value} for score, c in gaps.items()}


def _values(rows: Sequence[Row], *path: str) -> np.ndarray:
    values = []
    for row in rows:
        value: Any = row
        for key in path:
            value = value[key]
        values.append(value)
    return np.array(values, float)


def _over_folds(rows: Sequence[Row], *path: str) -> dict[str, Any]:
    values_J = _values(rows, *path)
    return {"mean": values_J.mean(), "std": values_J.std(ddof=1), "per_fold": values_J}
