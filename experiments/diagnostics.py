"""Is the Gaussian of the latents true? Diagnoses one strict fold's latents, and every sampler's draws beside them."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments.settings import Setup
from experiments.workdir import to_json, write_text
from gcims_jax import parts
from gcims_jax.codec import double
from gcims_jax.evaluation import guard, protocols, verdict
from gcims_jax.fidelity import gaussianity
from gcims_jax.preprocessing import scale
from gcims_jax.reports import gaussianity as gaussianity_page
from gcims_jax.samplers import SAMPLERS


def run(setup: Setup, seed: int, workdir: Path, provenance: dict[str, Any], seconds: dict[str, float]) -> str:
    """Learns the codec from the first fold's training part, then writes ``diagnostics.json``, figures and report.

    Args:
      setup: checked data and configuration; ``sampler_study.samplers`` are compared.
      seed: of the run.
      workdir: claimed work directory.
      provenance: not used: no records are written.
      seconds: stages already done, by name.

    Returns:
      The verdict on each class and on the samplers, as text.
    """
    start = time.perf_counter()
    classes_K, labels_N = np.unique(setup.records.labels, return_inverse=True)
    classes = [str(name) for name in classes_K]
    compressed_NxRxT = scale.compress(setup.compression, setup.records.values)
    fold = setup.folds[0]
    fit_key, draw_key = protocols.fold_keys(seed, "strict", 0)
    # The generator's own sampler is not used; interpolation learns nothing that takes time.
    method = dataclasses.replace(setup.method, sampler="smote", sampler_options=())
    directory = workdir / "checkpoints" / "strict" / "fold_000"
    part = guard.take(compressed_NxRxT, labels_N, fold.train)
    generator = protocols.fit_generator(fit_key, part, method, directory=directory, title="codec:")
    whole = parts.from_records(setup.records, compressed_NxRxT, grouped=setup.grouped)
    train, test = (whole.take(numbers) for numbers in (fold.train, fold.test))
    train, test = (
        one.with_values(double.encode(generator.codec, scale.apply(generator.scaling, one.x_NxRxT), method.codec))
        for one in (train, test)
    )
    seconds = {**seconds, "codec": time.perf_counter() - start}

    start = time.perf_counter()
    diagnoses = gaussianity.diagnose(train)
    seconds["classes"] = time.perf_counter() - start
    for k, diagnosis in diagnoses.items():
        print(f"{classes[k]}: {diagnosis.verdict}", flush=True)

    start = time.perf_counter()
    draws = {}
    for name in setup.sampler_study.samplers:
        state = SAMPLERS[name].fit(train.x_NxRxT, train.labels_N)
        draws[name] = parts.synthetic(
            SAMPLERS[name].sample(draw_key, state, train.labels_N), train.labels_N, train.origin
        )
    compared = gaussianity.compare_draws(seed, train, test, draws)
    p_values_Sx2 = np.array([[compared[name].energy.p_value, compared[name].spread_p_value] for name in compared])
    adjusted_Sx2 = p_values_Sx2.copy()
    # The real training records, which come first, are the comparison, not one of those compared.
    adjusted_Sx2[1:] = verdict.holm(p_values_Sx2[1:].ravel()).reshape(-1, 2)
    seconds["samplers"] = time.perf_counter() - start

    start = time.perf_counter()
    summary = {
        "dataset": {
            "records": len(setup.records),
            "shape": list(setup.records.shape[1:]),
            "classes": setup.records.class_counts(),
        },
        "protocol": {
            "name": "strict",
            "folds": 1 + max(f.fold for f in setup.folds),
            "records_train": len(fold.train),
            "records_test": len(fold.test),
        },
        "latent": method.codec.latent,
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
    gaussianity_page.write(workdir, summary, latents)
    seconds["report"] = time.perf_counter() - start
    summary["timing"] = {**seconds, "total": sum(seconds.values())}
    # Last: where it is, the run is complete.
    write_text(workdir / "diagnostics.json", to_json(summary))
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
