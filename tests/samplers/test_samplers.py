"""One contract for every sampler, then what is particular to each."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_latents import fit, latents
from scipy.stats import ks_2samp, multivariate_normal, spearmanr

from gcims_jax import InputError
from gcims_jax.linalg import reconstruct_two_sided, regularised_cholesky, two_sided_basis
from gcims_jax.parts import from_arrays
from gcims_jax.samplers import SAMPLERS, gaussian_cholesky, subspace, vae
from gcims_jax.samplers.contract import class_statistics

# Enough for the contract: a flow starts as the whitened Gaussian, a variational decoder has to find its spread.
FEW_STEPS = {"vae": {"steps": 500}, "flow": {"steps": 1}}


class Fitted(NamedTuple):
    name: str
    latents: np.ndarray
    labels: np.ndarray
    state: Any

    def sample(self, key, labels):
        return SAMPLERS[self.name].sample(jax.random.key(key), self.state, np.asarray(labels))


def fitted(name, counts, labels=None):
    x, positions = latents(counts)
    labels = positions if labels is None else np.asarray(labels)[positions]
    return Fitted(name, x, labels, fit(name, x, labels, **FEW_STEPS.get(name, {})))


@pytest.fixture(scope="module", params=sorted(SAMPLERS))
def two_classes(request):
    return fitted(request.param, (40, 40))


@pytest.fixture(scope="module", params=sorted(SAMPLERS))
def one_record(request):
    return fitted(request.param, (20, 1), labels=(3, 7))


class TestContract:
    def test_shape_dtype_finite(self, two_classes):
        draws = two_classes.sample(0, [1, 0, 0, 1, 1])
        assert draws.shape == (5, 3, 3) and draws.dtype == jnp.float32
        assert np.all(np.isfinite(draws))
        assert two_classes.sample(0, np.zeros(0, int)).shape == (0, 3, 3)

    def test_same_key_same_draw(self, two_classes):
        one, same, other = (two_classes.sample(key, [1, 0, 0, 1, 1]) for key in (0, 0, 1))
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)

    def test_jit_equals_eager(self, two_classes):
        with jax.disable_jit():
            eager = two_classes.sample(0, [1, 0, 0, 1, 1])
        jitted = jax.jit(SAMPLERS[two_classes.name].sample)(
            jax.random.key(0), two_classes.state, np.array([1, 0, 0, 1, 1])
        )
        np.testing.assert_allclose(jitted, eager, atol=1e-4)

    def test_state_is_a_pytree_of_arrays(self, two_classes):
        leaves = jax.tree.leaves(two_classes.state)
        assert leaves and all(hasattr(leaf, "dtype") for leaf in leaves)

    def test_moments(self, two_classes):
        draws = np.asarray(two_classes.sample(0, np.repeat([0, 1], 20000)))
        for k in (0, 1):
            real, drawn = two_classes.latents[two_classes.labels == k], draws[20000 * k : 20000 * (k + 1)]
            np.testing.assert_allclose(drawn.mean(0), real.mean(0), atol=0.1)
            low, high = spread(two_classes, real)
            assert low <= drawn.var(0).sum() / real.var(0, ddof=1).sum() <= high

    def test_class_with_one_record(self, one_record):
        draws = np.asarray(one_record.sample(0, np.full(200, 7)))
        assert np.all(np.isfinite(draws)) and draws.std(0).min() > 0.0
        np.testing.assert_allclose(draws.mean(0), one_record.latents[-1], atol=1.2)

    def test_labels_not_seen_in_fit(self, one_record):
        with pytest.raises(InputError, match=r"expected some of \[3, 7\]"):
            one_record.sample(0, [3, 5])

    @pytest.mark.parametrize("name", sorted(SAMPLERS))
    def test_bad_input(self, name):
        x, labels = latents((5, 3))
        with pytest.raises(InputError, match="finite"):
            fit(name, np.where(np.arange(len(x))[:, None, None] == 3, np.nan, x), labels)
        with pytest.raises(InputError, match="integers"):
            fit(name, x, labels.astype(float))
        with pytest.raises(InputError, match=r"shape \(N, d, d\)"):
            fit(name, x[:, :2], labels)
        with pytest.raises(InputError, match="at least 2 records"):
            fit(name, x[:2], np.array([0, 1]))
        part = from_arrays(x, labels)
        with pytest.raises(InputError, match="integers"):
            SAMPLERS[name].fit(dataclasses.replace(part, labels_N=labels[:-1]))
        with pytest.raises(InputError, match="expected a Part.*got ndarray; make one with parts.from_arrays"):
            SAMPLERS[name].fit(np.zeros((4, 3, 3)))
        with pytest.raises(InputError, match="groups: expected one for each"):
            SAMPLERS[name].fit(dataclasses.replace(part, groups_N=part.groups_N[:-1]))

    @pytest.mark.parametrize("name", sorted(SAMPLERS))
    def test_identical_records_draw_themselves(self, name):
        x = np.ones((4, 3, 3), np.float32)
        state = fit(name, x, np.zeros(4, int), **FEW_STEPS.get(name, {}))
        draws = SAMPLERS[name].sample(jax.random.key(0), state, np.zeros(3, int))
        np.testing.assert_allclose(draws, x[:3], atol=1e-6)

    def test_log_density_is_that_of_the_draws(self, two_classes):
        """The mean of exp(log q - log p) over draws of p is 1 for any density q: here for q the best Gaussian."""
        log_density = SAMPLERS[two_classes.name].log_density
        if log_density is None:
            pytest.skip("no closed form")
        draws = np.asarray(two_classes.sample(0, np.zeros(4000, int)), np.float64)
        flat = draws.reshape(len(draws), -1)
        # Narrower than p, so that the ratio has a finite variance.
        narrow = multivariate_normal(flat.mean(0), 0.5 * np.cov(flat, rowvar=False))
        ratio = np.exp(narrow.logpdf(flat) - log_density(two_classes.state, draws, np.zeros(len(draws), int)))
        assert ratio.mean() == pytest.approx(1.0, abs=6.0 * ratio.std() / np.sqrt(len(ratio)))


def spread(case, real):
    """Total variance of draws over that of the class's records: what the method says, within sampling error."""
    if case.name == "smote":
        return 0.5, 1.0  # between records, never beyond
    if case.name == "copula":
        return 0.85, 1.02  # nor beyond the largest of each entry
    if case.name == "kde":
        deviations = np.asarray(case.state.deviations_NxP)
        pooled = np.sum(deviations**2) / (len(deviations) - 2)
        expected = 39 / 40 + float(case.state.bandwidth_K[0]) ** 2 * pooled / real.var(0, ddof=1).sum()
        return 0.95 * expected, 1.05 * expected
    if case.name in ("pooled", "borrowed", "rda", "vae", "flow"):
        return 0.8, 1.25  # variance shared with the other class
    return 0.95, 1.05


def test_matrix_normal_is_a_kronecker_gaussian():
    x, labels = latents((30, 25))
    state = fit("matrix_normal", x, labels, ridge=0.1)
    row, column = np.asarray(state.row_KxRxR[0], float), np.asarray(state.column_KxCxC[0], float)
    kronecker = np.kron(row @ row.T, column @ column.T)
    draws = np.asarray(SAMPLERS["matrix_normal"].sample(jax.random.key(0), state, np.zeros(60000, int))).reshape(-1, 9)
    assert np.linalg.norm(np.cov(draws, rowvar=False) - kronecker) < 0.05 * np.linalg.norm(kronecker)
    expected = multivariate_normal(np.asarray(state.mean_KxDxD[0]).ravel(), kronecker).logpdf(x[:5].reshape(5, 9))
    got = SAMPLERS["matrix_normal"].log_density(state, x[:5], np.zeros(5, int))
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_matrix_normal_recovers_planted_factors():
    rng = np.random.default_rng(0)
    row, column = (np.linalg.cholesky(a @ a.T + 0.3 * np.eye(3)) for a in rng.normal(size=(2, 3, 3)))
    x = row @ rng.normal(size=(4000, 3, 3)) @ column.T
    state = fit("matrix_normal", x, np.zeros(4000, int), ridge=0.0)
    got = np.kron(*(np.asarray(f[0] @ f[0].T) for f in (state.row_KxRxR, state.column_KxCxC)))
    planted = np.kron(row @ row.T, column @ column.T)
    assert np.linalg.norm(got - planted) < 0.08 * np.linalg.norm(planted)


def test_mixture_finds_two_planted_clusters():
    rng = np.random.default_rng(0)
    clusters = np.where(np.arange(60) < 30, -5.0, 5.0)[:, None] * np.eye(9)[0] + 0.3 * rng.normal(size=(60, 9))
    state = fit("gmm", clusters.reshape(-1, 3, 3), np.zeros(60, int))
    assert int(state.components_K[0]) >= 2
    draws = np.asarray(SAMPLERS["gmm"].sample(jax.random.key(0), state, np.zeros(2000, int)))[:, 0, 0]
    assert np.mean(np.abs(draws) < 2.0) < 0.02 and 0.4 < np.mean(draws > 0) < 0.6
    one = fit("gmm", rng.normal(size=(60, 3, 3)), np.zeros(60, int))
    assert int(one.components_K[0]) == 1


def test_copula_keeps_marginals_that_are_not_gaussian():
    rng = np.random.default_rng(0)
    tied = rng.normal(size=(200, 1)) + 0.3 * rng.normal(size=(200, 9))
    x = np.exp(tied).reshape(-1, 3, 3)
    state = fit("copula", x, np.zeros(200, int), ridge=0.1)
    draws = np.asarray(SAMPLERS["copula"].sample(jax.random.key(0), state, np.zeros(5000, int))).reshape(-1, 9)
    assert max(ks_2samp(draws[:, p], x.reshape(-1, 9)[:, p]).statistic for p in range(9)) < 0.05
    ranks = spearmanr(draws).statistic
    assert ranks[np.triu_indices(9, 1)].mean() == pytest.approx(
        0.9 * spearmanr(x.reshape(-1, 9)).statistic[0, 1:].mean(), abs=0.06
    )


def test_smote_draws_lie_between_neighbours():
    x, labels = latents((12, 8))
    state = fit("smote", x, labels, neighbours=3)
    draws = np.asarray(SAMPLERS["smote"].sample(jax.random.key(0), state, np.zeros(50, int))).reshape(-1, 9)
    own = x[labels == 0].reshape(-1, 9)
    for draw in draws:
        detour = np.linalg.norm(own - draw, axis=1)
        through = detour[:, None] + detour - np.linalg.norm(own[:, None] - own, axis=2)
        through[np.diag_indices(len(own))] = np.where(detour < 1e-4, 0.0, np.inf)
        assert through.min() < 1e-3


def two_clusters():
    rng = np.random.default_rng(0)
    centre = np.where(np.arange(128) < 64, -1.0, 1.0)[:, None] * np.ones(4)
    return (centre + 0.1 * rng.normal(size=(128, 4))).reshape(-1, 2, 2), np.zeros(128, int)


def test_flow_learns_two_clusters_in_one_class():
    """Draws of the Gaussian fall between them, those of a trained field do not."""
    x, labels = two_clusters()
    between = {}
    for name, options in (("gaussian", {"ridge": 0.01}), ("flow", {})):
        state = fit(name, x, labels, **options)
        draws = np.asarray(SAMPLERS[name].sample(jax.random.key(0), state, np.zeros(1000, int)))
        between[name] = np.mean(np.abs(draws.mean((1, 2))) < 0.5)
    assert between["gaussian"] > 0.3 and between["flow"] < 0.1


def test_vae_training_raises_the_bound():
    x, labels = two_clusters()
    space, coordinates_NxQ = subspace.span(class_statistics(from_arrays(x, labels)), 32)
    losses = [
        float(vae._loss(fit("vae", x, labels, steps=steps).params, jax.random.key(1), coordinates_NxQ, labels))
        for steps in (1, 1500)
    ]
    assert losses[1] < losses[0] - 0.5
    np.testing.assert_allclose(coordinates_NxQ @ space.basis_QxP, (x - x.mean(0)).reshape(-1, 4), atol=1e-5)


def test_factors_that_would_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(gaussian_cholesky, "_memory_bytes", lambda: 2_000)
    with pytest.raises(InputError, match="needs .* GiB for 2 factors of 9 × 9.*use gaussian"):
        fit("gaussian_cholesky", *latents())


@pytest.mark.parametrize("ridge", [0.0, 0.3, 1.0])
def test_cholesky_covariance_is_the_ridged_one(ridge):
    x, labels = latents((30, 25))
    state = fit("gaussian_cholesky", x, labels, ridge=ridge)
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
    empirical = fit("gaussian_cholesky", x, labels, ridge=0.0)
    np.testing.assert_array_equal(empirical.rank_K, [4, 3])
    assert np.all(np.asarray(empirical.jitter_K) > 0.0)
    ridged = fit("gaussian_cholesky", x, labels, ridge=0.1)
    np.testing.assert_array_equal(ridged.rank_K, [16, 16])
    np.testing.assert_array_equal(ridged.jitter_K, [0.0, 0.0])
    assert np.all(np.asarray(ridged.condition_K) < 1e4)


def test_one_record_class_takes_the_pooled_covariance():
    x, labels = latents((20, 1))
    state = fit("gaussian_cholesky", x, labels, ridge=0.2)
    np.testing.assert_allclose(state.lower_KxPxP[1], state.lower_KxPxP[0], rtol=1e-5)


@pytest.mark.parametrize("ridge", [-0.1, 1.1])
def test_ridge_outside_its_range(ridge):
    with pytest.raises(InputError, match="ridge.*from 0 to 1"):
        fit("gaussian_cholesky", *latents(), ridge=ridge)


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
    np.testing.assert_allclose(reconstruct_two_sided(two_sided_basis(low, 2), low), low, atol=1e-8)
    x = rng.normal(size=(30, 7, 9))
    basis = two_sided_basis(x, 3)
    error = np.mean((reconstruct_two_sided(basis, x) - x) ** 2)
    for _ in range(20):
        u, v = (np.linalg.qr(rng.normal(size=(n, 3)))[0] for n in (7, 9))
        other = basis._replace(slow_RxD=u, fast_TxD=v)
        assert error < np.mean((reconstruct_two_sided(other, x) - x) ** 2)
