"""Do synthetic records look like held-out real ones? Every figure beside what real training records reach.

All comparisons are at equal size and equal class mix: draws of synthetic records against held-out ones, and draws of as
many training records against the same, which is the null. Given the held-out records, a generator of the training
records' own distribution would lie within the null's range. Distances are between scores on principal components of
other training records, in units of the largest component's standard deviation.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from gcims_jax import linalg
from gcims_jax.errors import InputError
from gcims_jax.fidelity import energy, found_peaks, peaks

COMPONENTS = 20
NEIGHBOURS = 5
FEWEST = 10  # records a side
POINTS = 1000  # of a record whose values are compared one by one
PEAK_RECORDS = 30  # of a kind in which peaks are looked for


class Measure(NamedTuple):
    """A figure of synthetic records beside that of real training records.

    Attributes:
      synthetic: synthetic against held-out records, mean over draws.
      real: training against held-out records, the same way: the value to expect of perfect records.
      low, high: 95 % of the draws of training records lie between.
      ideal: "low", "high" or "half", what is best.
    """

    synthetic: float
    real: float
    low: float
    high: float
    ideal: str

    def in_words(self) -> str:
        """``like real records``, ``unlike real records``, ``closer than real records``, or ``nothing to compare``."""
        if not np.all(np.isfinite(self[:4])):
            return "nothing to compare"
        if self.low <= self.synthetic <= self.high or (self.ideal == "half" and self.synthetic < self.low):
            return "like real records"
        better = self.synthetic < self.low if self.ideal == "low" else self.synthetic > self.high
        return "closer than real records" if better and self.ideal != "half" else "unlike real records"


def table(
    seed: int,
    train_NxRxT: np.ndarray,
    train_labels_N: np.ndarray,
    held_out_MxRxT: np.ndarray,
    held_out_labels_M: np.ndarray,
    synthetic_SxRxT: np.ndarray,
    synthetic_labels_S: np.ndarray,
    draws: int = 30,
) -> dict[str, Measure]:
    """All measures, by name.

    Args:
      seed: of the equal-sized draws, directions and permutations.
      train_NxRxT, train_labels_N: real records that the generator has seen.
      held_out_MxRxT, held_out_labels_M: real records that it has not.
      synthetic_SxRxT, synthetic_labels_S: its records.
      draws: to average over, 20 or more: the range is theirs.

    Raises:
      InputError: shapes that disagree, values that are not finite, a held-out class without synthetic or with fewer than
        two training records, fewer than ten records a side, too few draws.
    """
    sides = {
        "training": (np.asarray(train_NxRxT), np.asarray(train_labels_N)),
        "held-out": (np.asarray(held_out_MxRxT), np.asarray(held_out_labels_M)),
        "synthetic": (np.asarray(synthetic_SxRxT), np.asarray(synthetic_labels_S)),
    }
    check_records({name: x for name, (x, _) in sides.items()})
    for name, (x, labels) in sides.items():
        if labels.shape != (len(x),):
            raise InputError(f"{name} labels: expected one per record ({len(x)}), got shape {labels.shape}")
    if draws < 20:
        raise InputError(f"draws: expected 20 or more, got {draws}")
    rng = np.random.default_rng(seed)
    kinds = {"synthetic": sides["synthetic"], "real": sides["training"], "held-out": sides["held-out"]}
    project = projection(np.concatenate([sides["training"][0], sides["held-out"][0]]))
    counts = equal_counts({name: labels for name, (_, labels) in kinds.items()})
    scores = {name: project(x) for name, (x, _) in kinds.items()}
    stride = max(1, int(np.prod(train_NxRxT.shape[1:])) // POINTS)
    points = {name: x.reshape(len(x), -1)[:, ::stride].astype(np.float32) for name, (x, _) in kinds.items()}
    values: dict[str, dict[str, list[float]]] = {"synthetic": {}, "real": {}}
    ideals: dict[str, str] = {}

    def note(side: str, found: Mapping[str, tuple[float, str]]) -> None:
        for name, (value, ideal) in found.items():
            values[side].setdefault(name, []).append(value)
            ideals[name] = ideal

    for _ in range(draws):
        rows = {name: _draw(rng, labels, counts) for name, (_, labels) in kinds.items()}
        draw_seed = int(rng.integers(2**31))
        for side in values:
            a, b = ((scores[name][rows[name]], points[name][rows[name]]) for name in (side, "held-out"))
            note(side, compare(draw_seed, a[0], b[0]) | {"error of marginals": (marginal_error(a[1], b[1]), "low")})

    # Peaks take most of the time: they are found once, in some of the records, and halves of these are drawn.
    lowest = found_peaks.LOWEST * peaks.noise_level(kinds["held-out"][0])
    share = min(1.0, PEAK_RECORDS / sum(counts.values()))
    few = {label: max(1, round(share * count)) for label, count in counts.items()}
    some = {name: _draw(rng, labels, few) for name, (_, labels) in kinds.items()}
    found = {name: found_peaks.find_all(kinds[name][0][rows], lowest) for name, rows in some.items()}
    half = {label: max(1, count // 2) for label, count in few.items()}
    for _ in range(draws):
        rows = {name: _draw(rng, kinds[name][1][some[name]], half) for name in kinds}
        drawn = {name: [found[name][i] for i in rows[name]] for name in kinds}
        for side in values:
            note(side, found_peaks.compare_peaks(drawn[side], drawn["held-out"]))
    return {
        name: Measure(
            float(np.mean(values["synthetic"][name])),
            float(np.mean(values["real"][name])),
            *(float(q) for q in np.quantile(values["real"][name], [0.025, 0.975])),
            ideal,
        )
        for name, ideal in ideals.items()
    }


def check_records(sides: Mapping[str, np.ndarray]) -> None:
    """Raises InputError unless all are finite records of one shape, ten or more of each kind."""
    shape = next(iter(sides.values())).shape[1:]
    for name, x in sides.items():
        if x.ndim != 3 or x.shape[1:] != shape or len(x) < FEWEST or 0 in x.shape:
            raise InputError(
                f"{name} records: expected {FEWEST} or more of one shape, N×R×T, got {x.shape} beside records of {shape}"
            )
        if not np.all(np.isfinite(x)):
            raise InputError(f"{name} records: expected finite numbers, got NaN or infinite ones")


def projection(others_NxRxT: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Scores on principal components of some records, in units of the largest component's standard deviation."""
    basis = linalg.principal_basis(np.asarray(others_NxRxT, np.float32), COMPONENTS)
    weights_FxC = basis.components_PxF.T
    mean_F = basis.mean_RxT.ravel()
    if not weights_FxC.shape[1]:  # records that are all the same
        return lambda x_NxRxT: np.zeros((len(x_NxRxT), 1))
    spread = float((others_NxRxT.reshape(len(others_NxRxT), -1) - mean_F).dot(weights_FxC[:, 0]).std(ddof=1))
    return lambda x_NxRxT: (x_NxRxT.reshape(len(x_NxRxT), -1) - mean_F) @ weights_FxC / spread


def equal_counts(labels: Mapping[str, np.ndarray]) -> dict[int, int]:
    """Records per class that every side can give, the real training ones twice over so that draws of them differ.

    Args:
      labels: of "synthetic", "real" (training) and "held-out" records.

    Raises:
      InputError: a held-out class that a side lacks, or fewer than ten records in all.
    """
    counts = {}
    for k in np.unique(labels["held-out"]).tolist():
        there = {name: int(np.sum(labels_N == k)) for name, labels_N in labels.items()}
        there["real"] //= 2
        if lacking := [name for name, count in there.items() if not count]:
            what = {"real": "2 or more training records"}.get(lacking[0], f"{lacking[0]} records")
            raise InputError(f"class {k!r}: expected {what} beside the held-out ones, got fewer; leave the class out")
        counts[k] = min(there.values())
    if sum(counts.values()) < FEWEST:
        raise InputError(
            f"records: expected enough for comparisons of {FEWEST} records a side, got {sum(counts.values())}; "
            "draw more synthetic records or hold out more"
        )
    return counts


def _draw(rng: np.random.Generator, labels_N: np.ndarray, counts: Mapping[int, int]) -> np.ndarray:
    """Indices of so many records of each class, one class after the other."""
    return np.concatenate([rng.permutation(np.flatnonzero(labels_N == k))[:c] for k, c in counts.items()])


def compare(seed: int, a_MxC: np.ndarray, b_MxC: np.ndarray) -> dict[str, tuple[float, str]]:
    """Distances between the scores of two sets of equal size, each with what is ideal."""
    mmd, mmd_p = kernel_test(seed, a_MxC, b_MxC)
    density, coverage = density_coverage(b_MxC, a_MxC)
    return {
        "sliced Wasserstein distance": (sliced_wasserstein(seed, a_MxC, b_MxC), "low"),
        "energy distance": (energy.energy_distance(a_MxC, b_MxC), "low"),
        "maximum mean discrepancy": (mmd, "low"),
        "its permutation p-value": (mmd_p, "high"),
        "classifier two-sample accuracy": (two_sample_accuracy(seed, a_MxC, b_MxC), "half"),
        "density": (density, "high"),
        "coverage": (coverage, "high"),
        "error of correlations": (correlation_error(a_MxC, b_MxC), "low"),
    }


def sliced_wasserstein(seed: int, a_MxC: np.ndarray, b_MxC: np.ndarray, directions: int = 50) -> float:
    """Mean over random directions of the 1-Wasserstein distance between projections (Rabin et al. 2011).

    Of two sets of equal size that is the mean distance between sorted values.
    """
    directions_CxB = np.random.default_rng(seed).standard_normal((a_MxC.shape[1], directions))
    directions_CxB /= np.linalg.norm(directions_CxB, axis=0)
    a_MxB, b_MxB = (np.sort(x_MxC @ directions_CxB, axis=0) for x_MxC in (a_MxC, b_MxC))
    return float(np.mean(np.abs(a_MxB - b_MxB)))


def kernel_test(seed: int, a_MxC: np.ndarray, b_MxC: np.ndarray, permutations: int = 99) -> tuple[float, float]:
    """Maximum mean discrepancy with a Gaussian kernel at the median distance, and its permutation p-value.

    Gretton et al. 2012, JMLR 13:723; the biased estimate, its square root.
    """
    squared = euclidean_distances(np.concatenate([a_MxC, b_MxC]), squared=True)
    kernel = np.exp(-squared / (np.median(squared[squared > 0.0]) if np.any(squared > 0.0) else 1.0))
    weights = np.repeat([1.0 / len(a_MxC), -1.0 / len(b_MxC)], [len(a_MxC), len(b_MxC)])
    orders = np.argsort(np.random.default_rng(seed).random((permutations, len(weights))), axis=1)
    weights_BxM = np.concatenate([weights[None], weights[orders]])
    values_B = np.einsum("bm,bm->b", weights_BxM @ kernel, weights_BxM)
    # Equal splits differ by rounding only and count as equal.
    reached = np.sum(values_B[1:] >= values_B[0] - 1e-12)
    return float(np.sqrt(max(values_B[0], 0.0))), float((1 + reached) / (permutations + 1))


def two_sample_accuracy(seed: int, a_MxC: np.ndarray, b_MxC: np.ndarray) -> float:
    """Cross-validated accuracy of a support vector machine that tells one set from the other; one half where alike.

    Lopez-Paz & Oquab 2017 (C2ST). Its kernel is Gaussian, so it sees differences of spread and shape, not of means alone.
    """
    both = np.concatenate([a_MxC, b_MxC])
    both = both / np.maximum(both.std(axis=0), 1e-12)
    sides = np.repeat([0, 1], [len(a_MxC), len(b_MxC)])
    folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(both, sides)
    right = [np.mean(SVC().fit(both[fit], sides[fit]).predict(both[test]) == sides[test]) for fit, test in folds]
    return float(np.mean(right))


def density_coverage(real_MxC: np.ndarray, other_SxC: np.ndarray) -> tuple[float, float]:
    """Density and coverage (Naeem et al. 2020) with k = 5 neighbours, fewer in small sets.

    Balls reach to each real record's k-th nearest real neighbour; a record on the edge counts as inside, so identical
    sets are covered.
    """
    k = min(NEIGHBOURS, len(real_MxC) - 1)
    within = euclidean_distances(real_MxC)
    np.fill_diagonal(within, 0.0)
    radius_M = np.sort(within, axis=1)[:, k]
    inside_MxS = euclidean_distances(real_MxC, other_SxC) <= radius_M[:, None] * (1 + 1e-6)
    return float(inside_MxS.sum() / (k * len(other_SxC))), float(np.mean(inside_MxS.any(axis=1)))


def marginal_error(a_MxF: np.ndarray, b_MxF: np.ndarray) -> float:
    """Mean over points of the distance between sorted values (1-Wasserstein), in units of the points' pooled spread."""
    spread = np.sqrt(np.mean(np.var(b_MxF, axis=0)))
    return float(np.mean(np.abs(np.sort(a_MxF, axis=0) - np.sort(b_MxF, axis=0))) / max(spread, 1e-12))


def correlation_error(a_MxC: np.ndarray, b_MxC: np.ndarray) -> float:
    """Mean absolute difference of the correlations between principal component scores."""
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = (np.nan_to_num(np.atleast_2d(np.corrcoef(x, rowvar=False))) for x in (a_MxC, b_MxC))
    pairs = np.triu_indices(len(a), 1)
    return float(np.mean(np.abs(a[pairs] - b[pairs]))) if len(pairs[0]) else 0.0
