"""A part of a data set: what everything that learns takes, and what learned things carry of it.

A record has an identity, the hash of its values, and a group: its physical sample, batch or day, or the record alone. Both
go with it wherever it goes, in whatever form (scaled, encoded), so that nothing is ever scored on a record, or on another
measurement of a sample, that it has learned from (``evaluation.guard``).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.identity import identify, merge_groups
from gcims_jax.records import Records


class Origin(NamedTuple):
    """The real records behind something.

    Attributes:
      identities: of the records.
      groups: of the records.
    """

    identities: frozenset[str]
    groups: frozenset[str]


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """Labelled records in some form, and where they come from.

    Attributes:
      x_NxRxT: records, or their latent matrices N×d×d.
      labels_N: integer labels.
      groups_N: group of each record; a synthetic record is its own.
      identities_N: identity of each record.
      names_N: names of the records, for messages.
      origin: the real records behind all of these: of real records these themselves, of synthetic ones all that their
        generator has learned from.
      own: whether nothing but these records is behind them, so that some of them leave the origin of the others.
    """

    x_NxRxT: np.ndarray
    labels_N: np.ndarray
    groups_N: np.ndarray
    identities_N: np.ndarray
    names_N: np.ndarray
    origin: Origin
    own: bool = True

    def __len__(self) -> int:
        return len(self.labels_N)

    def take(self, indices: Sequence[int] | np.ndarray) -> "Part":
        """Some of the records, by position; where nothing but these is behind them, they leave that of the others."""
        indices = np.asarray(indices)
        x_MxRxT, labels_M, groups_M, identities_M, names_M = (getattr(self, name)[indices] for name in _COLUMNS)
        origin = _origin(identities_M, groups_M) if self.own else self.origin
        return Part(x_MxRxT, labels_M, groups_M, identities_M, names_M, origin, self.own)

    def with_values(self, x_NxRxT: np.ndarray) -> "Part":
        """The same records in another form: scaled, encoded, registered."""
        x_NxRxT = np.asarray(x_NxRxT)
        if len(x_NxRxT) != len(self):
            raise InputError(f"part: expected the same {len(self)} records in another form, got {len(x_NxRxT)}")
        return dataclasses.replace(self, x_NxRxT=x_NxRxT)

    def seen_through(self, origin: Origin, x_NxRxT: np.ndarray) -> "Part":
        """The same records in a form made by something that was learned: what that has seen is behind them too, for good."""
        joint = Origin(*(ours | theirs for ours, theirs in zip(self.origin, origin, strict=True)))
        return dataclasses.replace(self.with_values(x_NxRxT), origin=joint, own=False)


_COLUMNS = ("x_NxRxT", "labels_N", "groups_N", "identities_N", "names_N")


class Learned(NamedTuple):
    """What was learned, and the real records behind it."""

    value: Any
    origin: Origin


def learn(fit: Callable[..., Any], part: Part, **options: Any) -> Learned:
    """``fit(part, **options)`` with the records that it has learned from."""
    return Learned(fit(part, **options), part.origin)


def from_records(records: Records, x_NxRxT: np.ndarray | None = None, *, grouped: bool = True) -> Part:
    """All records of a set as a part; labels become 0 … K-1 in the order of the sorted class names.

    Args:
      records: the set.
      x_NxRxT: the same records in another form, compressed for example; None takes their values.
      grouped: whether the groups of the set count; equal records are one group all the same.

    Raises:
      InputError: equal records under two labels.
    """
    _, labels_N = np.unique(records.labels, return_inverse=True)
    check_labels_of_equals(records)
    groups_N = records.sample_groups(grouped=grouped)
    if x_NxRxT is not None:
        x_NxRxT = np.asarray(x_NxRxT)
        groups_N = merge_groups(groups_N, identify(x_NxRxT))  # a crop can make records equal
    origin = _origin(records.identities, groups_N)
    values = records.values if x_NxRxT is None else x_NxRxT
    return Part(values, labels_N, groups_N, records.identities, records.names, origin)


def from_arrays(x_NxRxT: np.ndarray, labels_N: np.ndarray, groups_N: Sequence[Any] | None = None) -> Part:
    """Arrays as a part, for latent matrices and tests: identity by content, each record its own group unless given.

    Args:
      x_NxRxT: records or latent matrices.
      labels_N: integer labels.
      groups_N: physical sample, batch or day of each.
    """
    x_NxRxT, labels_N = np.asarray(x_NxRxT), np.asarray(labels_N)
    identities_N = identify(x_NxRxT)
    if labels_N.shape != identities_N.shape or (groups_N is not None and len(groups_N) != len(labels_N)):
        raise InputError(
            f"part: expected a label (and a group) for each of the {len(x_NxRxT)} records, got {labels_N.shape}"
            + ("" if groups_N is None else f" and {len(groups_N)}")
        )
    groups = identities_N if groups_N is None else np.asarray([str(g) for g in groups_N])
    names_N = np.asarray([f"record_{i:04d}" for i in range(len(labels_N))])
    return Part(x_NxRxT, labels_N, groups, identities_N, names_N, _origin(identities_N, groups))


def synthetic(x_SxRxT: np.ndarray, labels_S: np.ndarray, origin: Origin) -> Part:
    """Synthetic records of a generator that has learned from the records of an origin."""
    names_S = np.asarray([f"synthetic_{i:05d}" for i in range(len(labels_S))])
    return Part(np.asarray(x_SxRxT, np.float32), np.asarray(labels_S), names_S, names_S, names_S, origin, own=False)


def join(*parts: Part) -> Part:
    """One training set of several parts."""
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS)
    origins = [part.origin for part in parts]
    origin = Origin(*(frozenset().union(*sides) for sides in zip(*origins, strict=True)))
    return Part(*columns, origin, own=all(part.own for part in parts))


def check_labels_of_equals(records: Records) -> None:
    """Raises InputError where two records have the same values and different labels."""
    first: dict[str, int] = {}
    for i, identity in enumerate(records.identities.tolist()):
        j = first.setdefault(identity, i)
        if records.labels[i] != records.labels[j]:
            raise InputError(
                f"records: expected one label for equal records, got {str(records.labels[j])!r} for {str(records.names[j])!r} "
                f"and {str(records.labels[i])!r} for {str(records.names[i])!r}, whose values are the same; correct a label or "
                "leave one out"
            )


def check_not_constant(records: Records) -> None:
    """Raises InputError where a record has one and the same value everywhere, as of a measurement that failed."""
    flat = [str(name) for name, x_RxT in zip(records.names, records.values, strict=True) if x_RxT.min() == x_RxT.max()]
    if flat:
        more = f" and {len(flat) - 3} more" if len(flat) > 3 else ""
        raise InputError(
            f"records: expected values that differ within a record, got one and the same value everywhere in {', '.join(flat[:3])}"
            f"{more}; leave {'it' if len(flat) == 1 else 'them'} out"
        )


def _origin(identities_N: np.ndarray, groups_N: np.ndarray) -> Origin:
    return Origin(frozenset(identities_N.tolist()), frozenset(groups_N.tolist()))
