"""Synthetic records from the generator that helps most, and whether they help here: for a user's own data."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments import leaderboard
from experiments.settings import Setup
from gcims_jax import io
from gcims_jax.evaluation import guard, protocols, study, study_results
from gcims_jax.generators import GENERATORS
from gcims_jax.preprocessing import scale
from gcims_jax.records import Records


def run(setup: Setup, seed: int, workdir: Path, provenance: dict[str, Any], seconds: dict[str, float]) -> str:
    """Judges all candidates as the leaderboard does, then writes the synthetic records of the one chosen inside.

    Args:
      setup: checked data and configuration; ``study.candidates`` names the generators.
      seed: of the run.
      workdir: claimed work directory.
      provenance: versions and revision, kept with the synthetic records.
      seconds: stages already done, by name.

    Returns:
      The answer, as text.
    """
    answer = leaderboard.run(setup, seed, workdir, provenance, seconds)
    candidate, dose = choose(setup, leaderboard.candidate_rows(setup, seed, workdir))
    synthetic = generate(setup, seed, candidate, dose, provenance)
    for ending in ("nc", *setup.also_write):
        io.write(synthetic, workdir / f"synthetic.{ending}")
    return (
        f"{answer}\nsynthetic.nc: {len(synthetic)} records of {candidate.name}, {dose.mode}, {dose.ratio:g}×, chosen inside the "
        "training part of the first fold."
    )


def choose(setup: Setup, rows: dict[str, list[dict[str, Any]]]) -> tuple[study.Candidate, study.Dose]:
    """The generator and dose with the best inner score in the first fold, with whichever classifier."""
    scored = [
        (
            study_results.inner_score(rows[candidate.name][0], i),
            candidate,
            study.Dose(entry["ratio"], entry["balanced"]),
        )
        for candidate in setup.study.candidates
        if candidate.generator
        for i, entry in enumerate(rows[candidate.name][0]["outer"])
    ]
    _, candidate, dose = max(scored, key=lambda one: one[0])
    return candidate, dose


def generate(
    setup: Setup, seed: int, candidate: study.Candidate, dose: study.Dose, provenance: dict[str, Any]
) -> Records:
    """Records of a candidate, learned from the first fold's training part, in the input's unit."""
    fold, plan = setup.folds[0], setup.compression
    generator = GENERATORS[candidate.generator]
    classes_K, labels_N = np.unique(setup.records.labels, return_inverse=True)
    train = guard.take(
        scale.compress(plan, setup.records.values[fold.train]), labels_N[fold.train], range(len(fold.train))
    )
    scaling = scale.fit(train.x_NxRxT, setup.method.preprocess)
    x_NxRxT = scale.apply(scaling, train.x_NxRxT)
    fit_key, draw_key = jax.random.split(protocols.fold_keys(seed, "strict", 0)[0])
    fit_codec = study.codec_fitter(setup.study.codec, setup.method)
    state = generator.fit(fit_key, x_NxRxT, train.labels_N, fit_codec=fit_codec, **dict(candidate.options))
    labels_S = protocols.synthetic_labels(train.labels_N, *dose)
    records_SxRxT = np.asarray(generator.sample(draw_key, state, labels_S))
    return Records(
        values=scale.expand(plan, scale.invert(scaling, records_SxRxT)),
        slow=plan.slow,
        fast=plan.fast,
        labels=classes_K[labels_S],
        names=np.asarray([f"synthetic_{i:05d}" for i in range(len(labels_S))]),
        attrs={
            "title": "Synthetic records",
            "units": str(setup.records.attrs.get("units", "1")),
            "generator": candidate.name,
            "protocol": "strict",
            "seed": seed,
            "git_revision": str(provenance.get("git_revision")),
            "held_out_records": list(setup.records.names[fold.test]),
            "note": "Learned without the held-out records of one fold; only those may test what is trained on these.",
        },
    )
