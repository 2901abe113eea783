"""Matrix-normal sampler: per class one covariance of rows and one of columns, two d×d factors.

Draw = M + A·Z·Bᵀ with A·Aᵀ = U, B·Bᵀ = V and Z standard normal, so vec's covariance is the Kronecker product U ⊗ V.
Fitted by the flip-flop iteration (Dutilleul 1999, doi:10.1080/00949659908811970), each factor ridged.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.samplers.contract import check_fit_input, check_fraction, class_positions, class_statistics

Array = jax.Array

SWEEPS = 20


class MatrixNormal(NamedTuple):
    """Fitted state, a pytree.

    Attributes:
      classes_K: integer labels seen in fit, sorted.
      mean_KxDxD: class means.
      row_KxDxD: lower Cholesky factors A of the row covariances, which carry the scale.
      column_KxDxD: lower Cholesky factors B of the column covariances, of mean variance 1.
      condition_K: condition number of U ⊗ V.
    """

    classes_K: Array
    mean_KxDxD: Array
    row_KxDxD: Array
    column_KxDxD: Array
    condition_K: Array


def fit(latents_NxDxD: np.ndarray, labels_N: np.ndarray, *, ridge: float = 0.1) -> MatrixNormal:
    """Class means and both factors of each class; float64 on the host.

    A class with one record takes the factors of all deviations from their class means.

    Args:
      latents_NxDxD: training latents.
      labels_N: their integer class labels.
      ridge: λ, from 0 to 1; each covariance C becomes (1 - λ)·C + λ·tr(C)/d·I in every sweep.

    Raises:
      InputError: λ outside [0, 1], malformed latents or labels, no class with two records, or λ = 0 with too few
        records for covariances of full rank.
    """
    check_fraction("ridge", ridge)
    stats = class_statistics(latents_NxDxD, labels_N)
    d = stats.latent
    deviations_NxDxD = stats.deviations_NxP.reshape(-1, d, d)
    rows, columns, conditions = [], [], []
    for k, count in enumerate(stats.counts_K):
        own_BxDxD = deviations_NxDxD[stats.positions_N == k] if count > 1 else deviations_NxDxD
        freedom = count - 1 if count > 1 else len(own_BxDxD) - len(stats.classes_K)
        u_DxD, v_DxD = _flip_flop(own_BxDxD, freedom, ridge)
        try:
            rows.append(np.linalg.cholesky(u_DxD) if u_DxD.any() else u_DxD)
            columns.append(np.linalg.cholesky(v_DxD))
        except np.linalg.LinAlgError as error:
            raise InputError(
                f"sampler.ridge: expected a value above 0 for class {int(stats.classes_K[k])}, whose {count} records leave a "
                f"singular {d} × {d} covariance, got {ridge}"
            ) from error
        conditions.append(np.linalg.cond(u_DxD) * np.linalg.cond(v_DxD) if u_DxD.any() else np.inf)
    return MatrixNormal(
        classes_K=jnp.asarray(stats.classes_K),
        mean_KxDxD=jnp.asarray(stats.centre_KxP.reshape(-1, d, d), jnp.float32),
        row_KxDxD=jnp.asarray(np.stack(rows), jnp.float32),
        column_KxDxD=jnp.asarray(np.stack(columns), jnp.float32),
        condition_K=jnp.asarray(conditions, jnp.float32),
    )


def _flip_flop(deviations_BxDxD: np.ndarray, freedom: int, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Row covariance U and column covariance V, the latter scaled to mean variance 1."""
    d = deviations_BxDxD.shape[1]
    eye_DxD = np.eye(d)
    if not deviations_BxDxD.any():
        return np.zeros((d, d)), eye_DxD

    def ridged(c_DxD: np.ndarray) -> np.ndarray:
        return (1.0 - ridge) * c_DxD + ridge * np.trace(c_DxD) / d * eye_DxD

    v_DxD = eye_DxD
    for _ in range(SWEEPS):
        weighted = _solve(v_DxD, np.swapaxes(deviations_BxDxD, 1, 2))
        u_DxD = ridged(np.einsum("nij,njk->ik", deviations_BxDxD, weighted) / (freedom * d))
        weighted = _solve(u_DxD, deviations_BxDxD)
        v_DxD = ridged(np.einsum("nji,njk->ik", deviations_BxDxD, weighted) / (freedom * d))
        v_DxD *= d / np.trace(v_DxD)
    # The fit weighs every direction by its own variance; the draws shall keep the total one.
    total = np.sum(deviations_BxDxD**2) / freedom
    return u_DxD * total / (np.trace(u_DxD) * np.trace(v_DxD)), v_DxD


def _solve(c_DxD: np.ndarray, b_BxDxD: np.ndarray) -> np.ndarray:
    """Least-squares solution, so that a singular covariance (λ = 0, few records) weighs its own span only."""
    return np.linalg.pinv(c_DxD, hermitian=True) @ b_BxDxD


def sample(key: Array, state: MatrixNormal, labels_S: Array) -> Array:
    """One draw per label, S×d×d."""
    return _draw(key, state, class_positions(state.classes_K, labels_S))


@jax.jit
def _draw(key: Array, state: MatrixNormal, positions_S: Array) -> Array:
    normal_SxDxD = jax.random.normal(key, (len(positions_S), *state.mean_KxDxD.shape[1:]))
    row_SxDxD, column_SxDxD = state.row_KxDxD[positions_S], state.column_KxDxD[positions_S]
    return state.mean_KxDxD[positions_S] + row_SxDxD @ normal_SxDxD @ jnp.swapaxes(column_SxDxD, 1, 2)


def log_density(state: MatrixNormal, latents_MxDxD: np.ndarray, labels_M: np.ndarray) -> np.ndarray:
    """Log-density in nats of each latent matrix under its label's matrix normal.

    Raises:
      InputError: a class without any spread; labels not seen in fit.
    """
    latents_MxP, labels_M = check_fit_input(latents_MxDxD, labels_M)
    positions_M = np.asarray(class_positions(state.classes_K, labels_M))
    d = state.mean_KxDxD.shape[1]
    result_M = np.empty(len(positions_M))
    for k in np.unique(positions_M):
        row_DxD, column_DxD = np.asarray(state.row_KxDxD[k], float), np.asarray(state.column_KxDxD[k], float)
        if not row_DxD.any():
            raise InputError(f"log-density: expected records that differ, got none in class {int(state.classes_K[k])}")
        deviations_MxDxD = latents_MxP[positions_M == k].reshape(-1, d, d) - np.asarray(state.mean_KxDxD[k])
        white_MxDxD = np.linalg.solve(row_DxD, deviations_MxDxD)
        white_MxDxD = np.linalg.solve(column_DxD, np.swapaxes(white_MxDxD, 1, 2))
        log_determinant = 2.0 * d * (np.sum(np.log(np.diag(row_DxD))) + np.sum(np.log(np.diag(column_DxD))))
        constant = d * d * np.log(2.0 * np.pi) + log_determinant
        result_M[positions_M == k] = -0.5 * (constant + np.sum(white_MxDxD**2, axis=(1, 2)))
    return result_M
