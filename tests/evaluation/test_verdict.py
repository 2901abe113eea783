"""The verdict's other figures: posterior, records needed, adjustment for many comparisons."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gcims_jax.evaluation import multiple
from gcims_jax.evaluation.multiple import holm
from gcims_jax.evaluation.verdict import compare, posterior

SCORES = np.array([0.80, 0.72, 0.91, 0.83, 0.75, 0.79, 0.74, 0.90, 0.84, 0.71])
REFERENCE = np.array([0.78, 0.70, 0.90, 0.78, 0.77, 0.77, 0.71, 0.86, 0.83, 0.73])
BAYCOMP = (0.042457540629571744, 0.29037890553512735, 0.6671635538353009)


def test_posterior_gives_the_probabilities_of_baycomp():
    """Two repeats of five folds; the numbers are those of baycomp 1.0.3, ``CorrelatedTTest.probs(REFERENCE, SCORES, 0.01, 2)``."""
    found = posterior(compare(SCORES, REFERENCE, 1 / 4), 0.01)
    np.testing.assert_allclose(found, BAYCOMP, atol=1e-9)
    assert sum(found) == pytest.approx(1.0)


def test_posterior_without_a_region_is_the_test_itself():
    comparison = compare(SCORES, REFERENCE, 1 / 4)
    found = posterior(comparison, 0.0)
    assert found.same == 0.0 and found.worse == pytest.approx(comparison.p_value / 2)


def test_posterior_of_folds_that_agree_to_the_last_digit():
    same = np.full(5, 0.5)
    assert posterior(compare(same, same, 0.25)) == (0.0, 1.0, 0.0)
    assert posterior(compare(same + 0.25, same, 0.25)) == (0.5, 0.0, 0.5)  # nothing to estimate an error from


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.6]), [1.0, 1.0])
    assert holm([]).shape == (0,)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_holm_lies_between_the_p_values_and_bonferroni(p_values):
    adjusted, p_values = holm(p_values), np.array(p_values)
    assert np.all(adjusted >= p_values) and np.all(adjusted <= np.minimum(1.0, len(p_values) * p_values) + 1e-12)
    assert adjusted[np.argmin(p_values)] == pytest.approx(min(1.0, len(p_values) * p_values.min()))


def test_adjusted_p_values_lie_between_the_p_values_and_holms():
    rng = np.random.default_rng(0)
    p_values = rng.random(6) ** 3
    adjusted = multiple.adjust(p_values, rng.normal(size=(6, 50)))
    assert np.all(adjusted >= p_values) and np.all(adjusted <= holm(p_values))
    assert np.all(np.diff(adjusted[np.argsort(p_values)]) >= 0.0)
    np.testing.assert_array_equal(multiple.adjust([0.03], np.zeros((1, 5))), [0.03])


def test_comparisons_that_say_the_same_count_as_one_and_independent_ones_as_many():
    rng = np.random.default_rng(0)
    same, own = np.repeat(rng.normal(size=(1, 80)), 8, axis=0), rng.normal(size=(8, 80))
    assert multiple.adjust([0.02] * 8, same) == pytest.approx(np.full(8, 0.02), abs=0.006)
    assert multiple.adjust([0.02] * 8, own) == pytest.approx(np.full(8, 1 - 0.98**8), abs=0.02)


def test_adjusted_p_values_keep_the_level_over_all_comparisons():
    """Ten comparisons of nothing that share their records: in at most 5 %, within error, is any of them found."""
    rng, found = np.random.default_rng(1), 0
    for _ in range(100):
        gains = 0.7 * rng.normal(size=60) + rng.normal(size=(10, 60))
        p_values = stats.ttest_1samp(gains, 0.0, axis=1).pvalue
        influence = np.array([multiple.influence(gain[None], np.arange(60)) for gain in gains])
        found += multiple.adjust(p_values, influence).min() <= 0.05
    assert found / 100 <= 0.05 + 2.0 * (0.05 * 0.95 / 100) ** 0.5


def test_influence_is_a_groups_share_of_the_mean():
    gain = np.array([[1.0, 0.0, np.nan, -1.0], [1.0, np.nan, np.nan, 0.0]])
    found = multiple.influence(gain, np.array(["a", "a", "b", "c"]))
    mean = (1.0 + 0.0 - 0.5) / 3
    np.testing.assert_allclose(found, [1.0 - 2 * mean, 0.0, -0.5 - mean])
    assert found.sum() == pytest.approx(0.0)
