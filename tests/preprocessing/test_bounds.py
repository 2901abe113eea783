"""Synthetic records stay within what an instrument measured, and real ones are left as they are."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gcims_jax import InputError, parts
from gcims_jax.preprocessing import scale
from gcims_jax.preprocessing.scale import PreprocessConfig
from gcims_jax.records import Axis
from gcims_jax.simulation import gcims

CONFIG = PreprocessConfig((20.0, 480.0), (8.13, 15.0), "db3", 0, 2)


@functools.cache
def fitted():
    records = gcims.simulate(0, n_retention=64, n_drift=512, class_sizes={"Escherichia coli": 6})[0]
    plan = scale.make_compression(records.slow, records.fast, CONFIG)
    part = parts.from_records(records, scale.compress(plan, records.values))
    scaling = scale.fit(part, CONFIG)
    return plan, scaling, scale.apply_to(scaling, part), scale.measured_limits(plan, records.values)


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(np.float32, (2, 3, 4), elements=st.floats(-1e5, 1e5, width=32)),
    hnp.arrays(np.float32, (3, 3, 4), elements=st.floats(-50.0, 50.0, width=32)),
    st.booleans(),
)
def test_inside_nothing_changes_and_outside_nothing_is_left(train, draws, log):
    scaling = scale.fit(parts.from_arrays(train, np.zeros(2, int)), PreprocessConfig(log=log))
    x = scale.apply(scaling, train)
    np.testing.assert_allclose(scale.bound(scaling, x), x, atol=1e-6)
    bounded = scale.bound(scaling, draws)
    inside = (draws >= 0.0) & (draws <= 1.0)
    np.testing.assert_array_equal(bounded[inside], draws[inside])
    assert bounded.dtype == np.float32
    low, high = float(train.min()), float(train.max())
    if high > low:
        reach = 1e-5 * max(abs(low), abs(high), high - low, scaling.knee if log else 0.0)
        assert scale.share_outside(scale.invert(scaling, bounded), low - reach, high + reach) == 0.0


def test_real_records_pass_unchanged():
    plan, scaling, part, limits = fitted()
    expanded = scale.expand(plan, scale.invert(scaling, part.x_NxRxT))
    written = scale.to_units(plan, scaling, part.x_NxRxT, limits)
    inside = (expanded >= limits[0]) & (expanded <= limits[1])
    assert inside.mean() > 0.99  # the rest is what expanding adds beside steep peaks
    whole = inside.all(axis=(1, 2))
    np.testing.assert_array_equal(written[whole], expanded[whole])
    wider = scale.to_units(plan, scaling, part.x_NxRxT, (expanded.min(), expanded.max()))
    np.testing.assert_allclose(wider, expanded, rtol=1e-6)
    again = scale.apply(scaling, scale.compress(plan_of_output(plan), written))
    np.testing.assert_allclose(again, part.x_NxRxT, atol=0.035)
    assert np.sqrt(np.mean((again - part.x_NxRxT) ** 2)) < 1e-3


def plan_of_output(plan):
    return scale.make_compression(plan.slow, plan.fast, CONFIG)


def test_wild_draws_are_written_as_records_that_could_have_been_measured():
    plan, scaling, part, limits = fitted()
    noise = np.random.default_rng(0).normal(0.0, 0.4, part.x_NxRxT.shape)
    draws = np.asarray(part.x_NxRxT + noise, np.float32)
    free = scale.expand(plan, scale.invert(scaling, draws))
    assert scale.share_outside(free, *limits) > 0.1
    written = scale.to_units(plan, scaling, draws, limits)
    assert scale.share_outside(written, *limits) == 0.0
    assert written.dtype == np.float32 and written.shape[1:] == (len(plan.slow.values), len(plan.fast.values))
    bounded = scale.invert(scaling, scale.bound(scaling, draws))
    real = scale.invert(scaling, part.x_NxRxT)
    assert bounded.min() >= real.min() - 1e-3 and bounded.max() <= real.max() * (1.0 + 1e-5)


def test_limits_are_those_of_the_crop():
    values = np.zeros((2, 6, 8), np.float32)
    values[0, 0, 0], values[1, 2, 3], values[0, 3, 4] = 900.0, 7.0, -3.0
    slow, fast = Axis("retention_time", "s", np.arange(6.0)), Axis("drift_time", "ms", np.arange(8.0))
    plan = scale.make_compression(slow, fast, PreprocessConfig((1.0, 5.0), (1.0, 7.0)))
    assert scale.measured_limits(plan, values) == (-3.0, 7.0)
    with pytest.raises(InputError, match="got none"):
        scale.measured_limits(plan, values[:0])
    with pytest.raises(InputError, match="expected a grid"):
        scale.measured_limits(plan, values[:, :5])


def test_share_outside_counts_both_ends_and_what_is_no_number():
    values = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, np.nan, np.inf, 0.2])
    assert scale.share_outside(values, 0.0, 1.0) == 4 / 8
    assert scale.share_outside(np.array([]), 0.0, 1.0) == 0.0


def test_a_scale_is_learned_from_a_part_and_parts_keep_their_identity():
    _, scaling, part, _ = fitted()
    assert part.x_NxRxT.min() == 0.0 and part.x_NxRxT.max() == 1.0
    again = scale.apply_to(scaling, part)
    assert again.origin == part.origin and again.x_NxRxT.dtype == np.float32
    with pytest.raises(InputError, match="got none"):
        scale.fit(part.take(np.arange(0)), CONFIG)
