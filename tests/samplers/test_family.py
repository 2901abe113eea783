"""Members of the linear-Gaussian family: covariance, density, rules and options."""

import jax
import numpy as np
import pytest
from made_latents import fit, latents
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf_shrinkage, oas

from gcims_jax import InputError
from gcims_jax.parts import from_arrays
from gcims_jax.samplers import SAMPLERS, family, shrinkage
from gcims_jax.samplers.contract import class_statistics

FAMILY = {
    "gaussian": {"ridge": 0.2},
    "pooled": {"ridge": 0.3},
    "rda": {"alpha": 0.4, "ridge": 0.1},
    "borrowed": {"alpha": 0.6, "ridge": 0.2, "neighbours": 1},
    "kde": {"alpha": 0.7, "ridge": 0.1, "bandwidth": 0.6},
}


def class_covariances(x, labels):
    return np.stack([np.cov(x[labels == k].reshape(np.sum(labels == k), -1), rowvar=False) for k in np.unique(labels)])


class TestFamily:
    @pytest.mark.parametrize("ridge", [0.0, 0.3, 1.0])
    @pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
    def test_covariance_is_the_formula(self, ridge, alpha):
        x, labels = latents((12, 8, 5))
        state = fit("rda", x, labels, alpha=alpha, ridge=ridge)
        own = class_covariances(x, labels)
        pooled = np.average(own, axis=0, weights=[11, 7, 4])
        rows = np.asarray(state.deviations_NxP, np.float64)
        for k in range(3):
            blend = (1 - alpha) * own[k] + alpha * pooled
            expected = (1 - ridge) * blend + ridge * np.trace(blend) / 9 * np.eye(9)
            weighted = np.asarray(state.weight_KxN[k], np.float64)[:, None] * rows
            got = weighted.T @ weighted + float(state.scale_K[k]) ** 2 * np.eye(9)
            np.testing.assert_allclose(got, expected, atol=1e-5 * np.trace(expected))

    def test_ends_of_alpha(self):
        x, labels = latents((12, 8, 5))
        for name, alpha in (("gaussian", 0.0), ("pooled", 1.0)):
            end, plain = (
                fit("rda", x, labels, alpha=alpha, ridge=0.2),
                fit(name, x, labels, ridge=0.2),
            )
            np.testing.assert_array_equal(end.weight_KxN, plain.weight_KxN)
            np.testing.assert_array_equal(end.scale_K, plain.scale_K)

    def test_borrows_from_the_nearest_class_only(self):
        x, labels = latents((12, 8, 5))  # centres in the order of the labels
        state = fit("borrowed", x, labels, alpha=1.0, ridge=0.1, neighbours=1)
        weight_KxN = np.asarray(state.weight_KxN)
        assert np.all(weight_KxN[0][labels == 2] == 0.0) and np.all(weight_KxN[0][labels == 1] > 0.0)
        assert np.all(weight_KxN[2][labels == 0] == 0.0) and np.all(weight_KxN[2][labels == 1] > 0.0)

    def test_ridge_draws_from_the_distribution_of_gaussian_cholesky(self):
        x, labels = latents((15, 8), d=4)  # fewer records than dimensions
        low, full = (fit(name, x, labels, ridge=0.2) for name in ("gaussian", "gaussian_cholesky"))
        held, _ = latents((15, 8), d=4, seed=1)
        np.testing.assert_allclose(
            *(SAMPLERS[n].log_density(s, held, labels) for n, s in (("gaussian", low), ("gaussian_cholesky", full))),
            rtol=1e-4,
        )
        drawn = [
            np.asarray(SAMPLERS[name].sample(jax.random.key(1), state, np.zeros(40000, int))).reshape(-1, 16)
            for name, state in (("gaussian", low), ("gaussian_cholesky", full))
        ]
        np.testing.assert_allclose(drawn[0].mean(0), drawn[1].mean(0), atol=0.1)
        one, other = (np.cov(draws, rowvar=False) for draws in drawn)
        assert np.linalg.norm(one - other) < 0.06 * np.linalg.norm(other)

    @pytest.mark.parametrize("name", sorted(FAMILY))
    def test_log_density_is_scipys(self, name):
        x, labels = latents((12, 8, 5))
        held, _ = latents((12, 8, 5), seed=1)
        state = fit(name, x, labels, **FAMILY[name])
        got = SAMPLERS[name].log_density(state, held, labels)
        rows = np.asarray(state.deviations_NxP, np.float64)
        for k in range(3):
            weighted = np.asarray(state.weight_KxN[k], np.float64)[:, None] * rows
            covariance = weighted.T @ weighted + float(state.scale_K[k]) ** 2 * np.eye(9)
            centres = x[labels == k].reshape(-1, 9) if name == "kde" else x[labels == k].reshape(-1, 9).mean(0)[None]
            flat = held[labels == k].reshape(-1, 9)
            terms = [multivariate_normal(centre, covariance).logpdf(flat) for centre in centres]
            np.testing.assert_allclose(got[labels == k], logsumexp(terms, axis=0) - np.log(len(centres)), rtol=1e-4)

    def test_likelihood_chooses_the_top_of_its_curve_and_near_the_held_out_top(self):
        x, labels = latents((30, 30), d=6)
        held, _ = latents((30, 30), d=6, seed=0)
        state = fit("gaussian", x[::2], labels[::2])
        curve = np.asarray(state.selection.log_likelihood_AxGxH).ravel()
        assert float(state.ridge_K[0]) == pytest.approx(state.selection.ridge_G[np.argmax(curve)])
        held_out = [
            SAMPLERS["gaussian"].log_density(fit("gaussian", x[::2], labels[::2], ridge=r), x[1::2], labels[1::2])
            for r in shrinkage.RIDGES
        ]
        chosen = SAMPLERS["gaussian"].log_density(state, x[1::2], labels[1::2]).mean()
        assert chosen > np.max(np.mean(held_out, axis=1)) - 2.0

    def test_closed_form_ridges_are_scikit_learns(self):
        x, labels = latents((12, 8), d=4)
        stats = class_statistics(from_arrays(x, labels))
        for rule, reference in (("ledoit_wolf", ledoit_wolf_shrinkage), ("oas", lambda rows: oas(rows)[1])):
            ridge_K = shrinkage.closed_form_ridge(stats, rule)
            for k in (0, 1):
                assert ridge_K[k] == pytest.approx(reference(x[labels == k].reshape(-1, 16).astype(float)), abs=1e-9)
            np.testing.assert_allclose(fit("gaussian", x, labels, ridge=rule).ridge_K, ridge_K, rtol=1e-5)

    def test_silverman_narrows_with_the_class(self):
        x, labels = latents((40, 5))
        bandwidth_K = np.asarray(fit("kde", x, labels, ridge=0.1, bandwidth="silverman").bandwidth_K)
        assert 0.0 < bandwidth_K[0] < bandwidth_K[1] < 1.5

    def test_condition_is_numpys(self):
        x, labels = latents((12, 5))
        state = fit("gaussian", x, labels, ridge=0.2)
        full = fit("gaussian_cholesky", x, labels, ridge=0.2)
        np.testing.assert_allclose(family.condition(state), full.condition_K, rtol=1e-2)  # float32 weights
        assert np.isinf(family.condition(fit("gaussian", x, labels, ridge=0.0))[1])

    @pytest.mark.parametrize(
        ("name", "options", "match"),
        [
            ("gaussian", {"ridge": 1.5}, "ridge.*from 0 to 1"),
            ("gaussian", {"ridge": "lasso"}, "likelihood or ledoit_wolf or oas"),
            ("rda", {"ridge": "oas"}, "from 0 to 1 or likelihood"),
            ("rda", {"alpha": -0.1}, "alpha.*from 0 to 1"),
            ("kde", {"bandwidth": 0.0}, "bandwidth.*above 0"),
            ("kde", {"bandwidth": "wide"}, "likelihood or silverman"),
            ("borrowed", {"neighbours": 0}, "neighbours.*whole number from 1"),
            ("smote", {"neighbours": 0}, "neighbours.*whole number from 1"),
            ("gmm", {"components": 0}, "components"),
            ("copula", {"ridge": 2.0}, "ridge"),
            ("matrix_normal", {"ridge": -1.0}, "ridge"),
            ("vae", {"steps": 0}, "steps"),
            ("flow", {"directions": 0}, "directions"),
        ],
    )
    def test_options_outside_their_range(self, name, options, match):
        with pytest.raises(InputError, match=match):
            fit(name, *latents((6, 5)), **options)

    def test_log_density_of_a_singular_covariance(self):
        x, labels = latents((5, 4))
        with pytest.raises(InputError, match="ridge above 0"):
            SAMPLERS["gaussian"].log_density(fit("gaussian", x, labels, ridge=0.0), x, labels)
