"""Small-peak scores, losses, augmentation, the stacked optimiser and the untrained baselines."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gcims_jax import InputError, linalg
from gcims_jax.codec import losses, optimise, perturb
from gcims_jax.codec.losses import LossConfig
from gcims_jax.codec.perturb import PerturbConfig
from gcims_jax.fidelity import peaks
from gcims_jax.preprocessing import scale

ROWS, COLUMNS, HEIGHTS = (20, 40, 40), (15, 30, 50), (30.0, 12.0, 500.0)


def peaky(n=4, noise=1.0, keep=(True, True, True), seed=0):
    """60×64 records with two small peaks and a large one, and the same without noise."""
    i, j = np.mgrid[:60, :64]
    clean = sum(
        h * np.exp(-0.5 * (((i - r) / 2.0) ** 2 + ((j - c) / 2.0) ** 2))
        for r, c, h, k in zip(ROWS, COLUMNS, HEIGHTS, keep, strict=True)
        if k
    )
    clean = np.repeat(clean[None], n, axis=0).astype(np.float32)
    return clean + np.random.default_rng(seed).normal(0.0, noise, clean.shape).astype(np.float32), clean


def planted(n=4):
    return np.tile(ROWS, (n, 1)) + 0.4, np.tile(COLUMNS, (n, 1)) - 0.4


def test_small_peaks_are_found_where_they_were_planted_and_large_ones_left_out():
    real, clean = peaky()
    assert peaks.noise_level(real - clean) == pytest.approx(1.0 / 3.0, rel=0.1)
    small = peaks.find(clean, peaks.noise_level(real), *planted(), peaks.PeakConfig(highest=100.0))
    np.testing.assert_array_equal(small.row_M.reshape(4, 2), [[20, 40]] * 4)
    np.testing.assert_array_equal(small.column_M.reshape(4, 2), [[15, 30]] * 4)


def test_peak_scores_see_lost_weakened_and_invented_peaks():
    real, clean = peaky()
    config = peaks.PeakConfig(highest=100.0)
    small = peaks.find(clean, peaks.noise_level(real), *planted(), config)
    perfect = peaks.score(small, clean, clean, config)
    assert perfect.recall == 1.0 and perfect.ghosts == 0.0 and perfect.intensity_error == pytest.approx(0.0, abs=1e-6)
    assert perfect.count == 8
    assert peaks.score(small, clean, peaky(keep=(True, False, True))[1], config).recall == 0.5
    weak = peaks.score(small, clean, 0.5 * clean, config)
    assert weak.recall == 0.0 and weak.intensity_error == pytest.approx(0.5, abs=1e-5)
    assert peaks.score(small, clean, 2.0 * clean, config).recall == 0.0
    ghost = clean.copy()
    ghost[:, 8:11, 50:53] += 20.0
    assert peaks.score(small, clean, ghost, config).ghosts == 1.0


def test_no_small_peaks_is_not_a_number_rather_than_a_score():
    _, clean = peaky(keep=(False, False, True))
    none = peaks.find(clean, 0.01, np.zeros((4, 0)), np.zeros((4, 0)))
    assert np.isnan(peaks.score(none, clean, clean).recall)
    with pytest.raises(InputError, match="one row of positions per record"):
        peaks.find(clean, 0.01, np.zeros((3, 2)), np.zeros((3, 2)))


def record_losses(config, out, x, noise=None):
    noise = np.full(x.shape[1:], 0.1, np.float32) if noise is None else noise
    return np.asarray(losses.record_losses(config, out, x, noise, jnp.float32(2.0), jnp.array([0.0, 3.0])))


def test_the_default_loss_is_the_mean_squared_error_per_variance():
    rng = np.random.default_rng(0)
    x, out = rng.uniform(size=(2, 3, 9, 14)).astype(np.float32)
    np.testing.assert_allclose(record_losses(LossConfig(), out, x), ((out - x) ** 2).mean((1, 2)) / 2.0, rtol=1e-5)


def test_prominence_weighs_small_and_large_peaks_alike_and_more_than_the_baseline():
    _, clean = peaky(1)
    noise = np.full(clean.shape[1:], 0.5, np.float32)

    def cost(row, column):
        out = clean.copy()
        out[0, row, column] += 1.0
        return record_losses(LossConfig(weight="prominence", gain=9.0), out, clean, noise)[0]

    small, large, baseline = cost(40, 30), cost(40, 50), cost(5, 5)
    assert small > 5.0 * baseline and small == pytest.approx(large, rel=0.2)


def test_noise_weights_count_quiet_points_more_and_local_noise_is_measured():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 30, 20)).astype(np.float32)
    x[:, :, 10:] *= 5.0
    noise = losses.local_noise(x)
    assert noise[:, :7].mean() == pytest.approx(1.0, rel=0.1) and noise[:, 13:].mean() == pytest.approx(5.0, rel=0.1)
    zero = np.zeros((2, 30, 20), np.float32)
    out = zero.copy()
    out[0, 15, 2] = out[1, 15, 17] = 1.0
    quiet, loud = record_losses(LossConfig(weight="noise"), out, zero, noise)
    assert quiet > 1.5 * loud


def test_multiscale_sees_offsets_and_derivative_sees_steps():
    zero = np.zeros((2, 8, 8), np.float32)
    out = np.stack([np.full((8, 8), 0.5), 0.5 * (-1.0) ** np.add.outer(np.arange(8), np.arange(8))]).astype(np.float32)
    plain = record_losses(LossConfig(), out, zero)
    assert plain[0] == pytest.approx(plain[1])
    offset, checks = record_losses(LossConfig(multiscale=1.0), out, zero)
    assert offset > checks
    offset, checks = record_losses(LossConfig(derivative=1.0), out, zero)
    assert offset < checks


@pytest.mark.parametrize(
    ("options", "message"),
    [({"weight": "size"}, "loss.weight"), ({"linear": 1.5}, "loss.linear"), ({"derivative": -1.0}, "loss.derivative")],
)
def test_impossible_losses_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        LossConfig(**options)


def test_augmentation_off_changes_nothing_and_each_part_does_what_it_says():
    x = jnp.asarray(peaky(3, noise=0.0)[1])
    key = jax.random.key(0)
    np.testing.assert_array_equal(perturb.draw(key, PerturbConfig(), x), x)
    shifted = np.asarray(perturb.draw(key, PerturbConfig(shift=2), x))
    for before, after in zip(np.asarray(x), shifted, strict=True):
        moved = np.subtract(
            np.unravel_index(after.argmax(), after.shape), np.unravel_index(before.argmax(), before.shape)
        )
        assert np.abs(moved).max() <= 2 and after.max() == before.max()
    scaled = np.asarray(perturb.draw(key, PerturbConfig(intensity=0.3), x))
    factors = scaled.max((1, 2)) / np.asarray(x).max((1, 2))
    np.testing.assert_allclose(scaled, factors[:, None, None] * x, rtol=1e-5)
    assert len(set(np.round(factors, 4))) == 3
    warped = np.asarray(perturb.draw(key, PerturbConfig(warp=0.02), x))
    assert np.abs(warped - x).max() > 1.0 and warped.max() < 1.2 * float(x.max())
    with pytest.raises(InputError, match="perturb.warp"):
        PerturbConfig(warp=-0.1)


def test_the_stacked_optimiser_takes_the_steps_of_the_plain_one():
    rng = np.random.default_rng(0)
    params = {
        "attention": {"query": {"kernel": rng.normal(size=(8, 2, 4)), "bias": rng.normal(size=(2, 4))},
                      "out": {"kernel": rng.normal(size=(2, 4, 8)), "bias": rng.normal(size=8)}},
        "dense": {"kernel": rng.normal(size=(8, 8)), "bias": rng.normal(size=8)},
        "positions": rng.normal(size=(3, 8)),
    }  # fmt: skip
    params = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), params)
    gradient = jax.tree.map(jnp.cos, params)
    plain = optax.adamw(0.1, weight_decay=0.01)
    stacked = optimise.stacked(plain)
    a, b = (rule.update(gradient, rule.init(params), params)[0] for rule in (plain, stacked))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), a, b)
    muon = optimise.make("muon", learning_rate=0.1, weight_decay=0.0, clip=1e9, warmup=1, steps=10)
    state = muon.init(params)
    _, state = muon.update(gradient, state, params)  # the first step of the warm-up has size 0
    update, _ = muon.update(gradient, state, params)
    singular = np.linalg.svd(np.asarray(update["dense"]["kernel"]), compute_uv=False)
    assert singular.max() / singular.min() < 3.0  # orthogonal but for the rough iteration


def test_pca_is_exact_within_its_span_and_capped_by_the_number_of_records():
    x = np.random.default_rng(0).normal(size=(6, 5, 7)).astype(np.float32)
    basis = linalg.principal_basis(x, 100)
    assert basis.components_PxF.shape == (5, 35)
    np.testing.assert_allclose(basis.components_PxF @ basis.components_PxF.T, np.eye(5), atol=1e-4)
    np.testing.assert_allclose(linalg.reconstruct_principal(basis, x), x, atol=1e-4)
    errors = [np.mean((linalg.reconstruct_principal(linalg.principal_basis(x, k), x) - x) ** 2) for k in (1, 2, 3, 4)]
    assert errors == sorted(errors, reverse=True)


def test_wavelet_thresholding_keeps_everything_or_the_largest():
    x = peaky(2)[0][:, :59, :61]
    np.testing.assert_allclose(scale.threshold_wavelets(x, 10**6), x, atol=1e-2)
    errors = [np.mean((scale.threshold_wavelets(x, k) - x) ** 2) for k in (10, 100, 1000)]
    assert errors == sorted(errors, reverse=True) and errors[1] < 0.05 * x.var()
