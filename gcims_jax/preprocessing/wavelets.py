"""Wavelet approximation of an axis, and the way back, as one matrix each; both keep to their ends of the axis.

A periodic transform takes the first point for the neighbour of the last, so that a record that begins in the tail of the
reactant ion peak ends in a ghost of it. Here both directions go on beyond an end by point reflection, 2 x[0] - x[k], which
continues constants and straight lines. What is left of the original synthesis at the ends is corrected until analysis ·
synthesis is the identity; a pseudo-inverse would be the identity too, but would let records sag towards 0 at the ends.
"""

import functools
from typing import NamedTuple

import numpy as np
import pywt

from gcims_jax.records import Axis


class _Filters(NamedTuple):
    """Low-pass filters of all levels in one.

    Attributes:
      analysis_K: taps by rising position, sum 1.
      synthesis_K: taps of one coefficient, sum 2^level.
      start: position of the first tap of coefficient 0; negative is before the axis.
    """

    analysis_K: np.ndarray
    synthesis_K: np.ndarray
    start: int


def approximate(values: np.ndarray, wavelet: str, level: int, axis: int) -> np.ndarray:
    """Wavelet approximation of a matrix along one axis (0 or 1) whose length is a multiple of ``2**level``.

    In the values' unit, float32. A product with the analysis matrix is several times faster than the cascade of
    pywt, and the matrix is kept for the next record of the same length.
    """
    if not level:
        return values
    analysis_RxL = analysis_matrix(values.shape[axis], wavelet, level)
    return analysis_RxL @ values if axis == 0 else values @ analysis_RxL.T


def approximate_axis(axis: Axis, wavelet: str, level: int) -> Axis:
    """Coordinates of the approximation: each is the centre of mass of the points that it was made from."""
    if not level:
        return axis
    filters = _filters(wavelet, level)
    # A filter that keeps straight lines moves all of them by the same number of points.
    offset = filters.start + filters.analysis_K @ np.arange(len(filters.analysis_K))
    points = np.arange(len(axis.values))
    return axis._replace(values=np.interp(offset + points[:: 2**level], points, axis.values))


@functools.lru_cache(maxsize=4)
def analysis_matrix(length: int, wavelet: str, level: int) -> np.ndarray:
    """Approximation as a matrix, (length / 2^level) × length, float32; rows sum to 1.

    Coefficient k stands for the points from k 2^level to (k + 1) 2^level: of all whole shifts of the wavelet that one is
    taken which brings its centre of mass closest to theirs. So the first and the last coefficient lie within the axis.
    """
    return _both(length, wavelet, level)[0]


@functools.lru_cache(maxsize=4)
def synthesis_matrix(length: int, wavelet: str, level: int) -> np.ndarray:
    """The way back, length × (length / 2^level), float32; analysis · synthesis is the identity."""
    return _both(length, wavelet, level)[1]


def _both(length: int, wavelet: str, level: int) -> tuple[np.ndarray, np.ndarray]:
    """Analysis and synthesis matrix. Far from the ends each row, or column, is the one before moved: a short axis tells all."""
    if not level:
        return np.eye(length, dtype=np.float32), np.eye(length, dtype=np.float32)
    filters = _filters(wavelet, level)
    blocks = min(length >> level, 4 * (len(filters.analysis_K) // 2**level + 2))
    analysis_BxS, synthesis_SxB = _short(blocks, filters, level)
    return _slide(analysis_BxS, length >> level), np.ascontiguousarray(_slide(synthesis_SxB.T, length >> level).T)


def _short(blocks: int, filters: _Filters, level: int) -> tuple[np.ndarray, np.ndarray]:
    """Both matrices of an axis of B · 2^level = S points."""
    stride, taps = 2**level, len(filters.analysis_K)
    beyond = stride * (taps // stride + 2)  # points beyond either end that a filter may reach
    more = beyond // stride
    wide_ExC = np.zeros((blocks * stride + 2 * beyond, blocks + 2 * more))
    analysis_CxE, synthesis_ExC = wide_ExC.T.copy(), wide_ExC
    for k in range(blocks + 2 * more):
        first = stride * k + filters.start
        inside = slice(max(0, first), first + taps)
        kept = len(wide_ExC[inside])
        skipped = max(0, -first)
        analysis_CxE[k, inside] = filters.analysis_K[skipped : skipped + kept]
        synthesis_ExC[inside, k] = filters.synthesis_K[skipped : skipped + kept]
    analysis_BxS = analysis_CxE[more : more + blocks] @ _reflect(blocks * stride, beyond)
    rough_SxB = synthesis_ExC[beyond : beyond + blocks * stride] @ _reflect(blocks, more)
    # Already the identity but in the corners. Both keep what the wavelet keeps, so the correction keeps it too.
    return analysis_BxS, rough_SxB @ np.linalg.inv(analysis_BxS @ rough_SxB)


def _reflect(length: int, beyond: int) -> np.ndarray:
    """Point reflection at both ends as a matrix, (length + 2 beyond) × length."""
    return np.pad(np.eye(length), ((beyond, beyond), (0, 0)), mode="reflect", reflect_type="odd")


def _slide(short_BxS: np.ndarray, rows: int) -> np.ndarray:
    """Rows of a long axis: the short one's ends at the ends, its middle row moved along in between; float32."""
    blocks, points = short_BxS.shape
    stride = points // blocks
    row_R = np.arange(rows)
    moved_R = np.clip(row_R - blocks // 2, 0, rows - blocks)
    matrix_RxL = np.zeros((rows, rows * stride), np.float32)
    places_RxS = stride * moved_R[:, None] + np.arange(points)
    np.put_along_axis(matrix_RxL, places_RxS, short_BxS[row_R - moved_R].astype(np.float32), axis=1)
    return matrix_RxL


@functools.lru_cache(maxsize=8)
def _filters(wavelet: str, level: int) -> _Filters:
    one = pywt.Wavelet(wavelet)
    analysis_K, synthesis_K = np.ones(1), np.ones(1)
    for step in (2**i for i in range(level)):
        spread_F = np.zeros((one.dec_len - 1) * step + 1)
        spread_F[::step] = one.dec_lo[::-1]
        analysis_K = np.convolve(analysis_K, spread_F)
        spread_F[::step] = one.rec_lo
        synthesis_K = np.convolve(synthesis_K, spread_F)
    analysis_K = analysis_K / analysis_K.sum()
    start = round((2**level - 1) / 2 - float(analysis_K @ np.arange(len(analysis_K))))
    return _Filters(analysis_K, synthesis_K * 2**level / synthesis_K.sum(), start)
