"""One grid for records whose axes differ, and drift times relative to the reactant ion peak (RIP).

Values are interpolated linearly between neighbouring points, never extrapolated. Nothing here learns: a grid follows
from axes alone, and a RIP from its own record.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.records import Axis, Records

TOLERANCE = 1e-4  # of a step: coordinates this close are the same
# The RIP is the first peak this prominent relative to the most prominent. Its pre-peak and the gate artefact stay
# below a tenth of it; analytes, which come later, would need 70 % of all charge on average to hide it.
RIP_PROMINENCE = 0.25
SHORT = 0.9  # a record that covers less than this share of the usual range shrinks everybody's grid


class Extent(NamedTuple):
    """What a common grid needs to know of one axis.

    Attributes:
      source: file or record, for messages.
      name, unit: of the axis.
      low, high: its ends.
      step: median distance of neighbours.
      length: points.
      digest: equal for equal coordinates.
    """

    source: str
    name: str
    unit: str
    low: float
    high: float
    step: float
    length: int
    digest: str


@dataclasses.dataclass(frozen=True)
class Span:
    """A grid that is asked for: from ``low`` in steps of ``step`` up to at most ``high``, in the axis' unit."""

    low: float
    high: float
    step: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high, self.step]).all() and self.step > 0.0 and self.high > self.low):
            raise InputError(
                f"grid: expected low < high and a step above 0, got {self.low:g}:{self.high:g}:{self.step:g}"
            )
        if (self.high - self.low) / self.step > 1e6:
            raise InputError(f"grid: expected at most a million points, got {(self.high - self.low) / self.step:.3g}")

    @classmethod
    def parse(cls, text: str, what: str) -> "Span | None":
        """From ``low:high:step``; None from an empty text."""
        if not text:
            return None
        try:
            low, high, step = (float(part) for part in text.split(":"))
        except ValueError as error:
            raise InputError(f"{what}: expected 'low:high:step' or '', got {text!r}") from error
        return cls(low, high, step)

    @property
    def values(self) -> np.ndarray:
        """The coordinates."""
        return self.low + self.step * np.arange(int((self.high - self.low) / self.step + TOLERANCE) + 1)


def extent(axis: Axis, source: str) -> Extent:
    """Summary of an axis."""
    values = axis.values
    step = float(np.median(np.abs(np.diff(values)))) if len(values) > 1 else 0.0
    digest = hashlib.sha256(np.ascontiguousarray(values)).hexdigest()
    return Extent(source, axis.name, axis.unit, float(values.min()), float(values.max()), step, len(values), digest)


def common_axis(first: Axis, extents: Sequence[Extent], span: Span | None = None) -> tuple[Axis, str]:
    """The axis that all records are brought to, and how it was chosen.

    Where all axes are the same it is that one. Otherwise it covers the range that all have in common, in steps of
    the median of their steps; or it is the span that was asked for.

    Args:
      first: the axis that ``extents[0]`` summarises.
      extents: one for each record.
      span: a grid that is asked for.

    Raises:
      InputError: names or units that differ, no range in common.
    """
    for other in extents:
        if (other.name, other.unit) != (first.name, first.unit):
            raise InputError(
                f"{other.source}: expected the axis {first.label} as in {extents[0].source}, "
                f"got {Axis(other.name, other.unit, first.values).label}"
            )
    if span is not None:
        return first._replace(values=span.values), f"{first.label}: {_range(span.values)} as asked for"
    if all(other.digest == extents[0].digest for other in extents):
        return first, f"{first.label}: {_range(first.values)}, the same in all files"
    latest, earliest = max(extents, key=lambda e: e.low), min(extents, key=lambda e: e.high)
    step = float(np.median([e.step for e in extents]))
    if not earliest.high > latest.low or step == 0.0:
        raise InputError(
            f"{first.label}: expected a range that all records have in common, but {latest.source} begins at "
            f"{latest.low:g} and {earliest.source} ends at {earliest.high:g}; leave one of them out"
        )
    values = Span(latest.low, earliest.high, step).values
    lengths = f"{between([e.length for e in extents], 'd')} points"
    steps = f"steps of {between([e.step for e in extents], '.4g')}"
    ends = [f"{latest.source} begins last"] if latest.low > min(e.low for e in extents) else []
    ends += [f"{earliest.source} ends first"] if earliest.high < max(e.high for e in extents) else []
    return first._replace(values=values), (
        f"{first.label}: {_range(values)}, interpolated over the common range of axes of {lengths} and {steps}"
        + "".join(f"; {end}" for end in ends)
    )


def short(extents: Sequence[Extent], span: Span | None = None) -> dict[int, str]:
    """Which axes are too short, by index, and why.

    Args:
      extents: one for each record.
      span: a grid that is asked for, all of which is needed; without it ``SHORT`` of the usual range is, between the medians of
        all ends.
    """
    if span is not None:
        low, high, share = float(span.values[0]), float(span.values[-1]), 1.0
    else:
        low, high, share = np.median([e.low for e in extents]), np.median([e.high for e in extents]), SHORT
    found = {}
    for i, one in enumerate(extents):
        missing = max(0.0, one.low - low) + max(0.0, high - one.high)
        if missing > (1.0 - share) * (high - low) + TOLERANCE * one.step:
            found[i] = (
                f"its {one.name.replace('_', ' ')} covers {one.low:.6g} to {one.high:.6g} of {low:.6g} to {high:.6g}"
            )
    return found


def between(values: Sequence[float] | np.ndarray, form: str) -> str:
    """``3 to 5``, or ``3`` where all are the same."""
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def resample(values_RxT: np.ndarray, axes: tuple[Axis, Axis], grid: tuple[Axis, Axis], source: str) -> np.ndarray:
    """One record on another grid, by linear interpolation; a copy-free slice where the points are the same.

    Args:
      values_RxT: the record.
      axes: its slow and fast axis.
      grid: slow and fast axis to bring it to.
      source: file or record, for messages.

    Raises:
      InputError: the grid goes beyond the record.
    """
    cropped = []
    for number, (axis, target) in enumerate(zip(axes, grid, strict=True)):
        near = _near(axis.values, target.values)  # what lies outside is never read
        cropped.append(axis._replace(values=axis.values[near]))
        values_RxT = values_RxT[(slice(None),) * number + (near,)]
    for number, (axis, target) in enumerate(zip(cropped, grid, strict=True)):
        values_RxT = _resample_axis(values_RxT, axis, target, number, source)
    return values_RxT


def _near(x: np.ndarray, wanted: np.ndarray) -> slice:
    """The points within the wanted range and one beyond either end."""
    inside = np.flatnonzero((x >= wanted.min()) & (x <= wanted.max()))
    return slice(max(0, int(inside[0]) - 1), int(inside[-1]) + 2) if len(inside) else slice(None)


def _resample_axis(values_RxT: np.ndarray, axis: Axis, target: Axis, number: int, source: str) -> np.ndarray:
    x, wanted = axis.values, target.values
    if len(x) > 1 and x[0] > x[-1]:
        x, values_RxT = x[::-1], np.flip(values_RxT, number)
    if len(wanted) > 1 and wanted[0] > wanted[-1]:
        flipped = _resample_axis(
            values_RxT, axis._replace(values=x), target._replace(values=wanted[::-1]), number, source
        )
        return np.flip(flipped, number)
    tolerance = TOLERANCE * (np.median(np.diff(x)) if len(x) > 1 else 0.0)
    if wanted[0] < x[0] - tolerance or wanted[-1] > x[-1] + tolerance:
        raise InputError(
            f"{source}: expected a {axis.name} that covers {_range(wanted)} {axis.unit}, got {_range(x)}; "
            "values are not extrapolated: choose a narrower grid, or leave out files that are short with --drop-short"
        )
    start = int(np.argmin(np.abs(x - wanted[0])))
    same = x[start : start + len(wanted)]
    if len(same) == len(wanted) and np.max(np.abs(same - wanted)) <= tolerance:
        return values_RxT[(slice(None),) * number + (slice(start, start + len(wanted)),)]
    left = np.clip(np.searchsorted(x, wanted, side="right") - 1, 0, len(x) - 2)
    weight = np.clip((wanted - x[left]) / (x[left + 1] - x[left]), 0.0, 1.0).astype(np.float32)
    weight = weight[:, None] if number == 0 else weight
    result = np.take(values_RxT, left, axis=number)
    result += weight * (np.take(values_RxT, left + 1, axis=number) - result)
    return result


def rip_position(values_RxT: np.ndarray, fast: Axis) -> float:
    """Drift time of the reactant ion peak, in the axis' unit.

    It is the first prominent peak of the mean spectrum: where analytes deplete it over part of the run it still leads
    there, and every analyte drifts longer. The apex is that of a parabola through the highest three points.

    Raises:
      InputError: no peak.
    """
    from scipy import signal  # 60 MB that processes which only read files do without

    mean_T = values_RxT.mean(axis=0, dtype=np.float64)
    x = fast.values
    if len(x) > 1 and x[0] > x[-1]:
        x, mean_T = x[::-1], mean_T[::-1]
    peaks, properties = signal.find_peaks(mean_T, prominence=0.0)
    if not len(peaks):
        raise InputError("reactant ion peak: expected a peak in the record's mean spectrum, got none")
    prominences = properties["prominences"]
    top = int(peaks[np.argmax(prominences >= RIP_PROMINENCE * prominences.max())])
    left, centre, right = mean_T[top - 1 : top + 2]
    curvature = left - 2.0 * centre + right
    offset = 0.5 * (left - right) / curvature if curvature < 0.0 else 0.0
    return float(np.interp(top + offset, np.arange(len(x)), x))


def rip_relative(fast: Axis, rip: float) -> Axis:
    """The drift axis in multiples of the RIP's drift time.

    Raises:
      InputError: a RIP at or before drift time 0.
    """
    if not rip > 0.0:
        raise InputError(f"reactant ion peak: expected it at a drift time above 0, got {rip:g} {fast.unit}")
    return Axis("relative_drift_time", "1", fast.values / rip)


def relative_extent(fast: Extent, rip: float) -> Extent:
    """Summary of the drift axis in multiples of the RIP's drift time."""
    low, high, step = fast.low / rip, fast.high / rip, fast.step / rip
    return Extent(fast.source, "relative_drift_time", "1", low, high, step, fast.length, f"{fast.digest} {rip!r}")


def align_rip(records: Records) -> tuple[Records, str]:
    """Records of one grid on one RIP-relative drift axis, and how it was chosen."""
    fasts = [rip_relative(records.fast, rip_position(record_RxT, records.fast)) for record_RxT in records.values]
    extents = [extent(fast, str(name)) for fast, name in zip(fasts, records.names, strict=True)]
    fast, choice = common_axis(fasts[0], extents)
    values_NxRxT = np.empty((*records.shape[:2], len(fast.values)), np.float32)
    for i, record_RxT in enumerate(records.values):
        values_NxRxT[i] = _resample_axis(record_RxT, fasts[i], fast, 1, str(records.names[i]))
    return dataclasses.replace(records, values=values_NxRxT, fast=fast), choice


def _range(values: np.ndarray) -> str:
    return f"{values[0]:.6g} to {values[-1]:.6g} in {len(values)} points"
