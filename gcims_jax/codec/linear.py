"""The linear codec: what the transformers start from, and what is left where they do not pay.

A d×d latent matrix has room for d² numbers. Tucker-2 fills its first columns: a d×(d-k) core. The last k columns hold up to
k·d principal components of what Tucker-2 leaves of whole records. k = 0 is Tucker-2, and with d components in every column
PCA; in between both are had for the price of one. All bases together are orthonormal, so coding is a projection, and with
all N - 1 components no record is coded worse than by PCA of that size. k is chosen by groups that were held out.

The few settings here were picked on simulated records, spoken digits, evolved-gas mass spectra and watch accelerometers; errors on
those sets are no proof of them on others.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax import linalg
from gcims_jax.codec import holdout, stages
from gcims_jax.codec.stages import Codec, Stage
from gcims_jax.parts import Part

Array = jax.Array

# Shares of the most columns of components that are of use; those in between are within a percent of one of them.
SHARES = (0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
SPLITS, HELD = 5, 0.2
# Components whose share of the sum of squares is below this are rounding.
ROUNDING = 1e-10


class Start(NamedTuple):
    """A linear codec and what it makes of its training records.

    Attributes:
      codec: without transformers.
      latents_NxDxD: of the training records.
    """

    codec: Codec
    latents_NxDxD: np.ndarray


class Choice(NamedTuple):
    """What held-out groups say about linear codecs.

    Attributes:
      columns: of principal components, k.
      left: error of the records that it was fitted to, as a share of that of held-out ones. Transformers learn from the former
        alone; components of whole records shrink it faster than the latter, down to 0.
    """

    columns: int
    left: float


def fit(key: Array, part: Part, latent: int) -> Codec:
    """The linear codec of all records of a part, its columns of components chosen by held-out groups.

    Args:
      key: of the groups that are held out to choose.
      part: records on the [0, 1] scale, at least two groups.
      latent: d.
    """
    return start(part.x_NxRxT, latent, choose(key, part, latent).columns).codec


def choose(key: Array, part: Part, latent: int) -> Choice:
    """Columns of principal components with the lowest error of held-out groups, the fewest of equals."""
    columns = candidates(len(part), latent)
    own_K, others_K = np.zeros(len(columns)), np.zeros(len(columns))
    for split_key in jax.random.split(key, SPLITS):
        rest, held = holdout.split(split_key, part, HELD)
        both = np.concatenate([held.x_NxRxT, rest.x_NxRxT])
        errors_KxN = linear_errors(rest.x_NxRxT, both, latent, columns)
        own_K += errors_KxN[:, len(held) :].mean(axis=1)
        others_K += errors_KxN[:, : len(held)].mean(axis=1)
    best = int(np.argmin(others_K))
    return Choice(columns[best], float(own_K[best] / max(others_K[best], 1e-30)))


def candidates(n: int, latent: int) -> list[int]:
    """Columns of components to choose from for n records."""
    most = _most_columns(n, latent)
    return sorted({round(share * most) for share in SHARES})


def linear_errors(train_NxRxT: np.ndarray, x_MxRxT: np.ndarray, latent: int, columns: Sequence[int]) -> np.ndarray:
    """Mean squared errors K×M of records through linear codecs with other numbers of columns of components.

    The bases are orthonormal, so scalar products of records with each other and with Tucker-2's bases are enough.

    Args:
      train_NxRxT: records to learn from.
      x_MxRxT: records to code.
      latent: d.
      columns: K numbers of columns.
    """
    mean_RxT, slow_RxD, fast_TxD = _two_sided(train_NxRxT, latent)
    n, m = len(train_NxRxT), len(x_MxRxT)
    train, x = (a - mean_RxT for a in (train_NxRxT, x_MxRxT))
    train_core, x_core = (np.swapaxes(slow_RxD.T @ a @ fast_TxD, 1, 2) for a in (train, x))
    train_NxF, x_MxF = train.reshape(n, -1), x.reshape(m, -1)
    gram_NxN, cross_MxN, squares_M = train_NxF @ train_NxF.T, x_MxF @ train_NxF.T, (x_MxF**2).sum(axis=1)
    smallest = ROUNDING * np.trace(gram_NxN)
    errors = []
    for wanted in columns:
        k = min(wanted, _most_columns(n, latent))
        a, b = (core[:, :, : latent - k].reshape(len(core), -1) for core in (train_core, x_core))
        values_P, vectors_NxP = _leading(gram_NxN - a @ a.T, _most_components(n, latent, k), smallest)
        scores_MxP = (cross_MxN - b @ a.T) @ vectors_NxP / np.sqrt(values_P)
        errors.append(squares_M - (b**2).sum(axis=1) - (scores_MxP**2).sum(axis=1))
    return np.maximum(errors, 0.0) / x_MxF.shape[1]


def start(train_NxRxT: np.ndarray, latent: int, columns: int) -> Start:
    """The linear codec with so many columns of principal components.

    Args:
      train_NxRxT: records to learn from.
      latent: d.
      columns: k, at most d; fewer are used where there are fewer components.
    """
    n, r, t = train_NxRxT.shape
    k = min(columns, _most_columns(n, latent))
    mean_RxT, slow_RxD, fast_TxD = _two_sided(train_NxRxT, latent)
    slow_RxD = np.pad(slow_RxD[:, : latent - k], ((0, 0), (0, k)))
    centred_NxRxT = train_NxRxT - mean_RxT
    scale = stages.spread(centred_NxRxT)
    z_scale = stages.spread(centred_NxRxT @ fast_TxD / scale)
    core_NxDxD = slow_RxD.T @ centred_NxRxT @ fast_TxD
    # Stage 2 sees d×R series, so its latents are the transpose of Uᵀ·x·V.
    latents_NxDxD, principal_PxRxT = np.swapaxes(core_NxDxD, 1, 2) / (scale * z_scale), None
    if k:
        left_NxF = (centred_NxRxT - slow_RxD @ core_NxDxD @ fast_TxD.T).reshape(n, -1)
        smallest = ROUNDING * np.sum(centred_NxRxT**2)
        values_P, vectors_NxP = _leading(left_NxF @ left_NxF.T, _most_components(n, latent, k), smallest)
        principal_PxF = (vectors_NxP / np.sqrt(values_P)).T @ left_NxF
        # In steps of 16, so that folds of nearly equal size share compiled code.
        rows = min(-(-max(len(principal_PxF), 1) // 16) * 16, k * latent)
        principal_PxRxT = np.zeros((rows, r, t), np.float32)
        principal_PxRxT[: len(principal_PxF)] = principal_PxF.reshape(-1, r, t)
        scores_NxP = left_NxF @ principal_PxF.T / (scale * z_scale)
        scores_NxP = np.pad(scores_NxP, ((0, 0), (0, rows - len(principal_PxF))))
        latents_NxDxD = latents_NxDxD + stages.into_last_columns(scores_NxP, latent)
    zeros_RxD = np.zeros((r, latent), np.float32)
    drift = Stage(None, fast_TxD, mean_RxT, scale, z_scale)
    retention = Stage(None, slow_RxD, zeros_RxD, z_scale, stages.spread(latents_NxDxD))
    codec = jax.tree.map(lambda a: jnp.asarray(a, np.float32), Codec(drift, retention, principal_PxRxT))
    return Start(codec, latents_NxDxD.astype(np.float32))


def _most_columns(n: int, latent: int) -> int:
    """Columns that the N - 1 components of n records fill."""
    return min(latent, -(-max(n - 1, 0) // latent))


def _most_components(n: int, latent: int, columns: int) -> int:
    return min(columns * latent, n - 1)


def _two_sided(train_NxRxT: np.ndarray, latent: int) -> linalg.TwoSidedBasis:
    """Tucker-2, orthonormal in double precision: rounding would be divided by the roots of small eigenvalues."""
    mean_RxT, *sides = linalg.two_sided_basis(np.asarray(train_NxRxT, np.float32), latent)
    return linalg.TwoSidedBasis(
        mean_RxT.astype(np.float64), *(np.linalg.qr(side.astype(np.float64))[0] for side in sides)
    )


def _leading(gram_NxN: np.ndarray, components: int, smallest: float) -> tuple[np.ndarray, np.ndarray]:
    """Leading eigenvalues above ``smallest`` and their eigenvectors, largest first."""
    if not components:
        return np.zeros(0), np.zeros((len(gram_NxN), 0))
    values_N, vectors_NxN = np.linalg.eigh(gram_NxN)
    kept = [i for i in range(len(values_N))[::-1][:components] if values_N[i] > smallest]
    return values_N[kept], vectors_NxN[:, kept]
