"""What every generator of records is, and what several share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from gcims_jax.errors import InputError

Array = jax.Array


class FittedCodec(NamedTuple):
    """A codec that has learned.

    Attributes:
      encode: ``encode(x_NxRxT) -> latents_NxDxD``.
      decode: ``decode(latents_SxDxD) -> x_SxRxT``.
    """

    encode: Callable[[np.ndarray], np.ndarray]
    decode: Callable[[np.ndarray], np.ndarray]


FitCodec = Callable[[Array, np.ndarray], FittedCodec]


class Generator(NamedTuple):
    """A way to make synthetic records.

    Attributes:
      fit: ``fit(key, x_NxRxT, labels_N, *, fit_codec, **options) -> state``, of training records on the [0, 1] scale and
        their integer labels; ``fit_codec(key, x_NxRxT)`` gives a codec where one is needed.
      sample: ``sample(key, state, labels_S) -> x_SxRxT`` float32, one record per label; same key, same records.
    """

    fit: Callable[..., Any]
    sample: Callable[[Array, Any, np.ndarray], np.ndarray]


class Pool(NamedTuple):
    """The training records, by class: the state of generators that change copies of them.

    Attributes:
      x_NxRxT: training records.
      labels_N: their labels.
      options: of the generator, by name.
    """

    x_NxRxT: np.ndarray
    labels_N: np.ndarray
    options: dict[str, Any]


def numpy_rng(key: Array) -> np.random.Generator:
    """A numpy generator that depends on nothing but the key."""
    return np.random.default_rng(np.asarray(jax.random.bits(key, (4,))))


def check_labels(known_N: np.ndarray, labels_S: np.ndarray) -> np.ndarray:
    """Labels to draw as an integer array, if each was there in training."""
    labels_S = np.asarray(labels_S)
    if unknown := sorted(set(labels_S.tolist()) - set(np.asarray(known_N).tolist())):
        raise InputError(f"labels to draw: expected labels of the training records, got {unknown[0]!r} as well")
    return labels_S


def pick(rng: np.random.Generator, known_N: np.ndarray, labels_S: np.ndarray) -> np.ndarray:
    """A training record of the label for each draw, as indices; every record of a class as often as the next.

    The first draws of a class are spread as evenly as all of them, so any prefix is a fair smaller set.
    """
    labels_S = check_labels(known_N, labels_S)
    picked_S = np.empty(len(labels_S), int)
    for label in np.unique(labels_S):
        own, wanted = np.flatnonzero(known_N == label), np.flatnonzero(labels_S == label)
        rounds = -(-len(wanted) // len(own))
        picked_S[wanted] = np.concatenate([rng.permutation(own) for _ in range(rounds)])[: len(wanted)]
    return picked_S


def check_size(name: str, size: float) -> float:
    """Raises InputError unless the size is a finite number of 0 or more."""
    if not 0.0 <= size < np.inf:
        raise InputError(f"generator.{name}: expected a number of 0 or more, got {size}")
    return float(size)
