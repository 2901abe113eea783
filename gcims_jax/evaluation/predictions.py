"""One answer per held-out record as a data set: ``predictions.nc``, from which every test can be made again."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from gcims_jax.evaluation.answers import FoldAnswers, Truth


def to_dataset(folds_by_protocol: Mapping[str, Sequence[FoldAnswers]], truth: Truth, names_N: np.ndarray) -> xr.Dataset:
    """Answers by (run, record): a run is a protocol, candidate, dose, classifier, setting and repeat.

    Args:
      folds_by_protocol: answers of all folds for each protocol.
      truth: labels, groups and class names.
      names_N: names of the records.

    Returns:
      Variables ``predicted(run, record)`` (class number, -1 where not tested), ``fold(run, record)``, ``score(run, record,
      class)`` (NaN where not tested or not known), ``label(record)``, ``group(record)``; coordinates of run name what it is.
    """
    runs: dict[tuple, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    count, n_classes = len(truth.labels_N), len(truth.classes)
    for protocol, folds in folds_by_protocol.items():
        for answers in folds:
            for row in answers.rows:
                keys = ("candidate", "ratio", "balanced", "classifier", "setting")
                name = (protocol, *(row[key] for key in keys), answers.fold.repeat)
                if name not in runs:
                    runs[name] = (
                        np.full(count, -1, np.int16),
                        np.full(count, -1, np.int16),
                        np.full((count, n_classes), np.nan, np.float32),
                    )
                predicted_N, fold_N, scores_NxK = runs[name]
                predicted_N[answers.fold.test] = row["predicted_M"]
                fold_N[answers.fold.test] = answers.fold.fold
                scores_NxK[answers.fold.test] = np.asarray(row["scores_MxK"], np.float32)
    columns = list(zip(*runs, strict=True))
    named = ("protocol", "candidate", "ratio", "balanced", "classifier", "setting", "repeat")
    types = (str, str, float, bool, str, str, int)
    predicted, fold, score = (np.stack(part) for part in zip(*runs.values(), strict=True))
    return xr.Dataset(
        {
            "predicted": (("run", "record"), predicted),
            "fold": (("run", "record"), fold),
            "score": (("run", "record", "class"), score),
            "label": ("record", np.asarray(truth.classes)[truth.labels_N].astype(str)),
            "group": ("record", truth.groups_N.astype(str)),
        },
        coords={
            "record": names_N.astype(str),
            "class": np.asarray(truth.classes, str),
            **{n: ("run", np.asarray(c, t)) for n, c, t in zip(named, columns, types, strict=True)},
        },
        attrs={"title": "Answers for held-out records", "predicted": "number of the class, -1 where not tested"},
    )
