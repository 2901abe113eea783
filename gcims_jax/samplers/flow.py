"""Flow matching over the whitened latents: a velocity field carries standard normals to a class's records.

Lipman et al., arXiv 2210.02747, with straight conditional paths x_t = (1-t)·noise + t·record; draws follow the field by
Heun's method with a fixed number of steps.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from gcims_jax.parts import Part
from gcims_jax.samplers import subspace
from gcims_jax.samplers.contract import class_positions, class_statistics
from gcims_jax.samplers.subspace import Trained

Array = jax.Array

HIDDEN, ODE_STEPS = 128, 16


class _Velocity(nn.Module):
    """Velocity of Q coordinates at a time, for a class."""

    coordinates: int
    classes: int

    @nn.compact
    def __call__(self, x_BxQ: Array, time_B: Array, positions_B: Array) -> Array:
        angle_B = jnp.pi * time_B
        inputs = [x_BxQ, jax.nn.one_hot(positions_B, self.classes)]
        inputs += [f(angle_B)[:, None] for f in (jnp.sin, jnp.cos)]
        h = nn.gelu(nn.Dense(HIDDEN, name="first")(jnp.concatenate(inputs, axis=1)))
        h = nn.gelu(nn.Dense(HIDDEN)(h))
        # From zero: the untrained field stands still and draws the whitened Gaussian.
        return nn.Dense(self.coordinates, kernel_init=nn.initializers.zeros)(h)


def fit(part: Part, *, directions: int = 32, steps: int = 1500, seed: int = 0) -> Trained:
    """Trains the field on whitened deviations from the class means.

    Args:
      part: training latents N×d×d and their integer labels.
      directions: leading within-class directions that the field moves; the others are drawn as one Gaussian.
      steps: of training.
      seed: of weights, batches and noise.

    Raises:
      InputError: fewer than one direction or step, malformed latents or labels, no class with two records.
    """
    stats = class_statistics(part)
    space, coordinates_NxQ = subspace.span(stats, directions)
    network = _Velocity(coordinates_NxQ.shape[1], len(stats.classes_K))
    params = network.init(jax.random.key(seed), jnp.zeros((1, network.coordinates)), jnp.zeros(1), jnp.zeros(1, int))
    params = subspace.minimise(_loss, params, seed, coordinates_NxQ, stats.positions_N, steps=steps)
    return Trained(space.classes_K, space, params)


def _loss(params: Any, key: Array, x_BxQ: Array, positions_B: Array) -> Array:
    """Mean squared error of the velocity along straight paths from noise to records."""
    time_key, noise_key = jax.random.split(key)
    time_B = jax.random.uniform(time_key, (len(x_BxQ),))
    noise_BxQ = jax.random.normal(noise_key, x_BxQ.shape)
    at_BxQ = noise_BxQ + time_B[:, None] * (x_BxQ - noise_BxQ)
    velocity_BxQ = _network_of(params, x_BxQ.shape[1]).apply(params, at_BxQ, time_B, positions_B)
    return jnp.mean((velocity_BxQ - (x_BxQ - noise_BxQ)) ** 2)


def _network_of(params: Any, coordinates: int) -> _Velocity:
    """The network whose weights these are."""
    return _Velocity(coordinates, params["params"]["first"]["kernel"].shape[0] - coordinates - 2)


def sample(key: Array, state: Trained, labels_S: Array) -> Array:
    """One draw per label, S×d×d."""
    return _draw(key, state, class_positions(state.classes_K, labels_S))


@jax.jit
def _draw(key: Array, state: Trained, positions_S: Array) -> Array:
    noise_key, rest_key = jax.random.split(key)
    coordinates = len(state.subspace.basis_QxP)
    network = _network_of(state.params, coordinates)

    def velocity(x_SxQ: Array, time: Array) -> Array:
        return network.apply(state.params, x_SxQ, jnp.full(len(x_SxQ), time), positions_S)

    def step(x_SxQ: Array, time: Array) -> tuple[Array, None]:
        here_SxQ = velocity(x_SxQ, time)
        there_SxQ = velocity(x_SxQ + here_SxQ / ODE_STEPS, time + 1.0 / ODE_STEPS)
        return x_SxQ + 0.5 * (here_SxQ + there_SxQ) / ODE_STEPS, None

    noise_SxQ = jax.random.normal(noise_key, (len(positions_S), coordinates))
    coordinates_SxQ, _ = jax.lax.scan(step, noise_SxQ, jnp.arange(ODE_STEPS) / ODE_STEPS)
    return subspace.to_latents(rest_key, state.subspace, coordinates_SxQ, positions_S)
