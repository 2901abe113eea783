"""The transformer autoencoder of one series, used by both stages of the codec."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from gcims_jax.errors import InputError

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Size of one series autoencoder.

    Attributes:
      patch: points of a series that make one token.
      width: features of a token.
      depth: attention blocks in the encoder, and as many in the decoder.
      heads: attention heads; divides ``width``.
    """

    patch: int = 16
    width: int = 64
    depth: int = 1
    heads: int = 2

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


class Block(nn.Module):
    """Pre-norm attention block with a hidden layer of twice the width. Its two branches start at zero, so an untrained block is the identity."""

    heads: int

    @nn.compact
    def __call__(self, h_BxPxW: Array) -> Array:
        width = h_BxPxW.shape[-1]
        attention = nn.MultiHeadDotProductAttention(self.heads, out_kernel_init=nn.initializers.zeros)
        h_BxPxW += attention(nn.LayerNorm()(h_BxPxW))
        hidden = nn.gelu(nn.Dense(2 * width)(nn.LayerNorm()(h_BxPxW)))
        return h_BxPxW + nn.Dense(width, kernel_init=nn.initializers.zeros)(hidden)


class SeriesAutoencoder(nn.Module):
    """Series of L points to d numbers and back (arXiv 2502.13183, used for drift and for retention series).

    Encoder: patches, learned positions, attention blocks, fully connected to d. The decoder mirrors it. A series
    whose length is not a multiple of the patch is padded with zeros at its end; the padding fills part of one token,
    never a whole one, so no attention mask is needed, and the decoder drops it, so no loss ever sees it.

    Attributes:
      length: L, points of a series.
      latent: d, numbers that represent it.
      config: sizes.
    """

    length: int
    latent: int
    config: ModelConfig

    def setup(self) -> None:
        c = self.config
        self.tokens = -(-self.length // c.patch)
        positions = nn.initializers.normal(0.02)
        self.encoder_positions = self.param("encoder_positions", positions, (self.tokens, c.width))
        self.decoder_positions = self.param("decoder_positions", positions, (self.tokens, c.width))
        self.patch_in = nn.Dense(c.width)
        self.encoder_blocks = [Block(c.heads) for _ in range(c.depth)]
        self.to_latent = nn.Dense(self.latent)
        self.from_latent = nn.Dense(self.tokens * c.width)
        self.decoder_blocks = [Block(c.heads) for _ in range(c.depth)]
        self.patch_out = nn.Dense(c.patch)

    def encode(self, x_BxL: Array) -> Array:
        """B×L to B×d."""
        padding = self.tokens * self.config.patch - self.length
        padded = jnp.pad(x_BxL, ((0, 0), (0, padding)))
        h_BxPxW = self.patch_in(padded.reshape(len(x_BxL), self.tokens, self.config.patch)) + self.encoder_positions
        for block in self.encoder_blocks:
            h_BxPxW = block(h_BxPxW)
        return self.to_latent(h_BxPxW.reshape(len(x_BxL), -1))

    def decode(self, z_Bxd: Array) -> Array:
        """B×d to B×L."""
        h_BxPxW = self.from_latent(z_Bxd).reshape(len(z_Bxd), self.tokens, -1) + self.decoder_positions
        for block in self.decoder_blocks:
            h_BxPxW = block(h_BxPxW)
        return self.patch_out(h_BxPxW).reshape(len(z_Bxd), -1)[:, : self.length]

    def __call__(self, x_BxL: Array) -> Array:
        """Reconstruction, B×L."""
        return self.decode(self.encode(x_BxL))
