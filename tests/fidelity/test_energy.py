"""Distances between samples."""

import numpy as np
import pytest
from scipy import stats

from gcims_jax import InputError
from gcims_jax.fidelity.energy import energy_distance, energy_test


def samples(seed, n=30, m=25, p=4, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)), rng.normal(size=(m, p)) + shift


def test_energy_distance_is_twice_the_squared_distance_of_scipy_on_a_line():
    a, b = samples(0, p=1, shift=0.7)
    assert energy_distance(a, b) == pytest.approx(stats.energy_distance(a[:, 0], b[:, 0]) ** 2)


def test_energy_distance_sees_location_not_order_and_is_zero_for_equal_samples():
    a, b = samples(1, shift=1.0)
    assert energy_distance(a, a[::-1]) == pytest.approx(0.0, abs=1e-8)
    assert energy_distance(a, b) == pytest.approx(energy_distance(b[::-1], a))
    assert energy_distance(a, b) > energy_distance(a, b - 1.0)


def test_energy_test_agrees_with_the_distance_and_keeps_its_level():
    p_values = []
    for seed in range(200):
        a, b = samples(seed, 15, 20, 3)
        result = energy_test(seed, a, b, 99)
        p_values.append(result.p_value)
    assert result.distance == pytest.approx(energy_distance(a, b))
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert energy_test(0, *samples(0, shift=1.0), 999).p_value == pytest.approx(0.001)


def test_energy_test_is_seeded_and_counts_ties_as_reached():
    a, b = samples(2)
    assert energy_test(5, a, b, 99) == energy_test(5, a, b, 99) != energy_test(6, a, b, 99)
    same = np.ones((6, 2))
    assert energy_test(0, same, same, 20) == (0.0, 0.0, 1.0)


def test_strata_compare_like_with_like():
    """One class twice as common on one side: no difference within classes, and no false alarm about it."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [40, 20]), np.repeat([0, 1], [20, 40])
    a, b = (rng.normal(size=(60, 2)) + 3.0 * part[:, None] for part in labels)
    assert energy_test(0, a, b, 199).p_value < 0.02
    assert energy_test(0, a, b, 199, strata=labels).p_value > 0.1
    assert energy_test(0, a, b + 1.0, 199, strata=labels).p_value < 0.02


def test_distance_in_strata_is_the_weighted_mean_of_theirs():
    a, b = samples(3, 12, 15)
    of_a, of_b = np.arange(12) % 3, np.arange(15) % 2  # stratum 2 is on one side alone
    distances = [energy_distance(a[of_a == k], b[of_b == k]) for k in (0, 1)]
    weights = [4 * 8 / 12, 4 * 7 / 11]
    assert energy_test(0, a, b, 9, strata=(of_a, of_b)).distance == pytest.approx(
        np.average(distances, weights=weights)
    )


def test_strata_do_not_mind_where_classes_lie():
    a, b = samples(4, 20, 20)
    labels = np.arange(20) % 2
    far = 100.0 * labels[:, None]
    here, apart = (energy_test(0, a + shift, b + shift, 99, strata=(labels, labels)) for shift in (0.0, far))
    assert apart.p_value == here.p_value and apart.distance == pytest.approx(here.distance)


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), {}, "shapes"),
        (np.zeros((0, 2)), np.zeros((3, 2)), {}, "shapes"),
        (np.zeros((3, 2, 2)), np.zeros((3, 2)), {}, "shapes"),
        (np.full((3, 2), np.nan), np.zeros((3, 2)), {}, "finite"),
        (np.zeros((3, 2)), np.zeros((3, 2)), {"permutations": 0}, "permutations"),
        (np.zeros((3, 2)), np.zeros((3, 2)), {"strata": (np.zeros(3), np.zeros(2))}, "strata"),
        (np.zeros((3, 2)), np.zeros((3, 2)), {"strata": (np.zeros(3), np.ones(3))}, "strata"),
    ],
)
def test_bad_samples_are_refused(a, b, options, message):
    with pytest.raises(InputError, match=message):
        energy_test(0, a, b, **options)
