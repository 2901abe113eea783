"""Do small peaks survive a codec? Recall, intensity and signal-to-noise of planted peaks; pure functions of arrays.

The truth is the record without noise, which only a simulator has. A peak's height is that of the smoothed record above
the median of a ring around it.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from gcims_jax.errors import InputError

RING = np.ones((11, 11), bool)
RING[2:9, 2:9] = False


@dataclasses.dataclass(frozen=True)
class PeakConfig:
    """What counts as a small peak, and as one that came through.

    Attributes:
      lowest, highest: height in multiples of the noise of smoothed records.
      tolerance: a recalled peak's height may differ by this share of the true one.
      reach: points of a grid between where a peak was planted and where it is looked for.
    """

    lowest: float = 4.0
    highest: float = 40.0
    tolerance: float = 1 / 3
    reach: int = 2


class SmallPeaks(NamedTuple):
    """Small planted peaks, M in all.

    Attributes:
      record_M, row_M, column_M: where.
      height_M: without noise, in the records' unit.
      noise: standard deviation of the noise of smoothed records.
    """

    record_M: np.ndarray
    row_M: np.ndarray
    column_M: np.ndarray
    height_M: np.ndarray
    noise: float


class PeakScores(NamedTuple):
    """How small peaks came through.

    Attributes:
      recall: share of peaks that still are a local maximum, within a point, of about the true height.
      intensity_error: median of |height / true height - 1|.
      signal_to_noise: median height over the standard deviation of the ring around it.
      ghosts: per record, local maxima as high as a small peak where the truth has less than half of that.
      count: small peaks.
    """

    recall: float
    intensity_error: float
    signal_to_noise: float
    ghosts: float
    count: int


def find(
    clean_NxRxT: np.ndarray,
    noise: float,
    rows_NxC: np.ndarray,
    columns_NxC: np.ndarray,
    config: PeakConfig = PeakConfig(),
) -> SmallPeaks:
    """Planted peaks that are small and stand apart: a local maximum within reach. What two compounds share counts once.

    Args:
      clean_NxRxT: records without noise, in linear units.
      noise: of smoothed records, see ``noise_level``.
      rows_NxC, columns_NxC: planted positions as grid indices; those outside the grid are left out.
      config: what is small.

    Raises:
      InputError: positions and records that do not go together.
    """
    if rows_NxC.shape != columns_NxC.shape or len(rows_NxC) != len(clean_NxRxT):
        raise InputError(
            f"planted peaks: expected one row of positions per record, got {rows_NxC.shape} and {columns_NxC.shape} "
            f"for {len(clean_NxRxT)} records"
        )
    _, r, t = clean_NxRxT.shape
    found = set()
    for n, record_RxT in enumerate(clean_NxRxT):
        height_RxT, maximum_RxT = heights(record_RxT)
        for row, column in zip(rows_NxC[n], columns_NxC[n], strict=True):
            if not (0 <= row < r and 0 <= column < t):
                continue
            top, left = (max(round(float(at)) - config.reach, 0) for at in (row, column))
            window = (slice(top, top + 2 * config.reach + 1), slice(left, left + 2 * config.reach + 1))
            near = np.where(maximum_RxT[window], height_RxT[window], -np.inf)
            k, m = np.unravel_index(np.argmax(near), near.shape)
            if config.lowest * noise <= near[k, m] <= config.highest * noise:
                found.add((n, top + int(k), left + int(m), float(near[k, m])))
    table = np.array(sorted(found)).reshape(-1, 4)
    return SmallPeaks(*table[:, :3].astype(int).T, table[:, 3], noise)


def score(
    peaks: SmallPeaks, clean_NxRxT: np.ndarray, out_NxRxT: np.ndarray, config: PeakConfig = PeakConfig()
) -> PeakScores:
    """Compares reconstructions, in the same linear units, with the small peaks of the records without noise."""
    kept, errors, clarity, ghosts = [], [], [], 0
    for n, (clean_RxT, out_RxT) in enumerate(zip(clean_NxRxT, out_NxRxT, strict=True)):
        height_RxT, maximum_RxT = heights(out_RxT)
        true_RxT = ndimage.maximum_filter(heights(clean_RxT)[0], 3)
        ghosts += int(np.sum(maximum_RxT & (height_RxT >= np.maximum(config.lowest * peaks.noise, 2.0 * true_RxT))))
        # Edges repeat, so that every peak has a whole ring and a whole neighbourhood.
        padded = np.pad(out_RxT, 5, mode="edge")
        near_RxT = ndimage.maximum_filter(np.where(maximum_RxT, height_RxT, -np.inf), 3)
        here = peaks.record_M == n
        for i, j, height in zip(peaks.row_M[here], peaks.column_M[here], peaks.height_M[here], strict=True):
            low, high = np.quantile(padded[i : i + 11, j : j + 11][RING], (0.16, 0.84))
            kept.append(abs(near_RxT[i, j] / height - 1.0) <= config.tolerance)
            errors.append(abs(height_RxT[i, j] / height - 1.0))
            clarity.append(max(height_RxT[i, j], 0.0) / max(0.5 * (high - low), 1e-6))
    ghosts_per_record = ghosts / len(out_NxRxT)
    if not kept:
        return PeakScores(np.nan, np.nan, np.nan, ghosts_per_record, 0)
    return PeakScores(
        float(np.mean(kept)), float(np.median(errors)), float(np.median(clarity)), ghosts_per_record, len(kept)
    )


def heights(record_RxT: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height of each point of a smoothed record above the median of the ring around it, and its local maxima."""
    smooth_RxT = ndimage.uniform_filter(record_RxT, 3, mode="nearest")
    base_RxT = ndimage.median_filter(smooth_RxT, footprint=RING, mode="nearest")
    return smooth_RxT - base_RxT, smooth_RxT >= ndimage.maximum_filter(smooth_RxT, 5, mode="nearest")


def noise_level(records_NxRxT: np.ndarray) -> float:
    """Standard deviation of the noise of smoothed records, from second differences of rows three apart."""
    smooth_NxRxT = ndimage.uniform_filter(records_NxRxT, (0, 3, 3), mode="nearest")
    second = smooth_NxRxT[:, 6:] - 2.0 * smooth_NxRxT[:, 3:-3] + smooth_NxRxT[:, :-6]
    return float(np.median(np.abs(second)) / (0.6745 * np.sqrt(6.0)))
