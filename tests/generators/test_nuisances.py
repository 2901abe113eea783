"""The generator takes the nuisances that pay, at a size that pays, and leaves records alone where none does."""

import jax
import numpy as np
import pytest

from gcims_jax import InputError, parts
from gcims_jax.generators import GENERATORS

NUISANCES = GENERATORS["nuisances"]
SHAPE = (32, 40)


def made(seed, shift, each=14):
    """Two classes whose peaks differ a little in height; all of them move along the slow axis together."""
    rng = np.random.default_rng(seed)
    slow_R, fast_T = np.arange(SHAPE[0]), np.arange(SHAPE[1])
    labels_N = np.repeat([0, 1], each)
    places = [(8, 6), (14, 20), (20, 33), (24, 12), (10, 30)]
    heights_2xQ = np.array([[1.0, 0.6, 0.8, 0.5, 0.9], [0.8, 0.8, 0.6, 0.7, 0.7]])
    moved_N = shift * rng.normal(size=len(labels_N))
    x_NxRxT = 0.02 * rng.normal(size=(len(labels_N), *SHAPE))
    for q, (row, column) in enumerate(places):
        slow_NxR = np.exp(-0.5 * ((slow_R - row - moved_N[:, None]) / 2.0) ** 2)
        fast_xT = np.exp(-0.5 * ((fast_T - column) / 2.0) ** 2)
        x_NxRxT += heights_2xQ[labels_N, q][:, None, None] * slow_NxR[:, :, None] * fast_xT
    return parts.from_arrays(x_NxRxT.astype(np.float32), labels_N)


def test_records_that_move_are_moved_as_far():
    part = made(0, 1.5)
    learned = NUISANCES.fit(jax.random.key(0), part, size=1.0)
    assert set(learned.value.sizes) == {"slow_shift"}
    assert learned.value.sizes["slow_shift"] * (SHAPE[0] - 1) == pytest.approx(1.5, rel=0.3)
    said = NUISANCES.describe(learned)
    assert said.changes and said.text.startswith("slow_shift ") and said.text.endswith(" %")
    drawn = NUISANCES.sample(jax.random.key(1), learned, np.zeros(200, int))
    centre_S = (drawn.x_NxRxT.sum(axis=2) * np.arange(SHAPE[0])).sum(axis=1) / drawn.x_NxRxT.sum(axis=(1, 2))
    # The training records' own shift and one more.
    assert np.std(centre_S) == pytest.approx(1.5 * np.sqrt(2), rel=0.3)


def test_a_size_that_pays_is_chosen_inside():
    learned = NUISANCES.fit(jax.random.key(0), made(1, 1.5, each=24))
    assert learned.value.sizes["slow_shift"] > 0.0


def test_where_nothing_is_found_records_are_copies():
    part = made(2, 0.0)
    learned = NUISANCES.fit(jax.random.key(0), part)
    assert NUISANCES.describe(learned) == (False, "no nuisance found: plain copies")
    drawn = NUISANCES.sample(jax.random.key(1), learned, np.array([1, 0]))
    assert all(np.any(np.all(x == part.x_NxRxT, axis=(1, 2))) for x in drawn.x_NxRxT)


def test_nuisances_can_be_named():
    part = made(0, 1.5)
    learned = NUISANCES.fit(jax.random.key(0), part, size=1.0, which="fast_gain+amount")
    assert "slow_shift" in learned.value.found.sizes and not learned.value.sizes
    assert NUISANCES.describe(learned) == (False, "nothing that was found is taken: plain copies")
    with pytest.raises(InputError, match="nuisances.which: expected all, or some of amount, .*, got 'amount,peaks'"):
        NUISANCES.read("nuisances", {"which": "amount,peaks"})


def test_sizes_go_with_the_option():
    one, half = (NUISANCES.fit(jax.random.key(0), made(0, 1.5), size=size).value.sizes for size in (1.0, 0.5))
    assert half["slow_shift"] == pytest.approx(0.5 * one["slow_shift"])
