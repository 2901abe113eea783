"""The verdict's other figures: posterior, records needed, adjustment for many comparisons."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcims_jax.evaluation.verdict import compare, holm, posterior

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
