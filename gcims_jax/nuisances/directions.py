"""What each nuisance does to the mean record of a class, to first order, on a coarse grid."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import fft

from gcims_jax.nuisances import table
from gcims_jax.nuisances.amounts import Amounts, slope

GRID = (24, 48)  # points of both axes that are looked at, at most; more tell little and cost much
BANDS = (7, 15, 31)  # orders of cosines at which a band of the noise's spectrum ends and the next begins


class Coarse(NamedTuple):
    """Averages of neighbouring points, scaled so that white noise keeps its size: rows are orthonormal.

    Attributes:
      slow_CxR, fast_DxT: to C×D points.
    """

    slow_CxR: np.ndarray
    fast_DxT: np.ndarray


def coarse_grid(shape: tuple[int, int]) -> Coarse:
    """Blocks of one size, but for the last, as small as ``GRID`` allows."""
    return Coarse(*(_blocks(length, most) for length, most in zip(shape, GRID, strict=True)))


def _blocks(length: int, most: int) -> np.ndarray:
    size = -(-length // most)
    member_CxL = (np.arange(length) // size == np.arange(-(-length // size))[:, None]).astype(float)
    return member_CxL / np.sqrt(member_CxL.sum(axis=1, keepdims=True))


def project(coarse: Coarse, x_NxRxT: np.ndarray) -> np.ndarray:
    """Cosine coefficients of records on the coarse grid as rows, N×P."""
    return _cosines(coarse.slow_CxR @ x_NxRxT @ coarse.fast_DxT.T)


def _cosines(x_NxCxD: np.ndarray) -> np.ndarray:
    """Orthonormal, so white noise stays as it is; other noise, if it is alike everywhere, becomes independent."""
    return fft.dctn(x_NxCxD, axes=(1, 2), norm="ortho").reshape(len(x_NxCxD), -1)


def bands(coarse: Coarse) -> np.ndarray:
    """Band of the noise's spectrum that each coefficient belongs to, numbered from 0; P."""
    slow_C, fast_D = (np.digitize(np.arange(len(blocks)), BANDS) for blocks in coarse)
    return np.unique((slow_C[:, None] * (len(BANDS) + 1) + fast_D).reshape(-1), return_inverse=True)[1]


def directions(
    coarse: Coarse, mean_RxT: np.ndarray, amounts: Amounts, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Directions of change of a mean record, F×P, and the position in ``names`` that each belongs to.

    A nuisance of size s changes a record by s · Σ ε_f direction_f with independent standard normal ε.
    """
    shape = mean_RxT.shape
    effects = {
        "gain": slope(amounts, mean_RxT),
        "slow": _derivative(mean_RxT, 0),
        "fast": _derivative(mean_RxT, 1),
        "addition": np.ones(shape),
        "slow width": _derivative(mean_RxT, 0, 2),
        "fast width": _derivative(mean_RxT, 1, 2),
        "slow skew": _derivative(mean_RxT, 0, 3),
        "fast skew": _derivative(mean_RxT, 1, 3),
    }
    rows, owners = [np.zeros((0, len(coarse.slow_CxR) * len(coarse.fast_DxT)))], []
    for i, name in enumerate(names):
        orders = table.terms(name, shape)
        for order in orders:
            made = _term(coarse, effects[table.ALL[name].does], order) / np.sqrt(len(orders))
            rows.append(made)
            owners += [i] * len(made)
    changed_FxCxD = np.concatenate(rows).reshape(-1, len(coarse.slow_CxR), len(coarse.fast_DxT))
    return _cosines(changed_FxCxD), np.array(owners, int)


def _derivative(mean_RxT: np.ndarray, axis: int, times: int = 1) -> np.ndarray:
    """Change per whole length of the axis, again and again."""
    length = mean_RxT.shape[axis]
    for _ in range(times):
        mean_RxT = (length - 1) * np.gradient(mean_RxT, axis=axis) if length > 1 else np.zeros(mean_RxT.shape)
    return mean_RxT


def _term(coarse: Coarse, effect_RxT: np.ndarray, order: tuple[int, int]) -> np.ndarray:
    """Directions of one term of a field: one, or one for each point of an axis."""
    slow, fast = order
    if slow == table.OWN:
        return _each_row(coarse, effect_RxT * table.curve(fast, effect_RxT.shape[1], "fast"))
    if fast == table.OWN:
        c, d = len(coarse.slow_CxR), len(coarse.fast_DxT)
        turned = _each_row(Coarse(*coarse[::-1]), effect_RxT.T * table.curve(slow, effect_RxT.shape[0], "slow"))
        return turned.reshape(-1, d, c).swapaxes(1, 2).reshape(-1, c * d)
    slow_R, fast_T = (
        table.curve(i, n, axis) for i, n, axis in zip(order, effect_RxT.shape, ("slow", "fast"), strict=True)
    )
    return ((coarse.slow_CxR * slow_R) @ effect_RxT @ (coarse.fast_DxT * fast_T).T).reshape(1, -1)


def _each_row(coarse: Coarse, effect_RxT: np.ndarray) -> np.ndarray:
    """One direction for each coarse row: its rows change independently of each other, and look much alike."""
    changed_RxD = effect_RxT @ coarse.fast_DxT.T
    mean_CxD, power_CxD = coarse.slow_CxR @ changed_RxD, coarse.slow_CxR**2 @ changed_RxD**2
    each_CxD = np.where(mean_CxD < 0.0, -1.0, 1.0) * np.sqrt(power_CxD)
    return (np.eye(len(each_CxD))[:, :, None] * each_CxD[:, None, :]).reshape(len(each_CxD), -1)
