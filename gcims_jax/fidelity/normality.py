"""Statistics that tell a Gaussian sample from others, of B samples at once.

Most take whitened coordinates z_BxNxQ: mean 0 and covariance (with 1/N) the identity in every sample, as ``whiten``
returns them.
"""

import numpy as np


def whiten(x_BxNxP: np.ndarray, directions: int) -> np.ndarray:
    """Principal coordinates of each sample, scaled to variance 1 (with 1/N): √N times the left singular vectors.

    Args:
      x_BxNxP: B samples of N rows.
      directions: Q, at most the rank of a centred sample.

    Returns:
      z_BxNxQ, the direction of most variance first.
    """
    centred_BxNxP = x_BxNxP - x_BxNxP.mean(axis=1, keepdims=True)
    return np.sqrt(x_BxNxP.shape[1]) * np.linalg.svd(centred_BxNxP, full_matrices=False)[0][..., :directions]


def mardia_skewness(z_BxNxQ: np.ndarray) -> np.ndarray:
    """Mardia's b₁: mean over pairs of (zᵢ·zⱼ)³ (Mardia 1970, doi:10.1093/biomet/57.3.519)."""
    inner_BxNxN = z_BxNxQ @ np.swapaxes(z_BxNxQ, 1, 2)
    return np.mean(inner_BxNxN * inner_BxNxN * inner_BxNxN, axis=(1, 2))  # a power of 3 is ten times slower


def mardia_kurtosis(z_BxNxQ: np.ndarray) -> np.ndarray:
    """Mardia's b₂: mean of |z|⁴; about Q·(Q + 2) for a Gaussian, more for heavy tails (Mardia 1970)."""
    return np.mean(np.sum(z_BxNxQ**2, axis=2) ** 2, axis=1)


def henze_zirkler(z_BxNxQ: np.ndarray) -> np.ndarray:
    """Distance of the empirical characteristic function from a Gaussian's (Henze & Zirkler 1990,
    doi:10.1080/03610929008830400)."""
    _, n, q = z_BxNxQ.shape
    square = 0.5 * ((2 * q + 1) * n / 4) ** (2 / (q + 4))  # β²
    inner_BxNxN = z_BxNxQ @ np.swapaxes(z_BxNxQ, 1, 2)
    radius_BxN = np.diagonal(inner_BxNxN, axis1=1, axis2=2)
    apart_BxNxN = radius_BxN[:, :, None] + radius_BxN[:, None, :] - 2.0 * inner_BxNxN
    pairs_B = np.sum(np.exp(-0.5 * square * apart_BxNxN), axis=(1, 2)) / n
    single_B = np.sum(np.exp(-0.5 * square / (1.0 + square) * radius_BxN), axis=1)
    return pairs_B - 2.0 * (1.0 + square) ** (-q / 2) * single_B + n * (1.0 + 2.0 * square) ** (-q / 2)


def least_kurtosis(z_BxNxQ: np.ndarray) -> np.ndarray:
    """Least kurtosis of the coordinates: about 3 for a Gaussian, 1.8 for a uniform one, towards 1 for two equal clusters."""
    return np.min(np.mean(z_BxNxQ**4, axis=1), axis=1)


def tail_index(z_BxNxQ: np.ndarray, share: float = 0.1) -> np.ndarray:
    """Hill's estimate of the tail index ξ = 1/α from the largest tenth of all |z| (Hill 1975, doi:10.1214/aos/1176343247).

    Towards 0 for thin tails; a t distribution with ν degrees of freedom has ξ = 1/ν. In small samples it is far from
    its limit: read it beside that of Gaussian samples of the same size.
    """
    sorted_BxM = np.sort(np.abs(z_BxNxQ).reshape(len(z_BxNxQ), -1), axis=1)
    count = max(2, round(share * sorted_BxM.shape[1]))
    return np.mean(np.log(sorted_BxM[:, -count:] / sorted_BxM[:, -count - 1, None]), axis=1)


def symmetry_p_value(z_NxQ: np.ndarray, flips: int = 999) -> float:
    """Whether skewness exceeds that of a sample that is symmetric about its mean, whatever its tails.

    Signs of rows are flipped at random. Since (zᵢ·zⱼ)³ is odd, the skewness of a flipped sample is a quadratic form in
    the signs.
    """
    cubes_NxN = (z_NxQ @ z_NxQ.T) ** 3
    signs_BxN = np.random.default_rng(0).choice([-1.0, 1.0], (flips, len(z_NxQ)))
    flipped_B = np.einsum("bn,bn->b", signs_BxN @ cubes_NxN, signs_BxN)
    return float((1 + np.sum(flipped_B >= cubes_NxN.sum())) / (flips + 1))


def dip(x_N: np.ndarray) -> float:
    """Hartigan's dip: the largest distance of the empirical distribution from the nearest unimodal one.

    From 1/(2N) for a unimodal look to 1/4 for two points (Hartigan & Hartigan 1985, doi:10.1214/aos/1176346577). The
    mode is shut in between the convex minorant of the distribution before it and the concave majorant after it; the
    interval that may hold it shrinks until the two are no further apart than what was left outside.
    """
    x_N = np.sort(np.asarray(x_N, np.float64))
    n, count_N = len(x_N), np.arange(len(x_N))
    if x_N[0] == x_N[-1]:
        return 0.0
    # Equal values take turns within a billionth of the range, so that every step of the distribution is one record.
    x_N = (x_N - x_N[0]) / (x_N[-1] - x_N[0]) + count_N * (1e-9 / n)
    low, high, largest = 0, n - 1, 1.0  # largest: twice the dip, in records; no unimodal one is nearer to a step
    while low < high:
        minorant, majorant = _hull(x_N, count_N, low, high), _hull(x_N, -count_N, low, high)
        below_N = np.interp(x_N, x_N[minorant], minorant)  # records before each value
        above_N = np.interp(x_N, x_N[majorant], majorant) + 1  # and with it
        knots = np.union1d(minorant, majorant)
        gap = (above_N - below_N)[knots]
        widest = knots[np.argmax(gap)]
        if gap.max() <= largest:
            break
        new_low, new_high = max(k for k in minorant if k <= widest), min(k for k in majorant if k >= widest)
        outside_left = np.max((count_N + 1 - below_N)[low : new_low + 1])
        outside_right = np.max((above_N - count_N)[new_high : high + 1])
        largest = max(largest, outside_left, outside_right)
        if (new_low, new_high) == (low, high):
            break
        low, high = new_low, new_high
    return float(largest / (2 * n))


def _hull(x_N: np.ndarray, y_N: np.ndarray, low: int, high: int) -> list[int]:
    """Knots, from ``low`` to ``high``, of the greatest convex minorant of the points (x, y); x ascending."""
    x, y = x_N.tolist(), y_N.tolist()  # plain numbers: indexing arrays one by one is slow
    knots = [low]
    for i in range(low + 1, high + 1):
        while len(knots) > 1:
            a, b = knots[-2:]
            if (y[b] - y[a]) * (x[i] - x[a]) < (y[i] - y[a]) * (x[b] - x[a]):  # b lies below the chord from a to i
                break
            knots.pop()
        knots.append(i)
    return knots
