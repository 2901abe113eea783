"""One contract for every sampler, then what is particular to each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gcims_jax import InputError
from gcims_jax.linalg import fit_two_sided, reconstruct_two_sided, regularised_cholesky
from gcims_jax.samplers import SAMPLERS


def latents(counts=(30, 12), d=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    mixing = rng.normal(size=(d * d, d * d)) * 0.5
    flat = rng.normal(size=(len(labels), d * d)) @ mixing + 5.0 * labels[:, None]
    return flat.reshape(-1, d, d).astype(np.float32), labels


@pytest.fixture(params=sorted(SAMPLERS))
def sampler(request):
    return SAMPLERS[request.param]


class TestContract:
    def test_shape_dtype_finite(self, sampler):
        state = sampler.fit(*latents())
        draws = sampler.sample(jax.random.key(0), state, np.array([1, 0, 0, 1, 1]))
        assert draws.shape == (5, 3, 3) and draws.dtype == jnp.float32
        assert np.all(np.isfinite(draws))

    def test_same_key_same_draw(self, sampler):
        state = sampler.fit(*latents())
        labels = np.array([0, 1, 1])
        one, same, other = (sampler.sample(jax.random.key(k), state, labels) for k in (0, 0, 1))
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)

    def test_jit_equals_eager(self, sampler):
        state = sampler.fit(*latents())
        labels = jnp.array([0, 1, 1, 0])
        with jax.disable_jit():
            eager = sampler.sample(jax.random.key(0), state, labels)
        jitted = jax.jit(sampler.sample)(jax.random.key(0), state, labels)
        np.testing.assert_allclose(jitted, eager, atol=1e-5)

    def test_moments(self, sampler):
        x, labels = latents((40, 40))
        draws = np.asarray(sampler.sample(jax.random.key(0), sampler.fit(x, labels), np.repeat([0, 1], 20000)))
        for k in (0, 1):
            real, drawn = x[labels == k], draws[20000 * k : 20000 * (k + 1)]
            np.testing.assert_allclose(drawn.mean(0), real.mean(0), atol=0.1)
            assert drawn.var(0).sum() == pytest.approx(real.var(0, ddof=1).sum(), rel=0.1)

    def test_class_with_one_record(self, sampler):
        state = sampler.fit(*latents((20, 1)))
        draws = np.asarray(sampler.sample(jax.random.key(0), state, np.ones(50, int)))
        assert np.all(np.isfinite(draws)) and draws.std(0).min() > 0.0

    def test_labels_need_not_be_consecutive(self, sampler):
        x, labels = latents()
        draws = sampler.sample(jax.random.key(0), sampler.fit(x, labels), np.array([0, 1]))
        other = sampler.sample(jax.random.key(0), sampler.fit(x, np.array([3, 7])[labels]), np.array([3, 7]))
        np.testing.assert_array_equal(draws, other)

    def test_bad_input(self, sampler):
        x, labels = latents()
        with pytest.raises(InputError, match="seen in fit"):
            sampler.sample(jax.random.key(0), sampler.fit(x, labels), np.array([0, 5]))
        with pytest.raises(InputError, match="finite"):
            sampler.fit(np.where(np.arange(len(x))[:, None, None] == 3, np.nan, x), labels)
        with pytest.raises(InputError, match="integers"):
            sampler.fit(x, labels[:-1])
        with pytest.raises(InputError, match=r"shape \(N, d, d\)"):
            sampler.fit(x[:, :2], labels)


@pytest.mark.parametrize("ridge", [0.0, 0.3, 1.0])
def test_cholesky_covariance_is_the_ridged_one(ridge):
    x, labels = latents((30, 25))
    state = SAMPLERS["gaussian_cholesky"].fit(x, labels, ridge=ridge)
    for k in (0, 1):
        covariance = np.cov(x[labels == k].reshape(-1, 9), rowvar=False)
        expected = (1 - ridge) * covariance + ridge * np.trace(covariance) / 9 * np.eye(9)
        lower = np.asarray(state.lower_KxPxP[k])
        np.testing.assert_allclose(lower @ lower.T, expected, atol=1e-4 * np.trace(covariance))
    draws = np.asarray(SAMPLERS["gaussian_cholesky"].sample(jax.random.key(0), state, np.zeros(60000, int)))
    drawn = np.cov(draws.reshape(-1, 9), rowvar=False)
    expected = np.asarray(state.lower_KxPxP[0]) @ np.asarray(state.lower_KxPxP[0]).T
    assert np.linalg.norm(drawn - expected) < 0.05 * np.linalg.norm(expected)


def test_cholesky_with_fewer_records_than_dimensions_reports_rank_and_jitter():
    x, labels = latents((5, 4), d=4)
    empirical = SAMPLERS["gaussian_cholesky"].fit(x, labels, ridge=0.0)
    np.testing.assert_array_equal(empirical.rank_K, [4, 3])
    assert np.all(np.asarray(empirical.jitter_K) > 0.0)
    ridged = SAMPLERS["gaussian_cholesky"].fit(x, labels, ridge=0.1)
    np.testing.assert_array_equal(ridged.rank_K, [16, 16])
    np.testing.assert_array_equal(ridged.jitter_K, [0.0, 0.0])
    assert np.all(np.asarray(ridged.condition_K) < 1e4)


def test_one_record_class_takes_the_pooled_covariance():
    x, labels = latents((20, 1))
    state = SAMPLERS["gaussian_cholesky"].fit(x, labels, ridge=0.2)
    np.testing.assert_allclose(state.lower_KxPxP[1], state.lower_KxPxP[0], rtol=1e-5)
    with pytest.raises(InputError, match="at least 2 records"):
        SAMPLERS["gaussian_cholesky"].fit(x[:2], np.array([0, 1]))


def test_identical_records_draw_themselves():
    x = np.ones((4, 3, 3), np.float32)
    state = SAMPLERS["gaussian_cholesky"].fit(x, np.zeros(4, int))
    np.testing.assert_array_equal(
        SAMPLERS["gaussian_cholesky"].sample(jax.random.key(0), state, np.zeros(3, int)), x[:3]
    )


@pytest.mark.parametrize("ridge", [-0.1, 1.1])
def test_ridge_outside_its_range(ridge):
    with pytest.raises(InputError, match="ridge.*from 0 to 1"):
        SAMPLERS["gaussian_cholesky"].fit(*latents(), ridge=ridge)


def test_regularised_cholesky_factors_what_it_is_given():
    a = np.random.default_rng(0).normal(size=(6, 6))
    full = regularised_cholesky(a @ a.T)
    np.testing.assert_allclose(full.lower_PxP @ full.lower_PxP.T, a @ a.T, atol=1e-9)
    assert full.jitter == 0.0 and full.rank == 6
    assert full.condition == pytest.approx(np.linalg.cond(a @ a.T), rel=1e-6)
    low = regularised_cholesky(np.outer(a[0], a[0]))
    assert low.rank == 1 and 0.0 < low.jitter < 1e-6
    zero = regularised_cholesky(np.zeros((3, 3)))
    assert zero.rank == 0 and not zero.lower_PxP.any()


def test_two_sided_codec_is_exact_at_its_rank_and_beats_random_bases():
    rng = np.random.default_rng(0)
    low = rng.normal(size=(7, 2)) @ rng.normal(size=(20, 2, 2)) @ rng.normal(size=(2, 9)) + rng.normal(size=(7, 9))
    np.testing.assert_allclose(reconstruct_two_sided(fit_two_sided(low, 2), low), low, atol=1e-8)
    x = rng.normal(size=(30, 7, 9))
    basis = fit_two_sided(x, 3)
    error = np.mean((reconstruct_two_sided(basis, x) - x) ** 2)
    for _ in range(20):
        u, v = (np.linalg.qr(rng.normal(size=(n, 3)))[0] for n in (7, 9))
        other = basis._replace(slow_RxD=u, fast_TxD=v)
        assert error < np.mean((reconstruct_two_sided(other, x) - x) ** 2)
