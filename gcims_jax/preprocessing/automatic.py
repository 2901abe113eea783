"""How records of a grid are prepared where nobody says: halvings of an axis, and a shift in its unit as points."""

import math
from typing import Any

import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.preprocessing.scale import PreprocessConfig
from gcims_jax.records import Axis

POINTS = 96  # that the halvings of an axis leave at least, where nobody says


def for_grid(
    slow: Axis,
    fast: Axis,
    *,
    slow_range: tuple[float, float] | None = None,
    fast_range: tuple[float, float] | None = None,
    slow_level: int | None = None,
    fast_level: int | None = None,
    points: int = POINTS,
    align: float = 0.0,
    **options: Any,
) -> PreprocessConfig:
    """The preparation of records of one grid.

    Args:
      slow, fast: axes.
      slow_range, fast_range: (low, high) that are kept, in the axis' unit; None keeps all.
      slow_level, fast_level: halvings of an axis; None: as many as leave at least ``points``.
      points: see above.
      align: largest shift in the slow axis' unit that brings a record into step with the training records; 0 does not align.
      **options: wavelet, log, log_knee; see ``PreprocessConfig``.
    """
    slow_level = halvings(slow, slow_range, points) if slow_level is None else slow_level
    fast_level = halvings(fast, fast_range, points) if fast_level is None else fast_level
    steps = np.abs(np.diff(slow.values))
    step = (float(np.median(steps)) if len(steps) else 1.0) * 2**slow_level
    return PreprocessConfig(
        slow_range, fast_range, slow_level=slow_level, fast_level=fast_level, max_shift=align / step, **options
    )


def halvings(axis: Axis, limits: tuple[float, float] | None, points: int = POINTS) -> int:
    """As many as leave at least ``points`` of the points within the limits.

    Raises:
      InputError: fewer than 8 points to leave.
    """
    if points < 8:
        raise InputError(f"preprocess.points: expected 8 or more, got {points}")
    low, high = limits or (-math.inf, math.inf)
    there = int(np.sum((axis.values >= low) & (axis.values <= high)))
    return max(0, int(math.log2(max(there, 1) / points)))
