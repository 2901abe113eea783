"""Rows of ``study.score_fold`` summed up: doses and classifiers chosen by inner scores, judged by outer ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gcims_jax.verdict import compare, holm, in_words

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
        if entry["classifier"] == classifier and (mode is None or entry["balanced"] == (mode == "balanced"))
    ]
    return max(fitting, key=lambda i: (inner_score(row, i), -row["outer"][i]["ratio"]))


def modes_of(row: Row) -> list[str]:
    """The modes that a candidate was scored in; one that adds nothing has none of its own."""
    if all(entry["n_synthetic"] == 0 for entry in row["outer"]):
        return ["–"]
    return [mode for mode in MODES if any(e["balanced"] == (mode == "balanced") for e in row["outer"])]


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
                chosen = [row["outer"][choose(row, classifier, None if mode == "–" else mode)] for row in rows]
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
