"""Retention alignment: each record is shifted as a whole to where it correlates best with a training reference.

Runs differ by about a second early and several seconds late in a run; one shift per record takes out what they have
in common. The reference is learned from training records, a record's shift from the record and the reference.
"""

import numpy as np
from scipy import ndimage

from gcims_jax.parts import Part

ROUNDS = 3  # reference → shifts → sharper reference; they hardly change after the second


def fit_reference(part: Part, max_shift: float) -> np.ndarray:
    """Mean of the training records, aligned to one another.

    Args:
      part: scaled training records.
      max_shift: largest shift in points of the slow axis.
    """
    train_NxRxT = part.x_NxRxT
    reference_RxT = train_NxRxT.mean(axis=0, dtype=np.float64)
    for _ in range(ROUNDS):
        shifts_N = find_shifts(train_NxRxT, reference_RxT, max_shift)
        # Without this the reference could wander off with all records behind it.
        shifts_N -= np.median(shifts_N)
        reference_RxT = sum(shift(x_RxT, by) for x_RxT, by in zip(train_NxRxT, shifts_N, strict=True)) / len(shifts_N)
    return np.asarray(reference_RxT, np.float32)


def find_shifts(x_NxRxT: np.ndarray, reference_RxT: np.ndarray, max_shift: float) -> np.ndarray:
    """N shifts in points by which records lie behind the reference, by the highest correlation.

    All drift times vote together. What does not change along retention, like the reactant ion peak, has no vote. Between
    points the maximum is that of a parabola.
    """
    rows = len(reference_RxT)
    most = min(int(np.ceil(max_shift)), rows - 1)
    lags = np.arange(-most - 1, most + 2)  # one more on either side for the parabola
    spectrum_FxT = np.conj(np.fft.rfft(reference_RxT - reference_RxT.mean(axis=0), 2 * rows, axis=0))
    shifts_N = np.empty(len(x_NxRxT))
    for i, x_RxT in enumerate(x_NxRxT):
        product_F = np.sum(np.fft.rfft(x_RxT - x_RxT.mean(axis=0), 2 * rows, axis=0) * spectrum_FxT, axis=1)
        correlation = np.fft.irfft(product_F, 2 * rows)[lags]
        top = 1 + int(np.argmax(correlation[1:-1]))
        left, centre, right = correlation[top - 1 : top + 2]
        curvature = left - 2.0 * centre + right
        offset = 0.5 * (left - right) / curvature if curvature < 0.0 else 0.0
        shifts_N[i] = lags[top] + np.clip(offset, -0.5, 0.5)
    return np.clip(shifts_N, -max_shift, max_shift)


def shift(x_RxT: np.ndarray, by: float) -> np.ndarray:
    """The record moved ahead by a number of points, by cubic interpolation; its ends are repeated."""
    return ndimage.shift(x_RxT, (-by, 0.0), order=3, mode="nearest") if by else x_RxT


def align(x_NxRxT: np.ndarray, reference_RxT: np.ndarray, max_shift: float) -> np.ndarray:
    """Records in step with the reference, float32."""
    shifts_N = find_shifts(x_NxRxT, reference_RxT, max_shift)
    return np.stack([shift(x_RxT, by) for x_RxT, by in zip(x_NxRxT, shifts_N, strict=True)]).astype(np.float32)
