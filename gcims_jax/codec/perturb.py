"""Training records that never were: shifted, warped and scaled copies, drawn anew at every step."""

import dataclasses

import jax
import jax.numpy as jnp

from gcims_jax.errors import InputError

Array = jax.Array

KNOTS = 5


@dataclasses.dataclass(frozen=True)
class PerturbConfig:
    """Sizes of the random changes; 0 switches each off.

    Attributes:
      shift: largest shift of both axes, whole points, so that noise stays as it is.
      warp: standard deviation of a smooth warp of both axes at its knots, fraction of the axis.
      intensity: standard deviation of the logarithm of a factor on the [0, 1] scale.
    """

    shift: int = 0
    warp: float = 0.0
    intensity: float = 0.0

    def __post_init__(self) -> None:
        for name in ("shift", "warp", "intensity"):
            if not getattr(self, name) >= 0:
                raise InputError(f"perturb.{name}: expected 0 or more, got {getattr(self, name)}")


def draw(key: Array, config: PerturbConfig, x_BxRxT: Array) -> Array:
    """Changes each of B records on the [0, 1] scale on its own; points from beyond an edge repeat the edge."""
    keys = jax.random.split(key, 5)
    n, r, t = x_BxRxT.shape
    if config.shift:
        shifts_2xB = jax.random.randint(keys[0], (2, n), -config.shift, config.shift + 1)
        rows_BxR = jnp.clip(jnp.arange(r) + shifts_2xB[0][:, None], 0, r - 1)
        columns_BxT = jnp.clip(jnp.arange(t) + shifts_2xB[1][:, None], 0, t - 1)
        x_BxRxT = jax.vmap(lambda x, i, j: x[i][:, j])(x_BxRxT, rows_BxR, columns_BxT)
    if config.warp:
        slow_BxRxR = _warp_matrices(keys[1], config.warp, n, r)
        fast_BxTxT = _warp_matrices(keys[2], config.warp, n, t)
        x_BxRxT = slow_BxRxR @ x_BxRxT @ fast_BxTxT.swapaxes(1, 2)
    if config.intensity:
        x_BxRxT = x_BxRxT * jnp.exp(config.intensity * jax.random.normal(keys[3], (n, 1, 1)))
    return x_BxRxT


def _warp_matrices(key: Array, size: float, n: int, length: int) -> Array:
    """n×L×L cubic (Catmull–Rom) interpolation at smoothly displaced points."""
    knots_BxK = size * length * jax.random.normal(key, (n, KNOTS))
    position_L = jnp.linspace(0.0, KNOTS - 1.0, length)
    left_L = jnp.clip(position_L.astype(int), 0, KNOTS - 2)
    f_L = position_L - left_L
    f_L = f_L**2 * (3.0 - 2.0 * f_L)
    moved_BxL = jnp.arange(length) + knots_BxK[:, left_L] * (1.0 - f_L) + knots_BxK[:, left_L + 1] * f_L
    moved_BxL = jnp.clip(moved_BxL, 0.0, length - 1.0)
    base_BxL = jnp.floor(moved_BxL).astype(int)
    f = (moved_BxL - base_BxL)[..., None]
    weights = (
        -0.5 * f + f**2 - 0.5 * f**3,
        1.0 - 2.5 * f**2 + 1.5 * f**3,
        0.5 * f + 2.0 * f**2 - 1.5 * f**3,
        -0.5 * f**2 + 0.5 * f**3,
    )
    return sum(
        w * jax.nn.one_hot(jnp.clip(base_BxL + offset, 0, length - 1), length)
        for w, offset in zip(weights, (-1, 0, 1, 2), strict=True)
    )
