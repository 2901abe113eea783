"""Synthetic records as files: in the input's unit, within what was measured, naming what may test them."""

from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from gcims_jax import io
from gcims_jax.evaluation.scoring import Made
from gcims_jax.evaluation.splits import LEAKS
from gcims_jax.parts import Part
from gcims_jax.preprocessing import scale
from gcims_jax.records import Records
from gcims_jax.reports.record_pictures import Examples

from .job import Job


def units_of(job: Job, made: Made) -> Callable[[np.ndarray], np.ndarray]:
    """From the [0, 1] scale to the input's unit, bounded by what the training records measured."""
    plan, limits = job.setup.compression, _limits(job, made)

    def units(x_NxRxT: np.ndarray) -> np.ndarray:
        with threadpool_limits(1):  # products of one record
            return scale.to_units(plan, made.scaling.value, x_NxRxT, limits)

    return units


def _limits(job: Job, made: Made) -> tuple[float, float]:
    """Least and largest value of the training records in the crop."""
    taught = np.isin(job.setup.records.identities, list(made.scaling.origin.identities))
    return scale.measured_limits(job.setup.compression, job.setup.records.values[taught])


def describe(job: Job, made: Made, records: Records) -> dict[str, float]:
    """Range of the training records, range of the synthetic ones, and the share of their values outside the former."""
    low, high = _limits(job, made)
    return {
        "measured_low": low,
        "measured_high": high,
        "low": float(records.values.min()),
        "high": float(records.values.max()),
        "share_outside": scale.share_outside(records.values, low, high),
    }


def in_units(job: Job, made: Made, draws: Part, protocol: str, generator: str) -> Records:
    """Draws of the first fold as records.

    Args:
      job: data and work directory.
      made: what was made of the fold.
      draws: synthetic records on the [0, 1] scale.
      protocol: that they were made under.
      generator: how they were made.
    """
    setup, leaks = job.setup, LEAKS[protocol]
    note = "Learned without the held-out records of one fold; only those may test what is trained on these."
    held_out = list(setup.records.names[setup.folds[0].test])
    if leaks:
        note, held_out = "Learned from all records; none is left to test with.", ["none"]
    return Records(
        values=units_of(job, made)(draws.x_NxRxT),
        slow=setup.compression.slow,
        fast=setup.compression.fast,
        labels=np.asarray(setup.truth.classes)[draws.labels_N],
        names=draws.names_N,
        attrs={
            "title": "Synthetic records",
            "units": str(setup.records.attrs.get("units", "1")),
            "generator": generator,
            "protocol": protocol + (" (leaks: learned from all records)" if leaks else ""),
            "seed": setup.seed,
            "git_revision": str(job.provenance.get("git_revision")),
            "held_out_records": held_out,
            "note": note + (f" {setup.banner}" if setup.banner else ""),
        },
    )


def examples(
    job: Job, made: Made, records: Records, protocol: str, rebuild: Callable[[Part], Part] | None = None
) -> Examples:
    """A real record of each class and a synthetic one, to look at.

    Args:
      job: data.
      made: what was made of the first fold.
      records: synthetic ones, in the input's unit.
      protocol: that they were made under.
      rebuild: takes real records through a codec and back; None where there is no codec.
    """
    setup, truth, fold, plan = job.setup, job.setup.truth, job.setup.folds[0], job.setup.compression
    # A class that the first fold does not test is shown by a record that was learned from.
    order = np.concatenate([fold.test, fold.train])
    shown_K = [int(order[np.flatnonzero(truth.labels_N[order] == k)[0]]) for k in range(len(truth.classes))]
    first_K = [int(np.flatnonzero(records.labels == name)[0]) for name in truth.classes]
    rebuilt_KxLxM = None
    if rebuild is not None:
        real = setup.part.take(shown_K)
        real = real.with_values(scale.apply(made.scaling.value, real.x_NxRxT))
        rebuilt_KxLxM = units_of(job, made)(rebuild(real).x_NxRxT)
    return Examples(
        classes=truth.classes,
        real_KxLxM=setup.records.values[shown_K][:, plan.slow_slice, plan.fast_slice],
        reconstructed_KxLxM=rebuilt_KxLxM,
        synthetic_KxLxM=records.values[first_K],
        slow=plan.slow,
        fast=plan.fast,
        scaling=made.scaling.value,
        unit=str(setup.records.attrs.get("units", "1")),
        held_out=not LEAKS[protocol] and set(shown_K) <= set(fold.test.tolist()),
        limits=_limits(job, made),
    )


def write(job: Job, records: Records) -> None:
    """Writes ``synthetic.nc`` and the formats that were asked for as well."""
    for ending in ("nc", *job.setup.also_write):
        io.write(records, job.workdir / f"synthetic.{ending}")
