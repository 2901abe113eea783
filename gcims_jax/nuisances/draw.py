"""Nuisances put on records, exactly: axes are warped, amounts multiplied, backgrounds added."""

from collections.abc import Mapping

import numpy as np

from gcims_jax.nuisances import table
from gcims_jax.nuisances.amounts import Amounts, amplify
from gcims_jax.phase import warp

BATCH = 256


def change(rng: np.random.Generator, x_NxRxT: np.ndarray, sizes: Mapping[str, float], amounts: Amounts) -> np.ndarray:
    """Each record with nuisances drawn anew, float32.

    Gains come first, as of what was in the sample and came through the column, then shifts, then what is added.

    Args:
      rng: of the draws.
      x_NxRxT: records on the [0, 1] scale.
      sizes: standard deviation of each nuisance, by name.
      amounts: what this scale stands for.
    """
    changed = np.empty(x_NxRxT.shape, np.float32)
    for start in range(0, len(x_NxRxT), BATCH):
        changed[start : start + BATCH] = _change(rng, x_NxRxT[start : start + BATCH], sizes, amounts)
    return changed


def _change(rng: np.random.Generator, x_BxRxT: np.ndarray, sizes: Mapping[str, float], amounts: Amounts) -> np.ndarray:
    b, r, t = x_BxRxT.shape
    fields = {does: np.zeros((b, 1, 1)) for does in table.DOES}
    for name, size in sizes.items():
        does = table.ALL[name].does
        fields[does] = fields[does] + size * field(rng, name, (b, r, t))
    if fields["gain"].any():
        x_BxRxT = amplify(amounts, x_BxRxT, fields["gain"])
    if fields["slow"].any() or fields["fast"].any():
        slow_BxR = _positions(np.broadcast_to(fields["slow"], (b, r, 1))[:, :, 0])
        fast_BxT = _positions(np.broadcast_to(fields["fast"], (b, 1, t))[:, 0, :])
        padded = (_padded(np.asarray(a, np.float32)) for a in (x_BxRxT, slow_BxR, fast_BxT))
        x_BxRxT = np.asarray(warp.apply(*padded))[:b]
    return np.asarray(x_BxRxT + fields["addition"], np.float32)


def _padded(values_Bx: np.ndarray) -> np.ndarray:
    """With zeros behind to a power of two, so that few programs are compiled."""
    more = (1 << (len(values_Bx) - 1).bit_length()) - len(values_Bx)
    return np.concatenate([values_Bx, np.zeros((more, *values_Bx.shape[1:]), np.float32)])


def field(rng: np.random.Generator, name: str, shape: tuple[int, int, int]) -> np.ndarray:
    """Fields of a nuisance of size 1: N×R×T, or one point long along an axis where they do not vary."""
    n, r, t = shape
    orders = table.terms(name, (r, t))
    total = np.zeros((n, 1, 1))
    for slow, fast in orders:
        weight = rng.standard_normal((n, r if slow == table.OWN else 1, t if fast == table.OWN else 1))
        if slow not in (0, table.OWN):
            weight = weight * table.curve(slow, r, "slow")[:, None]
        if fast not in (0, table.OWN):
            weight = weight * table.curve(fast, t, "fast")
        total = total + weight
    return total / np.sqrt(max(len(orders), 1))


def _positions(shift_NxL: np.ndarray) -> np.ndarray:
    """Where each point is read, shares of the axis; never backwards."""
    share_L = np.linspace(0.0, 1.0, shift_NxL.shape[1]) if shift_NxL.shape[1] > 1 else np.zeros(1)
    return np.maximum.accumulate(share_L + shift_NxL, axis=1).astype(np.float32)
