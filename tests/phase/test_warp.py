"""Warps are one-to-one for any parameters, can be undone, and move peaks where they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from gcims_jax import InputError
from gcims_jax.phase import warp
from gcims_jax.phase.warp import AxisWarp, Spread

KNOTS, LENGTH = 5, 40
numbers = st.floats(-3.0, 3.0, width=32)
warps = st.tuples(numbers, st.floats(-1.0, 1.0, width=32), st.lists(numbers, min_size=KNOTS, max_size=KNOTS))


def make(parameters):
    offset, log_scale, knots = parameters
    return AxisWarp(jnp.array([offset]), jnp.array([log_scale]), jnp.array([knots]))


def smooth_records(n, r=32, t=48, seed=0):
    noise = np.random.default_rng(seed).normal(size=(n, r, t))
    return jnp.asarray(ndimage.gaussian_filter(noise, (0, 4, 4)) * 10, jnp.float32)


@settings(deadline=None, max_examples=100)
@given(warps, st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_any_parameters_give_an_increasing_map(parameters, anchor):
    p = np.asarray(warp.positions(make(parameters), LENGTH, anchor))
    assert p.shape == (1, LENGTH) and np.all(np.diff(p) > 0) and np.all(np.isfinite(p))


@settings(deadline=None, max_examples=30)
@given(warps, st.sampled_from([0.0, 0.25, 1.0]))
def test_the_anchor_stays_but_for_the_offset(parameters, anchor):
    w = make(parameters)
    p = np.asarray(warp.positions(w, LENGTH, anchor), np.float64)[0]
    at = np.interp(anchor, np.linspace(0, 1, LENGTH), p)
    assert at == pytest.approx(anchor + float(w.offset_N[0]), abs=1e-4)


def test_zero_parameters_change_nothing():
    x = smooth_records(3)
    slow, fast = (warp.positions(warp.identity(3, KNOTS), n) for n in x.shape[1:])
    for keep in warp.KEEP:
        np.testing.assert_allclose(warp.apply(x, slow, fast, keep), x, atol=1e-4)
    np.testing.assert_array_equal(warp.roughness(warp.identity(3, KNOTS)), 0.0)
    shifted = warp.identity(3, KNOTS)._replace(offset_N=jnp.full(3, 0.1), log_scale_N=jnp.full(3, 0.2))
    np.testing.assert_array_equal(warp.roughness(shifted), 0.0)


def test_an_inverse_undoes_a_warp():
    x = smooth_records(4)
    pairs = []
    for axis, length in enumerate(x.shape[1:]):
        p = warp.positions(warp.draw(jax.random.key(axis), Spread(0.02, 0.03, 0.3), 4, KNOTS), length)
        pairs.append((p, warp.invert(p)))
    there = warp.apply(x, pairs[0][0], pairs[1][0])
    back = warp.apply(there, pairs[0][1], pairs[1][1])
    inner = np.s_[:, 5:-5, 6:-6]  # what was moved beyond an edge is lost
    assert np.abs(there - x)[inner].max() > 0.3
    np.testing.assert_allclose(back[inner], x[inner], atol=0.05)


@settings(deadline=None, max_examples=30)
@given(warps)
@example((0.0, 1.0, [0.0, 1.0, 0.0, -2.0, -1.0]))  # points of the first tenth are read from before the axis
def test_a_map_composed_with_its_inverse_is_the_identity(parameters):
    offset, log_scale, knots = parameters
    p = warp.positions(make((0.01 * offset, 0.1 * log_scale, [0.2 * k for k in knots])), 200)
    grid = np.linspace(0, 1, 200)
    # compose(a, b) reads b where a points to; b is known on the axis only, and beyond it a guess.
    for first, second in ((p, warp.invert(p)), (warp.invert(p), p)):
        known = (first[0] >= 0.0) & (first[0] <= 1.0)
        assert known.sum() > 100
        np.testing.assert_allclose(warp.compose(first, second)[0, known], grid[known], atol=3e-3)


def test_composing_is_applying_one_after_the_other():
    x = smooth_records(2)
    one, two = (
        [warp.positions(warp.draw(jax.random.key(s + a), Spread(0.01, 0.02, 0.2), 2, KNOTS), n) for a, n in ((0, 32), (1, 48))]
        for s in (0, 2)
    )  # fmt: skip
    stepwise = warp.apply(warp.apply(x, *one), *two)
    at_once = warp.apply(x, *(warp.compose(b, a) for a, b in zip(one, two, strict=True)))
    np.testing.assert_allclose(stepwise[:, 5:-5, 6:-6], at_once[:, 5:-5, 6:-6], atol=0.05)


def test_a_peak_moves_where_the_offset_says_and_keeps_height_or_area():
    i, j = np.mgrid[:64, :64]
    x = jnp.asarray(np.exp(-((i - 30) ** 2 + (j - 20) ** 2) / 18.0)[None], jnp.float32)
    still = warp.positions(warp.identity(1, KNOTS), 64)
    shift = warp.positions(warp.identity(1, KNOTS)._replace(offset_N=jnp.array([5 / 63])), 64)
    moved = np.asarray(warp.apply(x, shift, still))[0]
    assert np.unravel_index(moved.argmax(), moved.shape) == (25, 20)  # read 5 points later: seen 5 points earlier
    wide = warp.positions(warp.identity(1, KNOTS)._replace(log_scale_N=jnp.array([np.log(0.8)])), 64)
    height, area = (np.asarray(warp.apply(x, still, wide, keep))[0] for keep in warp.KEEP)
    assert height.max() == pytest.approx(1.0, abs=0.01) and height.sum() == pytest.approx(
        float(x.sum()) / 0.8, rel=0.01
    )
    assert area.max() == pytest.approx(0.8, abs=0.01) and area.sum() == pytest.approx(float(x.sum()), rel=0.01)


def test_gradients_are_those_of_finite_differences():
    x = smooth_records(1)

    @jax.jit
    def loss(parameters_7):
        w = AxisWarp(parameters_7[:1], parameters_7[1:2], parameters_7[None, 2:])
        moved = warp.apply(x, warp.positions(w, 32), warp.positions(warp.identity(1, KNOTS), 48))
        return jnp.mean((moved - x) ** 2)

    at = jnp.array([0.013, 0.02, 0.3, -0.2, 0.1, 0.4, -0.3])
    gradient = jax.grad(loss)(at)
    step = 2e-3
    for k in range(7):
        change = (loss(at.at[k].add(step)) - loss(at.at[k].add(-step))) / (2 * step)
        np.testing.assert_allclose(gradient[k], change, rtol=0.1, atol=0.002)


def test_impossible_requests_are_refused():
    with pytest.raises(InputError, match="2 to 3 knots.*got 5"):
        warp.check_knots(7, 5)
    x = smooth_records(1)
    with pytest.raises(InputError, match="warp.keep.*'mass'"):
        warp.apply(x, jnp.zeros((1, 32)), jnp.zeros((1, 48)), "mass")
