"""Functions of many records in equal batches: memory stays flat and nothing is compiled for a second number of records."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

BATCH = 256


def traced(*trees: Any) -> bool:
    """Whether this runs inside ``jax.jit`` or ``jax.vmap``, where values are not there yet to be looked at."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(trees))


def in_batches(function: Callable[..., Any], size: int, *arrays_Nx: np.ndarray) -> Any:
    """Applies a jitted function to batches of arrays of N rows each; the last batch is filled up with its last row.

    Args:
      function: ``function(*arrays_Bx)``, a pytree of arrays with B rows.
      size: B.
      *arrays_Nx: at least one, N of at least 1.

    Returns:
      What the function gives, with N rows, as numpy arrays; inside ``jax.jit`` what it gives of all rows at once.
    """
    if traced(arrays_Nx):
        return function(*arrays_Nx)
    n = len(arrays_Nx[0])
    padded = [np.concatenate([a_Nx, np.repeat(a_Nx[-1:], -n % size, axis=0)]) for a_Nx in map(np.asarray, arrays_Nx)]
    parts = [
        jax.tree.map(np.asarray, function(*(a_Nx[i : i + size] for a_Nx in padded)))
        for i in range(0, len(padded[0]), size)
    ]
    return jax.tree.map(lambda *rows: np.concatenate(rows)[:n], *parts)


def for_each(key: jax.Array, function: Callable[..., Any], *rows_Sx: np.ndarray, given: Any = ()) -> Any:
    """``function(key, *rows, *given)`` of each of S records, under a key of its own.

    The key of a record depends on ``key`` and its place alone, so what is drawn is the same in batches and all at once.

    Args:
      key: of all records.
      function: of one record, pure; the same object at every call, or it is compiled again.
      *rows_Sx: at least one array of S rows, S of at least 1.
      given: a tuple of what is the same for all.

    Returns:
      What the function gives, with S rows, as numpy arrays; inside ``jax.jit`` as JAX arrays.
    """
    number_S = np.arange(len(rows_Sx[0]))
    if traced(key, rows_Sx, given):
        return _each(function, key, given, number_S, *rows_Sx)
    return in_batches(functools.partial(_each, function, key, given), BATCH, number_S, *rows_Sx)


@functools.partial(jax.jit, static_argnums=0)
def _each(function: Callable[..., Any], key: jax.Array, given: Any, number_B: jax.Array, *rows_Bx: jax.Array) -> Any:
    def one(number: jax.Array, *rows: jax.Array) -> Any:
        return function(jax.random.fold_in(key, number), *rows, *given)

    return jax.vmap(one)(number_B, *rows_Bx)
