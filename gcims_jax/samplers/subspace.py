"""What the neural samplers share: whitened coordinates in the within-class principal subspace, and a training loop."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gcims_jax.samplers.contract import ClassStatistics, check, place

Array = jax.Array

# Rows are padded to a multiple of this, so that folds of nearly equal size share compiled code.
ROW_QUANTUM = 256


class Subspace(NamedTuple):
    """Class means and the within-class principal directions of all classes; a pytree.

    Attributes:
      classes_K: integer labels seen in fit, sorted.
      centre_KxDxD: class means.
      used_P: coordinates of a flattened latent that have a distribution; the others are constant.
      basis_QxP: leading directions, each as long as its standard deviation.
      rest_RxP: the other directions, likewise; drawn as independent normals.
    """

    classes_K: Array
    centre_KxDxD: Array
    used_P: Array
    basis_QxP: Array
    rest_RxP: Array


class Trained(NamedTuple):
    """Fitted state of a network of such coordinates, a pytree.

    Attributes:
      classes_K: integer labels seen in fit, sorted.
      subspace: coordinates that the network models.
      params: its weights.
    """

    classes_K: Array
    subspace: Subspace
    params: Any


def span(stats: ClassStatistics, directions: int) -> tuple[Subspace, np.ndarray]:
    """The subspace and the records' whitened coordinates N×Q in it; Q is at most ``directions``.

    Raises:
      InputError: fewer than one direction.
    """
    check(directions=directions)
    left_NxR, length_R, right_RxP = np.linalg.svd(stats.deviations_NxP, full_matrices=False)
    kept_R = length_R > 1e-9 * max(length_R[0], np.finfo(float).tiny)
    kept_R[0] = True  # identical records: one direction of length 0
    scale = np.sqrt(len(stats.deviations_NxP) - len(stats.classes_K))
    scaled_RxP = (length_R[kept_R] / scale)[:, None] * right_RxP[kept_R]
    subspace = Subspace(
        classes_K=jnp.asarray(stats.classes_K),
        centre_KxDxD=jnp.asarray(stats.centre_KxDxD, jnp.float32),
        used_P=jnp.asarray(stats.used_P),
        basis_QxP=jnp.asarray(scaled_RxP[:directions], jnp.float32),
        rest_RxP=jnp.asarray(scaled_RxP[directions:], jnp.float32),
    )
    return subspace, (left_NxR[:, kept_R] * scale)[:, :directions]


def to_latents(key: Array, subspace: Subspace, coordinates_SxQ: Array, positions_S: Array) -> Array:
    """Latents S×d×d of whitened coordinates: class mean, subspace, and normals in the other directions."""
    normal_SxR = jax.random.normal(key, (len(positions_S), len(subspace.rest_RxP)))
    draws_SxP = coordinates_SxQ @ subspace.basis_QxP + normal_SxR @ subspace.rest_RxP
    return place(subspace.centre_KxDxD, subspace.used_P, positions_S, draws_SxP)


def minimise(
    loss: Callable[[Any, Array, Array, Array], Array],
    params: Any,
    seed: int,
    coordinates_NxQ: np.ndarray,
    positions_N: np.ndarray,
    *,
    steps: int,
    batch: int = 128,
    learning_rate: float = 2e-3,
) -> Any:
    """Adam on batches drawn with replacement, all steps in one compiled scan.

    Args:
      loss: ``loss(params, key, coordinates_BxQ, positions_B)``; a module-level function, so that its code is compiled once.
      params: where to start.
      seed: of batches and noise.
      coordinates_NxQ, positions_N: training records and their class.
      steps, batch, learning_rate: of Adam, with cosine decay.

    Raises:
      InputError: fewer than one step.
    """
    check(steps=steps, seed=seed)
    padding = -len(positions_N) % ROW_QUANTUM
    rows_MxQ = jnp.asarray(np.pad(coordinates_NxQ, ((0, padding), (0, 0))), jnp.float32)
    positions_M = jnp.asarray(np.pad(positions_N, (0, padding)))
    key = jax.random.key(seed)
    return _minimise(loss, steps, batch, learning_rate, params, key, rows_MxQ, positions_M, len(positions_N))


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _minimise(
    loss: Callable,
    steps: int,
    batch: int,
    learning_rate: float,
    params: Any,
    key: Array,
    rows_MxQ: Array,
    positions_M: Array,
    count: Array,
) -> Any:
    optimiser = optax.adamw(optax.cosine_decay_schedule(learning_rate, steps), weight_decay=1e-3)

    def step(carry: tuple[Any, Any], key: Array) -> tuple[tuple[Any, Any], None]:
        params, state = carry
        pick_key, loss_key = jax.random.split(key)
        picked_B = jax.random.randint(pick_key, (batch,), 0, count)
        gradient = jax.grad(loss)(params, loss_key, rows_MxQ[picked_B], positions_M[picked_B])
        updates, state = optimiser.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), None

    (params, _), _ = jax.lax.scan(step, (params, optimiser.init(params)), jax.random.split(key, steps))
    return params
