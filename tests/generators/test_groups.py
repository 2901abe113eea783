"""Groups stay whole and count once; where each record is its own group all is as if there were none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcims_jax.generators import warps
from gcims_jax.generators.groups import group_means, pays, split_groups


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), min_size=1, max_size=40), st.integers(0, 2**31))
def test_groups_are_never_split(pairs, seed):
    labels, groups = np.array(pairs).T
    split = split_groups(np.random.default_rng(seed), labels, groups, 3)
    assert all(len(set(split[groups == g])) == 1 for g in set(groups)) and set(split) <= {0, 1, 2}


def test_classes_are_spread_over_splits_whatever_the_size_of_groups():
    labels = np.repeat([0, 1], [18, 24])
    groups = np.concatenate([np.repeat(np.arange(6), 3), 6 + np.repeat(np.arange(10), [6, 6, 3, 3, 1, 1, 1, 1, 1, 1])])
    for seed in range(5):
        split = split_groups(np.random.default_rng(seed), labels, groups, 3)
        assert np.bincount(split[labels == 0]).tolist() == [6, 6, 6]
        counts = np.bincount(split[labels == 1], minlength=3)
        assert counts.max() - counts.min() <= 1


def test_days_with_records_of_all_classes_are_spread():
    labels, days = np.tile([0, 1, 2], 6), np.repeat(np.arange(6), 3)
    split = split_groups(np.random.default_rng(0), labels, days, 3)
    assert np.bincount(split).tolist() == [6, 6, 6]


@pytest.mark.parametrize("seed", range(3))
def test_single_records_are_split_one_after_the_other(seed):
    labels = np.random.default_rng(seed).integers(0, 4, 30)
    rng, wanted = np.random.default_rng(seed), np.empty(30, int)
    for label in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == label))
        wanted[own] = (np.arange(len(own)) + rng.integers(3)) % 3
    names = np.array([f"{i:x}" for i in np.random.default_rng(9).permutation(30)])
    np.testing.assert_array_equal(split_groups(np.random.default_rng(seed), labels, names, 3), wanted)


def test_groups_count_once():
    values, groups = np.array([1.0, 5.0, 3.0, 2.0]), np.array(["b", "a", "b", "c"])
    np.testing.assert_array_equal(group_means(values, groups), [2.0, 5.0, 2.0])
    gain = np.array([0.5, 1.5, 1.0, 0.2])
    alone, thrice = (group_means(np.repeat(gain, 3), g) for g in (np.arange(12), np.repeat(np.arange(4), 3)))
    assert pays(alone, 3.0) and not pays(thrice, 3.0) and pays(thrice, 1.0)
    assert not pays(np.array([9.0]), 1.0)


def test_measurements_of_the_same_sample_do_not_vote():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(24, 6, 8))
    x = np.float32(np.repeat(samples, 3, axis=0) + 0.01 * rng.normal(size=(72, 6, 8)))
    groups, owner = np.repeat([f"s{i}" for i in range(24)], 3), np.arange(72)
    labels = np.repeat(rng.permutation(np.repeat([0, 1, 2], 8)), 3)  # samples tell nothing of their class
    fooled = warps.neighbour_scores(x, labels, owner.astype(str), x, owner)
    honest = warps.neighbour_scores(x, labels, groups, x, owner)
    assert fooled.mean() > np.log(0.9) and honest.mean() < np.log(0.4)
    # A record of the same group may be anything: it has no say.
    changed = x.copy()
    changed[1:3] = 7.0
    again = warps.neighbour_scores(x, labels, groups, changed, owner, widths=(1.0,))
    np.testing.assert_allclose(
        again[:3], warps.neighbour_scores(x, labels, groups, x, owner, widths=(1.0,))[:3], atol=1e-9
    )
