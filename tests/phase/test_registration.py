"""Registration finds planted warps, leaves alone what it cannot compare, and never needs the label of a new record."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gcims_jax import InputError, parts
from gcims_jax.phase import registration, warp
from gcims_jax.phase.registration import RegistrationConfig
from gcims_jax.preprocessing import scale
from gcims_jax.preprocessing.scale import PreprocessConfig
from gcims_jax.simulation import gcims

CONFIG = RegistrationConfig(iterations=4)
SPREAD = registration.spread(CONFIG)


def peaks(n, seed=0, r=40, t=48):
    """Records of the same eight peaks in amounts that differ."""
    rng = np.random.default_rng(seed)
    i, j = np.mgrid[:r, :t]
    places = np.random.default_rng(99).uniform(0.15, 0.85, (8, 2)) * (r, t)
    shapes = np.exp(-((i - places[:, :1, None]) ** 2 + (j - places[:, 1:, None]) ** 2) / 10.0)
    amounts = np.exp(0.1 * rng.normal(size=(n, 8)))
    return np.float32(np.tensordot(amounts, shapes, 1) + 0.01 * rng.normal(size=(n, r, t)))


def moved(x, seed=1, size=0.5):
    theta = np.float32(size * SPREAD * np.random.default_rng(seed).normal(size=(len(x), len(SPREAD))))
    return registration.apply(theta, x, CONFIG)


def test_planted_misalignment_of_simulated_records_is_found_on_both_axes():
    records, truth = gcims.simulate(
        0, n_retention=256, n_drift=512, class_sizes={"Escherichia coli": 20, "Staphylococcus aureus": 15}
    )
    config = PreprocessConfig(fast_range=(8.0, 15.0), slow_level=1, fast_level=1)
    plan = scale.make_compression(records.slow, records.fast, config)
    compressed = scale.compress(plan, records.values)
    x = scale.apply(scale.fit(parts.from_records(records, compressed), config), compressed)
    ends = [(axis.values[0], axis.values[-1]) for axis in (plan.slow, plan.fast)]
    registering = RegistrationConfig(stiffness=0.3, anchor=-ends[1][0] / (ends[1][1] - ends[1][0]))
    learned = registration.fit(parts.from_records(records, x), registering)
    for registered in (learned.unlabelled, learned.labelled, registration.register(learned, x, registering)):
        maps = registration.positions(registered.theta_NxP, x.shape[1:], registering)
        wanted = (truth.retention_NxC, truth.rip_N[:, None] / gcims.RIP_DRIFT_MS * np.array([9.0, 10.0, 11.5]))
        for positions, (low, high), true in zip(maps, ends, wanted, strict=True):
            grid = np.linspace(low, high, positions.shape[1])
            nominal = true.mean(axis=0)
            found = np.array([np.interp(nominal, grid, low + (high - low) * p) for p in np.asarray(positions)])
            assert np.corrcoef((found - found.mean(axis=0)).ravel(), (true - nominal).ravel())[0, 1] >= 0.9


def test_moved_records_come_back_into_step_and_can_be_put_back():
    still = peaks(24)
    x = moved(still)
    learned = registration.fit(parts.from_arrays(x, np.repeat([0, 1], 12)), CONFIG)
    aligned = registration.apply(learned.labelled.theta_NxP, x, CONFIG)
    spread = lambda a: np.mean((a / np.linalg.norm(a, axis=(1, 2))[:, None, None]).std(axis=0) ** 2)  # noqa: E731
    assert spread(aligned) < 0.3 * spread(x)
    assert np.all(np.asarray(learned.labelled.explained_N) >= 0) and np.median(learned.labelled.explained_N) > 0.5
    back = registration.undo(learned.labelled.theta_NxP, aligned, CONFIG)
    inner = np.s_[:, 6:-6, 6:-6]
    assert np.sqrt(np.mean((back - x)[inner] ** 2)) < 0.1 * x.std()


def test_records_in_step_hardly_move():
    theta = registration.fit(parts.from_arrays(peaks(20), np.zeros(20, int)), CONFIG).labelled.theta_NxP / SPREAD
    away = (
        registration.fit(parts.from_arrays(moved(peaks(20), size=1.0), np.zeros(20, int)), CONFIG).labelled.theta_NxP
        / SPREAD
    )
    assert theta.std() < 0.5 * away.std()


def test_labels_have_no_part_in_the_global_template():
    x = moved(peaks(12))
    a, b = (
        registration.fit(parts.from_arrays(x, labels), CONFIG) for labels in (np.repeat([0, 1], 6), np.tile([0, 1], 6))
    )
    np.testing.assert_array_equal(a.template_RxT, b.template_RxT)
    np.testing.assert_array_equal(a.unlabelled.theta_NxP, b.unlabelled.theta_NxP)
    assert not np.array_equal(a.labelled.theta_NxP, b.labelled.theta_NxP)


def test_what_cannot_be_compared_stays_where_it_is():
    x = moved(peaks(12))
    learned = registration.fit(parts.from_arrays(x, np.zeros(12, int)), CONFIG)
    odd = np.stack([np.full_like(x[0], 0.7), -x[0], x[1]])
    registered = registration.register(learned, odd, CONFIG)
    np.testing.assert_array_equal(registered.theta_NxP[:2], 0.0)
    assert registered.gain_N[0] == registered.gain_N[1] == 0.0 and registered.gain_N[2] > 0.5
    flat = registration.fit(parts.from_arrays(np.ones((4, 40, 48)), np.zeros(4, int)), CONFIG)
    np.testing.assert_array_equal(flat.labelled.theta_NxP, 0.0)


def test_a_record_far_away_is_named_and_its_warp_bounded():
    x = peaks(10)
    far = x.copy()
    far[0] = np.roll(x[0], 9, axis=0)  # a quarter of the axis; offsets end at 0.15
    limp = dataclasses.replace(CONFIG, stiffness=1e-6, smoothing=(0.2, 0.1, 0.05), iterations=15)
    learned = registration.fit(parts.from_arrays(x, np.zeros(10, int)), limp)
    registered = registration.register(learned, far, limp)
    assert registered.at_bound_N[0]
    assert np.abs(registered.theta_NxP / SPREAD).max() <= registration.BOUND * (1 + 1e-5)


def test_a_class_of_one_record_is_registered_to_the_global_template():
    learned = registration.fit(parts.from_arrays(moved(peaks(7)), np.array([0, 0, 0, 0, 0, 0, 1])), CONFIG)
    assert np.all(np.isfinite(learned.labelled.theta_NxP))
    again = registration.fit(parts.from_arrays(moved(peaks(1)), np.zeros(1, int)), CONFIG)
    np.testing.assert_allclose(again.labelled.theta_NxP, 0.0, atol=1e-4)


def test_an_anchored_axis_keeps_its_anchor():
    config = dataclasses.replace(CONFIG, anchor=0.25, anchored=True)
    x = moved(peaks(10))
    theta = registration.fit(parts.from_arrays(x, np.zeros(10, int)), config).labelled.theta_NxP
    _, fast = registration.positions(theta, x.shape[1:], config)
    at = [np.interp(0.25, np.linspace(0, 1, 48), p) for p in np.asarray(fast)]
    np.testing.assert_allclose(at, 0.25, atol=1e-5)
    assert np.abs(np.asarray(fast) - np.linspace(0, 1, 48)).max() > 0.002


def test_steps_follow_the_gradient_of_the_loss():
    x, template = peaks(1)[0], moved(peaks(1, seed=3))[0]
    smooth = registration._smooth(jnp.stack([x, template]), 0.05)
    loss = lambda theta: registration._evaluate(CONFIG, 0.03, SPREAD, smooth[0], smooth[1], 10.0, theta)[:2]  # noqa: E731
    at = jnp.asarray(0.3 * np.random.default_rng(0).normal(size=len(SPREAD)), jnp.float32)
    _, gradient = jax.jit(loss)(at)
    step = 0.05
    finite = [(loss(at.at[k].add(step))[0] - loss(at.at[k].add(-step))[0]) / (2 * step) for k in range(len(SPREAD))]
    # The gain is refitted at every step, and slopes are differences: near, not equal.
    assert np.corrcoef(gradient, np.array(finite))[0, 1] > 0.98


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="2 to 3 knots.*got 5"):
        registration.fit(parts.from_arrays(np.zeros((3, 7, 48)), np.zeros(3, int)), CONFIG)
    with pytest.raises(InputError, match="expected finite records"):
        registration.fit(parts.from_arrays(np.full((3, 40, 48), np.nan), np.zeros(3, int)), CONFIG)
    with pytest.raises(InputError, match=r"expected records \(N, R, T\)"):
        registration.fit(parts.from_arrays(np.zeros((3, 48)), np.zeros(3, int)), CONFIG)
    with pytest.raises(InputError, match="expected a Part, got ndarray.*parts.from_arrays"):
        registration.fit(peaks(3), CONFIG)
    learned = registration.fit(parts.from_arrays(peaks(3), np.zeros(3, int)), CONFIG)
    with pytest.raises(InputError, match=r"\(40, 48\) points like the training records, got \(40, 47\)"):
        registration.register(learned, np.zeros((1, 40, 47)), CONFIG)
    for bad in ({"stiffness": 0.0}, {"smoothing": ()}, {"iterations": 0}, {"prior": -1.0}):
        with pytest.raises(InputError, match=f"registration.{next(iter(bad))}"):
            RegistrationConfig(**bad)


def test_a_warp_of_nothing_changes_nothing():
    x = peaks(3)
    theta = np.zeros((3, len(SPREAD)), np.float32)
    np.testing.assert_allclose(registration.apply(theta, x, CONFIG), x, atol=1e-4)
    slow, fast = registration.split(jnp.asarray(theta), CONFIG)
    assert float(warp.roughness(slow).max()) == float(warp.roughness(fast).max()) == 0.0
