"""A seed is a whole number or a JAX key; either becomes what is needed."""

from typing import Any

import jax
import numpy as np

from gcims_jax.errors import InputError


def as_key(seed: Any) -> jax.Array:
    """A JAX key.

    Raises:
      InputError: neither a whole number of 0 or more nor one key.
    """
    if isinstance(seed, jax.Array) and jax.dtypes.issubdtype(seed.dtype, jax.dtypes.prng_key) and not seed.shape:
        return seed
    if isinstance(seed, (jax.Array, np.ndarray)) and seed.dtype == np.uint32 and seed.shape == (2,):
        return jax.random.wrap_key_data(seed)  # a key of the old kind
    return jax.random.key(_whole(seed))


def as_int(seed: Any) -> int:
    """A whole number for libraries that know no keys; a key gives one of 31 bits.

    Raises:
      InputError: neither a whole number of 0 or more nor one key.
    """
    if isinstance(seed, (jax.Array, np.ndarray)) and (seed.ndim or not np.issubdtype(seed.dtype, np.integer)):
        return int(jax.random.bits(as_key(seed)) >> 1)
    return _whole(seed)


def _whole(seed: Any) -> int:
    if isinstance(seed, (jax.Array, np.ndarray)) and not seed.ndim:
        seed = seed.item()
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise InputError(f"seed: expected a whole number from 0 to 4294967295 or one JAX key, got {seed!r}")
    return int(seed)
