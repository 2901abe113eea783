"""Is the Gaussian of the latents true? Diagnoses one strict fold's latents, and every sampler's draws beside them."""

import dataclasses
import functools
import time
from typing import Any

import numpy as np

from gcims_jax import parts
from gcims_jax.evaluation import multiple, scoring, splits
from gcims_jax.fidelity import gaussianity
from gcims_jax.generators import double_autoencoder
from gcims_jax.reports import gaussianity as gaussianity_page
from gcims_jax.samplers import SAMPLERS

from . import cells
from .augmentation import plan_of
from .job import Job


def run(job: Job) -> str:
    """Learns the codec from the first fold's training part, then writes ``diagnostics.json``, figures and report."""
    start = time.perf_counter()
    setup, fold, classes = job.setup, job.setup.folds[0], job.setup.truth.classes
    candidate = dataclasses.replace(setup.method, sampler="smote", sampler_options=()).candidate(
        "latents"
    )  # learns nothing long
    made = cells.make_together(job, "strict", 0, [candidate], plan_of(job))
    learned = made.generators[scoring.key_of(candidate)]
    train, test = (double_autoencoder.encode(learned, part) for part in (made.train, made.test))
    _, draw_key = splits.fold_keys(setup.seed, "strict", 0)
    job.timed("codec", start)

    start = time.perf_counter()
    diagnoses = gaussianity.diagnose(train)
    job.timed("classes", start)
    for k, diagnosis in diagnoses.items():
        print(f"{classes[k]}: {diagnosis.verdict}", flush=True)

    start = time.perf_counter()
    draws = {}
    for name in setup.sampler_study.samplers:
        state = SAMPLERS[name].fit(train)
        draws[name] = parts.synthetic(
            SAMPLERS[name].sample(draw_key, state, train.labels_N), train.labels_N, train.origin
        )
    compared = gaussianity.compare_draws(setup.seed, train, test, draws)
    p_values_Sx2 = np.array([[compared[name].energy.p_value, compared[name].spread_p_value] for name in compared])
    adjusted_Sx2 = p_values_Sx2.copy()
    # The real training records, which come first, are the comparison, not one of those compared.
    adjusted_Sx2[1:] = multiple.holm(p_values_Sx2[1:].ravel()).reshape(-1, 2)
    job.timed("samplers", start)

    start = time.perf_counter()
    summary = {
        "protocol": {
            "name": "strict",
            "folds": 1 + max(f.fold for f in setup.folds),
            "records_train": len(fold.train),
            "records_test": len(fold.test),
        },
        "latent": setup.method.codec.latent,
        "classes": {classes[k]: _plain(diagnosis) for k, diagnosis in diagnoses.items()},
        "samplers": {
            name: {
                **found.energy._asdict(),
                "adjusted": adjusted_2[0],
                "spread": found.spread,
                "spread_p_value": found.spread_p_value,
                "spread_adjusted": adjusted_2[1],
            }
            for (name, found), adjusted_2 in zip(compared.items(), adjusted_Sx2, strict=True)
        },
    }
    latents = gaussianity_page.Latents(
        classes=classes,
        train_NxP=train.x_NxRxT.reshape(len(train), -1),
        labels_N=train.labels_N,
        held_out_MxP=test.x_NxRxT.reshape(len(test), -1),
        held_out_labels_M=test.labels_N,
        draws={name: drawn.x_NxRxT.reshape(len(drawn), -1) for name, drawn in draws.items()},
    )
    job.finish(summary, functools.partial(gaussianity_page.write, latents=latents), "diagnostics.json")
    sentences = gaussianity_page.headline(summary), gaussianity_page.sampler_sentence(summary["samplers"])
    return ".\n".join(sentences)


def _plain(diagnosis: gaussianity.Diagnosis) -> dict[str, Any]:
    """Nested dicts of a diagnosis."""
    quantiles = diagnosis.quantiles
    return {
        **diagnosis._asdict(),
        "tests": {name: outcome._asdict() for name, outcome in diagnosis.tests.items()},
        "quantiles": None if quantiles is None else quantiles._asdict(),
    }
