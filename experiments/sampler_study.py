"""Samplers × regularisation × latent size × class size: which draws are likely, faithful and of use?

One file per cell (latent size, records per class, fold); a run that was killed goes on with the cells that are missing.
"""

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from experiments import sampler_scores
from experiments.settings import Setup
from experiments.workdir import to_json, write_text
from gcims_jax.evaluation import guard, protocols
from gcims_jax.preprocessing import scale
from gcims_jax.reports import samplers as samplers_page


def run(setup: Setup, seed: int, workdir: Path, provenance: dict[str, Any], seconds: dict[str, float]) -> str:
    """Runs all cells, then writes ``results.json``, figures and report.

    Args:
      setup: checked data and configuration.
      seed: of the run.
      workdir: claimed work directory.
      provenance: not used: no records are written.
      seconds: stages already done, by name.

    Returns:
      The best and the safe setting, as text.
    """
    start = time.perf_counter()
    _, labels_N = np.unique(setup.records.labels, return_inverse=True)
    compressed_NxRxT = scale.compress(setup.compression, setup.records.values)
    points = sampler_scores.make_points(setup.sampler_study.samplers, setup.sampler_study.ridges)
    cells = []
    grid = [(d, most) for d in setup.sampler_study.latents for most in setup.sampler_study.records_per_class]
    with tqdm(total=len(grid) * len(setup.folds), desc="cells", unit="cell") as bar:
        for d, most in grid:
            rows = []
            for index in range(len(setup.folds)):
                path = workdir / "checkpoints" / f"latent_{d:03d}" / f"class_{most:03d}" / f"fold_{index:03d}.json"
                if not path.exists():
                    row = _score(setup, seed, index, d, most, points, compressed_NxRxT, labels_N)
                    write_text(path, to_json(row))
                rows.append(json.loads(path.read_text()))
                bar.update()
            cells.append({"latent": d, "records_per_class": most, **sampler_scores.summarise(rows)})
    summary = {
        "dataset": {
            "records": len(setup.records),
            "shape": list(setup.records.shape[1:]),
            "classes": setup.records.class_counts(),
        },
        "cells": cells,
        "recommendation": sampler_scores.recommend(cells),
        "timing": {**seconds, "study": time.perf_counter() - start},
    }
    samplers_page.write(workdir, summary)
    write_text(workdir / "results.json", to_json(summary))
    return samplers_page.sentence(summary)


def _score(
    setup: Setup,
    seed: int,
    index: int,
    latent: int,
    most: int,
    points: list[sampler_scores.Point],
    compressed_NxRxT: np.ndarray,
    labels_N: np.ndarray,
) -> dict[str, Any]:
    fold = setup.folds[index]
    fold = fold._replace(train=sampler_scores.thin(labels_N, fold.train, most, seed + index))
    method = dataclasses.replace(
        setup.method,
        sampler="smote",  # learns nothing that takes time; the points below fit their own
        sampler_options=(),
        codec=dataclasses.replace(setup.method.codec, latent=latent),
    )
    fit_key, draw_key = protocols.fold_keys(seed, "strict", index)
    generator = protocols.fit_generator(fit_key, guard.take(compressed_NxRxT, labels_N, fold.train), method)
    return sampler_scores.score_points(
        draw_key, generator, method, points, compressed_NxRxT, labels_N, fold, seed + index
    )
