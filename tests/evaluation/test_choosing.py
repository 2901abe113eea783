"""What a training part chooses by its inner answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcims_jax.evaluation import choice
from gcims_jax.evaluation.choice import RULES, Inner


def inner_of(right_CxM, groups_M=None):
    right_CxM = np.asarray(right_CxM, float)
    count = right_CxM.shape[1]
    return Inner(right_CxM, np.full(count, 1.0 / count), np.arange(count) if groups_M is None else np.asarray(groups_M))


def test_inner_scores_are_accuracy_and_balanced_accuracy_half_and_half_mean_over_splits():
    rows = [{"predicted_M": [0, 0, 0, 1]}, {"predicted_M": [0, 0, 0, 0]}]
    splits = [
        {"labels_M": [0, 0, 0, 1], "groups_M": list("abcd"), "rows": rows},
        {"labels_M": [0, 1], "groups_M": list("ad"), "rows": [{"predicted_M": [1, 1]}, {"predicted_M": [0, 0]}]},
    ]
    inner = choice.gather(splits)
    np.testing.assert_allclose(inner.scores(), [(1.0 + 0.5) / 2, ((0.75 + 0.5) / 2 + 0.5) / 2])
    assert inner.group_M[0] == inner.group_M[4] and inner.group_M[3] == inner.group_M[5]
    assert choice.gather([]) is None


def test_the_spread_is_that_of_a_mean_of_independent_records_and_of_whole_groups():
    rng = np.random.default_rng(0)
    right = rng.random((2, 50)) < 0.7
    gain, error = choice.spread(inner_of(right), 0, 1)
    change = right[0].astype(float) - right[1]
    assert gain == pytest.approx(change.mean()) and error == pytest.approx(change.std(ddof=1) / 50**0.5)
    tripled = inner_of(np.repeat(right, 3, axis=1), np.repeat(np.arange(50), 3))
    assert choice.spread(tripled, 0, 1) == pytest.approx((gain, error))


def test_leaning_takes_a_generator_only_where_it_is_better_by_more_than_its_error():
    plain, little, much = np.zeros((3, 40))
    plain[:20] = little[:21] = 1
    much[:34] = 1
    rows = inner_of([plain, little, much])
    assert choice.best(rows, [0, 1], [0]) == 1 and choice.lean(rows, [0, 1], [0]) == 0
    assert choice.lean(rows, [0, 1, 2], [0]) == 2 and choice.lean(rows, [1, 2], []) == 2
    # A plain row that is best is taken however little better it is.
    assert choice.lean(inner_of([little, plain]), [0, 1], [0]) == 0


@given(st.integers(2, 6), st.integers(1, 30), st.integers(0, 10**6))
def test_every_rule_takes_one_of_its_rows_and_the_first_of_equals(rows, answers, seed):
    rng = np.random.default_rng(seed)
    inner = inner_of(rng.random((rows, answers)) < 0.5)
    fitting = sorted(rng.permutation(rows)[: rng.integers(1, rows + 1)].tolist())
    plain = fitting[: rng.integers(0, len(fitting) + 1)]
    same = inner._replace(right_CxM=np.repeat(inner.right_CxM[:1], rows, axis=0))
    for rule in RULES.values():
        assert rule(inner, fitting, plain) in fitting
        assert rule(same, fitting, plain) == fitting[0]


def test_noise_is_taken_for_a_gain_less_often_when_leaning():
    """Eight generators that change nothing on average, 60 inner records, 300 training parts."""
    rng, chosen = np.random.default_rng(0), {"best": 0, "lean": 0, "bagged": 0}
    for _ in range(300):
        inner = inner_of(rng.random((9, 60)) < 0.7)
        for name, rule in RULES.items():
            chosen[name] += rule(inner, range(9), [0]) != 0
    assert chosen["lean"] < 0.75 * chosen["best"]


def test_a_single_group_or_record_is_no_evidence():
    plain, more = np.zeros((2, 20))
    more[0] = 1.0
    for groups in (None, np.zeros(20, int), np.arange(20) // 10):
        assert choice.lean(inner_of([plain, more], groups), [0, 1], [0]) == 0
    assert choice.spread(inner_of([plain, plain]), 0, 1) == (0.0, 0.0)
