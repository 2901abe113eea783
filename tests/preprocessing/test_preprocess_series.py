import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gcims_jax import InputError, parts
from gcims_jax.codec import series
from gcims_jax.preprocessing import scale
from gcims_jax.preprocessing.scale import PreprocessConfig, apply, compress, expand, invert, make_compression
from gcims_jax.records import Axis

WAVELETS = sorted(
    {family + name for family, name in [("", "haar"), ("", "db3"), ("", "sym5"), ("", "bior2.2"), ("", "coif1")]}
)


def fit(train, config):
    return scale.fit(parts.from_arrays(train, np.zeros(len(train), int)), config)


def axes(r, t):
    return Axis("retention_time", "s", np.arange(r) * 2.0), Axis("drift_time", "ms", np.arange(t) * 0.5)


@settings(max_examples=40, deadline=None)
@given(
    wavelet=st.sampled_from(WAVELETS), levels=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    shape=st.tuples(st.integers(17, 40), st.integers(17, 40)), seed=st.integers(0, 99), log=st.booleans(),
)  # fmt: skip
def test_apply_undoes_invert_for_any_wavelet_and_level(wavelet, levels, shape, seed, log):
    values = np.random.default_rng(seed).normal(50.0, 40.0, (3, *shape)).astype(np.float32)
    config = PreprocessConfig(None, None, wavelet, *levels, log=log)
    plan = make_compression(*axes(*shape), config)
    compressed = compress(plan, values)
    scaling = fit(compressed, config)
    x = apply(scaling, compressed)
    assert x.min() == pytest.approx(0.0, abs=1e-6) and x.max() == pytest.approx(1.0, abs=1e-6)
    restored = expand(plan, invert(scaling, x))
    assert restored.shape[1:] == (len(plan.slow.values), len(plan.fast.values))
    again = apply(scaling, compress(make_compression(plan.slow, plan.fast, config), restored))
    np.testing.assert_allclose(again, x, atol=2e-4)


def test_without_wavelet_the_inverse_is_exact_on_the_cropped_grid():
    values = np.random.default_rng(0).normal(0.0, 300.0, (4, 10, 12)).astype(np.float32)
    config = PreprocessConfig((4.0, 12.0), (1.0, 4.0))
    plan = make_compression(*axes(10, 12), config)
    np.testing.assert_array_equal(plan.slow.values, [4.0, 6.0, 8.0, 10.0, 12.0])
    np.testing.assert_array_equal(plan.fast.values, [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0])
    compressed = compress(plan, values)
    np.testing.assert_array_equal(compressed, values[:, 2:7, 2:9])
    scaling = fit(compressed[:2], config)
    np.testing.assert_allclose(
        expand(plan, invert(scaling, apply(scaling, compressed))), compressed, rtol=1e-4, atol=1e-2
    )


def test_compressed_values_stay_in_the_inputs_unit():
    plan = make_compression(*axes(16, 32), PreprocessConfig(slow_level=0, fast_level=2))
    constant = compress(plan, np.full((1, 16, 32), 7.0, np.float32))
    assert constant.shape == (1, 16, 8)
    np.testing.assert_allclose(constant, 7.0, rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    train=hnp.arrays(np.float32, (2, 3, 4), elements=st.floats(-1e6, 1e6, width=32)),
    probe=st.lists(st.floats(-1e7, 1e7, width=32), min_size=2, max_size=8, unique=True),
)
def test_log_scale_is_finite_increasing_and_invertible_far_outside_the_training_range(train, probe):
    scaling = fit(train, PreprocessConfig())
    values = np.sort(np.array(probe, np.float32))
    x = apply(scaling, values)
    assert np.all(np.isfinite(x)) and np.all(np.diff(x) >= 0.0)
    reach = max(scaling.knee, float(np.abs(train).max()), float(np.abs(values).max()))
    np.testing.assert_allclose(invert(scaling, x), values, rtol=1e-3, atol=1e-3 * reach)


def test_constant_records_and_columns():
    flat = np.full((3, 4, 5), 7.0, np.float32)
    scaling = fit(flat, PreprocessConfig())
    assert np.all(apply(scaling, flat) == 0.0)
    np.testing.assert_allclose(invert(scaling, apply(scaling, flat)), flat)
    mixed = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    mixed[:, :, 2] = -3.0
    mixed[1] = 2.0
    scaling = fit(mixed, PreprocessConfig())
    assert np.all(np.isfinite(apply(scaling, mixed)))
    np.testing.assert_allclose(invert(scaling, apply(scaling, mixed)), mixed, atol=1e-4)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (PreprocessConfig(slow_range=(100.0, 200.0)), "slow_range.*0 to 18 s.*keeps 0"),
        (PreprocessConfig(fast_range=(0.0, 1.0), fast_level=2), "fast_range.*keeps 3"),
        (PreprocessConfig(wavelet="nope"), "preprocess.wavelet.*'nope'"),
        (PreprocessConfig(slow_level=-1), "slow_level.*-1"),
        (PreprocessConfig(log_knee=0.0), "log_knee"),
    ],
)
def test_impossible_configs_are_refused(config, message):
    with pytest.raises(InputError, match=message):
        make_compression(*axes(10, 12), config)


def test_records_on_another_grid_are_refused():
    plan = make_compression(*axes(10, 12), PreprocessConfig())
    with pytest.raises(InputError, match=r"grid of \(10, 12\), got \(10, 11\)"):
        compress(plan, np.zeros((1, 10, 11), np.float32))


@given(n=st.integers(1, 4), r=st.integers(1, 6), t=st.integers(1, 6))
def test_series_cuts_are_exact_inverses(n, r, t):
    x = np.arange(n * r * t, dtype=np.float32).reshape(n, r, t)
    drift = series.to_drift_series(x)
    np.testing.assert_array_equal(drift[r - 1], x[0, -1])
    np.testing.assert_array_equal(series.from_drift_series(drift, n), x)
    retention = series.to_retention_series(x)
    np.testing.assert_array_equal(retention[t - 1], x[0, :, -1])
    np.testing.assert_array_equal(series.from_retention_series(retention, n), x)


def test_undersampling_thins_only_flat_series():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, (50, 20)), rng.normal(0, 0.01, (400, 20))]).astype(np.float32)
    kept = np.asarray(series.undersample(jax.random.key(0), x, 0.1, 0.25))
    assert set(range(50)) <= set(kept.tolist())
    assert 70 < np.sum(kept >= 50) < 130
    np.testing.assert_array_equal(kept, series.undersample(jax.random.key(0), x, 0.1, 0.25))
    assert not np.array_equal(kept, series.undersample(jax.random.key(1), x, 0.1, 0.25))
    assert len(series.undersample(jax.random.key(0), x, 0.0, 0.0)) == len(x)
    assert len(series.undersample(jax.random.key(0), np.zeros((5, 4), np.float32), 2.0, 0.0)) >= 1
    with pytest.raises(InputError, match="kept_fraction"):
        series.undersample(jax.random.key(0), x, 0.1, 1.5)
    with pytest.raises(InputError, match="threshold"):
        series.undersample(jax.random.key(0), x, -0.1, 0.5)


def test_scaling_knows_training_records_only():
    x = np.random.default_rng(0).normal(size=(6, 4, 5)).astype(np.float32)
    other = x.copy()
    other[4:] *= 100.0
    assert fit(x[:4], PreprocessConfig()) == fit(other[:4], PreprocessConfig())
