"""A small class-conditional variational autoencoder over the whitened latents (Kingma & Welling, arXiv 1312.6114)."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from gcims_jax.parts import Part
from gcims_jax.samplers import subspace
from gcims_jax.samplers.contract import class_positions, class_statistics
from gcims_jax.samplers.subspace import Trained

Array = jax.Array

HIDDEN, CODE = 64, 8


class _Network(nn.Module):
    """Encoder to a Gaussian code and decoder to a Gaussian over Q coordinates; both know the class."""

    coordinates: int
    classes: int

    def setup(self) -> None:
        self.encoder = nn.Sequential([nn.Dense(HIDDEN), nn.gelu, nn.Dense(2 * CODE)])
        # From zero and with most of the spread as noise: a start near the whitened Gaussian.
        self.decoder = nn.Sequential(
            [nn.Dense(HIDDEN), nn.gelu, nn.Dense(self.coordinates, kernel_init=nn.initializers.zeros)]
        )
        self.log_std = self.param("log_std", nn.initializers.constant(-0.5), (self.coordinates,))

    def decode(self, code_BxC: Array, positions_B: Array) -> tuple[Array, Array]:
        own_BxK = jax.nn.one_hot(positions_B, self.classes)
        return self.decoder(jnp.concatenate([code_BxC, own_BxK], axis=1)), self.log_std

    def __call__(self, key: Array, x_BxQ: Array, positions_B: Array) -> Array:
        """Negative evidence lower bound, mean over the batch."""
        own_BxK = jax.nn.one_hot(positions_B, self.classes)
        mean_BxC, log_std_BxC = jnp.split(self.encoder(jnp.concatenate([x_BxQ, own_BxK], axis=1)), 2, axis=1)
        code_BxC = mean_BxC + jnp.exp(log_std_BxC) * jax.random.normal(key, mean_BxC.shape)
        out_BxQ, log_std_Q = self.decode(code_BxC, positions_B)
        misfit_B = jnp.sum(0.5 * ((x_BxQ - out_BxQ) / jnp.exp(log_std_Q)) ** 2 + log_std_Q, axis=1)
        divergence_B = jnp.sum(0.5 * (mean_BxC**2 + jnp.exp(2 * log_std_BxC) - 1.0) - log_std_BxC, axis=1)
        return jnp.mean(misfit_B + divergence_B)


def fit(part: Part, *, directions: int = 32, steps: int = 1500, seed: int = 0) -> Trained:
    """Trains the network on whitened deviations from the class means.

    Args:
      part: training latents N×d×d and their integer labels.
      directions: leading within-class directions that the network models; the others are drawn as one Gaussian.
      steps: of training.
      seed: of weights, batches and noise.

    Raises:
      InputError: fewer than one direction or step, malformed latents or labels, no class with two records.
    """
    stats = class_statistics(part)
    space, coordinates_NxQ = subspace.span(stats, directions)
    network = _Network(coordinates_NxQ.shape[1], len(stats.classes_K))
    key = jax.random.key(seed)
    params = network.init(key, key, jnp.zeros((1, network.coordinates)), jnp.zeros(1, int))
    params = subspace.minimise(_loss, params, seed, coordinates_NxQ, stats.positions_N, steps=steps)
    return Trained(space.classes_K, space, params)


def _loss(params: Any, key: Array, x_BxQ: Array, positions_B: Array) -> Array:
    return _network_of(params, x_BxQ.shape[1]).apply(params, key, x_BxQ, positions_B)


def _network_of(params: Any, coordinates: int) -> _Network:
    """The network whose weights these are."""
    return _Network(coordinates, params["params"]["decoder"]["layers_0"]["kernel"].shape[0] - CODE)


def sample(key: Array, state: Trained, labels_S: Array) -> Array:
    """One draw per label, S×d×d."""
    return _draw(key, state, class_positions(state.classes_K, labels_S))


@jax.jit
def _draw(key: Array, state: Trained, positions_S: Array) -> Array:
    code_key, noise_key, rest_key = jax.random.split(key, 3)
    network = _network_of(state.params, len(state.subspace.basis_QxP))
    code_SxC = jax.random.normal(code_key, (len(positions_S), CODE))
    mean_SxQ, log_std_Q = network.apply(state.params, code_SxC, positions_S, method="decode")
    coordinates_SxQ = mean_SxQ + jnp.exp(log_std_Q) * jax.random.normal(noise_key, mean_SxQ.shape)
    return subspace.to_latents(rest_key, state.subspace, coordinates_SxQ, positions_S)
