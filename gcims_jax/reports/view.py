"""One page on which records can be looked at with the mouse: real, synthetic and their difference. It needs no network."""

import base64
import dataclasses
import html
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gcims_jax.errors import InputError, counted, need, suggest
from gcims_jax.io.checks import replacing
from gcims_jax.records import Axis, Records
from gcims_jax.reports import page, view_page

PER_CLASS = 6  # records of a class that are embedded at most, of either file
POINTS = 600  # points per axis that are embedded at most
ROOM = 14_000_000  # bytes for records, which leaves 6 MB below 20 MB to the plotting library and the texts
CLASSES = 200
CODES = 2**16 - 1  # a record's range is cut into so many steps, far finer than colours


class Plan(NamedTuple):
    """How much is embedded.

    Attributes:
      per_class: records of a class at most.
      slow_R, fast_T: index where each block of points begins, R and T of them.
    """

    per_class: int
    slow_R: np.ndarray
    fast_T: np.ndarray


def write(path: Path, real: Records, synthetic: Records | None = None, *, sources: tuple[str, str] = ("", "")) -> Plan:
    """Writes the page, whole or not at all; it stays below 20 MB.

    Args:
      path: of the page.
      real: measured records; their lowest and highest value are the measured range.
      synthetic: records on the grid of the real ones or on a cutout of it, as a run leaves them.
      sources: what the two files are called on the page.

    Returns:
      How much was embedded.

    Raises:
      InputError: the plotting library is not installed, another grid, another unit, unknown classes.
    """
    library = need("plotly.offline", "view", "view").get_plotlyjs()
    measured = real.shape[1:]
    if synthetic is not None:
        real = matched(real, synthetic)
    plan = choose_plan(real, synthetic)
    content = gather(real, synthetic, plan)
    title = "Real and synthetic records" if synthetic is not None else "Records"
    parts = {
        "TITLE": html.escape(f"{title}: {', '.join(filter(None, sources))}".removesuffix(": ")),
        "ABOUT": _about(real, synthetic, plan, sources, measured),
        "DATA": json.dumps(content, allow_nan=False).replace("<", "\\u003c"),
        "LIBRARY": library,
    }
    text = re.sub("%([A-Z]+)%", lambda mark: parts[mark[1]], view_page.PAGE)
    with replacing(path, len(text)) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return plan


def matched(real: Records, synthetic: Records) -> Records:
    """The real records on the grid of the synthetic ones.

    Raises:
      InputError: the synthetic grid is no cutout of the real one, the units differ, or a class is not among the real ones.
    """
    known = sorted(set(map(str, real.labels)))
    if unknown := sorted(set(map(str, synthetic.labels)) - set(known)):
        raise InputError(
            f"synthetic records: expected classes of the real ones, {', '.join(known)}, got {unknown[0]!r}"
            f"{suggest(unknown[0], known) or '; give the file that they were made from'}"
        )
    units = [str(records.attrs.get("units", "1")) for records in (real, synthetic)]
    if units[0] != units[1] and "1" not in units:
        raise InputError(
            f"synthetic records: expected the unit of the real ones, {units[0]}, got {units[1]}; convert one of them"
        )
    slow, fast = _cutout(real.slow, synthetic.slow), _cutout(real.fast, synthetic.fast)
    if (slow.stop - slow.start, fast.stop - fast.start) == real.shape[1:]:
        return real
    return dataclasses.replace(
        real,
        values=real.values[:, slow, fast],
        slow=real.slow._replace(values=real.slow.values[slow]),
        fast=real.fast._replace(values=real.fast.values[fast]),
    )


def _cutout(real: Axis, synthetic: Axis) -> slice:
    """Where the synthetic axis lies in the real one."""
    start = int(np.argmin(np.abs(real.values - synthetic.values[0])))
    kept = real.values[start : start + len(synthetic.values)]
    near = 1e-3 * np.abs(np.diff(real.values)).min(initial=np.inf)  # of a point's distance; files may round
    same = (real.name, real.unit) == (synthetic.name, synthetic.unit) and len(kept) == len(synthetic.values)
    if not same or not np.allclose(kept, synthetic.values, rtol=0.0, atol=min(near, 1.0)):
        expected, got = (f"{a.label}: {counted(len(a.values), 'point')} {_extent(a)}" for a in (real, synthetic))
        raise InputError(
            f"synthetic records: expected the grid of the real ones or a cutout of it, {expected}, got {got}; "
            "give the file that they were made from"
        )
    return slice(start, start + len(kept))


def _extent(axis: Axis) -> str:
    return f"from {axis.values[0]:.6g} to {axis.values[-1]:.6g}"


def choose_plan(real: Records, synthetic: Records | None) -> Plan:
    """The finest points at which all records to be shown fit; below a quarter of ``POINTS`` rather fewer records."""
    sizes = [n for records in (real, synthetic) if records is not None for n in _shown_classes(records).values()]

    def starts(length: int, points: int) -> np.ndarray:
        return np.arange(0, length, math.ceil(length / points))

    coarse = POINTS // 4
    steps = [(points, PER_CLASS) for points in (POINTS, POINTS // 2, coarse)]
    steps += [(coarse, count) for count in range(PER_CLASS - 1, 0, -1)] + [(coarse // 2, 1), (coarse // 4, 1)]
    for points, per_class in steps:
        plan = Plan(per_class, *(starts(length, points) for length in real.shape[1:]))
        cells = len(plan.slow_R) * len(plan.fast_T)
        # Two bytes a value and two bits whether it is outside, in base 64; the mean of a class is one record more.
        if sum(min(n, per_class) + (n > 1) for n in sizes) * cells * 2.25 * 4 / 3 <= ROOM:
            break
    return plan


def _shown_classes(records: Records) -> dict[str, int]:
    return {str(name): n for name, n in list(records.class_counts().items())[:CLASSES]}


def gather(real: Records, synthetic: Records | None, plan: Plan) -> dict[str, Any]:
    """All that the page draws, as JSON takes it."""
    low, high = _number(real.values.min()), _number(real.values.max())
    real_of, synthetic_of = (
        {} if r is None else {c: list(_of_class(r, c, plan, (low, high))) for c in _shown_classes(real)}
        for r in (real, synthetic)
    )
    return {
        "classes": list(real_of),
        "real": list(real_of.values()),
        "synthetic": None if synthetic is None else list(synthetic_of.values()),
        "slow": _axis(real.slow, plan.slow_R),
        "fast": _axis(real.fast, plan.fast_T),
        "low": low,
        "high": high,
        "top": _top(real, low, high),
        "start": _tallest(real, plan),
        "value": _value_label(real, synthetic),
        "unit": "" if (unit := _unit(real, synthetic)) == "1" else unit,
        "colours": [page.REAL, page.SYNTHETIC],
    }


def _top(real: Records, low: float, high: float) -> float:
    """Where linear colours end: at the tallest peak beside the reactant ion peak, which would take all colours for itself."""
    if real.shape[1] < 3:
        return high
    some = real.values[np.unique(np.linspace(0, len(real) - 1, min(len(real), 24)).astype(int))]
    risen = [float(np.max(record_RxT - np.median(record_RxT, axis=0))) for record_RxT in some]
    top = float(f"{np.median(some[0]) + np.median(risen):.1e}")
    return top if low < top < high else high


def _tallest(real: Records, plan: Plan) -> list[int]:
    """Block where the first record of the first class rises most above the median of its chromatogram."""
    first = int(np.flatnonzero(real.labels == real.classes[0])[0])
    means_RxT = _means(real.values[first], plan)
    if len(means_RxT) > 2:
        means_RxT = means_RxT - np.median(means_RxT, axis=0)
    return [int(i) for i in np.unravel_index(np.argmax(means_RxT), means_RxT.shape)]


def _unit(real: Records, synthetic: Records | None) -> str:
    units = [str(r.attrs.get("units", "1")) for r in (real, synthetic) if r is not None]
    return next((unit for unit in units if unit not in ("", "1")), "1")


def _value_label(real: Records, synthetic: Records | None) -> str:
    unit = _unit(real, synthetic)
    return "value [no unit in the file]" if unit == "1" else f"intensity [{unit}]"


def _of_class(records: Records, label: str, plan: Plan, limits: tuple[float, float]) -> Iterator[dict[str, Any]]:
    """The embedded records of a class, evenly picked, and then the mean of all."""
    own_N = np.flatnonzero(records.labels.astype(str) == label)
    if not len(own_N):
        return
    for i in own_N[np.unique(np.linspace(0, len(own_N) - 1, min(len(own_N), plan.per_class)).astype(int))]:
        group = "" if records.groups is None else str(records.groups[i])
        yield {"name": str(records.names[i]), "group": group, **_packed(records.values[i], plan, limits)}
    if len(own_N) > 1:
        mean_RxT = np.zeros(records.shape[1:])
        for i in own_N:  # one after the other: a class may be half of the memory
            mean_RxT += records.values[i]
        name = f"mean of all {len(own_N)} records"
        yield {"name": name, "group": "", **_packed(mean_RxT / len(own_N), plan, limits)}


def _packed(values_RxT: np.ndarray, plan: Plan, limits: tuple[float, float]) -> dict[str, Any]:
    """Block means as 16-bit steps of their range, blocks with a value outside the limits as bits, and shares of values outside."""
    below_RxT, above_RxT = values_RxT < limits[0], values_RxT > limits[1]
    means = _means(values_RxT, plan)
    low = float(means.min())
    step = (float(means.max()) - low) / CODES or 1.0
    outside = {
        name: {"share": float(mask.mean()), "bits": _text(np.packbits(_blocks(mask, np.logical_or, plan)))}
        for name, mask in (("below", below_RxT), ("above", above_RxT))
        if mask.any()
    }
    return {"codes": _text(np.rint((means - low) / step).astype("<u2")), "low": low, "step": step, "outside": outside}


def _means(values_RxT: np.ndarray, plan: Plan) -> np.ndarray:
    sizes = np.outer(_lengths(plan.slow_R, len(values_RxT)), _lengths(plan.fast_T, values_RxT.shape[1]))
    return _blocks(values_RxT.astype(np.float64), np.add, plan) / sizes


def _blocks(values_RxT: np.ndarray, reduce: np.ufunc, plan: Plan) -> np.ndarray:
    """Sums, or what else ``reduce`` does, over the blocks of the plan."""
    return reduce.reduceat(reduce.reduceat(values_RxT, plan.slow_R, axis=0), plan.fast_T, axis=1)


def _lengths(starts: np.ndarray, length: int) -> np.ndarray:
    return np.diff([*starts, length])


def _axis(axis: Axis, starts: np.ndarray) -> dict[str, Any]:
    """Edges and centres of the blocks."""
    values = axis.values
    if len(values) == 1:
        edges = values[0] + np.array([-0.5, 0.5])
    else:
        middle = (values[1:] + values[:-1]) / 2
        edges = np.concatenate([[values[0] - (middle[0] - values[0])], middle, [2 * values[-1] - middle[-1]]])
    centres = np.add.reduceat(values, starts) / _lengths(starts, len(values))
    return {
        "name": axis.name.replace("_", " "),
        "label": axis.label,
        "unit": "" if axis.unit == "1" else axis.unit,
        "edges": [_number(v) for v in edges[[*starts, len(values)]]],
        "centres": [_number(v) for v in centres],
    }


def _number(value: float) -> float:
    return float(f"{value:.9g}")


def _text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _about(
    real: Records, synthetic: Records | None, plan: Plan, sources: tuple[str, str], measured: tuple[int, ...]
) -> str:
    """What is on the page and what was left out, as HTML."""
    sentences = []
    for what, records, source in (("Real", real, sources[0]), ("Synthetic", synthetic, sources[1])):
        if records is not None:
            r, t = records.shape[1:]
            kinds = counted(len(records.classes), "class")
            name = f" in {source}" if source else ""
            sentences.append(f"{what}: {counted(len(records), 'record')}{name}, {r} × {t} points, {kinds}.")
    r, t = real.shape[1:]
    if measured != (r, t):
        text = f"Real records have {measured[0]} × {measured[1]} points; shown is the cutout that synthetic ones have."
        sentences.append(text)
    a, b = math.ceil(r / len(plan.slow_R)), math.ceil(t / len(plan.fast_T))
    if a * b > 1:
        sentences.append(
            f"A drawn point is the mean of {a} × {b} measured points ({real.slow.name.replace('_', ' ')} × "
            f"{real.fast.name.replace('_', ' ')}); narrow peaks are drawn lower than they are."
        )
    else:
        sentences.append("Every measured point is drawn.")
    sentences.append(
        f"At most {counted(plan.per_class, 'record')} of a class and file are on this page, evenly picked."
    )
    rows, hidden = [], 0
    columns = [records.class_counts() for records in (real, synthetic) if records is not None]
    columns = [{str(name): n for name, n in column.items()} for column in columns]
    for label in columns[0]:
        counts = [column.get(label, 0) for column in columns]
        shown = [min(n, plan.per_class) if label in list(columns[0])[:CLASSES] else 0 for n in counts]
        hidden += sum(counts) - sum(shown)
        rows.append((label, *(text for pair in zip(counts, shown, strict=True) for text in map(str, pair))))
    sentences.append(f"{counted(hidden, 'record')} left out; means are of all." if hidden else "None is left out.")
    if len(rows) > CLASSES:
        sentences.append(f"{len(rows) - CLASSES} of {len(rows)} classes are left out.")
    head = (
        "class",
        "real records",
        "on this page",
        *(("synthetic records", "on this page") if synthetic is not None else ()),
    )
    text = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)
    return text + page.table("Records of each class", head, rows)
