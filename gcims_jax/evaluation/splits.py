"""Which records teach and which test: repeated folds, groups as folds, and splits inside a training part.

A group, the measurements of one physical sample for example, is on one side of every split.
"""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from gcims_jax.errors import InputError, counted
from gcims_jax.generators.groups import split_groups
from gcims_jax.parts import Part, from_records
from gcims_jax.records import Records
from gcims_jax.seeds import as_int

Array = jax.Array

PROTOCOLS = ("strict", "paper")
# Under "paper" scaling, codec and class statistics see all records once, as published: its scores leak.
LEAKS = {"strict": False, "paper": True}
INNER = 3  # folds of a training part, to choose by
MOST_INNER = 9  # splits of a training part: so many folds, over three repeats


class Fold(NamedTuple):
    """One split; indices of records."""

    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray


def repeated(groups_N: np.ndarray) -> bool:
    """Whether a group holds two or more records."""
    return len(np.unique(groups_N)) < len(groups_N)


def possible_folds(groups_N: np.ndarray, folds: int) -> int:
    """As many folds as asked for, or as there are groups where these are fewer and two at least."""
    groups = len(np.unique(groups_N))
    return groups if 2 <= groups < folds else folds


def make_folds(labels_N: np.ndarray, groups_N: np.ndarray, *, folds: int, repeats: int, seed: int) -> list[Fold]:
    """Repeated stratified k-fold that keeps every group on one side of each split.

    Args:
      labels_N: class names.
      groups_N: group of each record; its own where it has none.
      folds: of each repeat, at most as many as groups.
      repeats: how often all records are split.
      seed: of the first repeat; the others count on from it.

    Raises:
      InputError: fewer than two classes or folds, a class with fewer records than folds or with a single group, more folds
        than groups, or groups that leave a class out of a training part.
    """
    classes_K, counts_K = np.unique(labels_N, return_counts=True)
    if folds < 2 or repeats < 1:
        raise InputError(f"protocol: expected at least 2 folds and 1 repeat, got {folds} and {repeats}")
    if len(classes_K) < 2:
        raise InputError(f"labels: expected at least 2 classes, got {len(classes_K)}: {classes_K.tolist()}")
    for name, count in zip(classes_K, counts_K, strict=True):
        if count < folds:
            raise InputError(
                f"class {str(name)!r}: expected at least as many records as folds ({folds}), got {count}; "
                + (f"set protocol.folds to {count} or less, or " if count > 1 else "")
                + "leave the class out"
            )
    grouped = repeated(groups_N)
    if grouped:
        _check_groups(labels_N, groups_N, folds)
    result = []
    for repeat in range(repeats):
        splitter = (StratifiedGroupKFold if grouped else StratifiedKFold)(
            folds, shuffle=True, random_state=seed + repeat
        )
        for fold, (train, test) in enumerate(splitter.split(labels_N, labels_N, groups_N if grouped else None)):
            missing = sorted(set(classes_K) - set(labels_N[train]))
            if missing or not len(test):
                raise InputError(
                    f"groups: expected groups that leave every class in every training part, but in fold {fold + 1} of {folds} "
                    f"{f'class {str(missing[0])!r} is not' if missing else 'nothing is left to test'}; set protocol.folds lower"
                )
            result.append(Fold(repeat, fold, train, test))
    return result


def _check_groups(labels_N: np.ndarray, groups_N: np.ndarray, folds: int) -> None:
    count = len(np.unique(groups_N))
    if count < folds:
        raise InputError(f"protocol.folds: expected at most as many folds as groups ({count}), got {folds}")
    for name in np.unique(labels_N):
        own = np.unique(groups_N[labels_N == name])
        if len(own) < 2:
            raise InputError(
                f"class {str(name)!r}: expected records of at least 2 groups (physical samples), got {len(own)}: a classifier "
                "could not be tested on a sample that it has not seen; measure another sample or leave the class out"
            )


def leave_one_group_out(labels_N: np.ndarray, groups_N: np.ndarray) -> list[Fold]:
    """One fold for each group, a batch for example, which is tested by what all others teach.

    Raises:
      InputError: no group with two records, a single group, or a class that one group holds alone.
    """
    groups = np.unique(groups_N)
    if not repeated(groups_N) or len(groups) < 2:
        raise InputError(
            "protocol.leave_one_group_out: expected records in at least 2 groups of several, got "
            f"{'one group' if len(groups) < 2 else 'none'}; name the groups with data.group_column, or set it to False"
        )
    folds = []
    for index, group in enumerate(groups):
        train, test = np.flatnonzero(groups_N != group), np.flatnonzero(groups_N == group)
        if missing := sorted(set(labels_N.tolist()) - set(labels_N[train].tolist())):
            raise InputError(
                f"protocol.leave_one_group_out: expected every class in at least 2 groups, but {str(missing[0])!r} is in "
                f"{str(group)!r} alone; leave the class out or group otherwise"
            )
        folds.append(Fold(0, index, train, test))
    return folds


def train_test_split(records: Records, *, test_size: float = 0.25, seed: Any = 0) -> tuple[Records, Records]:
    """Records to learn from and records to test with: whole groups, every class as nearly in proportion as groups allow.

    Args:
      records: the set.
      test_size: share of the records to test with, above 0 and below 1.
      seed: a whole number or a JAX key.

    Returns:
      Records to learn from, records to test with.

    Raises:
      InputError: a class of a single group, which cannot be on both sides; equal records under two labels.

    >>> import gcims_jax as gj, numpy as np
    >>> records = gj.Records.from_arrays(np.arange(96.0).reshape(8, 3, 4), [0, 0, 0, 0, 1, 1, 1, 1])
    >>> gj.train_test_split(records, test_size=0.5)[0].class_counts()
    {0: 2, 1: 2}
    """
    if not isinstance(records, Records):
        raise InputError(
            f"train_test_split: expected Records, got {type(records).__name__}; make them with Records.from_arrays"
        )
    if not isinstance(test_size, (int, float)) or not 0.0 < test_size < 1.0:
        raise InputError(f"test_size: expected a share of the records above 0 and below 1, got {test_size!r}")
    part = from_records(records)
    for k, name in enumerate(records.classes.tolist()):
        if len(np.unique(part.groups_N[part.labels_N == k])) < 2:
            raise InputError(
                f"class {name!r}: expected records of at least 2 groups to have it on both sides, got 1; measure another sample or "
                "leave the class out"
            )
    rng = np.random.default_rng(as_int(seed))
    side_N = split_groups(rng, part.labels_N, part.groups_N, 2, shares=(1.0 - test_size, test_size))
    train, test = (np.flatnonzero(side_N == side) for side in (0, 1))
    if not len(train) or not len(test):
        raise InputError(
            f"groups: expected groups that can be on two sides, got {len(np.unique(part.groups_N))} that cannot"
        )
    return records.take(train), records.take(test)


def few_per_class(labels_N: np.ndarray, groups_N: np.ndarray, *, each: int, draws: int, seed: int) -> list[Fold]:
    """Draws of few training records, all others being tested on: what a small set would gain, known well.

    Whole groups are taken at random until every class has enough records, at least half of them where each holds several
    classes; then every class is thinned. Records that are left of a taken group are in neither part.

    Args:
      labels_N: class names.
      groups_N: group of each record; its own where it has none.
      each: training records of a class.
      draws: how often; each is a repeat of one fold.
      seed: of the first draw; the others count on from it.

    Raises:
      InputError: a class with too few records or groups to leave any to test on.
    """
    _, class_N = np.unique(np.asarray(labels_N), return_inverse=True)
    groups, group_N = np.unique(np.asarray(groups_N), return_inverse=True)
    held_GxK = np.zeros((len(groups), class_N.max() + 1), int)
    np.add.at(held_GxK, (group_N, class_N), 1)
    mixed = len(groups) < len(labels_N) and np.median((held_GxK > 0).sum(axis=1)) > 1
    folds = []
    for draw in range(draws):
        rng = np.random.default_rng(seed + draw)
        taken_G, have_K = np.zeros(len(groups), bool), np.zeros(held_GxK.shape[1], int)
        for g in rng.permutation(len(groups)):
            enough = np.all(have_K >= each) and (not mixed or 2 * taken_G.sum() >= len(groups))
            if not enough and (mixed or np.any((have_K < each) & (held_GxK[g] > 0))):
                taken_G[g] = True
                have_K += held_GxK[g]
        train, test = np.flatnonzero(taken_G[group_N]), np.flatnonzero(~taken_G[group_N])
        train = rng.permutation(train)
        train = np.sort(np.concatenate([train[class_N[train] == k][:each] for k in range(len(have_K))]))
        left_K = np.bincount(class_N[test], minlength=len(have_K))
        if each < 2 or np.any(have_K < each) or np.any(left_K == 0):
            raise InputError(
                f"protocol.train_per_class: expected 2 or more training records of a class and groups left to test on, got {each} "
                f"and a class with {counted(np.min(np.bincount(class_N)), 'record')} in {counted(len(groups), 'group')}; take another number"
            )
        folds.append(Fold(draw, 0, train, test))
    return folds


def inner_splits(train: Part, splits: int, seed: int) -> list[tuple[Part, Part]]:
    """A training part split again into parts to learn from and parts to choose by: ``INNER`` folds, again and again.

    Args:
      train: the training part; whole groups stay together.
      splits: 0 to ``MOST_INNER``; those of a repeat of ``INNER`` folds before those of the next.
      seed: of the splits.
    """
    if not splits:
        return []
    grouped = repeated(train.groups_N)
    parts = min(INNER, int(np.bincount(train.labels_N).max()), len(np.unique(train.groups_N)))
    if parts < 2:
        raise InputError(
            f"inner splits: expected a class with 2 training records or more and 2 groups, to choose by, got {counted(len(train), 'record')} of "
            f"{counted(len(np.unique(train.labels_N)), 'class')}; measure more records, or take fewer folds"
        )
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    while len(pairs) < splits:
        again = seed + 7919 * len(pairs)
        splitter = (StratifiedGroupKFold if grouped else StratifiedKFold)(parts, shuffle=True, random_state=again)
        with warnings.catch_warnings():
            # A class with fewer records than splits cannot be in all of them; it is then not chosen by everywhere.
            warnings.simplefilter("ignore", UserWarning)
            pairs += splitter.split(train.labels_N, train.labels_N, train.groups_N if grouped else None)
    result = []
    for learn, choose in pairs[:splits]:
        # A class that is left out of what is learned from cannot be predicted, and tells nothing about a candidate.
        choose = choose[np.isin(train.labels_N[choose], train.labels_N[learn])]
        if len(np.unique(train.labels_N[learn])) > 1 and len(choose):
            result.append((train.take(learn), train.take(choose)))
    if not result:
        raise InputError(
            f"inner splits: expected a training part that can be split with 2 classes or more to learn from, got {len(train)} "
            f"records in {len(np.unique(train.groups_N))} groups; measure more groups of each class, or take fewer folds"
        )
    return result


def thin(train: Part, most: int, seed: int) -> Part:
    """At most ``most`` records of a class, drawn by seed; 0 keeps all."""
    if not most:
        return train
    order = np.random.default_rng(seed).permutation(len(train))
    kept = [order[train.labels_N[order] == k][:most] for k in np.unique(train.labels_N)]
    return train.take(np.sort(np.concatenate(kept)))


def halve(train: Part, seed: int) -> Part:
    """Half of the records of every class, of whole groups within it, one group at least; drawn by seed."""
    rng, kept = np.random.default_rng(seed), []
    for k in np.unique(train.labels_N):
        own = np.flatnonzero(train.labels_N == k)
        groups = rng.permutation(np.unique(train.groups_N[own]))
        kept.append(own[np.isin(train.groups_N[own], groups[: (len(groups) + 1) // 2])])
    return train.take(np.sort(np.concatenate(kept)))


def fold_keys(seed: int, protocol: str, index: int) -> tuple[Array, Array]:
    """Keys of a fold's training and of its draws; they depend on nothing but seed, protocol and fold."""
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), PROTOCOLS.index(protocol)), index)
    fit_key, draw_key = jax.random.split(key)
    return fit_key, draw_key


def ends_repeat(folds: Sequence[Fold], index: int) -> bool:
    """Whether a fold is the last of its repeat."""
    return index + 1 == len(folds) or folds[index + 1].repeat != folds[index].repeat
