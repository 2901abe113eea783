"""Peaks found in records without knowing the truth, and how far those of two records of one class are apart."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage, stats
from scipy.signal import peak_widths

from gcims_jax.fidelity import peaks

LOWEST = 4.0  # height of the smallest peak, in multiples of the noise of smoothed records
REACH = 3.0  # points between two peaks that are taken for one
WINDOW = 31  # points of an axis in which a peak's foot is looked for
IDEALS = {
    "shared peaks": "high",
    "shared small peaks": "high",
    "distance of shared peaks [points]": "low",
    "|log ratio| of their heights": "low",
    "|log ratio| of small peaks' heights": "low",
    "|log ratio| of their widths": "low",
    "relative difference in number of peaks": "low",
}


class Peaks(NamedTuple):
    """Peaks of one record, M of them.

    Attributes:
      position_Mx2: row and column.
      height_M: above the ring around it, in the record's unit.
      width_Mx2: at half prominence along both axes, points.
    """

    position_Mx2: np.ndarray
    height_M: np.ndarray
    width_Mx2: np.ndarray


def find_peaks(record_RxT: np.ndarray, lowest: float) -> Peaks:
    """Local maxima of the smoothed record that rise at least ``lowest``, and at all, above the ring around them."""
    smooth_RxT = ndimage.uniform_filter(record_RxT, 3, mode="nearest")
    position_Mx2 = np.argwhere(smooth_RxT >= ndimage.maximum_filter(smooth_RxT, 5, mode="nearest"))
    height_M = smooth_RxT[tuple(position_Mx2.T)] - _surroundings(smooth_RxT, position_Mx2)
    kept_M = (height_M >= lowest) & (height_M > 0.0)
    position_Mx2, height_M = position_Mx2[kept_M], height_M[kept_M]
    with warnings.catch_warnings():
        # On an edge or a plateau a peak has no width.
        warnings.simplefilter("ignore", RuntimeWarning)
        widths = [
            (peak_widths(smooth_RxT[:, j], [i], wlen=WINDOW)[0][0], peak_widths(smooth_RxT[i], [j], wlen=WINDOW)[0][0])
            for i, j in position_Mx2
        ]
    return Peaks(position_Mx2, height_M, np.array(widths, float).reshape(-1, 2))


def _surroundings(smooth_RxT: np.ndarray, position_Mx2: np.ndarray) -> np.ndarray:
    """Median of the ring around each place: ``peaks.heights`` at a few places, for which a filter of all takes long."""
    offsets_Lx2 = np.argwhere(peaks.RING)
    padded_RxT = np.pad(smooth_RxT, len(peaks.RING) // 2, mode="edge")
    ring_MxL = padded_RxT[tuple((position_Mx2[:, None] + offsets_Lx2).transpose(2, 0, 1))]
    return np.partition(ring_MxL, ring_MxL.shape[1] // 2, axis=1)[:, ring_MxL.shape[1] // 2]


def find_all(records_NxRxT: np.ndarray, lowest: float) -> list[Peaks]:
    """Peaks of each record."""
    return [find_peaks(record_RxT, lowest) for record_RxT in records_NxRxT]


def middle_height(records: Sequence[Peaks]) -> float:
    """Median height of all their peaks: what counts as small lies below; 0 without peaks."""
    every = np.concatenate([one.height_M for one in records])
    return float(np.median(every)) if len(every) else 0.0


def compare_peaks(one: Peaks, other: Peaks, middle: float) -> np.ndarray:
    """Peaks of a record beside those of another of its class: shared ones, and how far apart in place, height and width.

    A peak of the other is shared where the one has a peak within ``REACH`` points.

    Args:
      one: of the record that is judged.
      other: of the record that it is judged by.
      middle: height up to which a peak counts as small.

    Returns:
      For each of ``IDEALS`` a sum and what it is a sum over, Q×2: figures of many pairs are ratios of their sums.
    """
    m = len(other.height_M)
    small_M = other.height_M <= middle
    counts = abs(len(one.height_M) - m) / max(m, 1), 1.0
    if not (m and len(one.height_M)):
        return np.array([(0.0, m), (0.0, small_M.sum()), *4 * [(0.0, 0.0)], counts])
    apart_MxL = np.linalg.norm(other.position_Mx2[:, None] - one.position_Mx2[None], axis=2)
    nearest_M, apart_M = apart_MxL.argmin(axis=1), apart_MxL.min(axis=1)
    near_M = apart_M <= REACH
    height_M = np.abs(np.log(one.height_M[nearest_M] / other.height_M))
    # A peak without a width, on an edge, counts as a point.
    width_M = np.abs(np.log((one.width_Mx2[nearest_M] + 1) / (other.width_Mx2 + 1))).mean(axis=1)
    both_M = near_M & small_M
    return np.array(
        [
            (near_M.sum(), m),
            (both_M.sum(), small_M.sum()),
            (apart_M[near_M].sum(), near_M.sum()),
            (height_M[near_M].sum(), near_M.sum()),
            (height_M[both_M].sum(), both_M.sum()),
            (width_M[near_M].sum(), near_M.sum()),
            counts,
        ]
    )


class Followed(NamedTuple):
    """Peaks of a class, M of them, in each of N records; NaN where a record has none within ``REACH``.

    Attributes:
      position_NxMx2: row and column.
      height_NxM: in the records' unit.
    """

    position_NxMx2: np.ndarray
    height_NxM: np.ndarray


def follow(reference_Mx2: np.ndarray, records: Sequence[Peaks]) -> Followed:
    """The nearest peak of each record to each place; one peak may serve two places that are close to each other."""
    position_NxMx2 = np.full((len(records), len(reference_Mx2), 2), np.nan)
    height_NxM = np.full(position_NxMx2.shape[:2], np.nan)
    for n, one in enumerate(records):
        if not len(one.height_M):
            continue
        apart = np.linalg.norm(reference_Mx2[:, None] - one.position_Mx2[None], axis=2)
        nearest, there = apart.argmin(axis=1), apart.min(axis=1) <= REACH
        position_NxMx2[n, there] = one.position_Mx2[nearest[there]]
        height_NxM[n, there] = one.height_M[nearest[there]]
    return Followed(position_NxMx2, height_NxM)


def describe(real: Followed, other: Followed) -> list[dict[str, float]]:
    """Each peak of a class in real and in other records: how often, where, how high.

    Returns:
      One entry per peak: ``real_share`` and ``other_share`` of records that have it; ``row_shift`` and ``column_shift``, mean
      place in other less in real records, in points, beside the standard deviations ``real_row_sd`` … ``other_column_sd``;
      quartiles ``real_height`` and ``other_height``; ``p_value`` of equal heights (Kolmogorov–Smirnov), NaN where fewer
      than five records of a side have the peak.
    """
    entries = []
    for m in range(real.height_NxM.shape[1]):
        entry: dict[str, float] = {}
        heights = {}
        for name, followed in (("real", real), ("other", other)):
            there = np.isfinite(followed.height_NxM[:, m])
            heights[name] = followed.height_NxM[there, m]
            place_Nx2 = followed.position_NxMx2[there, m]
            entry[f"{name}_share"] = float(there.mean())
            entry[f"{name}_height"] = (
                np.quantile(heights[name], [0.25, 0.5, 0.75]) if any(there) else np.full(3, np.nan)
            )
            for axis, column in (("row", 0), ("column", 1)):
                entry[f"{name}_{axis}"] = float(place_Nx2[:, column].mean()) if any(there) else np.nan
                entry[f"{name}_{axis}_sd"] = float(place_Nx2[:, column].std(ddof=1)) if there.sum() > 1 else np.nan
        entry |= {f"{axis}_shift": entry[f"other_{axis}"] - entry[f"real_{axis}"] for axis in ("row", "column")}
        enough = min(map(len, heights.values())) >= 5
        entry["p_value"] = float(stats.ks_2samp(heights["real"], heights["other"]).pvalue) if enough else np.nan
        entries.append(entry)
    return entries
