"""Amounts on the [0, 1] scale: what a gain of the instrument does to records that a logarithm was taken of."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array

ERRORS = 2.5  # standard errors of a mean at which half of it is kept
LARGEST = 20.0  # logarithm of a gain, so that no draw overflows


class Amounts(NamedTuple):
    """How the [0, 1] scale came from amounts: y = low + span · x, and y is the amount, or its asinh (``preprocessing.scale``).

    Attributes:
      low, span: of the scale before it was brought to [0, 1].
      logarithm: whether y is the asinh of the amount in knees.
    """

    low: float = 0.0
    span: float = 1.0
    logarithm: bool = False


def slope(amounts: Amounts, x_NxRxT: np.ndarray) -> np.ndarray:
    """How fast values on the [0, 1] scale grow with the logarithm of a gain."""
    y_NxRxT = amounts.low + amounts.span * x_NxRxT
    return (np.tanh(y_NxRxT) if amounts.logarithm else y_NxRxT) / amounts.span


def quieten(amounts: Amounts, mean_RxT: np.ndarray, variance_RxT: np.ndarray) -> np.ndarray:
    """A mean record on the [0, 1] scale without the amounts that are no larger than their own error.

    What varies within a class is in its mean as well. Left there it would look like a gain of itself.

    Args:
      amounts: what the scale stands for.
      mean_RxT: mean record.
      variance_RxT: of the mean.
    """
    y_RxT = amounts.low + amounts.span * mean_RxT
    clear_RxT = y_RxT**4
    unclear_RxT = (ERRORS * amounts.span) ** 4 * variance_RxT**2
    share_RxT = clear_RxT / np.maximum(clear_RxT + unclear_RxT, 1e-300)
    return (share_RxT * y_RxT - amounts.low) / amounts.span


def amplify(amounts: Amounts, x_RxT: Array, log_gain_RxT: Array) -> Array:
    """A record on the [0, 1] scale with its amounts multiplied by exp(log gain); pure JAX."""
    y_RxT, factor_RxT = amounts.low + amounts.span * x_RxT, jnp.exp(jnp.clip(log_gain_RxT, -LARGEST, LARGEST))
    y_RxT = jnp.arcsinh(factor_RxT * jnp.sinh(y_RxT)) if amounts.logarithm else factor_RxT * y_RxT
    return (y_RxT - amounts.low) / amounts.span
