"""Do synthetic records look like held-out real ones? Every figure beside what real training records reach.

All comparisons are at equal size and equal class mix: synthetic records against held-out ones, and as many training
records against the same held-out ones, which is the floor. Distances are between scores on principal components of the
training records, each in units of the training records' largest standard deviation.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import ndimage, stats
from scipy.signal import peak_widths
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gcims_jax import metrics, peaks
from gcims_jax.errors import InputError

COMPONENTS = 20
NEIGHBOURS = 5
WINDOW = 31  # points of an axis in which a peak's foot is looked for


class Measure(NamedTuple):
    """A figure of synthetic records beside that of real training records.

    Attributes:
      synthetic: synthetic against held-out records, mean over draws of both.
      real: training against held-out records, the same way: the value to expect of perfect records.
      ideal: "low", "high" or "half", what is best.
    """

    synthetic: float
    real: float
    ideal: str


def table(
    seed: int,
    train_NxRxT: np.ndarray,
    train_labels_N: np.ndarray,
    held_out_MxRxT: np.ndarray,
    held_out_labels_M: np.ndarray,
    synthetic_SxRxT: np.ndarray,
    synthetic_labels_S: np.ndarray,
    draws: int = 5,
) -> dict[str, Measure]:
    """All measures, by name.

    Args:
      seed: of the equal-sized draws, projections and permutations.
      train_NxRxT, train_labels_N: real records that the generator has seen, at least twice as many as held-out ones.
      held_out_MxRxT, held_out_labels_M: real records that it has not.
      synthetic_SxRxT, synthetic_labels_S: its records, of the same classes.
      draws: equal-sized draws to average over.

    Raises:
      InputError: shapes that disagree, values that are not finite, a held-out class without training or synthetic
        records, fewer than ten held-out records or more than half as many as training records.
    """
    sides = [(train_NxRxT, train_labels_N), (held_out_MxRxT, held_out_labels_M), (synthetic_SxRxT, synthetic_labels_S)]
    for name, (x, labels) in zip(("training", "held-out", "synthetic"), sides, strict=True):
        if x.ndim != 3 or x.shape[1:] != train_NxRxT.shape[1:] or labels.shape != (len(x),):
            raise InputError(f"{name} records: expected N×R×T and N labels, got shapes {x.shape} and {labels.shape}")
        if not np.all(np.isfinite(x)):
            raise InputError(f"{name} records: expected finite numbers, got NaN or infinite ones")
    if not 10 <= len(held_out_MxRxT) <= len(train_NxRxT) // 2:
        raise InputError(
            f"held-out records: expected at least 10 to compare with, and no more than half as many as training records "
            f"({len(train_NxRxT)}), got {len(held_out_MxRxT)}"
        )
    for name, labels in (("training", train_labels_N), ("synthetic", synthetic_labels_S)):
        if missing := sorted(set(held_out_labels_M.tolist()) - set(labels.tolist())):
            raise InputError(f"{name} records: expected every held-out class, got none of {missing[0]!r}")
    rng = np.random.default_rng(seed)
    pairs: dict[str, list[tuple[float, float]]] = {}
    ideals: dict[str, str] = {}
    # Every comparison takes the same classes; where one side has few of a class, all take so few.
    counts = {
        label: min(np.sum(labels == label) for _, labels in sides) for label in np.unique(held_out_labels_M).tolist()
    }
    for draw in range(draws):
        picked = [
            np.concatenate([rng.permutation(np.flatnonzero(labels == k))[:c] for k, c in counts.items()])
            for _, labels in sides
        ]
        real, held_out, synthetic = (x[rows] for (x, _), rows in zip(sides, picked, strict=True))
        project = projection(np.delete(train_NxRxT, picked[0], axis=0))
        draw_seed = int(rng.integers(2**31))
        both = [compare(draw_seed, one, held_out, project) for one in (synthetic, real)]
        if draw == 0:  # peaks take most of the time
            both = [
                {**found, **peak_measures(one, held_out)} for found, one in zip(both, (synthetic, real), strict=True)
            ]
        for name, (value, ideal) in both[0].items():
            ideals[name] = ideal
            pairs.setdefault(name, []).append((value, both[1][name][0]))
    means = {name: np.mean(values, axis=0) for name, values in pairs.items()}
    return {name: Measure(float(mean[0]), float(mean[1]), ideals[name]) for name, mean in means.items()}


def projection(others_NxRxT: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Scores on principal components of records that take no part in a comparison, the largest with standard deviation 1."""
    rows_NxF = others_NxRxT.reshape(len(others_NxRxT), -1)
    pca = PCA(min(COMPONENTS, len(rows_NxF) - 1, rows_NxF.shape[1]), random_state=0).fit(rows_NxF)
    scale = np.sqrt(pca.explained_variance_[0]) or 1.0
    return lambda x_NxRxT: pca.transform(x_NxRxT.reshape(len(x_NxRxT), -1)) / scale


def compare(
    seed: int,
    a_MxRxT: np.ndarray,
    b_MxRxT: np.ndarray,
    project: Callable[[np.ndarray], np.ndarray],
) -> dict[str, tuple[float, str]]:
    """Distances between two sets of equal size, each with what is ideal."""
    a_MxC, b_MxC = project(a_MxRxT), project(b_MxRxT)
    energy = metrics.energy_test(seed, a_MxC, b_MxC, 199)
    mmd, mmd_p = kernel_test(seed, a_MxC, b_MxC)
    return {
        "sliced Wasserstein distance": (sliced_wasserstein(seed, a_MxC, b_MxC), "low"),
        "maximum mean discrepancy": (mmd, "low"),
        "its permutation p-value": (mmd_p, "high"),
        "energy distance": (energy.distance, "low"),
        "classifier two-sample accuracy": (two_sample_accuracy(seed, a_MxC, b_MxC), "half"),
        "density": (density_coverage(b_MxC, a_MxC)[0], "high"),
        "coverage": (density_coverage(b_MxC, a_MxC)[1], "high"),
        "error of marginals": (marginal_error(a_MxRxT, b_MxRxT), "low"),
        "error of correlations": (correlation_error(a_MxC, b_MxC), "low"),
    }


def sliced_wasserstein(seed: int, a_MxC: np.ndarray, b_MxC: np.ndarray, directions: int = 50) -> float:
    """Mean over random directions of the 1-Wasserstein distance between projections (Rabin et al. 2011)."""
    directions_CxB = np.random.default_rng(seed).standard_normal((a_MxC.shape[1], directions))
    directions_CxB /= np.linalg.norm(directions_CxB, axis=0)
    pairs = zip((a_MxC @ directions_CxB).T, (b_MxC @ directions_CxB).T, strict=True)
    return float(np.mean([stats.wasserstein_distance(a, b) for a, b in pairs]))


def kernel_test(seed: int, a_MxC: np.ndarray, b_MxC: np.ndarray, permutations: int = 199) -> tuple[float, float]:
    """Maximum mean discrepancy with a Gaussian kernel at the median distance, and its permutation p-value.

    Gretton et al. 2012, JMLR 13:723; the biased estimate, its square root.
    """
    both = np.concatenate([a_MxC, b_MxC])
    squared = euclidean_distances(both, squared=True)
    kernel = np.exp(-squared / max(np.median(squared[squared > 0]) if np.any(squared > 0) else 1.0, 1e-12))
    weights = np.repeat([1.0 / len(a_MxC), -1.0 / len(b_MxC)], [len(a_MxC), len(b_MxC)])
    rng = np.random.default_rng(seed)
    weights_Bx2M = np.stack([weights, *(rng.permutation(weights) for _ in range(permutations))])
    values_B = np.einsum("bm,bm->b", weights_Bx2M @ kernel, weights_Bx2M)
    reached = np.sum(values_B[1:] >= values_B[0] * (1 - 1e-9))
    return float(np.sqrt(max(values_B[0], 0.0))), float((1 + reached) / (permutations + 1))


def two_sample_accuracy(seed: int, a_MxC: np.ndarray, b_MxC: np.ndarray) -> float:
    """Accuracy of a cross-validated logistic regression that tells one set from the other; one half where they are alike.

    Lopez-Paz & Oquab 2017 (C2ST).
    """
    folds = StratifiedKFold(min(5, len(a_MxC)), shuffle=True, random_state=seed)
    judge = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    sides = np.repeat([0, 1], [len(a_MxC), len(b_MxC)])
    return float(np.mean(cross_val_score(judge, np.concatenate([a_MxC, b_MxC]), sides, cv=folds)))


def density_coverage(real_MxC: np.ndarray, other_SxC: np.ndarray) -> tuple[float, float]:
    """Density and coverage (Naeem et al. 2020) with k = 5 neighbours, fewer in small sets.

    Balls reach to each real record's k-th nearest real neighbour; a record on the edge counts as inside.
    """
    k = min(NEIGHBOURS, len(real_MxC) - 1)
    within = euclidean_distances(real_MxC)
    np.fill_diagonal(within, 0.0)
    radius_M = np.sort(within, axis=1)[:, k]
    inside_MxS = euclidean_distances(real_MxC, other_SxC) <= radius_M[:, None] * (1 + 1e-6)
    return float(inside_MxS.sum() / (k * len(other_SxC))), float(np.mean(inside_MxS.any(axis=1)))


def marginal_error(a_MxRxT: np.ndarray, b_MxRxT: np.ndarray) -> float:
    """Mean over points of the distance between sorted values (1-Wasserstein), in units of the points' pooled spread."""
    a, b = (np.sort(x.reshape(len(x), -1), axis=0) for x in (a_MxRxT, b_MxRxT))
    spread = np.sqrt(np.mean(np.var(b, axis=0)))
    return float(np.mean(np.abs(a - b)) / max(spread, 1e-12))


def correlation_error(a_MxC: np.ndarray, b_MxC: np.ndarray) -> float:
    """Mean absolute difference of the correlations between principal component scores."""
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = (np.nan_to_num(np.corrcoef(x, rowvar=False)) for x in (a_MxC, b_MxC))
    pairs = np.triu_indices(len(np.atleast_2d(a)), 1)
    return float(np.mean(np.abs(np.atleast_2d(a)[pairs] - np.atleast_2d(b)[pairs]))) if len(pairs[0]) else 0.0


class Peaks(NamedTuple):
    """Peaks of one record, M of them: where, how high, how wide in points along both axes."""

    position_Mx2: np.ndarray
    height_M: np.ndarray
    width_Mx2: np.ndarray


def find_peaks(record_RxT: np.ndarray, lowest: float) -> Peaks:
    """Local maxima of the smoothed record at least ``lowest`` above the ring around them; widths at half prominence."""
    height_RxT, maximum_RxT = peaks.heights(record_RxT)
    smooth_RxT = ndimage.uniform_filter(record_RxT, 3, mode="nearest")
    position_Mx2 = np.argwhere(maximum_RxT & (height_RxT >= lowest))
    with warnings.catch_warnings():
        # On an edge or a plateau a peak has no width.
        warnings.simplefilter("ignore", RuntimeWarning)
        widths = [
            (peak_widths(smooth_RxT[:, j], [i], wlen=WINDOW)[0][0], peak_widths(smooth_RxT[i], [j], wlen=WINDOW)[0][0])
            for i, j in position_Mx2
        ]
    return Peaks(position_Mx2, height_RxT[tuple(position_Mx2.T)], np.array(widths, float).reshape(-1, 2))


def peak_measures(a_MxRxT: np.ndarray, b_MxRxT: np.ndarray, reach: float = 3.0) -> dict[str, tuple[float, str]]:
    """Peaks of pairs of records of one class: shared ones, and how far apart these are in place, height and width.

    A peak is shared where the other record has one within ``reach`` points. Small peaks are the lower half of those of the
    second set.
    """
    lowest = 4.0 * peaks.noise_level(b_MxRxT)
    found = [(find_peaks(a, lowest), find_peaks(b, lowest)) for a, b in zip(a_MxRxT, b_MxRxT, strict=True)]
    middle = (
        np.median(np.concatenate([b.height_M for _, b in found])) if any(len(b.height_M) for _, b in found) else 0.0
    )
    shared, small, moved, heights, widths, counts = [], [], [], [], [], []
    for a, b in found:
        counts.append(abs(len(a.height_M) - len(b.height_M)) / max(len(b.height_M), 1))
        if not len(b.height_M):
            continue
        if not len(a.height_M):
            shared += [False] * len(b.height_M)
            small += [False] * int(np.sum(b.height_M <= middle))
            continue
        apart = np.linalg.norm(b.position_Mx2[:, None] - a.position_Mx2[None], axis=2)
        nearest = apart.argmin(axis=1)
        near = apart.min(axis=1) <= reach
        shared += near.tolist()
        small += near[b.height_M <= middle].tolist()
        moved += apart.min(axis=1)[near].tolist()
        heights += np.abs(np.log(a.height_M[nearest] / b.height_M))[near].tolist()
        widths += np.abs(np.log((a.width_Mx2[nearest] + 1) / (b.width_Mx2 + 1)))[near].ravel().tolist()

    def mean(values: list[float]) -> float:
        return float(np.mean(values)) if values else np.nan

    return {
        "shared peaks": (mean(shared), "high"),
        "shared small peaks": (mean(small), "high"),
        "distance of shared peaks [points]": (mean(moved), "low"),
        "|log ratio| of their heights": (mean(heights), "low"),
        "|log ratio| of their widths": (mean(widths), "low"),
        "relative difference in number of peaks": (mean(counts), "low"),
    }
