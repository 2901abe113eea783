"""Do synthetic records look real? Peaks of one class, fidelity and memorisation, on the first strict fold."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments import cells
from experiments.settings import Setup
from experiments.workdir import to_json, write_text
from gcims_jax import parts
from gcims_jax.evaluation import guard, protocols, study, verdict
from gcims_jax.fidelity import found_peaks, memorisation, peaks, realism
from gcims_jax.generators import GENERATORS
from gcims_jax.preprocessing import scale
from gcims_jax.records import Axis
from gcims_jax.reports import fidelity as fidelity_page


def run(setup: Setup, seed: int, workdir: Path, provenance: dict[str, Any], seconds: dict[str, float]) -> str:
    """Learns the method's generator and ``study.candidates`` from the first fold's training part, then compares their records.

    Args:
      setup: checked data and configuration.
      seed: of the run.
      workdir: claimed work directory.
      provenance: not used: no records are written.
      seconds: stages already done, by name.

    Returns:
      The answer, as text.

    Raises:
      InputError: too few held-out records, or a held-out class without two training records.
    """
    start = time.perf_counter()
    classes_K, labels_N = np.unique(setup.records.labels, return_inverse=True)
    compressed_NxRxT = scale.compress(setup.compression, setup.records.values)
    fold = setup.folds[0]
    train = guard.take(compressed_NxRxT, labels_N, fold.train)
    whole = parts.from_records(setup.records, compressed_NxRxT, grouped=setup.grouped)
    real, held_out = (whole.take(numbers) for numbers in (fold.train, fold.test))
    # Says now, not after training, where there are too few records to compare.
    realism.check_enough(real, held_out, real)
    scaling, draws = _draw_all(setup, seed, train, workdir)
    real, held_out = (part.with_values(scale.apply(scaling, part.x_NxRxT)) for part in (real, held_out))
    made = {name: parts.synthetic(x_SxRxT, real.labels_N, real.origin) for name, x_SxRxT in draws.items()}
    seconds = {**seconds, "generators": time.perf_counter() - start}

    start = time.perf_counter()
    method = next(iter(made))
    # Controls are the same for all generators.
    tables = {name: realism.table(seed, real, held_out, one, controls=name == method) for name, one in made.items()}
    checks = {name: memorisation.table(seed, real, held_out, one) for name, one in made.items()}
    seconds["fidelity"] = time.perf_counter() - start

    start = time.perf_counter()
    counts_K = np.bincount(labels_N)
    shown = int(np.argmax(counts_K)) if not setup.sanity_class else classes_K.tolist().index(setup.sanity_class)
    synthetic_SxRxT, *own = (part.x_NxRxT[part.labels_N == shown] for part in (made[method], real, held_out))
    synthetic_SxRxT = scale.invert(scaling, synthetic_SxRxT)
    real_NxRxT = scale.invert(scaling, np.concatenate(own))
    axes = _coordinates(setup)
    entries, reference_Mx2 = _follow(real_NxRxT, synthetic_SxRxT)
    summary = {
        "dataset": cells.dataset(setup),
        "records": {"train": len(fold.train), "held_out": len(fold.test), "synthetic": len(fold.train)},
        "method": method,
        "class": str(classes_K[shown]),
        "unit": str(setup.records.attrs.get("units", "1")),
        "axes": [{"name": axis.name, "unit": axis.unit} for axis in axes],
        "peaks": [
            {
                **entry,
                "place": [float(axis.values[i]) for axis, i in zip(axes, place, strict=True)],
                "steps": [_step(axis, i) for axis, i in zip(axes, place, strict=True)],
            }
            for entry, place in zip(entries, reference_Mx2, strict=True)
        ],
        "fidelity": {name: _plain(table.measures) for name, table in tables.items()},
        "controls": {name: _plain(found) for name, found in tables[method].controls.items()},
        "memorisation": {name: _plain(found) for name, found in checks.items()},
    }
    pictures = fidelity_page.Pictures(
        real_RxT=real_NxRxT.mean(axis=0),
        synthetic_RxT=synthetic_SxRxT.mean(axis=0),
        axes=axes,
        reference_Mx2=reference_Mx2,
    )
    fidelity_page.write(workdir, summary, pictures)
    seconds["report"] = time.perf_counter() - start
    summary["timing"] = {**seconds, "total": sum(seconds.values())}
    write_text(workdir / "results.json", to_json(summary))
    return fidelity_page.sentence(summary)


def _plain(found: Mapping[str, realism.Measure] | Mapping[str, memorisation.Check]) -> dict[str, dict[str, Any]]:
    """Figures as nested dicts, with what they say in words."""
    return {name: {**one._asdict(), "words": one.in_words()} for name, one in found.items()}


def _draw_all(setup: Setup, seed: int, train: guard.Part, workdir: Path) -> tuple[scale.Scaling, dict[str, np.ndarray]]:
    """One synthetic record per training record from the method (first) and from each candidate, on the [0, 1] scale."""
    fit_key, draw_key = protocols.fold_keys(seed, "strict", 0)
    directory = workdir / "checkpoints" / "strict" / "fold_000"
    generator = protocols.fit_generator(fit_key, train, setup.method, directory=directory, title="codec:")
    shape = train.x_NxRxT.shape[1:]
    draws = {f"codec, {setup.method.sampler}": protocols.draw(draw_key, generator, setup.method, train.labels_N, shape)}
    x_NxRxT = scale.apply(generator.scaling, train.x_NxRxT)
    fit_codec = study.codec_fitter(setup.study.codec, setup.method)
    for index, candidate in enumerate(setup.study.candidates):
        if not candidate.generator:
            continue
        one = GENERATORS[candidate.generator]
        key = jax.random.fold_in(draw_key, index)
        state = one.fit(fit_key, x_NxRxT, train.labels_N, fit_codec=fit_codec, **dict(candidate.options))
        draws[candidate.name] = np.asarray(one.sample(key, state, train.labels_N))
    return generator.scaling, draws


def _follow(real_NxRxT: np.ndarray, synthetic_SxRxT: np.ndarray) -> tuple[list[dict[str, Any]], np.ndarray]:
    """The peaks of the mean real record of a class in single real and synthetic records, in linear units."""
    lowest = found_peaks.LOWEST * peaks.noise_level(real_NxRxT)
    reference = found_peaks.find_peaks(real_NxRxT.mean(axis=0), lowest)
    real, synthetic = (
        found_peaks.follow(reference.position_Mx2, found_peaks.find_all(x, lowest))
        for x in (real_NxRxT, synthetic_SxRxT)
    )
    entries = found_peaks.describe(real, synthetic)
    tested = [entry for entry in entries if np.isfinite(entry["p_value"])]
    for entry, p_value in zip(tested, verdict.holm([entry["p_value"] for entry in tested]), strict=True):
        entry["p_holm"] = float(p_value)
    return entries, reference.position_Mx2


def _coordinates(setup: Setup) -> tuple[Axis, Axis]:
    """Axes of compressed records: each point where the middle of what it was made from lies."""
    plan = setup.compression
    result = []
    for axis, analysis_RxL in ((plan.slow, plan.slow_analysis_RxL), (plan.fast, plan.fast_analysis_TxM)):
        count, length = analysis_RxL.shape
        stride, middle = length // count, count // 2
        offset = float(analysis_RxL[middle] @ np.arange(length)) - middle * stride
        places = np.interp(offset + stride * np.arange(count), np.arange(length), axis.values)
        result.append(axis._replace(values=places))
    return tuple(result)


def _step(axis: Axis, index: int) -> float:
    """Distance between neighbouring points there, in the axis' unit."""
    return float(np.gradient(axis.values)[index])
