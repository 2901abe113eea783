"""Latent coordinates that are constant over the training records are no part of what is learned."""

import jax
import numpy as np
import pytest
from made_latents import fit, latents

from gcims_jax import InputError
from gcims_jax.parts import from_arrays
from gcims_jax.samplers import SAMPLERS, at_edge, choose_held_out, shrinkage

FEW_STEPS = {"vae": {"steps": 20}, "flow": {"steps": 2}}
PADDED_D, USED = 6, 9


def padded(x, constant=0.0, rows=False):
    """The 9 entries of 3×3 latents in the first places of 6×6, as a PCA start does, or as rows and columns."""
    wide = np.full((len(x), PADDED_D, PADDED_D), constant, np.float32)
    if rows:
        wide[:, 1:4, 2:5] = x
    else:
        wide.reshape(len(x), -1)[:, :USED] = x.reshape(len(x), -1)
    return wide


@pytest.mark.parametrize("name", sorted(SAMPLERS))
@pytest.mark.parametrize("constant", [0.0, 0.1])
def test_draws_keep_constants_exactly(name, constant):
    x, labels = latents((12, 8))
    wide = padded(x, constant, rows=True)
    state = fit(name, wide, labels, **FEW_STEPS.get(name, {}))
    draws = np.asarray(SAMPLERS[name].sample(jax.random.key(0), state, np.repeat([0, 1], 50)))
    out = np.ptp(wide, axis=0) == 0.0
    assert out.sum() == 27 and np.all(draws[:, out] == np.float32(constant))
    assert np.all(draws[:, ~out].std(axis=0) > 0.0)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_draws_and_density_are_those_of_the_coordinates_in_use(name):
    x, labels = latents((12, 8))
    options = FEW_STEPS.get(name, {})
    narrow, wide = fit(name, x, labels, **options), fit(name, padded(x, rows=True), labels, **options)
    draws, wide_draws = (
        np.asarray(SAMPLERS[name].sample(jax.random.key(0), state, np.repeat([0, 1], 20))) for state in (narrow, wide)
    )
    np.testing.assert_allclose(wide_draws, padded(draws, rows=True), atol=1e-4)
    if log_density := SAMPLERS[name].log_density:
        new, new_labels = latents((5, 4), seed=1)
        np.testing.assert_allclose(
            log_density(wide, padded(new, rows=True), new_labels), log_density(narrow, new, new_labels), rtol=1e-6
        )
        off = padded(new, rows=True)
        off[0, 0, 0], off[1, 5, 5] = 0.5, 1e-12  # beyond rounding and within
        density_M = log_density(wide, off, new_labels)
        assert np.isneginf(density_M[0]) and np.all(np.isfinite(density_M[1:]))
        with pytest.raises(InputError, match="as in fit"):
            log_density(wide, new, new_labels)


@pytest.mark.parametrize("name", ["gaussian", "pooled", "rda", "borrowed", "kde"])
def test_choice_is_that_of_the_coordinates_in_use(name):
    x, labels = latents((12, 10, 8))
    narrow, wide = fit(name, x, labels), fit(name, padded(x), labels)
    np.testing.assert_allclose(wide.selection.log_likelihood_AxGxH, narrow.selection.log_likelihood_AxGxH, rtol=1e-9)
    assert shrinkage.chosen(wide.selection) == shrinkage.chosen(narrow.selection)
    assert "ridge" not in at_edge(wide.selection)
    pairs = [
        (from_arrays(form(x[::2]), labels[::2]), from_arrays(form(x[1::2]), labels[1::2]))
        for form in (padded, np.array)
    ]
    (one, surface), (other, narrow_surface) = (choose_held_out(name, [pair]) for pair in pairs)
    assert one == other
    np.testing.assert_allclose(surface.log_likelihood_AxGxH, narrow_surface.log_likelihood_AxGxH, rtol=1e-9)


def test_held_records_off_the_constants_are_left_aside():
    x, labels = latents((12, 10))
    held = padded(x[1::2])
    without = choose_held_out(
        "gaussian", [(from_arrays(padded(x[::2]), labels[::2]), from_arrays(held[1:], labels[3::2]))]
    )
    held[0, 5, 5] = 1.0
    with_it = choose_held_out("gaussian", [(from_arrays(padded(x[::2]), labels[::2]), from_arrays(held, labels[1::2]))])
    assert with_it[0] == without[0]
    np.testing.assert_allclose(with_it[1].log_likelihood_AxGxH, without[1].log_likelihood_AxGxH)


@pytest.mark.parametrize("rule", ["ledoit_wolf", "oas"])
def test_rules_count_the_coordinates_in_use(rule):
    x, labels = latents((12, 8))
    narrow, wide = fit("gaussian", x, labels, ridge=rule), fit("gaussian", padded(x), labels, ridge=rule)
    np.testing.assert_allclose(wide.ridge_K, narrow.ridge_K, rtol=1e-6)
    np.testing.assert_allclose(wide.scale_K, narrow.scale_K, rtol=1e-6)


def test_matrix_normal_needs_rows_and_columns():
    x, labels = latents((12, 8))
    with pytest.raises(InputError, match=r"9 that vary in 2 rows × 6 columns.*Tucker-2"):
        fit("matrix_normal", padded(x), labels)
