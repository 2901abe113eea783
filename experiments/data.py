"""The section ``data`` of a config as records; imports no JAX, so that processes that only read files stay small."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gcims_jax import io
from gcims_jax.errors import InputError, counted
from gcims_jax.io import folders
from gcims_jax.preprocessing import conversion, grid
from gcims_jax.preprocessing.baseline import BaselineConfig, correct
from gcims_jax.preprocessing.conversion import ConversionConfig
from gcims_jax.preprocessing.grid import Span
from gcims_jax.records import Records, subsample


def load(section: ConfigDict, seed: int) -> Records:
    """The records that the section ``data`` of a config asks for; says what a folder holds and how its grid was chosen.

    Raises:
      InputError: an option or a file that is not what it should be.
    """
    if is_folder(section):
        listing = scan(section)
        print(listing.describe(), flush=True)
        listing.check_classes()
        records, plan = conversion.collect(listing, conversion_config(section), title="reading")
        print("\n".join(plan.choices), flush=True)
    else:
        records = _grouped_by(_load_one(section, seed), section.group_column)
    if records.groups is not None:
        print(f"{counted(len(np.unique(records.groups)), 'group')}, each on one side of every split", flush=True)
    if section.class_counts:
        records = subsample(records, tuple(section.class_counts), seed)
    return records


def handling(section: ConfigDict, slow_range: str, fast_range: str) -> str:
    """What is done to drift times and which part is kept, in words; the same for every command, so that they can be compared."""
    drift = (
        "in multiples of each record's reactant ion peak"
        if section.rip_relative
        else "as in the files (--rip-relative: in multiples of each record's reactant ion peak)"
    )
    kept = ", ".join(
        f"{which} axis {'whole' if text in ('', 'auto') else text}"
        for which, text in (("slow", slow_range), ("fast", fast_range))
    )
    return f"drift times {drift}; kept: {kept}"


def is_folder(section: ConfigDict) -> bool:
    """Whether the section names a folder of files rather than one file or store."""
    return bool(section.path) and Path(section.path).is_dir() and not io.is_known(Path(section.path))


def scan(section: ConfigDict) -> folders.Listing:
    """Lists the folder that the section ``data`` names."""
    return folders.scan(
        section.path,
        section.table or None,
        classes=tuple(map(str, section.classes)),
        pattern=section.pattern,
        group_column=section.group_column,
    )


def conversion_config(section: ConfigDict, **more: Any) -> ConversionConfig:
    """What the section ``data`` asks to do with each file, and more than it has options for."""
    return ConversionConfig(
        rip_relative=section.rip_relative,
        slow_grid=Span.parse(section.slow_grid, "data.slow_grid"),
        fast_grid=Span.parse(section.fast_grid, "data.fast_grid"),
        drop_short=section.drop_short,
        baseline=BaselineConfig(
            smooth_slow=section.smooth_slow,
            smooth_fast=section.smooth_fast,
            method=section.baseline,
            window=section.baseline_window,
            lam=section.baseline_lam,
            p=section.baseline_p,
        ),
        **more,
    )


def _load_one(section: ConfigDict, seed: int) -> Records:
    """A file of many records, or the simulated set."""
    config = conversion_config(section)
    for option in ("table", "classes", "pattern", "slow_grid", "fast_grid", "drop_short"):
        if section[option]:
            raise InputError(
                f"data.{option}: expected a folder in data.path to use it on, got {section.path or 'the simulated set'!r}"
            )
    if section.path:
        records = io.read(section.path)
    else:
        from gcims_jax.simulation import (
            cultures,
            gcims,  # and with it much of SciPy, which processes that only read files do without
        )

        records, _ = gcims.simulate(
            seed,
            n_retention=section.n_retention,
            n_drift=section.n_drift,
            batch_skew=section.batch_skew,
            class_sizes=dict.fromkeys(cultures.SPECIES, section.each) if section.each else None,
            variability=simulated_variability(section),
        )
    if config.rip_relative:
        records, choice = grid.align_rip(records)
        print(choice, flush=True)
    if config.baseline.active:
        records = dataclasses.replace(records, values=[correct(r_RxT, config.baseline) for r_RxT in records.values])
    return records


def _grouped_by(records: Records, column: str) -> Records:
    """The records with the groups that a covariate names, as the column of a table does; "group" keeps their own."""
    if column == "group":
        return records
    if column not in records.covariates:
        raise InputError(f"data.group_column: expected one of {['group', *records.covariates]}, got {column!r}")
    return dataclasses.replace(records, groups=records.covariates[column])


def simulated_variability(section: ConfigDict) -> Any:
    """What differs between simulated records."""
    from gcims_jax.simulation import gcims

    if not 0.0 <= section.misalignment < math.inf:
        raise InputError(f"data.misalignment: expected a number of 0 or more, got {section.misalignment}")
    measured = gcims.Variability()
    return dataclasses.replace(
        measured,
        retention_shift_sd=section.misalignment * measured.retention_shift_sd,
        drift_scale_sd=section.misalignment * measured.drift_scale_sd,
        coupling_sd=section.coupling_sd,
        batch_log_sd=section.batch_log_sd,
        gain_log_sd=section.gain_log_sd,
        absent=section.absent,
        tail=section.tail or math.inf,
    )


def parse_range(option: str, text: str) -> tuple[float, float] | None:
    """Limits from ``low:high``; None from an empty text."""
    if not text:
        return None
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise InputError(f"{option}: expected 'low:high', 'auto' or '', got {text!r}") from error
    return low, high
