"""Smooth monotone maps of both axes: how peaks move between runs. Pure, differentiable, batched over records.

A warp of one axis says for every point where in the record its value comes from. Its slope is the exponential of a
smooth curve through a few knots, so it is positive whatever the parameters, and the map one-to-one; all parameters zero is
the identity. Positions are shares of the axis, 0 at its first and 1 at its last point.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gcims_jax.errors import InputError

Array = jax.Array

KEEP = ("height", "area")


class AxisWarp(NamedTuple):
    """Warps of one axis of N records, a pytree; zeros change nothing.

    Attributes:
      offset_N: shift, share of the axis.
      log_scale_N: logarithm of the stretch around the anchor.
      knots_NxK: logarithm of the local stretch at K evenly spread knots, whose mean over the axis makes no difference.
    """

    offset_N: Array
    log_scale_N: Array
    knots_NxK: Array


def identity(n: int, knots: int) -> AxisWarp:
    """Warps that change nothing."""
    return AxisWarp(jnp.zeros(n), jnp.zeros(n), jnp.zeros((n, knots)))


def check_knots(length: int, knots: int) -> None:
    """Raises InputError where an axis has too few points for its knots."""
    if length < 4:
        raise InputError(
            f"warp: expected an axis of 4 points or more, got {length}; for single series take a generator that leaves that axis "
            "alone, such as tuned_warp"
        )
    if not 2 <= knots <= length // 2:
        raise InputError(
            f"warp: expected 2 to {length // 2} knots, half the points of the axis ({length}), got {knots}; "
            "take fewer knots or a finer grid"
        )


@functools.partial(jax.jit, static_argnums=(1, 2))
def positions(warp: AxisWarp, length: int, anchor: float = 0.5) -> Array:
    """Where each point's value comes from, N×L in shares of the axis, increasing along L.

    Args:
      warp: parameters.
      length: L, points of the axis.
      anchor: share of the axis that a stretch and the knots leave where it is: the middle, or the reactant ion peak.
    """
    # Increments between neighbouring points are a softmax of the interpolated knots: positive, with sum 1.
    middle_L = (jnp.arange(length - 1) + 0.5) / (length - 1) * (warp.knots_NxK.shape[1] - 1)
    left_L = jnp.clip(middle_L.astype(int), 0, warp.knots_NxK.shape[1] - 2)
    share_L = middle_L - left_L
    share_L = share_L**2 * (3.0 - 2.0 * share_L)  # flat at the knots, so that the slope has no corners
    log_slope_NxL = warp.knots_NxK[:, left_L] * (1.0 - share_L) + warp.knots_NxK[:, left_L + 1] * share_L
    inner_NxL = jnp.cumsum(jax.nn.softmax(log_slope_NxL, axis=1), axis=1)
    map_NxL = jnp.pad(inner_NxL, ((0, 0), (1, 0)))
    # The anchor keeps its place exactly, between points as well.
    at = anchor * (length - 1)
    low = jnp.clip(jnp.floor(at).astype(int), 0, length - 2)
    fixed_N = map_NxL[:, low] + (at - low) * (map_NxL[:, low + 1] - map_NxL[:, low])
    stretched_NxL = jnp.exp(warp.log_scale_N)[:, None] * (map_NxL - fixed_N[:, None])
    return anchor + warp.offset_N[:, None] + stretched_NxL


@jax.jit
def invert(positions_NxL: Array) -> Array:
    """Positions of the inverse maps, by linear interpolation; beyond the ends of a map it goes on at slope 1."""
    grid_L = jnp.linspace(0.0, 1.0, positions_NxL.shape[1])
    return jax.vmap(lambda p_L: _interpolate(grid_L, p_L, grid_L))(positions_NxL)


@jax.jit
def compose(outer_NxL: Array, inner_NxL: Array) -> Array:
    """Positions of applying the warp ``outer`` to records that ``inner`` has been applied to."""
    grid_L = jnp.linspace(0.0, 1.0, outer_NxL.shape[1])
    return jax.vmap(lambda outer_L, inner_L: _interpolate(outer_L, grid_L, inner_L))(outer_NxL, inner_NxL)


def _interpolate(at_M: Array, x_L: Array, y_L: Array) -> Array:
    """Linear interpolation of y(x) for increasing x, continued at slope 1."""
    below, above = jnp.minimum(at_M - x_L[0], 0.0), jnp.maximum(at_M - x_L[-1], 0.0)
    return jnp.interp(at_M, x_L, y_L) + below + above


@functools.partial(jax.jit, static_argnums=3)
def apply(x_NxRxT: Array, slow_NxR: Array, fast_NxT: Array, keep: str = "height") -> Array:
    """Records read at warped positions of both axes; points from beyond an edge repeat the edge.

    Args:
      x_NxRxT: records.
      slow_NxR, fast_NxT: positions from ``positions``.
      keep: "height" of peaks, or their "area": then values are multiplied by the local stretch.
    """
    if keep not in KEEP:
        raise InputError(f"warp.keep: expected one of {', '.join(KEEP)}, got {keep!r}")
    warped_NxRxT = jax.vmap(_read_rows)(x_NxRxT, slow_NxR)
    warped_NxRxT = jax.vmap(lambda x_RxT, at_T: _read_rows(x_RxT.T, at_T).T)(warped_NxRxT, fast_NxT)
    if keep == "area":
        warped_NxRxT *= _slopes(slow_NxR)[:, :, None] * _slopes(fast_NxT)[:, None, :]
    return warped_NxRxT


def _read_rows(x_LxM: Array, at_L: Array) -> Array:
    """Rows at fractional positions, by cubic convolution (Keys 1981), which leaves whole positions as they are."""
    length = x_LxM.shape[0]
    where_L = jnp.clip(at_L * (length - 1), 0.0, length - 1.0)
    # A point of a grid that came out as 2.9999998 is 3.
    where_L = jnp.where(jnp.abs(where_L - jnp.round(where_L)) < 1e-4, jnp.round(where_L), where_L)
    base_L = jnp.floor(where_L).astype(int)
    f_Lx1 = (where_L - base_L)[:, None]
    weights = (
        -0.5 * f_Lx1 + f_Lx1**2 - 0.5 * f_Lx1**3,
        1.0 - 2.5 * f_Lx1**2 + 1.5 * f_Lx1**3,
        0.5 * f_Lx1 + 2.0 * f_Lx1**2 - 1.5 * f_Lx1**3,
        -0.5 * f_Lx1**2 + 0.5 * f_Lx1**3,
    )
    taps = (x_LxM[jnp.clip(base_L + offset, 0, length - 1)] for offset in (-1, 0, 1, 2))
    return sum(weight * tap for weight, tap in zip(weights, taps, strict=True))


def _slopes(positions_NxL: Array) -> Array:
    """Local stretch at every point."""
    return jnp.gradient(positions_NxL, axis=1) * (positions_NxL.shape[1] - 1)


def roughness(warp: AxisWarp) -> Array:
    """Mean square change of the logarithm of the slope from knot to knot, per record; zero for shift and stretch."""
    return jnp.mean(jnp.diff(warp.knots_NxK, axis=1) ** 2, axis=1)


class Spread(NamedTuple):
    """Standard deviations of the parameters of random warps of one axis.

    Attributes:
      offset: share of the axis.
      log_scale: of the stretch.
      knots: of the logarithm of the local stretch.
    """

    offset: float
    log_scale: float
    knots: float


# Spreads of size 1, in which sizes, stiffness and bounds of warps count. Knots of the slow axis move by about 0.05 of it, of
# the fast axis by 0.02, which is also stretched by 0.04.
SLOW, FAST = Spread(0.03, 0.03, 0.28), Spread(0.005, 0.04, 0.11)


def draw(key: Array, spread: Spread, n: int, knots: int) -> AxisWarp:
    """Independent normal parameters."""
    keys = jax.random.split(key, 3)
    return AxisWarp(
        spread.offset * jax.random.normal(keys[0], (n,)),
        spread.log_scale * jax.random.normal(keys[1], (n,)),
        spread.knots * jax.random.normal(keys[2], (n, knots)),
    )
