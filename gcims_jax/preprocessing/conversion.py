"""From a listing of files to records on one grid: look at every file's axes, choose the grid, convert file by file.

The three steps stand apart so that the conversion can run anywhere, in any order, with one file in memory at a time;
``collect`` is all three in a row for a set that fits into memory.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pywt
from tqdm import tqdm

from gcims_jax import io
from gcims_jax.errors import InputError
from gcims_jax.io.folders import Entry, Listing
from gcims_jax.preprocessing import grid, scale, wavelets
from gcims_jax.preprocessing.baseline import BaselineConfig, correct
from gcims_jax.preprocessing.grid import Extent, Span
from gcims_jax.records import Axis, Records


@dataclasses.dataclass(frozen=True)
class ConversionConfig:
    """What is done to every record.

    Attributes:
      rip_relative: drift times in multiples of each record's own reactant ion peak.
      slow_grid, fast_grid: the grid; None takes the range that all files have in common.
      drop_short: files that do not cover the grid that is asked for, or else the usual range, are left out.
      slow_range, fast_range: (low, high) kept of the grid, in the axis' unit; None keeps all.
      wavelet: of the approximation.
      slow_level, fast_level: halvings of each axis; 0 keeps its resolution.
      baseline: smoothing and baseline correction, done last.
    """

    rip_relative: bool = False
    slow_grid: Span | None = None
    fast_grid: Span | None = None
    drop_short: bool = False
    slow_range: tuple[float, float] | None = None
    fast_range: tuple[float, float] | None = None
    wavelet: str = "db3"
    slow_level: int = 0
    fast_level: int = 0
    baseline: BaselineConfig = BaselineConfig()

    def __post_init__(self) -> None:
        if self.wavelet not in pywt.wavelist(kind="discrete"):
            raise InputError(f"wavelet: expected a discrete wavelet such as db3, got {self.wavelet!r}")


class Probe(NamedTuple):
    """What the choice of a grid needs to know of one file.

    Attributes:
      count: records in it.
      slow, fast: axes of its first record.
      slow_extent: summary of the slow axis.
      fast_extents: summary of the fast axis of every record, one where all share it.
    """

    count: int
    slow: Axis
    fast: Axis
    slow_extent: Extent
    fast_extents: tuple[Extent, ...]


class Plan(NamedTuple):
    """How every file is converted; follows from axes and configuration alone.

    Attributes:
      config: what is done.
      slow, fast: grid that records are brought to, cropped.
      slow_out, fast_out: the same after the wavelet; axes of the converted records.
      choices: how the grid was chosen, in words.
    """

    config: ConversionConfig
    slow: Axis
    fast: Axis
    slow_out: Axis
    fast_out: Axis
    choices: tuple[str, ...]


class Converted(NamedTuple):
    """Records of one file on the common grid.

    Attributes:
      values_NxRxT: float32.
      names: N.
      attrs: the file's metadata.
    """

    values_NxRxT: np.ndarray
    names: tuple[str, ...]
    attrs: Mapping[str, Any]


def probe(entry: Entry, config: ConversionConfig) -> Probe:
    """Looks at the axes of a file.

    Raises:
      InputError: the file cannot be read, or has no reactant ion peak where one is needed.
    """
    source = entry.path.name
    axes = None if config.rip_relative else io.read_axes(entry.path)
    if axes is not None:
        slow, fast = axes
        return Probe(1, slow, fast, grid.extent(slow, source), (grid.extent(fast, source),))
    records = io.read(entry.path)
    fasts = [records.fast]
    if config.rip_relative:
        fasts = [_rip_relative(record_RxT, records.fast, source) for record_RxT in records.values]
    return Probe(
        len(records),
        records.slow,
        fasts[0],
        grid.extent(records.slow, source),
        tuple(grid.extent(fast, source) for fast in fasts),
    )


def choose_plan(
    entries: Sequence[Entry],
    first: Probe,
    slow_extents: Sequence[Extent],
    fast_extents: Sequence[Sequence[Extent]],
    config: ConversionConfig,
) -> tuple[Plan, dict[int, str]]:
    """Chooses the grid, and the files that are left out because they are short, by index, with the reason.

    Args:
      entries: files that can be read.
      first: of the first of them.
      slow_extents, fast_extents: of each; a file has one slow axis, and a fast axis or one for each record.
      config: what is asked for.

    Raises:
      InputError: as ``make_plan``, and where no file is left.
    """
    owner = [i for i, several in enumerate(fast_extents) for _ in several]
    flat = [extent for several in fast_extents for extent in several]
    short = grid.short(slow_extents, config.slow_grid)
    for j, why in grid.short(flat, config.fast_grid).items():
        short.setdefault(owner[j], why)
    dropped = dict(sorted(short.items())) if config.drop_short else {}
    kept = [i for i in range(len(entries)) if i not in dropped]
    if not kept:
        raise InputError(f"--drop-short: expected files that cover the grid, got none; the first: {dropped[0]}")
    if 0 in dropped:
        first = probe(entries[kept[0]], config)
    plan = make_plan(first, [slow_extents[i] for i in kept], [e for i in kept for e in fast_extents[i]], config)
    if short and not dropped:
        plan = plan._replace(
            choices=(*plan.choices, _shrunk([entries[i].name for i in short], next(iter(short.values()))))
        )
    return plan, dropped


def _shrunk(names: Sequence[str], why: str) -> str:
    some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    verb = "is" if len(names) == 1 else "are"
    return (
        f"warning: {some} {verb} short ({why}), and all records are cut to what the files have in common; leave short files out with "
        "--drop-short, or ask for a grid with --slow-grid or --fast-grid"
    )


def make_plan(
    first: Probe, slow_extents: Sequence[Extent], fast_extents: Sequence[Extent], config: ConversionConfig
) -> Plan:
    """Chooses the grid.

    Args:
      first: of the file that both lists begin with.
      slow_extents, fast_extents: of all files.
      config: what is asked for.

    Raises:
      InputError: axes that do not fit together, or a crop that leaves nothing.
    """
    axes, out, choices = [], [], []
    for which, axis, extents in (("slow", first.slow, slow_extents), ("fast", first.fast, fast_extents)):
        level = getattr(config, f"{which}_level")
        common, choice = grid.common_axis(axis, extents, getattr(config, f"{which}_grid"))
        kept = scale.crop(common, getattr(config, f"{which}_range"), level, which)
        axes.append(common._replace(values=common.values[kept]))
        out.append(wavelets.approximate_axis(axes[-1], config.wavelet, level))
        choices.append(choice)
    return Plan(config, *axes, *out, tuple(choices))


def convert(entry: Entry, plan: Plan) -> Converted:
    """Reads a file and brings its records to the grid.

    Raises:
      InputError: the file cannot be read, or does not cover the grid.
    """
    config = plan.config
    records = io.read(entry.path)
    source = entry.path.name
    values_NxRxT = np.empty((len(records), len(plan.slow_out.values), len(plan.fast_out.values)), np.float32)
    for i, record_RxT in enumerate(records.values):
        fast = _rip_relative(record_RxT, records.fast, source) if config.rip_relative else records.fast
        on_grid = grid.resample(record_RxT, (records.slow, fast), (plan.slow, plan.fast), source)
        values_NxRxT[i] = correct(_approximate(on_grid, plan), config.baseline)
    names = (entry.name,) if len(records) == 1 else tuple(f"{entry.name}_{name}" for name in records.names)
    return Converted(values_NxRxT, names, records.attrs)


def attempt(function: Callable, entry: Entry, *arguments: Any) -> tuple[Any, str]:
    """Result and error of ``probe`` or ``convert``, the latter as text: one bad file must not stop the others."""
    try:
        return function(entry, *arguments), ""
    except InputError as error:
        return None, str(error).removeprefix(f"{entry.path}: ").removeprefix(f"{entry.path.name}: ")
    except Exception as error:  # a reader's own failure is this file's failure
        return None, f"{type(error).__name__}: {error}"


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """The plan without its configuration, as numbers and texts."""
    axes = {which: getattr(plan, which) for which in ("slow", "fast", "slow_out", "fast_out")}
    return {
        "choices": list(plan.choices),
        **{which: [axis.name, axis.unit, axis.values.tolist()] for which, axis in axes.items()},
    }


def plan_from_json(there: Mapping[str, Any], config: ConversionConfig) -> Plan:
    """The plan that ``plan_to_json`` was given."""
    axes = {
        which: Axis(there[which][0], there[which][1], np.asarray(there[which][2]))
        for which in ("slow", "fast", "slow_out", "fast_out")
    }
    return Plan(config=config, choices=tuple(there["choices"]), **axes)


def collect(listing: Listing, config: ConversionConfig, *, title: str | None = None) -> tuple[Records, Plan]:
    """All records of a listing in memory.

    Args:
      listing: the files.
      config: what is done to them.
      title: of the progress bars, shown on terminals; None shows none.

    Raises:
      InputError: the first file that cannot be read or brought to the grid.
    """
    entries = listing.entries
    hidden = None if title else True
    probes = [probe(entry, config) for entry in tqdm(entries, f"{title}: axes", disable=hidden, leave=False)]
    extents = [p.slow_extent for p in probes], [p.fast_extents for p in probes]
    plan, dropped = choose_plan(entries, probes[0], *extents, config)
    left_out = (f"left out {entries[i].name}: {why}" for i, why in dropped.items())
    plan = plan._replace(choices=(*plan.choices, *left_out))
    entries, counts = zip(
        *((e, p.count) for i, (e, p) in enumerate(zip(entries, probes, strict=True)) if i not in dropped), strict=True
    )
    values_NxRxT = np.empty((sum(counts), len(plan.slow_out.values), len(plan.fast_out.values)), np.float32)
    names, attrs, done = [], None, 0
    for entry in tqdm(entries, f"{title}: records", disable=hidden, leave=False):
        converted = convert(entry, plan)
        values_NxRxT[done : done + len(converted.names)] = converted.values_NxRxT
        done += len(converted.names)
        names.extend(converted.names)
        attrs = shared_attrs(attrs, converted.attrs, entry.path.name)
    records = Records(values_NxRxT, plan.slow_out, plan.fast_out, names=names, attrs=attrs or {},
                      **per_record(entries, counts))  # fmt: skip
    return records, plan


def per_record(entries: Sequence[Entry], counts: Sequence[int]) -> dict[str, Any]:
    """Labels, groups and covariates of the records of some files, as ``Records`` takes them."""

    def spread(values: Sequence[Any]) -> np.ndarray:
        return np.repeat(np.asarray(values, dtype=str), counts)

    grouped = all(e.group is not None for e in entries)
    return {
        "labels": spread([e.label for e in entries]),
        "groups": spread([e.group for e in entries]) if grouped else None,
        "covariates": {name: spread([e.covariates[name] for e in entries]) for name in entries[0].covariates},
    }


def shared_attrs(so_far: Mapping[str, Any] | None, attrs: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Metadata that all files agree in.

    Raises:
      InputError: values in another unit than those before.
    """
    if so_far is None:
        return dict(attrs)
    if so_far.get("units", "1") != attrs.get("units", "1"):
        raise InputError(
            f"{source}: expected values in {so_far.get('units', '1')!r} as in the files before, got "
            f"{attrs.get('units', '1')!r}; leave it out or convert it"
        )
    return {k: v for k, v in so_far.items() if k in attrs and np.array_equal(np.asarray(attrs[k]), np.asarray(v))}


def _rip_relative(record_RxT: np.ndarray, fast: Axis, source: str) -> Axis:
    try:
        return grid.rip_relative(fast, grid.rip_position(record_RxT, fast))
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def _approximate(values_RxT: np.ndarray, plan: Plan) -> np.ndarray:
    config = plan.config
    values_RxT = wavelets.approximate(values_RxT, config.wavelet, config.fast_level, 1)
    return wavelets.approximate(values_RxT, config.wavelet, config.slow_level, 0)
