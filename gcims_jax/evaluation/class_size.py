"""Who gains: how the change of recall depends on the size of a class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.evaluation import metrics, results, verdict
from gcims_jax.evaluation.answers import FoldAnswers, Truth, choose, dose_of


def slopes(
    folds: Sequence[FoldAnswers],
    truth: Truth,
    found: Sequence[Mapping[str, Any]],
    ratio: float,
    reference: str = "none",
) -> list[dict[str, Any]]:
    """How the change of recall depends on class size, for each line at one ratio.

    The slope is that of a straight line through the classes' changes by the number of halvings of the class size, fitted in
    every fold with classes of two sizes; its interval is that of overlapping folds.

    Raises:
      InputError: fewer than two such folds, as where all classes are of one size.
    """
    counts_K = np.bincount(truth.labels_N)
    halvings_K = -np.log2(counts_K.astype(float))
    result = []
    for line in found:
        if line["candidate"] == reference or line["ratios"] not in ([ratio], [0.0]):
            continue

        def recalls(candidate: str, line: Mapping[str, Any] = line) -> np.ndarray:
            wanted = (candidate, line["classifier"])
            mode = line["mode"] if candidate == line["candidate"] else "–"
            chosen = choose(
                folds, lambda row: (row["candidate"], row["classifier"]) == wanted and dose_of(row).mode == mode, truth
            )
            return np.array(
                [
                    metrics.score(
                        truth.labels_N[a.fold.test], np.asarray(row["predicted_M"]), len(truth.classes)
                    ).recall_K
                    for a, row in zip(folds, chosen.rows, strict=True)
                ]
            )

        change_JxK = recalls(line["candidate"]) - recalls(reference)
        slopes_J = []
        for change_K in change_JxK:
            there = np.isfinite(change_K)
            if len(np.unique(counts_K[there])) > 1:
                slopes_J.append(np.polyfit(halvings_K[there], change_K[there], 1)[0])
        if len(slopes_J) < 2:
            raise InputError(
                f"minority: expected 2 or more folds that test classes of different sizes, got {len(slopes_J)} with classes of "
                f"{', '.join(map(str, counts_K))} records; take a set with small and large classes"
            )
        slope = verdict.compare(np.array(slopes_J), np.zeros(len(slopes_J)), results.test_to_train(folds))
        change_K = np.nanmean(change_JxK, axis=0)
        result.append(
            {
                "candidate": line["candidate"],
                "mode": line["mode"],
                "change_K": change_K,
                "change_JxK": change_JxK,
                "slope": {**slope._asdict(), "verdict": slope.word},
                "smallest": float(change_K[np.argmin(counts_K)]),
                "largest": float(change_K[np.argmax(counts_K)]),
            }
        )
    return result
