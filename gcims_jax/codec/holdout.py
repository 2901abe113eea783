"""Records held out of training, by whole groups: replicates of one physical sample never sit on both sides."""

from typing import NamedTuple

import jax
import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.parts import Part

Array = jax.Array


class Sides(NamedTuple):
    """A part in two.

    Attributes:
      rest: records to learn from.
      held: records that choices are judged by; no group of these is in ``rest``.
    """

    rest: Part
    held: Part


def split(key: Array, part: Part, fraction: float) -> Sides:
    """Groups in random order until a fraction of the records is reached.

    From four groups on at least two are held out, for one alone has no standard error. A group that would take more than
    half of the records is passed over.

    Args:
      key: of the order.
      part: records.
      fraction: of the records, at least one.

    Raises:
      InputError: one group or none.
    """
    _, first, group_N = np.unique(part.groups_N, return_index=True, return_inverse=True)
    n_groups = len(first)
    if n_groups < 2:
        raise InputError(
            f"training records: expected at least 2 groups (one is held out for validation), got {n_groups} in {len(part)} "
            "records; add records of other samples"
        )
    appearance = np.argsort(np.argsort(first))
    number_N = appearance[group_N]
    order = np.asarray(jax.random.permutation(key, n_groups))
    sizes = np.bincount(number_N)
    least, wanted = (2 if n_groups >= 4 else 1), max(1, round(fraction * len(part)))
    taken, count = [], 0
    for group in order:
        if (count >= wanted and len(taken) >= least) or 2 * (count + sizes[group]) > len(part):
            continue
        taken.append(group)
        count += sizes[group]
    left = [group for group in order if group not in set(taken)]
    held, rest = (np.concatenate([np.flatnonzero(number_N == group) for group in side]) for side in (taken, left))
    return Sides(part.take(rest), part.take(held))


def standard_error(values_N: np.ndarray, groups_N: np.ndarray) -> float:
    """Of the mean over records, counting groups: records of one group err together; 0 where there is one group."""
    _, group_N = np.unique(groups_N, return_inverse=True)
    sums = np.bincount(group_N, values_N - np.mean(values_N))
    count = len(sums)
    return float(np.sqrt(count / (count - 1) * np.sum(sums**2)) / len(values_N)) if count > 1 else 0.0
