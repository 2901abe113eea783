"""Do synthetic records look real? Peaks of one class, fidelity and memorisation, on the first strict fold."""

import functools
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from gcims_jax.evaluation import multiple, scoring
from gcims_jax.evaluation.candidates import Dose
from gcims_jax.fidelity import found_peaks, memorisation, peaks, realism
from gcims_jax.preprocessing import scale
from gcims_jax.records import Axis
from gcims_jax.reports import fidelity as fidelity_page

from . import cells
from .augmentation import plan_of
from .job import Job
from .settings import Setup


def run(job: Job) -> str:
    """Learns the method's generator and ``study.candidates`` from the first fold's training part, then compares their records.

    Raises:
      InputError: too few held-out records, or a held-out class without two training records.
    """
    start = time.perf_counter()
    setup, seed, truth = job.setup, job.setup.seed, job.setup.truth
    fold, classes = setup.folds[0], setup.truth.classes
    train, test = setup.part.take(fold.train), setup.part.take(fold.test)
    # Says now, not after training, where there are too few records to compare.
    realism.check_enough(train, test, train)
    candidates = [setup.method.candidate(f"codec, {setup.method.sampler}"), *setup.study.candidates]
    candidates = [candidate for candidate in candidates if candidate.generator]
    plan = plan_of(job)._replace(
        doses=(Dose(1.0, False),), codec=setup.study.codec
    )  # a record for each training record
    found = cells.make_together(job, "strict", 0, candidates, plan)
    scaling, real, held_out = found.scaling.value, found.train, found.test
    made = {candidate.name: found.draws[scoring.key_of(candidate)] for candidate in candidates}
    job.timed("generators", start)

    start = time.perf_counter()
    method = next(iter(made))
    # Controls are the same for all generators.
    tables = {name: realism.table(seed, real, held_out, one, controls=name == method) for name, one in made.items()}
    checks = {name: memorisation.table(seed, real, held_out, one) for name, one in made.items()}
    job.timed("fidelity", start)

    start = time.perf_counter()
    shown = classes.index(setup.sanity_class) if setup.sanity_class else int(np.argmax(np.bincount(truth.labels_N)))
    synthetic_SxRxT, *own = (part.x_NxRxT[part.labels_N == shown] for part in (made[method], real, held_out))
    synthetic_SxRxT = scale.invert(scaling, synthetic_SxRxT)
    real_NxRxT = scale.invert(scaling, np.concatenate(own))
    axes = _coordinates(setup)
    entries, reference_Mx2 = _follow(real_NxRxT, synthetic_SxRxT)
    summary = {
        "records": {"train": len(real), "held_out": len(held_out), "synthetic": len(made[method])},
        "method": method,
        "class": classes[shown],
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
    job.timed("peaks", start)
    job.finish(summary, functools.partial(fidelity_page.write, pictures=pictures))
    return fidelity_page.sentence(summary)


def _plain(found: Mapping[str, realism.Measure] | Mapping[str, memorisation.Check]) -> dict[str, dict[str, Any]]:
    """Figures as nested dicts, with what they say in words."""
    return {name: {**one._asdict(), "words": one.in_words()} for name, one in found.items()}


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
    for entry, p_value in zip(tested, multiple.holm([entry["p_value"] for entry in tested]), strict=True):
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
