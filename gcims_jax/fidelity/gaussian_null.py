"""How tests of Gaussianity behave on small classes in a principal subspace that is chosen from the tested records.

Textbook null distributions do not hold there; these do. Turning the records of a centred Gaussian sample into one
another (a rotation among its N rows) does not change its law, whatever its covariance, so its left singular vectors are
uniformly distributed, apart from singular values and directions. Every statistic here sees the whitened principal
coordinates alone, √N times those vectors: its null distribution depends on N and Q only, is simulated once, and
is exact but for the number of simulations.
"""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from gcims_jax.fidelity import normality

LEVEL = 0.05  # false alarms per class
SIMULATIONS = 1999
TESTS = ("skewness", "kurtosis", "henze_zirkler", "dip", "least_kurtosis", "tail_index")


class Null(NamedTuple):
    """Gaussian classes of N records in Q directions; B simulations.

    Attributes:
      statistics: per test, sorted B.
      uniform: the same of N uniform numbers, the flattest unimodal shape.
      low_N, high_N: band of the sorted coordinates.
    """

    statistics: dict[str, np.ndarray]
    uniform: dict[str, np.ndarray]
    low_N: np.ndarray
    high_N: np.ndarray


@functools.cache
def null(n: int, directions: int) -> Null:
    """Statistics of simulated Gaussian classes; the same on every call."""
    rng = np.random.default_rng((n, directions, 0))
    values, z_BxNxQ = _simulate(lambda count: rng.normal(size=(count, n, directions)), directions, SIMULATIONS)
    low_N, high_N = np.quantile(np.sort(z_BxNxQ[:, :, 0], axis=1), [0.025, 0.975], axis=0)
    flat = compute_statistics(normality.whiten(rng.random((SIMULATIONS, n, 1)), 1))
    return Null(*({name: np.sort(x_B) for name, x_B in found.items()} for found in (values, flat)), low_N, high_N)


@functools.cache
def find_power(n: int, directions: int, simulations: int = 300) -> dict[str, float]:
    """Share of classes that are found not to be Gaussian, of two kinds that no one would call Gaussian.

    ``bimodal``: two equally likely clusters, 5 of their standard deviations apart. ``heavy_tailed``: t, 3 degrees of freedom.
    """
    rng = np.random.default_rng((n, directions, 1))

    def bimodal(count: int) -> np.ndarray:
        x_BxNxQ = rng.normal(size=(count, n, directions))
        x_BxNxQ[:, :, 0] += 5.0 * rng.integers(0, 2, (count, n))
        return x_BxNxQ

    def heavy_tailed(count: int) -> np.ndarray:
        return rng.normal(size=(count, n, directions)) / np.sqrt(rng.chisquare(3, size=(count, n, 1)) / 3)

    known, result = null(n, directions).statistics, {}
    for name, draw in (("bimodal", bimodal), ("heavy_tailed", heavy_tailed)):
        smallest_B = p_values(known, _simulate(draw, directions, simulations)[0]).min(axis=1)
        result[name] = float(np.mean(smallest_B * len(TESTS) <= LEVEL))
    return result


def _simulate(
    draw: Callable[[int], np.ndarray], directions: int, simulations: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Statistics and coordinates of samples; ``draw(count)`` gives that many."""
    parts, coordinates = [], []
    n = draw(1).shape[1]
    size = max(1, 2_000_000 // n**2)  # pairs of records in memory at once
    for start in range(0, simulations, size):
        coordinates.append(normality.whiten(draw(min(size, simulations - start)), directions))
        parts.append(compute_statistics(coordinates[-1]))
    return {name: np.concatenate([part[name] for part in parts]) for name in TESTS}, np.concatenate(coordinates)


def compute_statistics(z_BxNxQ: np.ndarray) -> dict[str, np.ndarray]:
    """Every test's statistic for each of B samples of whitened coordinates."""
    dips = [max(normality.dip(x_N) for x_N in z_NxQ.T) for z_NxQ in z_BxNxQ]
    return {
        "skewness": normality.mardia_skewness(z_BxNxQ),
        "kurtosis": normality.mardia_kurtosis(z_BxNxQ),
        "henze_zirkler": normality.henze_zirkler(z_BxNxQ),
        "dip": np.array(dips),
        "least_kurtosis": normality.least_kurtosis(z_BxNxQ),
        "tail_index": normality.tail_index(z_BxNxQ),
    }


def p_values(known: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> np.ndarray:
    """Monte Carlo p-values B×M of the tests: large values count, small ones of the least kurtosis, both of the kurtosis."""
    columns = []
    for name in TESTS:
        above, below = tail_shares(known[name], found[name])
        two_sided = np.minimum(1.0, 2.0 * np.minimum(above, below))
        columns.append({"kurtosis": two_sided, "least_kurtosis": below}.get(name, above))
    return np.stack(columns, axis=1)


def tail_shares(known_B: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of simulated values (sorted) and found one together that are at least, and at most, the found one."""
    above = (1 + len(known_B) - np.searchsorted(known_B, found, side="left")) / (1 + len(known_B))
    below = (1 + np.searchsorted(known_B, found, side="right")) / (1 + len(known_B))
    return above, below
