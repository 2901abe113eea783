"""Are the latents of a class Gaussian, and are a sampler's draws like held-out latents?

Each class is tested in its own principal subspace; ``calibration`` knows how tests behave there.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.spatial.distance import pdist

from gcims_jax.errors import InputError, counted
from gcims_jax.evaluation import guard
from gcims_jax.evaluation.multiple import holm
from gcims_jax.fidelity import normality
from gcims_jax.fidelity.energy import EnergyTest, energy_test
from gcims_jax.fidelity.gaussian_null import LEVEL, TESTS, compute_statistics, find_power, null, p_values, tail_shares
from gcims_jax.parts import Part

POWER = 0.8  # what "Gaussian" asks of the tests at a class's size
MAX_DIRECTIONS = 4  # with more, tests of all directions at once lose sight of one that is bimodal
RECORDS_PER_DIRECTION = 5
MAX_RECORDS = 200  # a larger class is judged by so many of its records: all pairs are compared, in all simulations
REAL = "training records"


class Outcome(NamedTuple):
    """One statistic of one class.

    Attributes:
      statistic: its value; of the dip and of the tail index see ``normality``.
      gaussian: its median among Gaussian classes of the same size.
      p_value: share of Gaussian classes that are at least as extreme.
      adjusted: p-value after Holm's correction over the tests of the class.
    """

    statistic: float
    gaussian: float
    p_value: float
    adjusted: float


class Comparison(NamedTuple):
    """One sampler's draws, or the training records, against held-out latents.

    Attributes:
      energy: distance within classes, with its permutation test.
      spread: mean distance between two draws of a class over that between two held-out records; 1 is right. The energy
        distance hardly sees it in many dimensions.
      spread_p_value: permutation test of equal spread: of how far rows lie from the mean of their class on both sides.
    """

    energy: EnergyTest
    spread: float
    spread_p_value: float


class QuantilePlot(NamedTuple):
    """Marginal Q–Q data of the principal coordinates.

    Attributes:
      normal_N: standard normal quantiles.
      coordinates_QxN: sorted coordinates, each of variance 1.
      low_N, high_N: between these 95 % of Gaussian classes lie, point by point.
    """

    normal_N: np.ndarray
    coordinates_QxN: np.ndarray
    low_N: np.ndarray
    high_N: np.ndarray


class Diagnosis(NamedTuple):
    """What one class's latents say.

    Attributes:
      records: N that were judged.
      directions: Q, dimension of the principal subspace; 0 where nothing could be tested.
      variance_share: of the class's variance that the subspace holds.
      effective_rank: exponential of the entropy of the covariance's eigenvalues (Roy & Vetterli 2007).
      tests: by name; empty where nothing could be tested.
      power: share of non-Gaussian classes of this size that the tests find, by kind.
      shapes: what is not Gaussian, in words.
      verdict: in words.
      quantiles: Q–Q data; None where nothing could be tested.
    """

    records: int
    directions: int
    variance_share: float
    effective_rank: float
    tests: dict[str, Outcome]
    power: dict[str, float]
    shapes: tuple[str, ...]
    verdict: str
    quantiles: QuantilePlot | None


def diagnose(latents: Part) -> dict[int, Diagnosis]:
    """Tests every class for being Gaussian, each on its own at 5 % false alarms.

    Args:
      latents: real records in latent form, N×d×d.

    Raises:
      InputError: shapes that disagree, no records, latents that are not finite.
    """
    latents_NxP, labels_N = _flat(latents), latents.labels_N
    return {int(k): diagnose_class(latents_NxP[labels_N == k]) for k in np.unique(labels_N)}


def diagnose_class(latents_NxP: np.ndarray) -> Diagnosis:
    """Tests the latents of one class; a class above ``MAX_RECORDS`` by a random part of it."""
    x_NxP = np.asarray(latents_NxP, np.float64)
    if len(x_NxP) > MAX_RECORDS:
        x_NxP = np.random.default_rng(0).permutation(x_NxP)[:MAX_RECORDS]
    n = len(x_NxP)
    variance_M = np.linalg.svd(x_NxP - x_NxP.mean(axis=0), compute_uv=False) ** 2
    floor = max(variance_M[0], np.sum(x_NxP**2)) * 1e-12  # single precision leaves identical records a little apart
    rank = int(np.sum(variance_M > floor))
    share_M = variance_M[:rank] / variance_M[:rank].sum()
    effective_rank = float(np.exp(-np.sum(share_M * np.log(share_M)))) if rank else 0.0
    directions = min(n // RECORDS_PER_DIRECTION, MAX_DIRECTIONS, rank)
    if directions < 1:
        why = f"with {counted(n, 'record')}" if rank or n < 2 else f"of {n} records that are all the same"
        return Diagnosis(n, 0, 0.0, effective_rank, {}, {}, (), f"cannot be decided {why}", None)

    z_NxQ = normality.whiten(x_NxP[None], directions)[0]
    tests = run_tests(z_NxQ)
    power = find_power(n, directions)
    shapes = _shapes(z_NxQ, tests)
    if shapes:
        verdict = f"not Gaussian: {', '.join(shapes)}"
    elif min(power.values()) < POWER:
        verdict = f"cannot be decided with {n} records"
    else:
        verdict = "Gaussian"
    known = null(n, directions)
    quantiles = QuantilePlot(_normal_quantiles(n), np.sort(z_NxQ.T, axis=1), known.low_N, known.high_N)
    return Diagnosis(
        n, directions, float(share_M[:directions].sum()), effective_rank, tests, power, shapes, verdict, quantiles
    )


def run_tests(z_NxQ: np.ndarray) -> dict[str, Outcome]:
    """All tests of one class's whitened principal coordinates, by name."""
    found, known = compute_statistics(z_NxQ[None]), null(*z_NxQ.shape).statistics
    p_values_M = p_values(known, found)[0]
    rows = zip(TESTS, p_values_M, holm(p_values_M), strict=True)
    return {
        name: Outcome(float(found[name][0]), float(np.median(known[name])), float(p), float(q)) for name, p, q in rows
    }


def compare_draws(
    seed: int, train: Part, held_out: Part, draws: Mapping[str, Part], permutations: int = 1999
) -> dict[str, Comparison]:
    """Distance and spread, within classes, of each sampler's draws against held-out latents, and of the training latents.

    Args:
      seed: of the permutations.
      train, held_out: records in latent form, N×d×d.
      draws: by sampler, one draw for each training record, with its label: distances of equal sizes compare.
      permutations: per test; there are two of each sampler.

    Returns:
      By sampler, the real training records first. Training and held-out latents differ too where the codec treats
      records that it has not seen differently, so read a sampler's distance beside theirs.

    Raises:
      LeakError: held-out records that the training part or a sampler has learned from, or of whose groups it has.
      InputError: shapes that disagree, latents that are not finite.
    """
    guard.check_unseen(held_out, train, *draws.values())
    held_out_MxP, found = _flat(held_out), {}
    for name, sample in {REAL: train, **draws}.items():
        sample_NxP, labels = _flat(sample), (sample.labels_N, held_out.labels_N)
        energy = energy_test(seed, sample_NxP, held_out_MxP, permutations, strata=labels)
        radii = _radii(sample_NxP, held_out_MxP, *labels)
        spread = energy_test(seed, *radii, permutations, strata=labels)
        found[name] = Comparison(energy, _spread_ratio(sample_NxP, held_out_MxP, *labels), spread.p_value)
    return found


def _radii(
    a_NxP: np.ndarray, b_MxP: np.ndarray, labels_N: np.ndarray, labels_M: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances N×1 and M×1 from the class means of both sides together, which leave both sides exchangeable."""
    both_MxP, labels_M = np.concatenate([a_NxP, b_MxP]), np.concatenate([labels_N, labels_M])
    centred_MxP = both_MxP.copy()
    for k in np.unique(labels_M):
        centred_MxP[labels_M == k] -= both_MxP[labels_M == k].mean(axis=0)
    radii_Mx1 = np.linalg.norm(centred_MxP, axis=1, keepdims=True)
    return radii_Mx1[: len(a_NxP)], radii_Mx1[len(a_NxP) :]


def _spread_ratio(a_NxP: np.ndarray, b_MxP: np.ndarray, labels_N: np.ndarray, labels_M: np.ndarray) -> float:
    """Mean distance of two rows of a class on one side over the other's; NaN where no class has two rows on both."""
    counts_a, counts_b = ({k: int(np.sum(side == k)) for k in np.unique(side)} for side in (labels_N, labels_M))
    weights = {k: count for k, count in counts_b.items() if count > 1 and counts_a.get(k, 0) > 1}
    a, b = (
        sum(weight * pdist(x_NxP[labels == k]).mean() for k, weight in weights.items())
        for x_NxP, labels in ((a_NxP, labels_N), (b_MxP, labels_M))
    )
    return float(a / b) if b > 0.0 else np.nan


def _shapes(z_NxQ: np.ndarray, tests: Mapping[str, Outcome]) -> tuple[str, ...]:
    """Words for what the rejected tests saw; none where none rejected.

    Some tests reject for more than one reason and are asked again before a word is given: a flat top has a larger dip and
    less kurtosis than a Gaussian, and heavy tails alone raise the skewness.
    """
    rejected = {name for name, test in tests.items() if test.adjusted <= LEVEL}
    if not rejected:
        return ()
    shapes = []
    n, directions = z_NxQ.shape
    if rejected & {"dip", "least_kurtosis"}:
        flat = null(n, directions).uniform
        dip_share = tail_shares(flat["dip"], tests["dip"].statistic)[0]
        kurtosis_share = tail_shares(flat["least_kurtosis"], tests["least_kurtosis"].statistic)[1]
        # Bonferroni: two statistics, each the extreme one of Q directions.
        beyond_flat = 2 * directions * min(dip_share, kurtosis_share) <= LEVEL
        shapes.append("bimodal" if beyond_flat else "bimodal or flat-topped")
    heavier = tests["kurtosis"].statistic > tests["kurtosis"].gaussian
    heavy = "tail_index" in rejected or ("kurtosis" in rejected and heavier)
    if heavy:
        shapes.append("heavy-tailed")
    if "skewness" in rejected:
        if normality.symmetry_p_value(z_NxQ) <= LEVEL:
            shapes.append("skewed")
        elif not heavy:
            shapes.append("skewed or heavy-tailed")
    if "kurtosis" in rejected and not heavier and not rejected & {"dip", "least_kurtosis"}:
        shapes.append("light-tailed")
    return tuple(shapes) or ("shape unclear",)


def _normal_quantiles(n: int) -> np.ndarray:
    return stats.norm.ppf((np.arange(n) + 0.5) / n)


def _flat(part: Part) -> np.ndarray:
    latents = np.asarray(part.x_NxRxT, np.float64)
    if latents.ndim != 3 or 0 in latents.shape or np.shape(part.labels_N) != latents.shape[:1]:
        raise InputError(
            f"latents: expected shape (N, d, d) and N labels, got {latents.shape} and {np.shape(part.labels_N)}"
        )
    if not np.all(np.isfinite(latents)):
        raise InputError(f"latents: expected finite numbers, got {np.sum(~np.isfinite(latents))} NaN or infinite")
    return latents.reshape(len(latents), -1)
