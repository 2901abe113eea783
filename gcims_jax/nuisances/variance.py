"""Sizes of nuisances by restricted maximum likelihood of the deviations from class means.

Deviations of the records of class k have covariance V_k = σ² I + Σ_j θ_j B_kj B_kjᵀ, with B_kj the directions of nuisance j at
the mean of the class. With n records in the class, Σ deviation · deviationᵀ is a Wishart matrix of n - 1 degrees of freedom, so
that nothing is lost on the mean (Patterson & Thompson 1971, doi:10.1093/biomet/58.3.545).

The noise need not be white: σ² is that of a band of the spectrum (``directions.bands``), and deviations and directions are
brought to noise of 1 before all else.

Steps of Fisher scoring that keep θ ≥ 0: each is a non-negative least-squares problem in as many unknowns as there are
nuisances. All records enter by their products with the directions, so no P×P matrix is made.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize

STEPS = 12
CHANGE = 0.3  # in log-likelihood, below which steps end
FLOOR = 1e-8  # of the mean variance: least noise
ROUNDS = 4  # of sizes and spectrum of the noise in turn


class Cell(NamedTuple):
    """Records with one mean, as a class has.

    Attributes:
      deviations_NxP: from the mean.
      directions_FxP: of all nuisances.
    """

    deviations_NxP: np.ndarray
    directions_FxP: np.ndarray


class Banded(NamedTuple):
    """Products within a cell, of each of B bands of the spectrum apart.

    Attributes:
      gram_BxFxF: of its directions.
      along_BxFxN: of directions and deviations.
      squared_BxN: squared length of each deviation.
      points_B: of P.
    """

    gram_BxFxF: np.ndarray
    along_BxFxN: np.ndarray
    squared_BxN: np.ndarray
    points_B: np.ndarray


class Products(NamedTuple):
    """What the likelihood needs of a cell, with the noise of all bands brought to 1.

    Attributes:
      gram_FxF, along_FxN, squared_N, points: as of all bands.
    """

    gram_FxF: np.ndarray
    along_FxN: np.ndarray
    squared_N: np.ndarray
    points: int

    def of(self, which_F: np.ndarray) -> "Products":
        """With some of the directions only."""
        return self._replace(gram_FxF=self.gram_FxF[np.ix_(which_F, which_F)], along_FxN=self.along_FxN[which_F])


class Slopes(NamedTuple):
    """The likelihood at some variances, in the order: nuisances, then σ².

    Attributes:
      loss: minus log-likelihood, but for a constant.
      score_NxJ: what each record adds to the slope of the log-likelihood; expected 0 if the variances are right.
      expected_NxJ: what is taken from half of each record's square along a nuisance to make its score.
      fisher_JxJ: information.
    """

    loss: float
    score_NxJ: np.ndarray
    expected_NxJ: np.ndarray
    fisher_JxJ: np.ndarray


def banded(cell: Cell, band_P: np.ndarray) -> Banded:
    """Products of a cell, in float64."""
    grams, alongs, squares = [], [], []
    for band in range(band_P.max() + 1):
        b_FxQ, d_NxQ = (
            np.asarray(a[:, band_P == band], np.float64) for a in (cell.directions_FxP, cell.deviations_NxP)
        )
        grams.append(b_FxQ @ b_FxQ.T)
        alongs.append(b_FxQ @ d_NxQ.T)
        squares.append((d_NxQ**2).sum(axis=1))
    return Banded(np.stack(grams), np.stack(alongs), np.stack(squares), np.bincount(band_P))


def products(cell: Banded, noise_B: np.ndarray) -> Products:
    """Products with noise of such variances brought to 1."""
    weight_B = 1.0 / noise_B
    return Products(
        np.tensordot(weight_B, cell.gram_BxFxF, 1),
        np.tensordot(weight_B, cell.along_BxFxN, 1),
        weight_B @ cell.squared_BxN,
        int(cell.points_B.sum()),
    )


def slopes(cells: Sequence[Products], owner_F: np.ndarray, variance_J: np.ndarray) -> Slopes:
    """Loss, scores and information of all cells.

    Args:
      cells: products of C cells.
      owner_F: nuisance of each direction.
      variance_J: of the nuisances, then of the noise.
    """
    count = len(variance_J) - 1
    member_FxJ = (owner_F[:, None] == np.arange(count)).astype(float)
    loss, scores, expected, fisher_JxJ = 0.0, [], [], np.zeros((count + 1, count + 1))
    for cell in cells:
        one = _slopes(cell, owner_F, member_FxJ, variance_J)
        loss += one.loss
        fisher_JxJ += one.fisher_JxJ
        scores.append(one.score_NxJ)
        expected.append(one.expected_NxJ)
    return Slopes(loss, np.concatenate(scores), np.concatenate(expected), fisher_JxJ)


def _slopes(cell: Products, owner_F: np.ndarray, member_FxJ: np.ndarray, variance_J: np.ndarray) -> Slopes:
    noise, size_F = variance_J[-1], np.sqrt(variance_J[owner_F])
    on_A = np.flatnonzero(size_F > 0.0)
    n, degrees = len(cell.squared_N), len(cell.squared_N) - 1
    # V = σ² I + B B', so V⁻¹ = (I - B (σ² I + B'B)⁻¹ B') / σ²; of the directions in use only.
    gram_AxF, along_AxN = size_F[on_A, None] * cell.gram_FxF[on_A], size_F[on_A, None] * cell.along_FxN[on_A]
    inner_AxA = gram_AxF[:, on_A] * size_F[on_A] + noise * np.eye(len(on_A))
    lower_AxA = linalg.cholesky(inner_AxA, lower=True, check_finite=False)
    half_AxF, half_AxN, half_AxA = (
        linalg.solve_triangular(lower_AxA, right, lower=True, check_finite=False)
        for right in (gram_AxF, along_AxN, np.eye(len(on_A)))
    )
    inverse_FxF = (cell.gram_FxF - half_AxF.T @ half_AxF) / noise  # B' V⁻¹ B
    along_FxN = (cell.along_FxN - half_AxF.T @ half_AxN) / noise  # B' V⁻¹ d
    rest = cell.points - len(on_A)
    inner_inverse_AxA = half_AxA.T @ half_AxA
    shift_AxN = half_AxA.T @ half_AxN
    left_AxN = noise * shift_AxN  # B' V⁻¹ d in units where the sum below is the squared length of V⁻¹ d
    quadratic_N = (cell.squared_N - (half_AxN**2).sum(axis=0)) / noise
    squared_N = (cell.squared_N - (half_AxN**2).sum(axis=0) - (left_AxN * shift_AxN).sum(axis=0)) / noise**2
    trace, trace_squared = rest / noise + np.trace(inner_inverse_AxA), rest / noise**2 + (inner_inverse_AxA**2).sum()
    log_determinant = rest * np.log(noise) + 2.0 * np.log(np.diag(lower_AxA)).sum()
    # B' V⁻² B, of which only the diagonal is wanted.
    quarter_AxF = half_AxA.T @ half_AxF
    diagonal_F = (np.diag(inverse_FxF) - (quarter_AxF**2).sum(axis=0)) / noise
    expected_J = np.append(np.diag(inverse_FxF) @ member_FxJ, trace)
    found_NxJ = np.column_stack([(along_FxN**2).T @ member_FxJ, squared_N])
    fisher_JxJ = np.empty((len(variance_J),) * 2)
    fisher_JxJ[:-1, :-1] = member_FxJ.T @ inverse_FxF**2 @ member_FxJ
    fisher_JxJ[-1, :-1] = fisher_JxJ[:-1, -1] = diagonal_F @ member_FxJ
    fisher_JxJ[-1, -1] = trace_squared
    loss = 0.5 * (degrees * log_determinant + quadratic_N.sum())
    half_NxJ = np.broadcast_to(0.5 * degrees / n * expected_J, found_NxJ.shape)
    return Slopes(loss, 0.5 * found_NxJ - half_NxJ, half_NxJ, 0.5 * degrees * fisher_JxJ)


def flat_spectrum(cells: Sequence[Banded]) -> float:
    """Variance of noise if there were nothing else; 0 where records do not differ."""
    total = sum(float(cell.squared_BxN.sum()) for cell in cells)
    return total / max(sum((cell.squared_BxN.shape[1] - 1) * int(cell.points_B.sum()) for cell in cells), 1)


def spectrum(cells: Sequence[Banded], owner_F: np.ndarray, variance_J: np.ndarray, noise_B: np.ndarray) -> np.ndarray:
    """Noise of each band, better than before: what is left of the deviations over what would be if it were right.

    Args:
      cells: of which the sizes were estimated.
      owner_F: nuisance of each direction.
      variance_J: of the nuisances, then of the noise in units of ``noise_B``.
      noise_B: variances so far.
    """
    size_F = np.sqrt(variance_J[owner_F])
    on_A = np.flatnonzero(size_F > 0.0)
    found_B, expected_B = np.zeros(len(noise_B)), np.zeros(len(noise_B))
    for cell in cells:
        degrees = cell.squared_BxN.shape[1] - 1
        gram_BxAxA = (
            cell.gram_BxFxF[:, on_A[:, None], on_A] * size_F[on_A] * size_F[on_A, None] / noise_B[:, None, None]
        )
        along_BxAxN = cell.along_BxFxN[:, on_A] * size_F[on_A, None] / noise_B[:, None, None]
        inverse_AxA = np.linalg.inv(gram_BxAxA.sum(axis=0) + variance_J[-1] * np.eye(len(on_A)))
        weight_AxN = inverse_AxA @ along_BxAxN.sum(axis=0)
        twice_B = ((gram_BxAxA @ weight_AxN - 2.0 * along_BxAxN) * weight_AxN).sum(axis=(1, 2))
        found_B += cell.squared_BxN.sum(axis=1) / noise_B + twice_B
        expected_B += degrees * variance_J[-1] * (cell.points_B - (gram_BxAxA * inverse_AxA).sum(axis=(1, 2)))
    # A band that nuisances fill tells nothing about noise.
    clear_B = expected_B > 1e-3 * sum(cell.points_B * (cell.squared_BxN.shape[1] - 1) for cell in cells)
    ratio_B = np.where(clear_B, found_B / np.where(clear_B, expected_B, 1.0), 1.0)
    new_B = variance_J[-1] * ratio_B * noise_B
    return np.maximum(new_B, FLOOR * new_B.max())


def estimate(
    cells: Sequence[Products], owner_F: np.ndarray, on_J: np.ndarray, start_J: np.ndarray | None = None
) -> tuple[np.ndarray, Slopes]:
    """Most likely variances of the nuisances that are on, and of the noise in units of its spectrum; the others are 0.

    Args:
      cells: C cells.
      owner_F: nuisance of each direction.
      on_J: which nuisances may be above 0; the noise, last, always is.
      start_J: first guess; None takes noise alone.
    """
    on = np.flatnonzero(on_J)
    use_F = np.flatnonzero(on_J[:-1][owner_F])
    own_cells, own_F = [cell.of(use_F) for cell in cells], np.searchsorted(on, owner_F[use_F])
    variance_A = np.append(np.zeros(len(on) - 1), 1.0) if start_J is None else start_J[on]
    at = slopes(own_cells, own_F, variance_A)
    for _ in range(STEPS):
        # Where the information says it should go: F (new - old) = score, with new ≥ 0.
        scale_A = 1.0 / np.sqrt(np.maximum(np.diag(at.fisher_JxJ), 1e-300))
        information_AxA = at.fisher_JxJ * scale_A * scale_A[:, None] + 1e-10 * np.eye(len(on))
        wanted_A = scale_A * (at.fisher_JxJ @ variance_A + at.score_NxJ.sum(axis=0))
        lower_AxA = linalg.cholesky(information_AxA, lower=True)
        new_A = scale_A * optimize.nnls(lower_AxA.T, linalg.solve_triangular(lower_AxA, wanted_A, lower=True))[0]
        new_A[-1] = max(new_A[-1], FLOOR)
        gained, step = 0.0, 1.0
        while step > 0.01:
            tried_A = variance_A + step * (new_A - variance_A)
            tried = slopes(own_cells, own_F, tried_A)
            if tried.loss <= at.loss:
                gained, variance_A, at = at.loss - tried.loss, tried_A, tried
                break
            step *= 0.3
        if gained < CHANGE:
            break
    variance_J = np.zeros(len(on_J))
    variance_J[on] = variance_A
    return variance_J, slopes(cells, owner_F, variance_J)
