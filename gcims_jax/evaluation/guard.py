"""Nothing is scored on a record that it has learned from, nor on another measurement of the same sample."""

import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.parts import Learned, Part


class LeakError(InputError):
    """Something was about to be scored on a record that it, or what made its training records, has seen."""


def check_unseen(test: Part, *learned: Part | Learned) -> Part:
    """The part itself, if nothing learned has seen any of its records, nor another record of their groups.

    Synthetic records that equal a held-out one to the last digit betray a generator that has seen more than it says.

    Args:
      test: real records to score on.
      learned: what was learned, and training sets, whose origin says what their synthetic records were learned from.

    Raises:
      LeakError: records or groups that both sides share, named.
    """
    identities = frozenset().union(*(one.origin.identities for one in learned))
    groups = frozenset().union(*(one.origin.groups for one in learned))
    seen_N = np.array([i in identities or g in groups for i, g in zip(test.identities_N, test.groups_N, strict=True)])
    if seen_N.any():
        raise LeakError(
            "strict protocol: expected held-out records that nothing in use has learned from, got "
            f"{int(seen_N.sum())} that it has, or of whose sample it has another measurement ({_listed(test, seen_N)}); learn "
            "from the training part of the fold alone, or name the protocol 'paper', which leaks"
        )
    for one in learned:
        if isinstance(one, Part) and (copied_N := _copied(test, one)).any():
            raise LeakError(
                "strict protocol: expected training records that are not held-out ones, got copies of "
                f"{int(copied_N.sum())} ({_listed(test, copied_N)}), though their origin does not name them; a generator has "
                "learned from records that it was not given"
            )
    return test


def _copied(test: Part, train: Part) -> np.ndarray:
    """Which held-out records stand among the synthetic ones of a training set, value for value; constant ones tell nothing."""
    made_N = ~np.isin(train.identities_N, list(train.origin.identities))
    if train.x_NxRxT.shape[1:] != test.x_NxRxT.shape[1:] or not made_N.any():
        return np.zeros(len(test), bool)
    # Three points rule out nearly all pairs before whole records are compared.
    rows_NxF, rows_MxF = (x.reshape(len(x), -1) for x in (train.x_NxRxT[made_N], test.x_NxRxT))
    middle = rows_NxF.shape[1] // 2
    alike_MxN = np.all(rows_MxF[:, None, [0, middle, -1]] == rows_NxF[None, :, [0, middle, -1]], axis=2)
    return np.array(
        [
            np.ptp(row_F) > 0.0 and any(np.array_equal(row_F, rows_NxF[n]) for n in np.flatnonzero(alike_MxN[m]))
            for m, row_F in enumerate(rows_MxF)
        ],
        bool,
    )


def _listed(test: Part, which_N: np.ndarray) -> str:
    names = test.names_N[which_N].tolist()
    return ", ".join(map(str, names[:5])) + (", …" if len(names) > 5 else "")
