"""The other way to build a codec: one autoencoder over whole records, cut into 2D patches, instead of a pair of stages.

It has the same d×d latent and the same linear start, so that only the network differs.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax.batches import in_batches
from gcims_jax.codec import holdout, joint, linear, stages
from gcims_jax.codec.joint import Fixed
from gcims_jax.codec.model import Block, ModelConfig
from gcims_jax.codec.train import Curves, TrainConfig, minimise
from gcims_jax.parts import Part

Array = jax.Array


class RecordAutoencoder(nn.Module):
    """Residual of whole records: patches of p×p points are the tokens; both directions start at zero.

    Attributes:
      shape: (R, T).
      latent: d, for d×d numbers.
      config: sizes.
    """

    shape: tuple[int, int]
    latent: int
    config: ModelConfig

    def setup(self) -> None:
        c = self.config
        self.grid = tuple(-(-length // c.patch) for length in self.shape)
        tokens = self.grid[0] * self.grid[1]
        positions, zeros = nn.initializers.normal(0.02), nn.initializers.zeros
        self.encoder_positions = self.param("encoder_positions", positions, (tokens, c.width))
        self.decoder_positions = self.param("decoder_positions", positions, (tokens, c.width))
        self.patch_in = nn.Dense(c.width)
        self.encoder_blocks = [Block(c) for _ in range(c.depth)]
        self.to_latent = nn.Dense(self.latent**2, kernel_init=zeros)
        self.from_latent = nn.Dense(tokens * c.width)
        self.decoder_blocks = [Block(c) for _ in range(c.depth)]
        self.patch_out = nn.Dense(c.patch**2, kernel_init=zeros)

    def encode(self, x_BxRxT: Array) -> Array:
        """B×R×T to B×d×d."""
        (rows, columns), p = self.grid, self.config.patch
        pad = [(0, 0)] + [(0, n * p - length) for n, length in zip(self.grid, self.shape, strict=True)]
        patches = jnp.pad(x_BxRxT, pad).reshape(-1, rows, p, columns, p).swapaxes(2, 3)
        h = self.patch_in(patches.reshape(-1, rows * columns, p * p)) + self.encoder_positions
        for block in self.encoder_blocks:
            h = block(h, True)
        return self.to_latent(h.reshape(len(x_BxRxT), -1)).reshape(-1, self.latent, self.latent)

    def decode(self, e_BxDxD: Array) -> Array:
        """B×d×d to B×R×T."""
        (rows, columns), p, (r, t) = self.grid, self.config.patch, self.shape
        n = len(e_BxDxD)
        h = self.from_latent(e_BxDxD.reshape(n, -1)).reshape(n, rows * columns, -1) + self.decoder_positions
        for block in self.decoder_blocks:
            h = block(h, True)
        patches = self.patch_out(h).reshape(n, rows, columns, p, p).swapaxes(2, 3)
        return patches.reshape(n, rows * p, columns * p)[:, :r, :t]

    def __call__(self, x_BxRxT: Array) -> Array:
        """Reconstruction."""
        return self.decode(self.encode(x_BxRxT))


class Whole(NamedTuple):
    """A trained codec of whole records, a pytree.

    Attributes:
      params: weights of its ``RecordAutoencoder``.
      fixed: linear path, mean and scales, see ``joint.start``.
    """

    params: Any
    fixed: Fixed


@dataclasses.dataclass(frozen=True)
class WholeTask:
    """Squared error of records on the [0, 1] scale, in units of their variance."""

    model: RecordAutoencoder
    quantum: ClassVar[int] = 32

    def init(self, key: Array) -> Any:
        return self.model.init(key, jnp.zeros((1, *self.model.shape)))

    def losses(self, params: Any, fixed: Fixed, x_BxRxT: Array, key: Array | None) -> Array:
        error_BxRxT = reconstruct(self.model, Whole(params, fixed), x_BxRxT) - x_BxRxT
        return (error_BxRxT**2).mean(axis=(1, 2)) / fixed.variance


def encode(model: RecordAutoencoder, whole: Whole, x_BxRxT: Array) -> Array:
    """Latent matrices B×d×d of records on the [0, 1] scale."""
    codec = whole.fixed.codec
    drift, retention, principal_PxRxT = codec
    standard = (x_BxRxT - drift.mean) / drift.scale
    linear_BxDxD = (standard @ drift.linear_LxD / retention.scale).swapaxes(1, 2) @ retention.linear_LxD
    if principal_PxRxT is not None:
        linear_BxDxD += stages.encode_principal(codec, standard)
    return linear_BxDxD + retention.latent_scale * model.apply(whole.params, standard, method="encode")


def decode(model: RecordAutoencoder, whole: Whole, e_BxDxD: Array) -> Array:
    """Records of latent matrices."""
    codec = whole.fixed.codec
    drift, retention, principal_PxRxT = codec
    z_BxRxD = (e_BxDxD @ retention.linear_LxD.T).swapaxes(1, 2) * retention.scale
    linear_BxRxT = z_BxRxD @ drift.linear_LxD.T
    if principal_PxRxT is not None:
        linear_BxRxT += stages.decode_principal(codec, e_BxDxD)
    residual = model.apply(whole.params, e_BxDxD / retention.latent_scale, method="decode")
    return (linear_BxRxT + residual) * drift.scale + drift.mean


def reconstruct(model: RecordAutoencoder, whole: Whole, x_BxRxT: Array) -> Array:
    """Records through the codec and back."""
    return decode(model, whole, encode(model, whole, x_BxRxT))


jitted_reconstruct = jax.jit(reconstruct, static_argnums=0)


def fit(
    key: Array,
    part: Part,
    latent: int,
    config: ModelConfig,
    train: TrainConfig,
    *,
    directory: Path | None = None,
) -> tuple[RecordAutoencoder, Whole, Curves]:
    """Trains on training records, some of their groups held out for validation, and keeps the best weights.

    The linear path is that of the others; unlike that of ``joint`` it is never fitted again to all of them.
    """
    split_key, choice_key, fit_key = jax.random.split(key, 3)
    rest, held = holdout.split(split_key, part, train.validation_fraction)
    columns = linear.choose(choice_key, part, latent).columns
    fixed = joint.start(rest.x_NxRxT, latent, (0.0, 1.0), columns)
    model = RecordAutoencoder(part.x_NxRxT.shape[1:], latent, config)
    params, curves = minimise(
        fit_key, WholeTask(model), train, rest.x_NxRxT, held.x_NxRxT, fixed=fixed, directory=directory
    )
    return model, Whole(params, fixed), curves


def reconstruct_all(model: RecordAutoencoder, whole: Whole, x_NxRxT: np.ndarray, batch_records: int = 16) -> np.ndarray:
    """``reconstruct`` for any number of records."""
    return in_batches(functools.partial(jitted_reconstruct, model, whole), batch_records, x_NxRxT)
