"""Draws have the size that they say, and do what the table says."""

import jax
import numpy as np
import pytest
from made_peaks import LOGARITHM, mean_records

from gcims_jax.nuisances import draw, table, words
from gcims_jax.nuisances.amounts import Amounts, amplify, quieten, slope
from gcims_jax.nuisances.directions import coarse_grid, directions, project
from gcims_jax.nuisances.find import Found, Size
from gcims_jax.records import Axis

SHAPE = (32, 48)
MEAN_RxT = mean_records(np.random.default_rng(0), 1, SHAPE)[0]
BENT = {"slow_stretch", "fast_stretch"}


@pytest.mark.parametrize("name", sorted(set(table.NUISANCES) - BENT))
def test_a_field_of_size_1_has_a_standard_deviation_of_1(name):
    keys = jax.random.split(jax.random.key(0), 2000)
    field_NxRxT = jax.vmap(lambda key: draw.field(key, name, SHAPE))(keys)
    assert np.sqrt(np.mean(np.square(field_NxRxT))) == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("amounts", [Amounts(), LOGARITHM], ids=["linear", "logarithm"])
@pytest.mark.parametrize("name", sorted(table.NUISANCES))
def test_small_draws_vary_along_the_directions_as_much_as_they_should(name, amounts):
    coarse, size = coarse_grid(SHAPE), 0.0005
    directions_FxP, _ = directions(coarse, MEAN_RxT, amounts, [name])
    drawn_NxRxT = draw.change(jax.random.key(0), np.repeat(MEAN_RxT[None], 512, axis=0), {name: size}, amounts)
    changes_NxP = project(coarse, drawn_NxRxT - MEAN_RxT)
    # The derivative of interpolation and the one by differences are not quite the same.
    assert np.mean(np.sum(changes_NxP**2, axis=1)) == pytest.approx(size**2 * np.sum(directions_FxP**2), rel=0.15)


def test_gains_multiply_amounts_whatever_the_scale():
    amounts_N = np.array([-2.0, 0.0, 0.1, 3.0, 400.0])
    for amounts, y_N in ((LOGARITHM, np.arcsinh(amounts_N)), (Amounts(-1.0, 7.0), amounts_N)):
        x_N = (y_N - amounts.low) / amounts.span
        y_after_N = amounts.low + amounts.span * amplify(amounts, x_N, np.log(2.0))
        np.testing.assert_allclose(
            np.sinh(y_after_N) if amounts.logarithm else y_after_N, 2.0 * amounts_N, rtol=1e-4, atol=1e-6
        )
        _, slope_N = jax.jvp(lambda gain: amplify(amounts, x_N, gain), (0.0,), (1.0,))  # noqa: B023 - called at once
        np.testing.assert_allclose(slope(amounts, x_N), slope_N, rtol=1e-4, atol=1e-6)


def test_amounts_within_their_error_are_left_out_of_a_mean():
    quiet = quieten(Amounts(), np.array([[0.01, 0.5]]), np.full((1, 2), 0.02**2))
    assert quiet[0, 0] < 1e-4 and quiet[0, 1] == pytest.approx(0.5, rel=1e-3)


def test_words_have_the_units_of_the_axes():
    slow, fast = Axis("retention_time", "s", np.linspace(0, 100, 5)), Axis("m_z", "1", np.arange(5.0))
    sizes = {"slow_shift": Size(0.012, 0.009, 0.015, 5.0), "fast_gain": Size(0.3, 0.22, 0.38, 5.0)}
    found = Found(sizes, ("slow_shift", "fast_gain", "fast_shift"), 0.01, 0.5, 30)
    assert words.sentences(found, slow, fast) == [
        "retention time moves by 1.2 s (0.9 to 1.5)",
        "amounts at each m z change by 30 % (22 % to 38 %)",
        "not found: shifts of m z",
    ]
    assert set(words.PHRASES) == set(table.NUISANCES)
    assert words.short("amount", 1.0) == "amount a factor of 2.7"
