"""What each generator is meant to change."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcims_jax import InputError, parts
from gcims_jax.generators import GENERATORS, Tucker, phase_amplitude, ridge
from gcims_jax.generators.contract import pick
from gcims_jax.preprocessing import alignment

LABELS = np.repeat([0, 1, 2], [7, 4, 1])
RNG = np.random.default_rng(0)
RECORDS = (RNG.normal(0.0, 0.02, (12, 16, 24)) + LABELS[:, None, None] / 4).astype(np.float32)
RECORDS[:, 6:9, 10:14] += 0.5
CODEC = Tucker(3)


def fitted(name, **options):
    return GENERATORS[name].fit(jax.random.key(0), parts.from_arrays(RECORDS, LABELS), **options)


def draws(name, seed=1, labels=LABELS, **options):
    return GENERATORS[name].sample(jax.random.key(seed), fitted(name, **options), labels).x_NxRxT


@pytest.mark.parametrize("name", ["noise", "shift", "scale", "mask", "warp"])
def test_size_zero_changes_nothing(name):
    assert not GENERATORS[name].describe(fitted(name, size=0.0)).changes
    np.testing.assert_allclose(draws(name, size=0.0), draws("duplicate"), atol=1e-6)


def test_copies_are_used_equally_often():
    labels = np.zeros(21, int)
    copies = draws("duplicate", labels=labels)
    counts = [np.sum(np.all(copies == x, axis=(1, 2))) for x in RECORDS[:7]]
    assert counts == [3] * 7


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), st.integers(0, 2**31))
def test_a_prefix_of_picks_is_even_too(labels, seed):
    picked = pick(jax.random.key(seed), LABELS, np.array(labels))
    np.testing.assert_array_equal(LABELS[picked], labels)
    for label in set(labels):
        used = np.bincount(picked[np.array(labels) == label], minlength=12)[label == LABELS]
        assert used.max() - used.min() <= 1


def test_shift_moves_peaks_by_at_most_its_size_and_keeps_them_whole():
    moved = draws("shift", size=0.1)
    rows, columns = moved.mean(axis=2), moved.mean(axis=1)
    assert set(np.argmax(rows, axis=1)) <= set(range(4, 11)) and set(np.argmax(columns, axis=1)) <= set(range(8, 16))
    assert len(set(np.argmax(columns, axis=1))) > 1


def test_mixtures_and_interpolations_stay_between_records():
    for name in ("mix", "raw_smote"):
        x = draws(name)
        for k in range(3):
            own = RECORDS[k == LABELS]
            assert np.all(x[k == LABELS] >= own.min(axis=0) - 1e-5)
            assert np.all(x[k == LABELS] <= own.max(axis=0) + 1e-5)


def moving_records(amplitude, movement, seed=0, each=20):
    """Three classes of three peaks in different amounts; the peaks move together along the slow axis if asked."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], each)
    means = np.array([[1.0, 1.0, 0.5], [1.0, 0.5, 1.0], [0.5, 1.0, 1.0]])
    i, j = np.mgrid[:32, :40]
    records = []
    for label in labels:
        place = 10 + 4 * rng.normal() * movement
        amounts = means[label] * np.exp(amplitude * rng.normal(size=3))
        peaks = (a * np.exp(-((i - place - 6 * k) ** 2 + (j - 12 - 6 * k) ** 2) / 8) for k, a in enumerate(amounts))
        records.append(sum(peaks) + 0.05 * rng.normal(size=i.shape))
    return np.float32(records), labels


def test_chosen_warps_are_none_where_axes_stand_still_and_some_where_they_move():
    tuned = GENERATORS["tuned_warp"]
    for seed in (1, 2):
        still = tuned.fit(jax.random.key(seed), parts.from_arrays(*moving_records(0.5, 0.0, seed)))
        assert still.value.sizes.slow == still.value.sizes.fast == 0.0
        assert tuned.describe(still) == (False, "no warp pays: plain copies")
    moving = tuned.fit(jax.random.key(0), parts.from_arrays(*moving_records(0.1, 1.0)))
    sizes, tried = moving.value.sizes, dict(moving.value.tried)
    assert sizes.slow >= 1.0 and tried[sizes] == max(tried.values())
    assert tuned.describe(moving).changes and f"slow {sizes.slow:g}" in tuned.describe(moving).text


def test_where_all_is_one_group_nothing_is_warped():
    alone = parts.from_arrays(RECORDS, LABELS, ["day"] * 12)
    learned = GENERATORS["tuned_warp"].fit(jax.random.key(0), alone)
    assert not GENERATORS["tuned_warp"].describe(learned).changes


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_phase_is_chosen_where_axes_move_and_none_where_only_amplitudes_vary(seed):
    fit, describe = GENERATORS["phase_amplitude"].fit, GENERATORS["phase_amplitude"].describe
    still = fit(jax.random.key(seed), parts.from_arrays(*moving_records(0.5, 0.0, seed)), codec=CODEC)
    assert not still.value.sizes.phase and (still.value.sizes.amplitude or not describe(still).changes)
    moving = fit(jax.random.key(seed), parts.from_arrays(*moving_records(0.1, 0.3, seed, each=40)), codec=CODEC)
    assert moving.value.sizes.phase > 0.0 and describe(moving).changes


def test_measurements_of_a_sample_are_all_learned_from_or_none(monkeypatch):
    learned_from, real = [], phase_amplitude._separate

    def separate(key, part, *rest):
        learned_from.append(part.groups_N)
        return real(key, part, *rest)

    monkeypatch.setattr(phase_amplitude, "_separate", separate)
    records, labels = moving_records(0.3, 0.5, each=6)
    groups = np.repeat([f"s{i}" for i in range(6)], 3)
    part = parts.from_arrays(records, labels, groups)
    GENERATORS["phase_amplitude"].fit(jax.random.key(0), part, codec=CODEC, stiffness=0.3, phase=1)
    assert len(learned_from) == 4  # three splits, and all of it
    for names in learned_from:
        assert set(np.unique(names, return_counts=True)[1]) == {3}


def test_sharpness_of_scores_costs_squared_error_but_no_likelihood():
    rng = np.random.default_rng(0)
    labels, classes = np.repeat([0, 3], 30), np.array([0, 3, 5])
    scores = np.where(labels[:, None] == classes, 0.6, -0.6) + 0.5 * rng.normal(size=(60, 3))
    scores[:, 2] = -np.inf  # no record of this class was there to learn from
    missing = np.vstack([scores, np.full((1, 3), np.nan)])
    alone = np.arange(61)
    one, half = (ridge.judge(s, np.append(labels, 5), alone, classes) for s in (missing, 0.5 * missing))
    assert one.squared_G.shape == (60,) and half.squared_G.mean() > 1.1 * one.squared_G.mean()
    np.testing.assert_allclose(one.likelihood_G, half.likelihood_G, atol=1e-3)
    right = scores.argmax(axis=1) == np.searchsorted(classes, labels)
    np.testing.assert_array_equal(one.likelihood_G > np.log(0.5), right)
    pairs = ridge.judge(missing, np.append(labels, 5), alone // 2, classes)
    np.testing.assert_allclose(pairs.squared_G, one.squared_G.reshape(30, 2).mean(axis=1))


def separated(**options):
    generator = GENERATORS["phase_amplitude"]
    learned = generator.fit(jax.random.key(0), parts.from_arrays(*moving_records(0.1, 0.4)), codec=CODEC, **options)
    return learned.value, generator.sample(jax.random.key(1), learned, np.repeat([0, 1, 2], 30)).x_NxRxT


def test_drawn_phase_varies_as_the_records_do_and_nothing_drawn_is_a_copy():
    real, labels = moving_records(0.1, 0.4)
    state, copies = separated(phase=0, amplitude=0)
    assert all(np.any(np.all(copy == real, axis=(1, 2))) for copy in copies)

    def shifts(x):
        reference = np.mean([real[label == labels].mean(axis=0) for label in (0, 1, 2)], axis=0)
        return alignment.find_shifts(x, reference, 10.0)

    spread, at = shifts(real).std(), shifts(copies)
    _, drawn = separated(phase=1, amplitude=0)
    moved = shifts(drawn) - at
    assert 0.5 < moved.std() / spread < 1.5 and abs(moved.mean()) < 0.5
    _, around = separated(phase=1, amplitude=1, centre="class")
    assert 0.5 < shifts(around).std() / spread < 1.5
    still = separated(phase=0, amplitude=1)[1]
    assert (shifts(still) - at).std() < 0.3 * spread and not np.allclose(still, copies)
    joint = separated(phase=1, amplitude=1, joint=1)[1]
    assert joint.shape == drawn.shape and np.all(np.isfinite(joint)) and state.separated.degrees == 57


def test_classes_of_one_record_and_records_far_away_do_not_break_the_statistics():
    records, _ = moving_records(0.3, 1.0)
    generator, four = GENERATORS["phase_amplitude"], parts.from_arrays(records[:4], np.arange(4))
    lonely = generator.fit(jax.random.key(0), four, codec=CODEC)
    copies = generator.sample(jax.random.key(1), lonely, np.arange(4))
    np.testing.assert_array_equal(copies.x_NxRxT, records[:4])
    assert not generator.describe(lonely).changes
    around = generator.fit(jax.random.key(0), four, codec=CODEC, centre="class")
    assert around.value.sizes.phase > 0.0 and around.value.sizes.amplitude == 1.0
    alone = generator.sample(jax.random.key(1), around, np.arange(4)).x_NxRxT
    assert np.sqrt(np.mean((alone - records[:4]) ** 2)) < 0.3 * records[:4].std()
    records[0] = np.roll(records[0], 16, axis=0)
    part = parts.from_arrays(records, np.repeat([0, 1, 2], 20))
    options = {"phase": 1, "amplitude": 0, "stiffness": 1e-6, "leave_out": 1}
    left_out = generator.fit(jax.random.key(0), part, codec=CODEC, **options).value
    far_N = np.asarray(left_out.separated.registered.at_bound_N)
    assert far_N.any() and left_out.separated.degrees == 57 - far_N.sum()
    np.testing.assert_array_equal(left_out.separated.phase_NxP[far_N], 0.0)


def test_bad_options_of_phase_amplitude_are_refused():
    for options, message in (
        ({"centre": "middle"}, "centre: expected one of .*got 'middle'"),
        ({"phase": "large"}, "phase: expected a number from 0 to 100 or choose, got 'large'"),
        ({"amplitude": -1.0}, "amplitude: expected a number from 0 .*got -1"),
    ):
        with pytest.raises(InputError, match=message):
            separated(**options)


def test_unknown_and_negative_options_are_refused():
    with pytest.raises(InputError, match=r"expected options \['size'\], got 'width'"):
        fitted("noise", width=2.0)
    with pytest.raises(InputError, match=r"generator.size: expected a number from 0 to 100, got -1"):
        fitted("warp", size=-1.0)
