"""Nuisances put on records, exactly: axes are warped, amounts multiplied, backgrounds added."""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax.batches import for_each
from gcims_jax.nuisances import table
from gcims_jax.nuisances.amounts import Amounts, amplify
from gcims_jax.phase import warp

Array = jax.Array


def change(key: Array, x_SxRxT: np.ndarray, sizes: Mapping[str, float], amounts: Amounts) -> np.ndarray:
    """Each record with nuisances drawn anew, float32; inside ``jax.jit`` too.

    Gains come first, as of what was in the sample and came through the column, then shifts, then what is added.

    Args:
      key: of the draws.
      x_SxRxT: records on the [0, 1] scale.
      sizes: standard deviation of each nuisance, by name.
      amounts: what this scale stands for.
    """
    if not sizes:
        return x_SxRxT
    given = tuple(map(float, sizes.values())), amounts.low, amounts.span
    return for_each(key, _with(tuple(sizes), amounts.logarithm), x_SxRxT, given=given)


@functools.cache  # one program for all sizes
def _with(names: tuple[str, ...], logarithm: bool) -> Callable[..., Array]:
    return functools.partial(_change, names, logarithm)


def _change(
    names: tuple[str, ...], logarithm: bool, key: Array, x_RxT: Array, sizes: tuple[Array, ...], low: Array, span: Array
) -> Array:
    keys, fields = jax.random.split(key, len(names)), {}
    for name, size, own_key in zip(names, sizes, keys, strict=True):
        does = table.ALL[name].does
        fields[does] = fields.get(does, 0.0) + size * field(own_key, name, x_RxT.shape)
    if "gain" in fields:
        x_RxT = amplify(Amounts(low, span, logarithm), x_RxT, fields["gain"])
    if {"slow", "fast"} & set(fields):
        r, t = x_RxT.shape
        slow_R = jnp.broadcast_to(fields.get("slow", jnp.zeros((1, 1))), (r, 1))[:, 0]
        fast_T = jnp.broadcast_to(fields.get("fast", jnp.zeros((1, 1))), (1, t))[0]
        x_RxT = warp.apply(x_RxT[None], _positions(slow_R)[None], _positions(fast_T)[None])[0]
    return jnp.float32(x_RxT + fields.get("addition", 0.0))


def field(key: Array, name: str, shape: tuple[int, int]) -> Array:
    """Field of a nuisance of size 1: R×T, or one point long along an axis where it does not vary."""
    r, t = shape
    orders = table.terms(name, (r, t))
    total = jnp.zeros((1, 1))
    for (slow, fast), own_key in zip(orders, jax.random.split(key, max(len(orders), 1)), strict=False):
        weight = jax.random.normal(own_key, (r if slow == table.OWN else 1, t if fast == table.OWN else 1))
        if slow not in (0, table.OWN):
            weight = weight * table.curve(slow, r, "slow")[:, None]
        if fast not in (0, table.OWN):
            weight = weight * table.curve(fast, t, "fast")
        total = total + weight
    return total / np.sqrt(max(len(orders), 1))


def _positions(shift_L: Array) -> Array:
    """Where each point is read, shares of the axis; never backwards."""
    share_L = jnp.linspace(0.0, 1.0, len(shift_L)) if len(shift_L) > 1 else jnp.zeros(1)
    return jax.lax.cummax(share_L + shift_L)
