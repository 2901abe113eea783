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


def write(job: Job, records: Records) -> None:
    """Writes ``synthetic.nc`` and the formats that were asked for as well."""
    for ending in ("nc", *job.setup.also_write):
        io.write(records, job.workdir / f"synthetic.{ending}")
