"""Identity and groups: what a record is goes with it, whatever form it takes."""

import dataclasses

import numpy as np
import pytest
from conftest import make_records
from hypothesis import given
from hypothesis import strategies as st

from gcims_jax import InputError, parts
from gcims_jax.evaluation import guard
from gcims_jax.identity import identify, merge_groups


def with_copies(records, pairs):
    """The records, with the values of each pair's first written over its second."""
    values = records.values.copy()
    for one, other in pairs:
        values[other] = values[one]
    return dataclasses.replace(records, values=values)


def test_identity_is_content_and_nothing_else():
    records = make_records()
    renamed = dataclasses.replace(records, names=[f"other_{i}" for i in range(20)], labels=records.labels[::-1])
    np.testing.assert_array_equal(records.identities, renamed.identities)
    assert len(set(records.identities)) == 20
    order = np.random.default_rng(0).permutation(20)
    np.testing.assert_array_equal(records.take(order).identities, records.identities[order])
    moved = records.values[:1].copy()
    moved[0, 0, 0] += 1e-3
    assert identify(moved)[0] != records.identities[0]
    assert identify(records.values[:1].reshape(1, 14, 9))[0] != records.identities[0]  # same numbers, another shape


def test_a_record_without_a_group_is_its_own_and_equal_records_are_one_group():
    records = with_copies(make_records(), [(0, 5), (3, 4)])
    part = parts.from_records(records)
    assert part.groups_N[0] == part.groups_N[5] and part.groups_N[3] == part.groups_N[4]
    assert len(set(part.groups_N)) == 18
    some = dataclasses.replace(records, groups=["a", "a", *[""] * 18])
    groups = parts.from_records(some).groups_N
    assert groups[0] == groups[1] == groups[5] and len(set(groups)) == 17  # the copy joins the sample
    assert len(set(parts.from_records(some, grouped=False).groups_N)) == 18  # equal records stay one all the same


def test_records_that_a_crop_makes_equal_are_one_group():
    records = make_records()
    cropped = records.values[:, :2, :2].copy()
    cropped[7] = cropped[1]
    groups = parts.from_records(records, cropped).groups_N
    assert groups[7] == groups[1] and len(set(groups)) == 19


def test_equal_records_under_two_labels_are_an_error_that_names_both():
    records = with_copies(make_records(), [(2, 15)])
    with pytest.raises(
        InputError, match="'class_0' for 'record_0002' and 'class_1' for 'record_0015'.*correct a label"
    ):
        parts.from_records(records)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=12))
def test_merged_groups_are_connected_components(pairs):
    groups, identities = (
        np.array([f"{kind}{x}" for x in side]) for kind, side in zip("gi", zip(*pairs, strict=True), strict=True)
    )
    merged = merge_groups(groups, identities)
    for i in range(len(pairs)):
        for j in range(len(pairs)):
            if groups[i] == groups[j] or identities[i] == identities[j]:
                assert merged[i] == merged[j]
    assert set(merged) <= set(groups)


def test_a_part_keeps_what_its_records_are_through_every_form():
    part = parts.from_records(make_records(groups=[f"s{i // 3}" for i in range(20)]))
    some = part.take([3, 4, 11])
    other = some.with_values(some.x_NxRxT[:, :2] * 2.0)
    assert other.origin.identities == frozenset(part.identities_N[[3, 4, 11]].tolist())
    assert other.origin.groups == {"s1", "s3"}
    made = parts.synthetic(np.zeros((2, 2, 14)), np.array([0, 1]), other.origin)
    both = parts.join(other, made)
    assert len(both) == 5 and both.origin == other.origin
    assert made.take([1]).origin == other.origin  # a synthetic record never forgets what was behind it
    with pytest.raises(InputError, match="the same 3 records"):
        some.with_values(np.zeros((2, 2, 2)))


def test_planted_cheats_are_caught():
    """A test record learned from, renumbered records, another measurement of a sample, and copies nobody admits to."""
    records = make_records(groups=[f"s{i // 2}" for i in range(20)])
    part = parts.from_records(records)
    train, test = part.take(range(10)), part.take(range(10, 20))
    assert guard.check_unseen(test, train, parts.learn(lambda part: 0, train)) is test
    with pytest.raises(guard.LeakError, match="record_0012"):
        guard.check_unseen(test, parts.learn(lambda part: 0, part.take([1, 12])))
    again = parts.from_records(dataclasses.replace(records.take(range(12, 16)), names=None, groups=None))
    with pytest.raises(guard.LeakError, match="got 4"):
        guard.check_unseen(test, parts.learn(lambda part: 0, again))  # numbers and names that start at 0 again
    with pytest.raises(guard.LeakError, match="another measurement.*record_0010"):
        guard.check_unseen(part.take([10]), part.take([11]))
    hidden = parts.synthetic(test.x_NxRxT[:3], test.labels_N[:3], train.origin)
    with pytest.raises(guard.LeakError, match="copies of 3.*was not given"):
        guard.check_unseen(test, parts.join(train, hidden))


def test_records_that_went_through_something_learned_keep_what_is_behind_it():
    real = parts.from_arrays(np.arange(12.0).reshape(4, 3, 1), np.zeros(4, int))
    learned, other = real.take([0, 1]), real.take([2, 3])
    both = parts.join(learned, other).origin
    encoded = other.seen_through(learned.origin, 2.0 * other.x_NxRxT)
    again = learned.seen_through(learned.origin, learned.x_NxRxT).take([0])  # even where it has seen no other records
    assert again.origin == learned.origin
    assert encoded.take([0]).origin == both and other.take([0]).origin == real.take([2]).origin
