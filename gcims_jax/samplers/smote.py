"""Interpolation in the latent space: a record of the class plus part of the way to one of its nearest neighbours.

Chawla et al. 2002 (SMOTE), doi:10.1613/jair.953. Draws have a smaller spread than the records they come from.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.neighbors import NearestNeighbors

from gcims_jax.parts import Part
from gcims_jax.samplers.contract import check, class_positions, class_rows, class_statistics, place

Array = jax.Array


class Smote(NamedTuple):
    """Fitted state, a pytree; Q neighbours.

    Attributes:
      classes_K: integer labels seen in fit, sorted.
      centre_KxDxD: class means.
      used_P: coordinates of a flattened latent that have a distribution; the others are constant.
      deviations_NxP: training latents less their class mean.
      members_KxB: records of each class, as indices, padded.
      counts_K: records of each class.
      paired_C: records with another of their class, as indices; a class with one record borrows their ways.
      neighbours_NxQ: nearest records of the same class, as indices; padded by repetition.
    """

    classes_K: Array
    centre_KxDxD: Array
    used_P: Array
    deviations_NxP: Array
    members_KxB: Array
    counts_K: Array
    paired_C: Array
    neighbours_NxQ: Array


def fit(part: Part, *, neighbours: int = 5) -> Smote:
    """Nearest neighbours within each class.

    Args:
      part: training latents N×d×d and their integer labels.
      neighbours: Q; fewer in a class with fewer other records. A class with one record moves along ways that records of
        other classes have to their neighbours.

    Raises:
      InputError: fewer than one neighbour, malformed latents or labels, no class with two records.
    """
    check(neighbours=neighbours)
    stats = class_statistics(part)
    members_KxB, _ = class_rows(stats)
    neighbours_NxQ = np.tile(np.arange(len(stats.positions_N))[:, None], (1, neighbours))
    for k in np.flatnonzero(stats.counts_K > 1):
        own_B = members_KxB[k, : stats.counts_K[k]]
        search = NearestNeighbors(n_neighbors=min(neighbours, len(own_B) - 1)).fit(stats.deviations_NxP[own_B])
        found_BxQ = own_B[search.kneighbors(return_distance=False)]
        neighbours_NxQ[own_B] = found_BxQ[:, np.arange(neighbours) % found_BxQ.shape[1]]
    return Smote(
        classes_K=jnp.asarray(stats.classes_K),
        centre_KxDxD=jnp.asarray(stats.centre_KxDxD, jnp.float32),
        used_P=jnp.asarray(stats.used_P),
        deviations_NxP=jnp.asarray(stats.deviations_NxP, jnp.float32),
        members_KxB=jnp.asarray(members_KxB),
        counts_K=jnp.asarray(stats.counts_K),
        paired_C=jnp.asarray(np.flatnonzero(stats.counts_K[stats.positions_N] > 1)),
        neighbours_NxQ=jnp.asarray(neighbours_NxQ),
    )


def sample(key: Array, state: Smote, labels_S: Array) -> Array:
    """One draw per label, S×d×d."""
    return _draw(key, state, class_positions(state.classes_K, labels_S))


@jax.jit
def _draw(key: Array, state: Smote, positions_S: Array) -> Array:
    start_key, path_key, neighbour_key, part_key = jax.random.split(key, 4)
    count = len(positions_S)
    pick_S = jax.random.randint(start_key, (count,), 0, state.counts_K[positions_S])
    start_S = state.members_KxB[positions_S, pick_S]
    # The way starts at the record itself, unless the class has one record and borrows another's way.
    borrowed_S = jax.random.choice(path_key, state.paired_C, (count,))
    path_S = jnp.where(state.counts_K[positions_S] > 1, start_S, borrowed_S)
    pick_S = jax.random.randint(neighbour_key, (count,), 0, state.neighbours_NxQ.shape[1])
    end_S = state.neighbours_NxQ[path_S, pick_S]
    part_Sx1 = jax.random.uniform(part_key, (count, 1))
    way_SxP = state.deviations_NxP[end_S] - state.deviations_NxP[path_S]
    draws_SxP = state.deviations_NxP[start_S] + part_Sx1 * way_SxP
    return place(state.centre_KxDxD, state.used_P, positions_S, draws_SxP)
