"""Rows of ``study.score_fold`` summed up: doses and classifiers chosen by inner scores, judged by outer ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gcims_jax.evaluation.verdict import compare, holm, in_words

Row = Mapping[str, Any]
SCORES = ("accuracy", "balanced_accuracy")
MODES = ("proportional", "balanced")


def inner_score(row: Row, index: int) -> float:
    """Mean over inner splits of accuracy and balanced accuracy, half and half, of an entry of the row."""
    return float(np.mean([split[index][score] for split in row["inner"] for score in SCORES]))


def choose(row: Row, classifier: str, mode: str | None = None) -> int:
    """Index of a row's entry of the classifier (and mode) with the best inner score; the smallest dose wins ties."""
    fitting = [
        i
        for i, entry in enumerate(row["outer"])
        if entry["classifier"] == classifier and mode in (None, mode_of(entry))
    ]
    return max(fitting, key=lambda i: (inner_score(row, i), -row["outer"][i]["ratio"]))


def modes_of(row: Row) -> list[str]:
    """The modes that a candidate was scored in; one that adds nothing has none of its own."""
    return list(dict.fromkeys(mode_of(entry) for entry in row["outer"]))


def leaderboard(rows_by_candidate: Mapping[str, Sequence[Row]], classifiers: Sequence[str]) -> list[dict[str, Any]]:
    """One line per candidate, mode and classifier: scores at the dose chosen inside, and the change against ``none``.

    p-values are corrected for overlapping folds (Nadeau & Bengio), and for the number of candidates and modes of a
    classifier (Holm).
    """
    lines = []
    for classifier in classifiers:
        reference = [row["outer"][choose(row, classifier)] for row in rows_by_candidate["none"]]
        first = len(lines)
        for name, rows in rows_by_candidate.items():
            for mode in modes_of(rows[0]):
                chosen = [row["outer"][choose(row, classifier, mode)] for row in rows]
                lines.append(
                    {
                        "candidate": name,
                        "mode": mode,
                        "classifier": classifier,
                        "ratios": sorted({entry["ratio"] for entry in chosen}),
                        "mean_ratio": float(np.mean([entry["ratio"] for entry in chosen])),
                        **{score: float(np.mean([entry[score] for entry in chosen])) for score in SCORES},
                        **differences(chosen, reference, rows),
                        "seconds": float(np.mean([e["generator_seconds"] + e["seconds"] for e in chosen])),
                    }
                )
        tested = [line for line in lines[first:] if line["candidate"] != "none"]
        for score in SCORES:
            adjusted = holm([line[f"delta_{score}"]["p_value"] for line in tested])
            for line, p_value in zip(tested, adjusted, strict=True):
                line[f"delta_{score}"]["p_holm"] = p_value
    return lines


def differences(chosen: Sequence[Row], reference: Sequence[Row], rows: Sequence[Row]) -> dict[str, Any]:
    """Changes of both scores with interval, p-value and words, per fold as well."""
    test_to_train = float(np.mean([row["n_test"] / row["n_train"] for row in rows]))
    result = {}
    for score in SCORES:
        mine_J, other_J = (np.array([entry[score] for entry in entries]) for entries in (chosen, reference))
        comparison = compare(mine_J, other_J, test_to_train)
        result[f"delta_{score}"] = {
            **comparison._asdict(),
            "verdict": in_words(comparison),
            "per_fold": mine_J - other_J,
        }
    return result


def honest_context(
    rows_by_candidate: Mapping[str, Sequence[Row]], plain_rows: Sequence[Row], classifiers: Sequence[str]
) -> dict[str, Any]:
    """The best plain classifier without augmentation against the best one with it, each chosen inside every fold.

    Args:
      rows_by_candidate: rows of every candidate.
      plain_rows: rows of ``none`` with every plain classifier that may be chosen.
      classifiers: those that were tried with augmentation.
    """
    plain, augmented, plain_names, augmented_names = [], [], [], []
    for j, row in enumerate(plain_rows):
        best = max(range(len(row["outer"])), key=lambda i: inner_score(row, i))
        plain.append(row["outer"][best])
        plain_names.append(row["outer"][best]["classifier"])
        tried = [
            (inner_score(rows[j], i), name, rows[j]["outer"][i])
            for name, rows in rows_by_candidate.items()
            if name != "none"
            for i, entry in enumerate(rows[j]["outer"])
            if entry["classifier"] in classifiers
        ]
        _, name, entry = max(tried, key=lambda one: one[0])
        augmented.append(entry)
        augmented_names.append(f"{name}, {entry['classifier']}")
    result = {
        "plain": {score: float(np.mean([entry[score] for entry in plain])) for score in SCORES},
        "augmented": {score: float(np.mean([entry[score] for entry in augmented])) for score in SCORES},
        "plain_chosen": counted(plain_names),
        "augmented_chosen": counted(augmented_names),
        **differences(augmented, plain, plain_rows),
    }
    result["recommend"] = result["delta_accuracy"]["verdict"] == "helps"
    return result


def counted(names: Sequence[str]) -> dict[str, int]:
    """How often each name stands in a list, most frequent first."""
    values, counts = np.unique(names, return_counts=True)
    return {str(values[i]): int(counts[i]) for i in np.argsort(-counts, kind="stable")}


def by_dose(rows_by_candidate: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """One line per candidate, dose and classifier: change against ``none``, nothing chosen."""
    lines = []
    reference = {
        entry["classifier"]: [row["outer"][i] for row in rows_by_candidate["none"]]
        for i, entry in enumerate(rows_by_candidate["none"][0]["outer"])
    }
    for name, rows in rows_by_candidate.items():
        if name == "none":
            continue
        for i, first in enumerate(rows[0]["outer"]):
            entries = [row["outer"][i] for row in rows]
            lines.append(
                {
                    "candidate": name,
                    "mode": mode_of(first),
                    "ratio": first["ratio"],
                    "classifier": first["classifier"],
                    "n_synthetic": float(np.mean([entry["n_synthetic"] for entry in entries])),
                    **{score: float(np.mean([entry[score] for entry in entries])) for score in SCORES},
                    **differences(entries, reference[first["classifier"]], rows),
                }
            )
    return lines


def by_class(rows_by_candidate: Mapping[str, Sequence[Row]], ratio: float, counts_K: Sequence[int]) -> dict[str, Any]:
    """Change of recall per class at one ratio, and its slope by class size, with the interval of overlapping folds.

    The slope is that of a straight line through the classes' changes by the number of halvings of the class size, fitted in
    every fold.
    """
    reference = [row["outer"][0] for row in rows_by_candidate["none"]]
    plain_JxK = np.array([entry["recall_K"] for entry in reference], float)
    halvings_K = -np.log2(np.asarray(counts_K, float))
    test_to_train = float(np.mean([row["n_test"] / row["n_train"] for row in rows_by_candidate["none"]]))
    lines = []
    for name, rows in rows_by_candidate.items():
        for i, first in enumerate(rows[0]["outer"]):
            if name == "none" or (first["ratio"] != ratio and first["n_synthetic"] > 0):
                continue
            change_JxK = np.array([row["outer"][i]["recall_K"] for row in rows], float) - plain_JxK
            slopes_J = []
            for change_K in change_JxK:
                there = np.isfinite(change_K)
                slopes_J.append(np.polyfit(halvings_K[there], change_K[there], 1)[0])
            slope = compare(np.array(slopes_J), np.zeros(len(slopes_J)), test_to_train)
            change_K = np.nanmean(change_JxK, axis=0)
            lines.append(
                {
                    "candidate": name,
                    "mode": mode_of(first),
                    "change_K": change_K,
                    "slope": {**slope._asdict(), "verdict": in_words(slope)},
                    "smallest": float(change_K[np.argmin(counts_K)]),
                    "largest": float(change_K[np.argmax(counts_K)]),
                }
            )
    return {"recall_K": np.nanmean(plain_JxK, axis=0), "lines": lines}


def mode_of(entry: Row) -> str:
    """The mode of an entry; – where nothing was added."""
    if entry["n_synthetic"] == 0:
        return "–"
    return "balanced" if entry["balanced"] else "proportional"
