"""What a look at a set of records tells before anything is learned from it, one record in memory at a time."""

import collections
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.preprocessing import grid
from gcims_jax.preprocessing.grid import Extent
from gcims_jax.records import Axis

THUMBNAIL = (80, 120)  # slow × fast points at most
CLIPPED_POINTS = 5  # this many points at the very same highest value are a ceiling, not a peak
DEPLETED = 0.1  # of its usual height: beyond this hardly any reactant ions are left to show more of a substance
RIP_SPREAD = 0.002  # relative standard deviation; runs of one instrument and method stay below


class Look(NamedTuple):
    """One record at a glance.

    Attributes:
      name, label, group: of the record.
      slow, fast: summaries of its axes.
      low, high: smallest and largest value.
      clipped: points at the largest value.
      rip: position of the reactant ion peak on the fast axis; NaN where there is no peak.
      rip_left: its lowest height over the run, as a fraction of its usual one; NaN where there is no peak.
      rip_left_at: where on the slow axis.
      digest: equal for identical values.
      thumbnail_HxW: block means.
    """

    name: str
    label: str
    group: str | None
    slow: Extent
    fast: Extent
    low: float
    high: float
    clipped: int
    rip: float
    rip_left: float
    rip_left_at: float
    digest: str
    thumbnail_HxW: np.ndarray


def look(values_RxT: np.ndarray, slow: Axis, fast: Axis, *, name: str, label: str, group: str | None) -> Look:
    """Looks at one record."""
    high = float(values_RxT.max())
    try:
        rip = grid.rip_position(values_RxT, fast)
    except InputError:
        rip = np.nan
    left, where = _rip_left(values_RxT, fast, rip)
    return Look(
        name=name,
        label=label,
        group=group,
        slow=grid.extent(slow, name),
        fast=grid.extent(fast, name),
        low=float(values_RxT.min()),
        high=high,
        clipped=int(np.count_nonzero(values_RxT == high)),
        rip=rip,
        rip_left=left,
        rip_left_at=float(slow.values[where]),
        digest=hashlib.sha256(np.ascontiguousarray(values_RxT)).hexdigest(),
        thumbnail_HxW=_thumbnail(values_RxT),
    )


def warnings(looks: Sequence[Look]) -> list[str]:
    """What a user should know before going on, the gravest first."""
    found = []
    by_digest: dict[str, list[Look]] = {}
    for one in looks:
        by_digest.setdefault(one.digest, []).append(one)
    for same in by_digest.values():
        if len(same) > 1:
            labels = sorted({one.label for one in same})
            names = ", ".join(f"{one.name} ({one.label})" for one in same)
            found.append(
                f"identical records under {len(labels)} labels, one of which must be wrong: {names}"
                if len(labels) > 1
                else f"identical records, which would stand on both sides of a split: {names}"
            )
    found.sort(key=lambda text: "labels" not in text)
    repeated = sorted(name for name, times in collections.Counter(one.name for one in looks).items() if times > 1)
    if repeated:
        found.append(f"names that several records bear: {_some(repeated)}")
    few = sorted(label for label, times in collections.Counter(one.label for one in looks).items() if times < 2)
    if few:
        found.append(f"classes of a single record, which cannot be split: {_some(few)}")
    for which in ("slow", "fast"):
        kinds = {(getattr(one, which).name, getattr(one, which).unit) for one in looks}
        if len(kinds) > 1:
            found.append(f"{which} axes that differ in name or unit: {sorted(kinds)}")
    clipped = [one.name for one in looks if one.clipped >= CLIPPED_POINTS]
    if clipped:
        found.append(f"flat at their highest value, as by an overloaded detector: {_some(clipped)}")
    flat = [one.name for one in looks if one.low == one.high]
    if flat:
        found.append(f"constant: {_some(flat)}")
    depleted = [one.name for one in looks if one.rip_left < DEPLETED]
    if depleted:
        found.append(f"reactant ion peak down to less than {DEPLETED:.0%}, substances saturated: {_some(depleted)}")
    without = [one.name for one in looks if np.isnan(one.rip)]
    if without:
        found.append(f"no reactant ion peak: {_some(without)}")
    rips = np.array([one.rip for one in looks if not np.isnan(one.rip)])
    if len(rips) > 1 and rips.std(ddof=1) > RIP_SPREAD * rips.mean():
        found.append(
            f"the reactant ion peak moves by {rips.std(ddof=1) / rips.mean():.2%} of its drift time between records; "
            "data.rip_relative=True takes that out"
        )
    return found


def summary(looks: Sequence[Look]) -> list[tuple[str, str]]:
    """Facts about the set as (what, value)."""
    rows = [("records", str(len(looks)))]
    for which in ("slow", "fast"):
        extents = [getattr(one, which) for one in looks]
        label = Axis(extents[0].name, extents[0].unit, np.zeros(1)).label
        rows.append((f"{which} axis", label))
        rows.append((f"{which} points", grid.between([e.length for e in extents], ".0f")))
        rows.append((f"{which} from", grid.between([e.low for e in extents], ".5g")))
        rows.append((f"{which} to", grid.between([e.high for e in extents], ".5g")))
        rows.append((f"{which} step", grid.between([e.step for e in extents], ".4g")))
    rows.append(("missing values", "none: a file with any cannot be read and is named"))
    rows.append(("lowest value", grid.between([one.low for one in looks], ".5g")))
    rows.append(("highest value", grid.between([one.high for one in looks], ".5g")))
    rips = np.array([one.rip for one in looks if not np.isnan(one.rip)])
    if len(rips):
        unit = looks[0].fast.unit
        spread = f", standard deviation {rips.std(ddof=1):.3g}" if len(rips) > 1 else ""
        rows.append(("reactant ion peak", f"{grid.between(rips, '.5g')} {unit}{spread}"))
        lowest = min((one for one in looks if not np.isnan(one.rip)), key=lambda one: one.rip_left)
        rows.append(
            (
                "its lowest height",
                f"{lowest.rip_left:.0%} of its usual one, in {lowest.name} at {lowest.rip_left_at:.4g} {lowest.slow.unit}",
            )
        )
    return rows


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _rip_left(values_RxT: np.ndarray, fast: Axis, rip: float) -> tuple[float, int]:
    """Lowest height of the RIP over its 90th percentile, and the row of it."""
    if np.isnan(rip):
        return np.nan, 0
    top = int(np.argmin(np.abs(fast.values - rip)))
    near = slice(max(0, top - 3), top + 4)
    height_R = values_RxT[:, near].max(axis=1) - np.median(values_RxT, axis=1)
    usual = float(np.percentile(height_R, 90))
    row = int(np.argmin(height_R))
    return (max(0.0, float(height_R[row]) / usual) if usual > 0.0 else np.nan), row


def _thumbnail(values_RxT: np.ndarray) -> np.ndarray:
    for axis, most in enumerate(THUMBNAIL):
        length = values_RxT.shape[axis]
        starts = np.unique(np.linspace(0, length, min(most, length), endpoint=False).astype(int))
        widths = np.diff(np.append(starts, length)).astype(np.float32)
        sums = np.add.reduceat(values_RxT, starts, axis=axis)
        values_RxT = sums / (widths[:, None] if axis == 0 else widths)
    return values_RxT
