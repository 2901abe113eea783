"""Nothing is scored on a record that it has learned from: data and what was learned carry the records behind them."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from gcims_jax import parts
from gcims_jax.errors import InputError


class LeakError(InputError):
    """Something was about to be scored on a record that it, or what made its training data, has seen."""


class Part(NamedTuple):
    """Labelled records, and which real records they come from.

    Attributes:
      x_NxRxT: real or synthetic records.
      labels_N: their integer labels.
      seen: numbers of the real records that shaped them; of real records their own, of synthetic ones all that their
        generator has learned from.
    """

    x_NxRxT: np.ndarray
    labels_N: np.ndarray
    seen: frozenset[int]


class Learned(NamedTuple):
    """What was learned, and the real records that shaped it."""

    value: Any
    seen: frozenset[int]


def take(x_NxRxT: np.ndarray, labels_N: np.ndarray, indices_M: Iterable[int]) -> Part:
    """Some of the real records, by their numbers."""
    indices_M = np.asarray(list(indices_M), int)
    return Part(x_NxRxT[indices_M], labels_N[indices_M], frozenset(indices_M.tolist()))


def join(*parts: Part) -> Part:
    """One training set of several parts."""
    return Part(
        np.concatenate([part.x_NxRxT for part in parts]),
        np.concatenate([part.labels_N for part in parts]),
        frozenset().union(*(part.seen for part in parts)),
    )


def learn(fit: Callable[..., Any], part: Part, *arguments: Any, **options: Any) -> Learned:
    """``fit(x_NxRxT, labels_N, *arguments, **options)`` of a part, with the records that it has seen."""
    return Learned(fit(part.x_NxRxT, part.labels_N, *arguments, **options), part.seen)


def check_held_out(part: Part, *learned: Learned) -> Part:
    """The part itself, if nothing learned has seen any of its records.

    Raises:
      LeakError: records that both sides share, numbered.
    """
    shared = sorted(part.seen & frozenset().union(*(one.seen for one in learned)))
    if shared:
        listed = ", ".join(map(str, shared[:5])) + (", …" if len(shared) > 5 else "")
        raise LeakError(
            f"strict protocol: expected held-out records that nothing in use has learned from, got {len(shared)} that it has "
            f"(numbers {listed}); learn from the training part of the fold alone, or name the protocol 'paper', which leaks"
        )
    return part


def check_unseen(test: parts.Part, *learned: parts.Part | parts.Learned) -> parts.Part:
    """The part itself, if nothing learned has seen any of its records, nor another record of their groups.

    Args:
      test: real records to score on.
      learned: what was learned, and synthetic records, whose origin says what they were learned from.

    Raises:
      LeakError: records or groups that both sides share, named.
    """
    identities = frozenset().union(*(one.origin.identities for one in learned))
    groups = frozenset().union(*(one.origin.groups for one in learned))
    seen_N = np.array([i in identities or g in groups for i, g in zip(test.identities_N, test.groups_N, strict=True)])
    if seen_N.any():
        names = test.names_N[seen_N].tolist()
        listed = ", ".join(map(str, names[:5])) + (", …" if len(names) > 5 else "")
        raise LeakError(
            f"strict protocol: expected held-out records that nothing in use has learned from, got {len(names)} that it has, or of "
            f"whose sample it has another measurement ({listed}); learn from the training part of the fold alone"
        )
    return test
