"""Functions of many records in equal batches: memory stays flat and nothing is compiled for a second number of records."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


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
