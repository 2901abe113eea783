"""What was found, in words and in the units of the axes."""

import math

from gcims_jax.nuisances.find import Found, Size
from gcims_jax.nuisances.table import NUISANCES
from gcims_jax.records import Axis

# What a nuisance is, with the name of its axis to be filled in; and for one that was not found.
PHRASES = {
    "amount": ("all amounts of a record together change by {size}", "changes of all amounts together"),
    "slow_gain": ("amounts at each {slow} change by {size}", "gains of each {slow}"),
    "slow_trend": ("amounts change smoothly along {slow} by {size}", "smooth gains along {slow}"),
    "fast_gain": ("amounts at each {fast} change by {size}", "gains of each {fast}"),
    "fast_trend": ("amounts change smoothly along {fast} by {size}", "smooth gains along {fast}"),
    "peaks": ("amounts change from region to region by {size}", "gains from region to region"),
    "slow_shift": ("{slow} moves by {size}", "shifts of {slow}"),
    "slow_stretch": ("{slow} stretches by {size}", "stretches of {slow}"),
    "slow_bend": ("{slow} moves unevenly by {size}", "uneven shifts of {slow}"),
    "fast_shift": ("{fast} moves by {size}", "shifts of {fast}"),
    "fast_stretch": ("{fast} stretches by {size}", "stretches of {fast}"),
    "fast_bend": ("{fast} moves unevenly by {size}", "uneven shifts of {fast}"),
    "baseline": ("a smooth background comes and goes by {size} of the scale", "changes of the background"),
}
LARGE = 0.5  # logarithm of a gain from which it is told as a factor
MOVES = ("shift", "bend")


def short(name: str, size: float) -> str:
    """A nuisance and its size, a few words without units of axes."""
    return f"{name} {_amount(name, size)}"


def sentences(found: Found, slow: Axis, fast: Axis) -> list[str]:
    """One sentence for each nuisance that was found, with its 95 % interval, and one for those that were not."""
    axes = {"slow": slow.name.replace("_", " "), "fast": fast.name.replace("_", " ")}
    lines = [
        PHRASES[name][0].format(size=_with_interval(name, size, slow, fast), **axes)
        for name, size in found.sizes.items()
    ]
    missing = [PHRASES[name][1].format(**axes) for name in found.tested if name not in found.sizes]
    return [*lines, "not found: " + ", ".join(missing)] if missing else lines


def _with_interval(name: str, size: Size, slow: Axis, fast: Axis) -> str:
    axis = {"slow": slow, "fast": fast}.get(NUISANCES[name].does)
    if axis is None or not name.endswith(MOVES):
        told = [_amount(name, one) for one in size[:3]]
        return f"{told[0]} ({told[1]} to {told[2]})"
    unit = "" if axis.unit in ("", "1") else f" {axis.unit}"
    told = [f"{one * abs(float(axis.values[-1] - axis.values[0])):.2g}" for one in size[:3]]
    return f"{told[0]}{unit} ({told[1]} to {told[2]})"


def _amount(name: str, size: float) -> str:
    if NUISANCES[name].does == "gain" and size > LARGE:
        return f"a factor of {math.exp(min(size, 20.0)):.2g}"
    return f"{100.0 * size:.2g} %"
