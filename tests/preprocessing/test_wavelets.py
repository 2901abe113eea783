"""Both directions of the approximation keep to their ends of the axis, and one undoes the other."""

import functools

import numpy as np
import pytest
import pywt
from hypothesis import given, settings
from hypothesis import strategies as st

from gcims_jax.preprocessing import scale, wavelets
from gcims_jax.preprocessing.scale import PreprocessConfig
from gcims_jax.records import Axis
from gcims_jax.simulation import gcims, signal

SMOOTH = ("db2", "db3", "db8", "sym5", "coif1", "bior2.2", "bior4.4")  # their synthesis keeps straight lines
NOISE = signal.NOISE_COUNTS
TAIL_MS = 1.05 * gcims.RIP_DRIFT_MS  # in the tail of the reactant ion peak, where folders of records are cropped

STEEP_MS = 7.8  # on the flank of the peak itself


@functools.cache
def records():
    return gcims.simulate(0, n_retention=256, n_drift=512, class_sizes={"Escherichia coli": 6})[0]


@settings(max_examples=60, deadline=None)
@given(wavelet=st.sampled_from(("haar", *SMOOTH)), level=st.integers(0, 4), blocks=st.integers(1, 90))
def test_analysis_undoes_synthesis(wavelet, level, blocks):
    length = blocks * 2**level
    analysis_RxL = wavelets.analysis_matrix(length, wavelet, level)
    synthesis_LxR = wavelets.synthesis_matrix(length, wavelet, level)
    assert analysis_RxL.shape == (blocks, length) and synthesis_LxR.shape == (length, blocks)
    assert analysis_RxL.dtype == synthesis_LxR.dtype == np.float32
    np.testing.assert_allclose(analysis_RxL @ synthesis_LxR, np.eye(blocks), atol=2e-6)
    np.testing.assert_allclose(analysis_RxL.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(synthesis_LxR.sum(axis=1), 1.0, atol=2e-6)
    assert np.abs(synthesis_LxR).sum(axis=1).max() < 4.5  # what the ends multiply an error by


@settings(max_examples=40, deadline=None)
@given(wavelet=st.sampled_from(SMOOTH), level=st.integers(0, 3), blocks=st.integers(2, 60))
def test_straight_lines_are_kept_to_the_ends_and_stand_at_the_axis(wavelet, level, blocks):
    length = blocks * 2**level
    line_L = np.linspace(-1.0, 1.0, length)
    coarse_R = wavelets.analysis_matrix(length, wavelet, level) @ line_L
    axis = wavelets.approximate_axis(Axis("time", "s", line_L), wavelet, level)
    np.testing.assert_allclose(axis.values, coarse_R, atol=2e-6)
    np.testing.assert_allclose(wavelets.synthesis_matrix(length, wavelet, level) @ coarse_R, line_L, atol=5e-6)


@pytest.mark.parametrize(("wavelet", "level"), [("db3", 3), ("haar", 1), ("bior2.2", 2), ("db8", 2), ("sym4", 0)])
@pytest.mark.parametrize("length", [8, 64, 600])
def test_away_from_the_ends_it_is_the_wavelets(wavelet, level, length):
    def cascade(x):
        for _ in range(level):
            x = pywt.dwt(x, wavelet, mode="periodization", axis=0)[0]
        return x / 2 ** (level / 2)

    x = np.random.default_rng(0).normal(size=(length, 8)).astype(np.float32)
    ours = wavelets.approximate(x, wavelet, level, 0)
    np.testing.assert_array_equal(
        wavelets.approximate(np.ascontiguousarray(x.T), wavelet, level, 1).T.shape, ours.shape
    )
    np.testing.assert_allclose(wavelets.approximate(np.ascontiguousarray(x.T), wavelet, level, 1), ours.T, atol=1e-5)
    # The cascade's coefficients stand elsewhere on the axis, by a whole number of points.
    index = np.arange(1024.0)
    here = wavelets.approximate_axis(Axis("index", "1", index), wavelet, level).values
    middle = len(here) // 2
    by = round(here[middle] - cascade(index[:, None])[middle, 0])
    edge = 2 * pywt.Wavelet(wavelet).dec_len + 2
    expected = cascade(np.roll(x, -by, axis=0))
    np.testing.assert_allclose(ours[edge:-edge], expected[edge:-edge], atol=1e-5)
    assert len(ours) == length >> level


@pytest.mark.parametrize("wavelet", ["db3", "db8", "bior2.2"])
def test_a_long_axis_has_the_ends_of_a_short_one(wavelet):
    """The long one is put together; the short one is solved as a whole, with more than room enough."""
    analysis_BxS, synthesis_SxB = wavelets._short(200, wavelets._filters(wavelet, 3), 3)
    np.testing.assert_allclose(wavelets.analysis_matrix(1600, wavelet, 3), analysis_BxS, atol=1e-6)
    np.testing.assert_allclose(wavelets.synthesis_matrix(1600, wavelet, 3), synthesis_SxB, atol=1e-6)


def change(start_ms, levels):
    """What compress + expand adds to each column and row on average, and the records' own columns."""
    real = records()
    plan = scale.make_compression(
        real.slow, real.fast, PreprocessConfig((20.0, 480.0), (start_ms, 15.0), "db3", *levels)
    )
    kept_NxLxM = real.values[:, plan.slow_slice, plan.fast_slice]
    change_NxLxM = scale.expand(plan, scale.compress(plan, real.values)) - kept_NxLxM
    return change_NxLxM.mean(axis=(0, 1)), change_NxLxM.mean(axis=(0, 2)), kept_NxLxM.mean(axis=(0, 1))


@pytest.mark.parametrize("levels", [(0, 1), (0, 2), (1, 2)])
def test_the_ends_change_by_no_more_than_the_noise_or_the_interior(levels):
    for means in change(TAIL_MS, levels)[:2]:
        assert np.abs(means[[0, 1, -2, -1]]).max() < max(NOISE, np.abs(means[4:-4]).max())


@pytest.mark.parametrize("levels", [(0, 2), (1, 2), (2, 3)])
def test_no_ghost_of_the_reactant_ion_peak_at_the_other_end(levels):
    columns_M, _, real_M = change(STEEP_MS, levels)
    assert real_M[0] > 20 * real_M[-1]  # there is something to wrap around
    assert np.abs(columns_M[-8:]).max() < NOISE


def test_a_change_at_one_end_stays_there():
    plan = scale.make_compression(
        Axis("retention_time", "s", np.arange(64.0)), Axis("drift_time", "ms", np.arange(256.0)),
        PreprocessConfig(None, None, "db3", 1, 3),
    )  # fmt: skip
    values = np.zeros((1, 64, 256), np.float32)
    values[:, :, 0], values[:, -1] = 300.0, 200.0
    there_and_back = scale.expand(plan, scale.compress(plan, values))[0]
    np.testing.assert_allclose(there_and_back[:40, 128:], 0.0, atol=1e-3)
