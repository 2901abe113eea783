import numpy as np
import pytest
from conftest import make_records
from hypothesis import given
from hypothesis import strategies as st

from gcims_jax import InputError, parts
from gcims_jax.evaluation import splits

LABELS = np.repeat([0, 1], [12, 8])
ALONE = np.array([f"r{i}" for i in range(20)])


def folds_of(labels=LABELS, groups=ALONE, **options):
    return splits.make_folds(labels, groups[: len(labels)], **{"folds": 4, "repeats": 1, "seed": 0, **options})


def test_folds_are_stratified_repeated_and_complete():
    folds = folds_of(repeats=3)
    assert len(folds) == 12
    for repeat in range(3):
        tests = np.concatenate([f.test for f in folds if f.repeat == repeat])
        np.testing.assert_array_equal(np.sort(tests), np.arange(20))
    for fold in folds:
        assert not set(fold.train) & set(fold.test)
        np.testing.assert_array_equal(np.bincount(LABELS[fold.test]), [3, 2])
    assert not np.array_equal(folds[0].test, folds[4].test)


@given(st.integers(0, 50), st.integers(2, 4))
def test_a_group_is_never_on_both_sides(seed, folds):
    groups = np.array([f"g{k}" for k in np.random.default_rng(seed).integers(0, 9, 20)])
    try:
        found = folds_of(groups=groups, seed=seed, folds=folds)
    except InputError:
        return  # groups that leave a class out
    for fold in found:
        assert not set(groups[fold.train]) & set(groups[fold.test])


def test_every_group_is_a_fold_of_its_own():
    groups = np.array([f"batch {i % 4}" for i in range(20)])
    folds = splits.leave_one_group_out(LABELS, groups)
    assert [set(groups[f.test]) for f in folds] == [{f"batch {k}"} for k in range(4)]
    assert all(sorted([*f.train, *f.test]) == list(range(20)) for f in folds)
    for groups, message in (
        (ALONE, "got none; name the groups"),
        (np.array(["only"] * 20), "got one group"),
        (np.where(LABELS == 1, "x", np.where(np.arange(20) % 2, "y", "z")), "'1' is in 'x' alone"),
    ):
        with pytest.raises(InputError, match=message):
            splits.leave_one_group_out(LABELS, groups)


@pytest.mark.parametrize(
    ("labels", "groups", "options", "message"),
    [
        (np.array(["a"] * 9), ALONE, {}, "at least 2 classes, got 1"),
        (np.array(["a"] * 9 + ["b"] * 3), ALONE, {}, r"class 'b'.*folds \(4\), got 3; set protocol.folds to 3"),
        (np.array(["a"] * 9 + ["b"]), ALONE, {}, "class 'b'.*got 1; leave the class out"),
        (LABELS, ALONE, {"folds": 1}, "at least 2 folds"),
        (LABELS, np.repeat(["x", "y"], 10), {}, r"at most as many folds as groups \(2\), got 4"),
        (
            LABELS,
            np.repeat(["w", "x", "y", "z"], [4, 4, 4, 8]),
            {},
            "class '1'.*at least 2 groups.*got 1.*another sample",
        ),
    ],
)
def test_impossible_splits_are_refused(labels, groups, options, message):
    with pytest.raises(InputError, match=message):
        folds_of(labels, groups, **options)


def test_inner_splits_stay_inside_the_training_part_and_keep_groups():
    for groups in (None, [f"s{i // 3}" for i in range(20)]):
        part = parts.from_records(make_records(groups=groups))
        train = part.take([*range(9), *range(12, 18)])
        pairs = splits.inner_splits(train, 3, 0)
        assert len(pairs) == 3 and not splits.inner_splits(train, 0, 0)
        for learn, choose in pairs:
            assert learn.origin.identities | choose.origin.identities <= train.origin.identities
            assert not learn.origin.groups & choose.origin.groups
            assert set(choose.labels_N) <= set(learn.labels_N)


def test_inner_splits_go_on_with_other_folds():
    train = parts.from_records(make_records())
    held = [choose.origin.identities for _, choose in splits.inner_splits(train, 6, 0)]
    assert len(held) == 6 and all(
        not a & b for repeat in (held[:3], held[3:]) for a in repeat for b in repeat if a != b
    )
    assert set().union(*held[:3]) == set().union(*held[3:]) and set(held[:3]) != set(held[3:])
    assert held[:3] == [choose.origin.identities for _, choose in splits.inner_splits(train, 3, 0)]


@pytest.mark.parametrize(
    ("groups", "dropped"),
    [
        (np.array([str(i) for i in range(60)]), 0),
        (np.array([str(i // 3) for i in range(60)]), None),  # groups of one class
        (np.array([str(i % 6) for i in range(60)]), None),  # groups that hold every class
    ],
)
def test_few_records_of_every_class_teach_and_whole_groups_are_left_to_test(groups, dropped):
    labels = np.repeat(["a", "b", "c"], [15, 15, 30])
    folds = splits.few_per_class(labels, groups, each=4, draws=3, seed=0)
    assert [fold.repeat for fold in folds] == [0, 1, 2]
    assert len({tuple(fold.train) for fold in folds}) == 3
    for fold in folds:
        assert sorted(labels[fold.train]) == sorted(["a", "b", "c"] * 4)
        assert not set(groups[fold.train]) & set(groups[fold.test]) and set(labels[fold.test]) == {"a", "b", "c"}
        if dropped is not None:
            assert len(fold.train) + len(fold.test) == 60 - dropped
    mixed = [len(set(groups[fold.train])) for fold in folds]
    assert groups[0] != groups[6] or min(mixed) == 3  # half of the groups where each holds several classes


def test_too_many_training_records_a_class_are_refused():
    labels = np.repeat(["a", "b"], [15, 5])
    for each in (1, 5, 6):
        with pytest.raises(InputError, match=f"train_per_class.*got {each} and a class with 5 records"):
            splits.few_per_class(labels, np.arange(20), each=each, draws=1, seed=0)


def test_thinning_takes_so_many_of_each_class():
    part = parts.from_records(make_records((12, 8)))
    np.testing.assert_array_equal(np.bincount(splits.thin(part, 3, 0).labels_N), [3, 3])
    assert splits.thin(part, 0, 0) is part
    assert not np.array_equal(splits.thin(part, 3, 0).names_N, splits.thin(part, 3, 1).names_N)


def test_a_training_part_that_cannot_be_split_for_choosing_is_named():
    part = parts.from_records(make_records(groups=["a"] * 12 + ["b"] * 8))
    with pytest.raises(
        InputError, match="inner splits: expected a training part .* 2 classes or more .* 20 records in 2 groups"
    ):
        splits.inner_splits(part, 3, 0)
