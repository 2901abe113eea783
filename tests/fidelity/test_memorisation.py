"""Copies are called copies, fresh records are not."""

import numpy as np
import pytest
from made_sets import population
from scipy import stats

from gcims_jax import InputError, parts
from gcims_jax.evaluation import populations
from gcims_jax.evaluation.guard import LeakError
from gcims_jax.fidelity import memorisation

AREA, EXACT = "membership inference, area under curve", "exact copies of training records"
NEAR = "near copies of training records"


def sides(make, seed=0, copies=1):
    """Training, held-out and synthetic records of a small population; samples measured ``copies`` times."""
    rng, train, held_out, new = population((11, seed), 24 // copies, 6 // copies, copies)
    return train, held_out, parts.synthetic(make(rng, train.x_NxRxT, new), train.labels_N, train.origin)


def checked(make, seed=0, exchanges=99, copies=1):
    return memorisation.table(0, *sides(make, seed, copies), exchanges)


def fresh(rng, x, new):
    return new


def half_copies(rng, x, new):
    new[::2] = x[::2]
    return new


def near_copies(rng, x, new):
    return x + rng.normal(0.0, 0.05, x.shape)


@pytest.mark.parametrize("copies", [1, 3])
def test_plain_copies_are_called_copies(copies):
    found = checked(lambda rng, x, new: x.copy(), copies=copies)
    assert found[AREA].value > 0.95 and found[EXACT].value == 1.0
    assert all(check.in_words() == "memorised" for check in found.values())


def test_some_copies_and_near_copies_are_found():
    found = checked(half_copies)
    assert found[EXACT].value == pytest.approx(0.5)
    for name in (NEAR, AREA):
        assert found[name].in_words() == "memorised" and found[name].value > found[name].high, name
    found = checked(near_copies)
    assert found[EXACT].value == 0.0 and found[AREA].value > 0.95
    assert found[AREA].in_words() == found[NEAR].in_words() == "memorised"
    assert found == checked(near_copies)  # same seed, same table


@pytest.mark.parametrize("copies", [1, 3])
def test_memorisation_keeps_its_level(copies):
    """Fresh records memorise nothing: any figure is called so in about 5 % of data sets; the area is that of chance."""
    found = [checked(fresh, seed, 39, copies) for seed in range(40)]
    alarms = sum(any(check.in_words() == "memorised" for check in each.values()) for each in found)
    assert alarms <= stats.binom.ppf(0.99, 40, 0.05)
    areas = np.array([(each[AREA].value, each[AREA].chance) for each in found])
    # Of triplicates held-out samples are few, and the best of four guesses is far from one half by chance.
    assert abs(np.mean(areas[:, 0] - areas[:, 1])) < 0.05 and areas[:, 1].mean() < 0.6 + 0.05 * (copies > 1)


def test_each_attack_sees_copies():
    rng = np.random.default_rng(0)
    real, labels, seen = rng.normal(size=(30, 5)), np.repeat([0, 1, 0], 10), np.arange(30) < 20
    between = np.linalg.norm(real[:, None] - real, axis=2)
    np.fill_diagonal(between, np.inf)
    to_real = np.linalg.norm(real[:20, None] - real, axis=2)
    for name, guess_N in memorisation.attacks(between, to_real, to_real).items():
        assert memorisation.areas(guess_N, labels, seen[None])[0] == pytest.approx(1.0), name


def test_areas_count_pairs_of_a_class():
    seen_BxN = np.array([[True, False, True, False], [False, True, False, True]])
    # Classes differ by far, which tells nothing about having been seen.
    np.testing.assert_array_equal(memorisation.areas(np.array([1.0, 0.0, 9.0, 9.0]), np.array([0, 0, 1, 1]), seen_BxN), [0.75, 0.25])  # fmt: skip


def test_bad_checks_are_refused():
    train, held_out, synthetic = sides(fresh)
    everything = parts.join(train, held_out).origin
    with pytest.raises(LeakError, match="24 that it has"):
        memorisation.table(0, train, held_out, parts.synthetic(synthetic.x_NxRxT, synthetic.labels_N, everything))
    with pytest.raises(InputError, match="one shape"):
        memorisation.table(0, train, held_out, synthetic.with_values(np.zeros((96, 3, 4))))
    with pytest.raises(InputError, match="finite"):
        memorisation.table(0, train, held_out, synthetic.with_values(np.full((96, *populations.SHAPE), np.nan)))
    with pytest.raises(InputError, match="10 or more"):
        memorisation.table(0, train, held_out.take(range(4)), synthetic)
    with pytest.raises(InputError, match="exchanges"):
        memorisation.table(0, train, held_out, synthetic, 3)
    with pytest.raises(InputError, match="classes"):
        memorisation.table(0, train.take(range(24)), held_out.take(range(6, 18)), synthetic)
