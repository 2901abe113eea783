"""Small linear algebra: the regularised Cholesky factor, and the two-sided linear codec."""

from typing import NamedTuple

import numpy as np


class Factor(NamedTuple):
    """Cholesky factor of a regularised covariance.

    Attributes:
      lower_PxP: lower triangle L with L·Lᵀ = covariance + jitter·I, float64.
      jitter: what had to be added to the diagonal, in the covariance's unit; 0 where nothing.
      condition: largest over smallest eigenvalue after regularisation; infinite for a zero covariance.
      rank: eigenvalues above P·eps times the largest, before the jitter.
    """

    lower_PxP: np.ndarray
    jitter: float
    condition: float
    rank: int


def regularised_cholesky(covariance_PxP: np.ndarray) -> Factor:
    """Factors a positive semi-definite matrix, raising the diagonal only as far as needed.

    The jitter starts at nothing, then at 1e-12 of the mean variance, and grows tenfold until the factorisation
    succeeds. A zero matrix has the zero factor.
    """
    covariance_PxP = np.asarray(covariance_PxP, np.float64)
    size = len(covariance_PxP)
    mean_variance = np.trace(covariance_PxP) / size
    if mean_variance == 0.0:
        return Factor(np.zeros_like(covariance_PxP), 0.0, np.inf, 0)
    eigenvalues_P = np.linalg.eigvalsh(covariance_PxP)
    rank = int(np.sum(eigenvalues_P > size * np.finfo(np.float64).eps * eigenvalues_P[-1]))
    jitter = 0.0
    while True:
        try:
            lower_PxP = np.linalg.cholesky(covariance_PxP + jitter * np.eye(size))
            break
        except np.linalg.LinAlgError:
            jitter = max(10.0 * jitter, 1e-12 * mean_variance)
    smallest = eigenvalues_P[0] + jitter
    return Factor(lower_PxP, jitter, float((eigenvalues_P[-1] + jitter) / smallest) if smallest > 0.0 else np.inf, rank)


class TwoSidedBasis(NamedTuple):
    """The best linear codec to a d×d latent: x ≈ mean + U·e·Vᵀ.

    Attributes:
      mean_RxT: mean training record.
      slow_RxD: U, orthonormal columns.
      fast_TxD: V, orthonormal columns.
    """

    mean_RxT: np.ndarray
    slow_RxD: np.ndarray
    fast_TxD: np.ndarray


def two_sided_basis(train_NxRxT: np.ndarray, latent: int, sweeps: int = 5) -> TwoSidedBasis:
    """Tucker-2 by alternating eigenvectors (2DPCA on both sides; Ye 2005, generalised low-rank approximation).

    Args:
      train_NxRxT: training records.
      latent: d, at most min(R, T).
      sweeps: alternations; the error no longer moves after a few.
    """
    mean_RxT = train_NxRxT.mean(axis=0)
    centred_NxRxT = train_NxRxT - mean_RxT
    fast_TxD = np.eye(train_NxRxT.shape[2], dtype=train_NxRxT.dtype)
    for _ in range(sweeps):
        slow_RxD = _leading(centred_NxRxT @ fast_TxD, latent)
        fast_TxD = _leading(np.swapaxes(centred_NxRxT, 1, 2) @ slow_RxD, latent)
    return TwoSidedBasis(mean_RxT, slow_RxD, fast_TxD)


def reconstruct_two_sided(basis: TwoSidedBasis, x_NxRxT: np.ndarray) -> np.ndarray:
    """Records through the linear codec and back."""
    latents_NxDxD = basis.slow_RxD.T @ (x_NxRxT - basis.mean_RxT) @ basis.fast_TxD
    return basis.mean_RxT + basis.slow_RxD @ latents_NxDxD @ basis.fast_TxD.T


class PrincipalBasis(NamedTuple):
    """Principal components of whole records.

    Attributes:
      mean_RxT: mean training record.
      components_PxF: orthonormal rows, F = R·T.
    """

    mean_RxT: np.ndarray
    components_PxF: np.ndarray


def principal_basis(train_NxRxT: np.ndarray, components: int) -> PrincipalBasis:
    """PCA of whole records; N centred records have at most N - 1 components, so there may be fewer than asked for."""
    n = len(train_NxRxT)
    mean_RxT = train_NxRxT.mean(axis=0)
    centred_NxF = (train_NxRxT - mean_RxT).reshape(n, -1)
    # The N×N side: records are few and long.
    values_N, vectors_NxN = np.linalg.eigh(centred_NxF.astype(np.float64) @ centred_NxF.T.astype(np.float64))
    kept = min(components, n - 1, centred_NxF.shape[1])
    order = np.argsort(values_N)[::-1][:kept]
    order = order[values_N[order] > 1e-10 * max(values_N[-1], 1e-300)]
    components_PxF = (vectors_NxN[:, order] / np.sqrt(values_N[order])).T @ centred_NxF
    return PrincipalBasis(mean_RxT, components_PxF.astype(train_NxRxT.dtype))


def reconstruct_principal(basis: PrincipalBasis, x_NxRxT: np.ndarray) -> np.ndarray:
    """Records through PCA and back."""
    centred_NxF = (x_NxRxT - basis.mean_RxT).reshape(len(x_NxRxT), -1)
    return basis.mean_RxT + (centred_NxF @ basis.components_PxF.T @ basis.components_PxF).reshape(x_NxRxT.shape)


def _leading(a_NxRxM: np.ndarray, latent: int) -> np.ndarray:
    """R×d leading left singular vectors of all N matrices side by side."""
    scatter_RxR = np.einsum("nrm,nsm->rs", a_NxRxM, a_NxRxM, optimize=True)
    return np.linalg.eigh(scatter_RxR)[1][:, ::-1][:, :latent]
