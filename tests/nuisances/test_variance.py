"""The likelihood without P×P matrices is the one with them."""

import numpy as np
import pytest

from gcims_jax.nuisances import variance
from gcims_jax.nuisances.variance import Cell

RNG = np.random.default_rng(0)
POINTS, OWNER_F = 40, np.repeat([0, 1, 2], 4)
DIRECTIONS_FxP = RNG.normal(size=(12, POINTS))
RECORDS_NxP = RNG.normal(size=(9, POINTS))
DEVIATIONS_NxP = RECORDS_NxP - RECORDS_NxP.mean(axis=0)
BAND_P = np.repeat([0, 1], 20)
NOISE_B = np.array([0.5, 2.0])
CELL = variance.banded(Cell(DEVIATIONS_NxP, DIRECTIONS_FxP), BAND_P)


def covariance(variance_J):
    parts = [variance_J[j] * DIRECTIONS_FxP[j == OWNER_F].T @ DIRECTIONS_FxP[j == OWNER_F] for j in range(3)]
    return variance_J[-1] * np.diag(NOISE_B[BAND_P]) + sum(parts)


def loss(variance_J):
    v_PxP = covariance(variance_J)
    determinant = np.linalg.slogdet(v_PxP)[1] - np.log(NOISE_B[BAND_P]).sum()
    return 0.5 * (8 * determinant + np.sum(DEVIATIONS_NxP * np.linalg.solve(v_PxP, DEVIATIONS_NxP.T).T))


def test_loss_scores_and_information_are_those_of_the_whole_matrices():
    at_J = np.array([0.3, 0.05, 0.2, 0.8])
    found = variance.slopes([variance.products(CELL, NOISE_B)], OWNER_F, at_J)
    assert found.loss == pytest.approx(loss(at_J))
    steps = 1e-5 * np.eye(4)
    slopes_J = [-(loss(at_J + step) - loss(at_J - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(found.score_NxJ.sum(axis=0), slopes_J, rtol=1e-4, atol=1e-4)
    inverse_PxP = np.linalg.inv(covariance(at_J))
    made = [inverse_PxP @ covariance(unit) for unit in np.eye(4)]
    np.testing.assert_allclose(found.fisher_JxJ, [[4 * np.trace(a @ b) for b in made] for a in made], rtol=1e-8)


def test_a_nuisance_that_is_off_has_the_score_that_it_would_start_with():
    at_J = np.array([0.3, 0.0, 0.2, 0.8])
    found = variance.slopes([variance.products(CELL, NOISE_B)], OWNER_F, at_J)
    step = 1e-7 * np.eye(4)[1]
    assert found.score_NxJ.sum(axis=0)[1] == pytest.approx((loss(at_J) - loss(at_J + step)) / 1e-7, rel=1e-3)


def test_the_most_likely_variances_have_no_slope_left():
    n = 4000
    true_J = np.array([0.5, 0.0, 0.1, 1.0])
    x_NxP = RNG.multivariate_normal(np.zeros(POINTS), covariance(true_J), n)
    cell = variance.banded(Cell(x_NxP - x_NxP.mean(axis=0), DIRECTIONS_FxP), BAND_P)
    found_J, at = variance.estimate([variance.products(cell, NOISE_B)], OWNER_F, np.ones(4, bool))
    np.testing.assert_allclose(found_J, true_J, rtol=0.1, atol=0.01)
    assert np.all(
        np.abs(at.score_NxJ.sum(axis=0)[found_J > 0.0]) / np.sqrt(np.diag(at.fisher_JxJ)[found_J > 0.0]) < 1.0
    )


def test_the_spectrum_of_the_noise_is_found():
    n = 2000
    true_J = np.array([0.5, 0.0, 0.1, 1.0])
    x_NxP = RNG.multivariate_normal(np.zeros(POINTS), covariance(true_J), n)
    cell = variance.banded(Cell(x_NxP - x_NxP.mean(axis=0), DIRECTIONS_FxP), BAND_P)
    noise_B = np.full(2, variance.flat_spectrum([cell]))
    for _ in range(8):
        found_J, _ = variance.estimate([variance.products(cell, noise_B)], OWNER_F, np.ones(4, bool))
        noise_B = variance.spectrum([cell], OWNER_F, found_J, noise_B)
    np.testing.assert_allclose(noise_B, NOISE_B, rtol=0.1)
