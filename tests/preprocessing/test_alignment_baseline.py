"""Retention alignment learns from training records only; smoothing and baselines do what they say."""

import dataclasses

import numpy as np
import pytest
from conftest import make_records

from configs import base
from experiments import settings
from gcims_jax import InputError, io, parts
from gcims_jax.preprocessing import alignment, scale
from gcims_jax.preprocessing.baseline import BASELINES, BaselineConfig, correct
from gcims_jax.preprocessing.scale import PreprocessConfig


def peaks(shifts_N, rows=96, columns=20, noise=0.0):
    """Records of three peaks and a constant line, each later by its shift."""
    row_R, column_T = np.arange(rows)[:, None], np.arange(columns)[None]
    rng = np.random.default_rng(0)
    records = []
    for by in shifts_N:
        x_RxT = 50.0 * np.exp(-0.5 * ((column_T - 3.0) / 0.7) ** 2) * np.ones((rows, 1))
        for at, drift, height in ((25.0, 8.0, 5.0), (48.0, 12.0, 9.0), (70.0, 15.0, 7.0)):
            x_RxT = x_RxT + height * np.exp(
                -0.5 * ((row_R - at - by) / 3.0) ** 2 - 0.5 * ((column_T - drift) / 1.5) ** 2
            )
        records.append(x_RxT + noise * rng.normal(size=x_RxT.shape))
    return np.asarray(records, np.float32)


def fit(train, config):
    return scale.fit(parts.from_arrays(train, np.zeros(len(train), int)), config)


def test_planted_shifts_are_found_between_points_too():
    planted_N = np.array([0.0, 0.3, -1.6, 4.25, -5.0, 2.5])
    found_N = alignment.find_shifts(peaks(planted_N, noise=0.1), peaks([0.0])[0], 6.0)
    np.testing.assert_allclose(found_N, planted_N, atol=0.06)
    limited_N = alignment.find_shifts(peaks(planted_N), peaks([0.0])[0], 2.0)
    assert np.abs(limited_N).max() <= 2.0 and limited_N[1] == pytest.approx(0.3, abs=0.06)


def test_aligned_records_agree_and_the_reference_stays_amid_them():
    train_NxRxT = peaks(np.random.default_rng(1).uniform(-3.0, 3.0, 20))
    scaling = fit(train_NxRxT, PreprocessConfig(log=False, max_shift=5.0))
    plain = fit(train_NxRxT, PreprocessConfig(log=False))
    before, after = (scale.apply(s, train_NxRxT).std(axis=0).max() for s in (plain, scaling))
    assert after < 0.1 * before
    centre = alignment.find_shifts(peaks([0.0]) / 50.0, scaling.reference_RxT, 5.0)
    assert abs(centre[0]) < 1.5
    again = scale.apply(scaling, scale.invert(scaling, scale.apply(scaling, train_NxRxT)))
    np.testing.assert_allclose(again, scale.apply(scaling, train_NxRxT), atol=5e-3)


def test_a_record_is_aligned_by_itself_and_not_by_its_company():
    train_NxRxT, test_NxRxT = peaks([0.0, 1.0, -1.0]), peaks([2.0, -2.5, 0.5])
    scaling = fit(train_NxRxT, PreprocessConfig(max_shift=4.0))
    together = scale.apply(scaling, test_NxRxT)
    np.testing.assert_array_equal(together[[1]], scale.apply(scaling, test_NxRxT[[1]]))


def test_the_reference_is_learned_from_the_part_that_is_given():
    records = make_records()
    config = PreprocessConfig(max_shift=2.0)
    other = dataclasses.replace(records, values=np.concatenate([records.values[:16], 9.0 * records.values[16:]]))
    one, two = (scale.fit(parts.from_records(r).take(range(16)), config).reference_RxT for r in (records, other))
    np.testing.assert_array_equal(one, two)


def test_the_option_is_in_the_unit_of_the_axis(tmp_path):
    io.write(make_records(), tmp_path / "r.nc")  # 0.5 s a row
    config = base.get_config()
    config.data.path, config.preprocess.align = str(tmp_path / "r.nc"), 1.5
    config.codec.latent, config.codec.patch, config.codec.width = 3, 4, 8
    assert settings.prepare(config).method.preprocess.max_shift == pytest.approx(3.0)
    config.preprocess.align = -1.0
    with pytest.raises(InputError, match="preprocess.align"):
        settings.prepare(config)


@pytest.mark.parametrize("method", BASELINES)
def test_baselines_go_and_peaks_stay(method):
    column_T = np.linspace(0.0, 1.0, 300)
    peak_T = 100.0 * np.exp(-0.5 * ((column_T - 0.5) / 0.02) ** 2)
    baseline_T = 40.0 + 30.0 * column_T
    noise_RxT = np.random.default_rng(0).normal(0.0, 0.5, (4, 300))
    values_RxT = (baseline_T + peak_T + noise_RxT).astype(np.float32)
    config = BaselineConfig(method=method, window=25, lam=1e5)
    kept = values_RxT.copy()
    corrected = correct(values_RxT, config)
    np.testing.assert_array_equal(values_RxT, kept)
    assert corrected.dtype == np.float32
    assert np.abs(corrected[:, 150] - 100.0).max() < 8.0
    away = np.r_[20:100, 200:280]
    assert np.abs(corrected[:, away].mean()) < 4.0
    np.testing.assert_array_equal(correct(values_RxT[:1], config), corrected[:1])


def test_smoothing_removes_noise_and_keeps_parabolas():
    row_R, column_T = np.arange(20.0)[:, None], np.arange(30.0)[None]
    smooth_RxT = 0.1 * row_R**2 + 2.0 * column_T
    noise_RxT = np.random.default_rng(0).normal(size=(20, 30))
    config = BaselineConfig(smooth_slow=5, smooth_fast=7)
    np.testing.assert_allclose(correct(smooth_RxT.astype(np.float32), config), smooth_RxT, atol=1e-3)
    assert correct(noise_RxT, config).std() < 0.5
    assert not BaselineConfig().active and config.active


@pytest.mark.parametrize(
    "options",
    [{"smooth_fast": 4}, {"smooth_slow": 1}, {"method": "magic"}, {"window": 0}, {"lam": 0.0}, {"p": 1.0}],
)
def test_bad_options_are_refused(options):
    with pytest.raises(InputError, match="baseline"):
        BaselineConfig(**options)


@pytest.mark.parametrize("options", [{"smooth_slow": 9}, {"method": "snip", "window": 5}])
def test_windows_longer_than_the_axis_are_refused(options):
    with pytest.raises(InputError, match="expected at most"):
        correct(np.zeros((8, 10), np.float32), BaselineConfig(**options))
