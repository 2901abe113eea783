"""Gaussian copula: every latent entry keeps the distribution its class shows, ranks are tied by a shrunk correlation.

Nelsen 2006, An Introduction to Copulas. With g the normal scores of the ranks of a class's N_k records (each entry
scaled to variance 1), a draw's scores are z = √(1-λ) Σ_n ε_n g_n/√N_k + √λ η, whose correlation is (1-λ)·R + λ·I
without a P×P matrix; an entry is the class's quantile at Φ(z).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from scipy.special import ndtri
from scipy.stats import rankdata

from gcims_jax.parts import Part
from gcims_jax.samplers.contract import check, class_positions, class_statistics, place

Array = jax.Array


class Copula(NamedTuple):
    """Fitted state, a pytree; B is the most records that a class draws on.

    Attributes:
      classes_K: integer labels seen in fit, sorted.
      centre_KxDxD: class means.
      used_P: coordinates of a flattened latent that have a distribution; the others are constant.
      sorted_KxBxP: deviations of each entry in ascending order; padded with the largest.
      scores_KxBxP: normal scores of the records over √N_k; padded with 0.
      counts_K: records drawn on per class.
      ridge: λ.
    """

    classes_K: Array
    centre_KxDxD: Array
    used_P: Array
    sorted_KxBxP: Array
    scores_KxBxP: Array
    counts_K: Array
    ridge: Array


def fit(part: Part, *, ridge: float = 0.3) -> Copula:
    """Sorted entries and rank scores per class; a class with one record takes the deviations of all others.

    Args:
      part: training latents N×d×d and their integer labels.
      ridge: λ, from 0 (the ranks' own correlation) to 1 (independent entries).

    Raises:
      InputError: λ outside [0, 1], malformed latents or labels, no class with two records.
    """
    check(ridge=ridge)
    stats = class_statistics(part)
    own = [
        stats.deviations_NxP[stats.positions_N == k if count > 1 else stats.counts_K[stats.positions_N] > 1]
        for k, count in enumerate(stats.counts_K)
    ]
    most = max(len(x_BxP) for x_BxP in own)
    sorted_KxBxP = np.stack([np.pad(np.sort(x, axis=0), ((0, most - len(x)), (0, 0)), mode="edge") for x in own])
    scores_KxBxP = np.stack([np.pad(_scores(x), ((0, most - len(x)), (0, 0))) for x in own])
    return Copula(
        classes_K=jnp.asarray(stats.classes_K),
        centre_KxDxD=jnp.asarray(stats.centre_KxDxD, jnp.float32),
        used_P=jnp.asarray(stats.used_P),
        sorted_KxBxP=jnp.asarray(sorted_KxBxP, jnp.float32),
        scores_KxBxP=jnp.asarray(scores_KxBxP, jnp.float32),
        counts_K=jnp.asarray([len(x) for x in own]),
        ridge=jnp.float32(ridge),
    )


def _scores(x_BxP: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks of each entry, scaled so that their squares sum to 1 over records."""
    scores_BxP = ndtri((rankdata(x_BxP, axis=0) - 0.5) / len(x_BxP))
    return scores_BxP / np.maximum(np.linalg.norm(scores_BxP, axis=0), np.finfo(float).tiny)


def sample(key: Array, state: Copula, labels_S: Array) -> Array:
    """One draw per label, S×d×d; entries stay between the smallest and the largest that the class has shown."""
    return _draw(key, state, class_positions(state.classes_K, labels_S))


@jax.jit
def _draw(key: Array, state: Copula, positions_S: Array) -> Array:
    score_key, own_key = jax.random.split(key)
    classes, most, size = state.scores_KxBxP.shape
    epsilon_SxB = jax.random.normal(score_key, (len(positions_S), most))
    eta_SxP = jax.random.normal(own_key, (len(positions_S), size))

    # Class by class: gathering sorted entries per draw would take S·B·P memory.
    def add_class(draws_SxP: Array, k: Array) -> tuple[Array, None]:
        tied_SxP = epsilon_SxB @ state.scores_KxBxP[k]
        z_SxP = jnp.sqrt(1.0 - state.ridge) * tied_SxP + jnp.sqrt(state.ridge) * eta_SxP
        last = state.counts_K[k] - 1
        place_SxP = jnp.clip(ndtr(z_SxP) * (last + 1) - 0.5, 0.0, last)
        below_SxP = jnp.floor(place_SxP).astype(int)
        low_SxP, high_SxP = (
            jnp.take_along_axis(state.sorted_KxBxP[k], jnp.minimum(i, last), axis=0) for i in (below_SxP, below_SxP + 1)
        )
        of_class_SxP = low_SxP + (place_SxP - below_SxP) * (high_SxP - low_SxP)
        return jnp.where((positions_S == k)[:, None], of_class_SxP, draws_SxP), None

    draws_SxP, _ = jax.lax.scan(add_class, jnp.zeros((len(positions_S), size)), jnp.arange(classes))
    return place(state.centre_KxDxD, state.used_P, positions_S, draws_SxP)
