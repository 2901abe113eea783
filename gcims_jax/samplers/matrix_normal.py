"""Matrix-normal sampler: per class one covariance of rows and one of columns, two small factors.

Draw = M + A·Z·Bᵀ with A·Aᵀ = U, B·Bᵀ = V and Z standard normal r×c, so vec's covariance is the Kronecker product U ⊗ V.
Fitted by the flip-flop iteration (Dutilleul 1999, doi:10.1080/00949659908811970), each factor ridged.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax.batches import traced
from gcims_jax.errors import InputError
from gcims_jax.parts import Part
from gcims_jax.samplers.contract import (
    ClassStatistics,
    check,
    check_latents,
    class_positions,
    class_statistics,
    deviations,
    each_class,
    place,
)

Array = jax.Array

SWEEPS = 20


class MatrixNormal(NamedTuple):
    """Fitted state, a pytree; R rows and C columns in use, P = R·C.

    Attributes:
      classes_K: integer labels seen in fit, sorted.
      mean_KxDxD: class means.
      used_P: coordinates of a flattened latent that have a distribution; the others are constant.
      row_KxRxR: lower Cholesky factors A of the row covariances, which carry the scale.
      column_KxCxC: lower Cholesky factors B of the column covariances, of mean variance 1.
      condition_K: condition number of U ⊗ V.
    """

    classes_K: Array
    mean_KxDxD: Array
    used_P: Array
    row_KxRxR: Array
    column_KxCxC: Array
    condition_K: Array


def fit(part: Part, *, ridge: float = 0.1) -> MatrixNormal:
    """Class means and both factors of each class; float64 on the host.

    A class with one record takes the factors of all deviations from their class means.

    Args:
      part: training latents N×d×d and their integer labels; entries that are constant leave whole rows × whole columns.
      ridge: λ, from 0 to 1; each covariance C becomes (1 - λ)·C + λ·tr(C)/size·I in every sweep.

    Raises:
      InputError: λ outside [0, 1], malformed latents or labels, no class with two records, constant entries that are not
        whole rows and columns, or λ = 0 with too few records for covariances of full rank.
    """
    check(ridge=ridge)
    stats = class_statistics(part)
    deviations_NxRxC = stats.deviations_NxP.reshape(-1, *_block(stats))
    rows, columns, conditions = [], [], []
    for k, count in enumerate(stats.counts_K):
        own_BxRxC = deviations_NxRxC[stats.positions_N == k] if count > 1 else deviations_NxRxC
        freedom = count - 1 if count > 1 else len(own_BxRxC) - len(stats.classes_K)
        u_RxR, v_CxC = _flip_flop(own_BxRxC, freedom, ridge)
        try:
            rows.append(np.linalg.cholesky(u_RxR) if u_RxR.any() else u_RxR)
            columns.append(np.linalg.cholesky(v_CxC))
        except np.linalg.LinAlgError as error:
            raise InputError(
                f"sampler.ridge: expected a value above 0 for class {int(stats.classes_K[k])}, whose {count} records leave a "
                f"singular covariance of rows or columns, got {ridge}"
            ) from error
        conditions.append(np.linalg.cond(u_RxR) * np.linalg.cond(v_CxC) if u_RxR.any() else np.inf)
    return MatrixNormal(
        classes_K=jnp.asarray(stats.classes_K),
        mean_KxDxD=jnp.asarray(stats.centre_KxDxD, jnp.float32),
        used_P=jnp.asarray(stats.used_P),
        row_KxRxR=jnp.asarray(np.stack(rows), jnp.float32),
        column_KxCxC=jnp.asarray(np.stack(columns), jnp.float32),
        condition_K=jnp.asarray(conditions, jnp.float32),
    )


def _block(stats: ClassStatistics) -> tuple[int, int]:
    """Rows and columns of the block that the coordinates in use fill.

    Raises:
      InputError: coordinates in use that are not whole rows × whole columns.
    """
    used_DxD = np.zeros(stats.centre_KxDxD.shape[1:], bool)
    used_DxD.flat[stats.used_P] = True
    rows, columns = np.count_nonzero(used_DxD.any(axis=1)), np.count_nonzero(used_DxD.any(axis=0))
    if rows * columns != len(stats.used_P):
        raise InputError(
            f"sampler.name: matrix_normal expected latents whose entries vary in whole rows × whole columns, got "
            f"{len(stats.used_P)} that vary in {rows} rows × {columns} columns; take another sampler, or a codec with the "
            "Tucker-2 start, which has rows and columns"
        )
    return rows, columns


def _flip_flop(deviations_BxRxC: np.ndarray, freedom: int, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Row covariance U and column covariance V, the latter scaled to mean variance 1."""
    rows, columns = deviations_BxRxC.shape[1:]
    v_CxC = np.eye(columns)
    if not deviations_BxRxC.any():
        return np.zeros((rows, rows)), v_CxC

    def ridged(c_DxD: np.ndarray) -> np.ndarray:
        return (1.0 - ridge) * c_DxD + ridge * np.trace(c_DxD) / len(c_DxD) * np.eye(len(c_DxD))

    for _ in range(SWEEPS):
        weighted_BxCxR = _solve(v_CxC, np.swapaxes(deviations_BxRxC, 1, 2))
        u_RxR = ridged(np.einsum("nij,njk->ik", deviations_BxRxC, weighted_BxCxR) / (freedom * columns))
        weighted_BxRxC = _solve(u_RxR, deviations_BxRxC)
        v_CxC = ridged(np.einsum("nji,njk->ik", deviations_BxRxC, weighted_BxRxC) / (freedom * rows))
        v_CxC *= columns / np.trace(v_CxC)
    # The fit weighs every direction by its own variance; the draws shall keep the total one.
    total = np.sum(deviations_BxRxC**2) / freedom
    return u_RxR * total / (np.trace(u_RxR) * np.trace(v_CxC)), v_CxC


def _solve(c_DxD: np.ndarray, b_BxDxD: np.ndarray) -> np.ndarray:
    """Least-squares solution, so that a singular covariance (λ = 0, few records) weighs its own span only."""
    return np.linalg.pinv(c_DxD, hermitian=True) @ b_BxDxD


def sample(key: Array, state: MatrixNormal, labels_S: Array) -> Array:
    """One draw per label, S×d×d."""
    return _draw(key, state, class_positions(state.classes_K, labels_S))


@jax.jit
def _draw(key: Array, state: MatrixNormal, positions_S: Array) -> Array:
    count, rows, columns = len(positions_S), state.row_KxRxR.shape[1], state.column_KxCxC.shape[1]
    normal_SxRxC = jax.random.normal(key, (count, rows, columns))
    row_SxRxR, column_SxCxC = state.row_KxRxR[positions_S], state.column_KxCxC[positions_S]
    draws_SxRxC = row_SxRxR @ normal_SxRxC @ jnp.swapaxes(column_SxCxC, 1, 2)
    return place(state.mean_KxDxD, state.used_P, positions_S, draws_SxRxC.reshape(count, rows * columns))


def log_density(state: MatrixNormal, latents_MxDxD: np.ndarray, labels_M: np.ndarray) -> np.ndarray:
    """Log-density in nats of each latent matrix under its label's matrix normal of the rows and columns in use.

    It is -inf for latents that differ from all training records in an entry that is constant there.

    Raises:
      InputError: a class without any spread; labels not seen in fit.
    """
    latents_MxL, labels_M = check_latents(latents_MxDxD, labels_M)
    positions_M = class_positions(state.classes_K, labels_M)
    deviations_MxP, kept_M = deviations(state.mean_KxDxD, state.used_P, positions_M, latents_MxL)
    rows, columns = state.row_KxRxR.shape[1], state.column_KxCxC.shape[1]
    if traced(state, latents_MxL, positions_M):

        def of_class(k: Array) -> Array:
            row_RxR, column_CxC = state.row_KxRxR[k], state.column_KxCxC[k]
            white_MxRxC = jnp.linalg.solve(row_RxR, deviations_MxP.reshape(-1, rows, columns))
            white_MxCxR = jnp.linalg.solve(column_CxC, jnp.swapaxes(white_MxRxC, 1, 2))
            log_determinant = 2.0 * columns * jnp.sum(jnp.log(jnp.diag(row_RxR)))
            log_determinant += 2.0 * rows * jnp.sum(jnp.log(jnp.diag(column_CxC)))
            constant = rows * columns * np.log(2.0 * np.pi) + log_determinant
            found_M = -0.5 * (constant + jnp.sum(white_MxCxR**2, axis=(1, 2)))
            return jnp.where(jnp.any(row_RxR), found_M, jnp.nan)

        return jnp.where(kept_M, each_class(of_class, len(state.classes_K), positions_M), -jnp.inf)
    positions_M = np.asarray(positions_M)
    result_M = np.empty(len(positions_M))
    for k in np.unique(positions_M):
        row_RxR, column_CxC = np.asarray(state.row_KxRxR[k], float), np.asarray(state.column_KxCxC[k], float)
        if not row_RxR.any():
            raise InputError(f"log-density: expected records that differ, got none in class {int(state.classes_K[k])}")
        white_MxRxC = np.linalg.solve(row_RxR, deviations_MxP[positions_M == k].reshape(-1, rows, columns))
        white_MxCxR = np.linalg.solve(column_CxC, np.swapaxes(white_MxRxC, 1, 2))
        log_determinant = 2.0 * columns * np.sum(np.log(np.diag(row_RxR)))
        log_determinant += 2.0 * rows * np.sum(np.log(np.diag(column_CxC)))
        constant = rows * columns * np.log(2.0 * np.pi) + log_determinant
        result_M[positions_M == k] = -0.5 * (constant + np.sum(white_MxCxR**2, axis=(1, 2)))
    return np.where(kept_M, result_M, -np.inf)
