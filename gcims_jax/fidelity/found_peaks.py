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
    height_RxT, maximum_RxT = peaks.heights(record_RxT)
    smooth_RxT = ndimage.uniform_filter(record_RxT, 3, mode="nearest")
    position_Mx2 = np.argwhere(maximum_RxT & (height_RxT >= lowest) & (height_RxT > 0.0))
    with warnings.catch_warnings():
        # On an edge or a plateau a peak has no width.
        warnings.simplefilter("ignore", RuntimeWarning)
        widths = [
            (peak_widths(smooth_RxT[:, j], [i], wlen=WINDOW)[0][0], peak_widths(smooth_RxT[i], [j], wlen=WINDOW)[0][0])
            for i, j in position_Mx2
        ]
    return Peaks(position_Mx2, height_RxT[tuple(position_Mx2.T)], np.array(widths, float).reshape(-1, 2))


def find_all(records_NxRxT: np.ndarray, lowest: float) -> list[Peaks]:
    """Peaks of each record."""
    return [find_peaks(record_RxT, lowest) for record_RxT in records_NxRxT]


def compare_peaks(a: Sequence[Peaks], b: Sequence[Peaks]) -> dict[str, tuple[float, str]]:
    """Peaks of pairs of records of one class: the shared ones, and how far apart these are in place, height and width.

    A peak of the second record is shared where the first has one within ``REACH`` points. Small peaks are the lower half
    of those of the second records.

    Args:
      a: of the records that are judged.
      b: of as many records, each of the class of its partner.

    Returns:
      By name, the figure and what is best, "high" or "low"; NaN where there are no peaks to compare.
    """
    every = np.concatenate([one.height_M for one in b])
    middle = float(np.median(every)) if len(every) else 0.0
    shared, small, moved, ratios, small_ratios, widths, counts = ([] for _ in range(7))
    for one, other in zip(a, b, strict=True):
        counts.append(abs(len(one.height_M) - len(other.height_M)) / max(len(other.height_M), 1))
        is_small_M = other.height_M <= middle
        if not len(one.height_M):
            shared.append(np.zeros(len(other.height_M), bool))
            small.append(shared[-1][is_small_M])
            continue
        apart = np.linalg.norm(other.position_Mx2[:, None] - one.position_Mx2[None], axis=2)
        nearest_M = apart.argmin(axis=1)
        near_M = apart.min(axis=1) <= REACH
        ratio_M = np.abs(np.log(one.height_M[nearest_M] / other.height_M))
        shared.append(near_M)
        small.append(near_M[is_small_M])
        moved.append(apart.min(axis=1)[near_M])
        ratios.append(ratio_M[near_M])
        small_ratios.append(ratio_M[near_M & is_small_M])
        # A peak without a width, on an edge, counts as a point.
        widths.append(np.abs(np.log((one.width_Mx2[nearest_M] + 1) / (other.width_Mx2 + 1)))[near_M].ravel())

    def mean(values: Sequence[np.ndarray]) -> float:
        joined = np.concatenate(values) if values else np.empty(0)
        return float(joined.mean()) if len(joined) else np.nan

    return {
        "shared peaks": (mean(shared), "high"),
        "shared small peaks": (mean(small), "high"),
        "distance of shared peaks [points]": (mean(moved), "low"),
        "|log ratio| of their heights": (mean(ratios), "low"),
        "|log ratio| of small peaks' heights": (mean(small_ratios), "low"),
        "|log ratio| of their widths": (mean(widths), "low"),
        "relative difference in number of peaks": (float(np.mean(counts)), "low"),
    }


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
