"""Cells of a study: one file per candidate and fold, kept, so that a killed study goes on with what remains."""

import functools
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from experiments.sampler_scores import thin
from experiments.settings import Setup
from experiments.workdir import to_json, write_text
from gcims_jax.evaluation import guard, protocols, study
from gcims_jax.preprocessing import scale


def run(
    setup: Setup,
    seed: int,
    workdir: Path,
    *,
    candidates: tuple[study.Candidate, ...],
    classifiers: tuple[str, ...],
    inner_splits: int,
    records_per_class: int = 0,
    tag: str = "cells",
) -> dict[str, list[dict[str, Any]]]:
    """Rows by candidate, one per fold.

    Args:
      setup: data, folds, doses.
      seed: of the run.
      workdir: claimed work directory.
      candidates: to score.
      classifiers: to score them with.
      inner_splits: of each training part; 0 chooses nothing.
      records_per_class: most training records of a class; 0 keeps all.
      tag: name of the folder of these cells.
    """
    _, labels_N = np.unique(setup.records.labels, return_inverse=True)
    compressed_NxRxT = scale.compress(setup.compression, setup.records.values)
    fit_codec = study.codec_fitter(setup.study.codec, setup.method)
    paths = {
        (candidate.name, index): workdir / "checkpoints" / tag / _slug(candidate.name) / f"fold_{index:03d}.json"
        for index in range(len(setup.folds))
        for candidate in candidates
    }
    missing = sum(not path.exists() for path in paths.values())
    with tqdm(total=missing, desc=f"{tag}: cells that remain", unit="cell") as bar:
        for index, fold in enumerate(setup.folds):
            remaining = [candidate for candidate in candidates if not paths[candidate.name, index].exists()]
            if not remaining:
                continue
            kept = np.sort(thin(labels_N, fold.train, records_per_class, seed + index))
            train, test = (guard.take(compressed_NxRxT, labels_N, part) for part in (kept, fold.test))
            groups_N = setup.records.groups[kept] if setup.grouped else None
            inner = study.inner_splits(train, groups_N, inner_splits, seed + index) if inner_splits else ()
            score = functools.partial(
                study.score_fold,
                protocols.fold_keys(seed, "strict", index)[0],
                train=train,
                test=test,
                doses=setup.study.doses,
                classifiers=classifiers,
                fit_codec=fit_codec,
                method=setup.method,
                seed=seed + index,
                n_classes=int(labels_N.max()) + 1,
                inner=inner,
            )
            # One candidate a core, each with one thread: classifiers of a few hundred records do not fill more.
            with threadpool_limits(1), ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
                rows = {pool.submit(score, candidate): candidate for candidate in remaining}
                for done in as_completed(rows):
                    write_text(paths[rows[done].name, index], to_json(done.result()))
                    bar.set_postfix_str(rows[done].name)
                    bar.update()
    return {
        candidate.name: [json.loads(paths[candidate.name, index].read_text()) for index in range(len(setup.folds))]
        for candidate in candidates
    }


def dataset(setup: Setup) -> dict[str, Any]:
    """The data in figures, for ``results.json``."""
    return {
        "records": len(setup.records),
        "shape": list(setup.records.shape[1:]),
        "classes": setup.records.class_counts(),
    }


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "_", name)
