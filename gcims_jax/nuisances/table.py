"""The nuisances that are looked for. Each is a random field over both axes that does one of four things to a record.

====================== ============================================ ===================================
does                   the field is                                 a value of 1 changes a record by
====================== ============================================ ===================================
gain                   logarithm of a factor of the amounts         slope of the scale, see ``amounts``
slow                   shift along the slow axis, share of the axis derivative along the slow axis
fast                   shift along the fast axis, share of the axis derivative along the fast axis
addition               added on the [0, 1] scale                    1
slow width, fast width widening, in filler only                     second derivative
====================== ============================================ ===================================

A field is a sum of cosines or lines of each axis with independent normal weights of one variance; its standard deviation,
averaged over the record, is the nuisance's size.

Fields that make no sense as a nuisance are in the table as well, as ``FILLER``: every peak moves by itself, noise grows with
the signal, channels change in half of the record. They have the shapes of nuisances without being common to a record. So they take
up whatever else varies within classes, coloured noise too, and only what a nuisance explains better than they do counts.
"""

from typing import NamedTuple

import numpy as np

DOES = ("gain", "slow", "fast", "addition")
OWN = -1  # instead of an order: every point of the axis for itself
LINE = -2  # instead of an order: proportional to the distance from an anchor
ANCHOR = {"slow": 0.5, "fast": 0.0}  # a stretch leaves this share of the axis where it is; as in ``generators.warps``


class Nuisance(NamedTuple):
    """One row of the table.

    Attributes:
      does: one of ``DOES``.
      terms: orders of the cosine of the slow and of the fast axis, for each term of the field; or ``OWN``, ``LINE``.
    """

    does: str
    terms: tuple[tuple[int, int], ...]


def _orders(slow: range, fast: range) -> tuple[tuple[int, int], ...]:
    return tuple((p, q) for p in slow for q in fast)


_FLAT, _BENT, _ANY = range(1), range(2, 5), range(4)

NUISANCES: dict[str, Nuisance] = {
    "amount": Nuisance("gain", ((0, 0),)),
    "slow_gain": Nuisance("gain", ((OWN, 0),)),
    "slow_trend": Nuisance("gain", _orders(range(1, 4), _FLAT)),
    "fast_gain": Nuisance("gain", ((0, OWN),)),
    "fast_trend": Nuisance("gain", _orders(_FLAT, range(1, 4))),
    "peaks": Nuisance("gain", _orders(range(1, 6), range(1, 6))),
    "slow_shift": Nuisance("slow", ((0, 0),)),
    "slow_stretch": Nuisance("slow", ((LINE, 0),)),
    "slow_bend": Nuisance("slow", _orders(_BENT, _FLAT)),
    "fast_shift": Nuisance("fast", ((0, 0),)),
    "fast_stretch": Nuisance("fast", ((0, LINE),)),
    "fast_bend": Nuisance("fast", _orders(_FLAT, _BENT)),
    "baseline": Nuisance("addition", _orders(range(3), range(3))),
}
FILLER: dict[str, Nuisance] = {
    "each peak moves on the slow axis": Nuisance("slow", _orders(_ANY, range(1, 4))),
    "each peak moves on the fast axis": Nuisance("fast", _orders(range(1, 4), _ANY)),
    "each peak widens on the slow axis": Nuisance("slow width", _orders(_ANY, range(1, 4))),
    "each peak widens on the fast axis": Nuisance("fast width", _orders(range(1, 4), _ANY)),
    "second order of shifts, slow": Nuisance("slow width", _orders(range(5), _FLAT)),
    "second order of shifts, fast": Nuisance("fast width", _orders(_FLAT, range(5))),
    "third order of shifts, slow": Nuisance("slow skew", _orders(range(5), _FLAT)),
    "third order of shifts, fast": Nuisance("fast skew", _orders(_FLAT, range(5))),
    "rows change in a half": Nuisance("gain", ((OWN, 1),)),
    "columns change in a half": Nuisance("gain", ((1, OWN),)),
    "noise grows with the signal": Nuisance("gain", _orders(range(7, 13, 2), range(7, 13, 2))),
}
ALL = NUISANCES | FILLER


def curve(order: int, length: int, axis: str) -> np.ndarray:
    """Values of a term along an axis, with a mean square of 1 unless it is a line."""
    share_L = np.linspace(0.0, 1.0, length) if length > 1 else np.zeros(1)
    if order == LINE:
        return share_L - ANCHOR[axis]
    return np.ones(length) if order == 0 else np.sqrt(2.0) * np.cos(np.pi * order * (np.arange(length) + 0.5) / length)


def terms(name: str, shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Terms that records of a shape have room for: axes of less than four points neither move nor vary along themselves."""
    does, orders = ALL[name]
    room = [length if length >= 4 else 1 for length in shape]
    if does.startswith(("slow", "fast")) and room[does.startswith("fast")] == 1:
        return []
    return [o for o in orders if all((i == 0 or n > 1) and i < n for i, n in zip(o, room, strict=True))]
