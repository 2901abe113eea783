"""The transformer autoencoder of one series, used by both stages of the codec."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from gcims_jax.errors import InputError

Array = jax.Array

ACTIVATIONS = {"gelu": nn.gelu, "relu": nn.relu, "silu": nn.silu, "tanh": nn.tanh}


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Size of one series autoencoder.

    Attributes:
      patch: points of a series that make one token.
      width: features of a token.
      depth: attention blocks in the encoder, and as many in the decoder.
      heads: attention heads; divides ``width``.
      activation: of the hidden layers, a key of ``ACTIVATIONS``.
      dropout: share of each branch's features that a training step leaves out.
    """

    patch: int = 16
    width: int = 64
    depth: int = 1
    heads: int = 2
    activation: str = "gelu"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("patch", "width", "heads"):
            if getattr(self, name) < 1:
                raise InputError(f"codec.{name}: expected 1 or more, got {getattr(self, name)}")
        if self.depth < 0:
            raise InputError(f"codec.depth: expected 0 or more, got {self.depth}")
        if self.width % self.heads:
            raise InputError(
                f"codec.heads: expected a number that divides codec.width ({self.width}), got {self.heads}"
            )
        if self.activation not in ACTIVATIONS:
            raise InputError(f"codec.activation: expected one of {sorted(ACTIVATIONS)}, got {self.activation!r}")
        if not 0.0 <= self.dropout < 1.0:
            raise InputError(f"codec.dropout: expected a fraction from 0 to below 1, got {self.dropout}")


class Block(nn.Module):
    """Pre-norm attention block with a hidden layer of twice the width. Its two branches start at zero, so an untrained block is the identity."""

    config: ModelConfig

    @nn.compact
    def __call__(self, h_BxPxW: Array, deterministic: bool) -> Array:
        c, zeros = self.config, nn.initializers.zeros
        drop = nn.Dropout(c.dropout, deterministic=deterministic)
        attention = nn.MultiHeadDotProductAttention(c.heads, out_kernel_init=zeros)
        h_BxPxW += drop(attention(nn.LayerNorm()(h_BxPxW)))
        hidden = ACTIVATIONS[c.activation](nn.Dense(2 * c.width)(nn.LayerNorm()(h_BxPxW)))
        return h_BxPxW + drop(nn.Dense(c.width, kernel_init=zeros)(hidden))


class SeriesAutoencoder(nn.Module):
    """Series of L points to d numbers and back (arXiv 2502.13183, used for drift and for retention series).

    Encoder: patches, learned positions, attention blocks, fully connected to d. The decoder mirrors it. A series
    whose length is not a multiple of the patch is padded with zeros at its end; the padding fills part of one token,
    never a whole one, so no attention mask is needed, and the decoder drops it, so no loss ever sees it.

    As a residual, encoder and decoder are added to a linear path: both also hold a matrix that corrects that path,
    and both return zero until they are trained.

    Attributes:
      length: L, points of a series.
      latent: d, numbers that represent it.
      config: sizes.
      residual: whether it is a residual.
    """

    length: int
    latent: int
    config: ModelConfig
    residual: bool = False

    def setup(self) -> None:
        c = self.config
        self.tokens = -(-self.length // c.patch)
        positions, zeros = nn.initializers.normal(0.02), nn.initializers.zeros
        last = zeros if self.residual else nn.initializers.lecun_normal()
        self.encoder_positions = self.param("encoder_positions", positions, (self.tokens, c.width))
        self.decoder_positions = self.param("decoder_positions", positions, (self.tokens, c.width))
        self.patch_in = nn.Dense(c.width)
        self.encoder_blocks = [Block(c) for _ in range(c.depth)]
        self.to_latent = nn.Dense(self.latent, kernel_init=last)
        self.from_latent = nn.Dense(self.tokens * c.width)
        self.decoder_blocks = [Block(c) for _ in range(c.depth)]
        self.patch_out = nn.Dense(c.patch, kernel_init=last)
        if self.residual:
            self.linear_in = nn.Dense(self.latent, use_bias=False, kernel_init=zeros)
            self.linear_out = nn.Dense(self.length, use_bias=False, kernel_init=zeros)

    def encode(self, x_BxL: Array, deterministic: bool = True) -> Array:
        """B×L to B×d; not deterministic with dropout, which takes its key from ``rngs``."""
        padding = self.tokens * self.config.patch - self.length
        padded = jnp.pad(x_BxL, ((0, 0), (0, padding)))
        h_BxPxW = self.patch_in(padded.reshape(len(x_BxL), self.tokens, self.config.patch)) + self.encoder_positions
        for block in self.encoder_blocks:
            h_BxPxW = block(h_BxPxW, deterministic)
        z_BxD = self.to_latent(h_BxPxW.reshape(len(x_BxL), -1))
        return z_BxD + self.linear_in(x_BxL) if self.residual else z_BxD

    def decode(self, z_BxD: Array, deterministic: bool = True) -> Array:
        """B×d to B×L."""
        h_BxPxW = self.from_latent(z_BxD).reshape(len(z_BxD), self.tokens, -1) + self.decoder_positions
        for block in self.decoder_blocks:
            h_BxPxW = block(h_BxPxW, deterministic)
        x_BxL = self.patch_out(h_BxPxW).reshape(len(z_BxD), -1)[:, : self.length]
        return x_BxL + self.linear_out(z_BxD) if self.residual else x_BxL

    def __call__(self, x_BxL: Array, deterministic: bool = True) -> Array:
        """Reconstruction, B×L."""
        return self.decode(self.encode(x_BxL, deterministic), deterministic)
