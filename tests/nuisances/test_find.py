"""Planted nuisances are found with their size, and none where there is none."""

import numpy as np
import pytest
from made_peaks import LOGARITHM, make_part

from gcims_jax import parts
from gcims_jax.nuisances import find
from gcims_jax.nuisances.amounts import Amounts
from gcims_jax.nuisances.table import NUISANCES


@pytest.mark.parametrize(
    "planted",
    [
        {"slow_shift": 0.012},
        {"fast_stretch": 0.01},
        {"fast_gain": 0.3},
        {"slow_gain": 0.3},
        {"amount": 0.4},
        {"peaks": 0.3},
        {"slow_shift": 0.012, "fast_gain": 0.3, "amount": 0.4},
    ],
    ids="+".join,
)
@pytest.mark.parametrize("seed", [0, 1])
def test_planted_sizes_are_found_and_nothing_else(planted, seed):
    found = find.fit(make_part(seed, planted, each=20), amounts=LOGARITHM)
    assert set(found.sizes) == set(planted)
    for name, size in found.sizes.items():
        assert size.size == pytest.approx(planted[name], rel=0.3)
        assert size.low < size.size < size.high


@pytest.mark.parametrize("kind", ["white", "coloured", "with the signal", "patterns"])
def test_nothing_is_found_where_nothing_is_common_to_a_record(kind):
    for seed in range(2):
        found = find.fit(make_part(seed, {}, kind=kind), amounts=LOGARITHM)
        assert not found.sizes and found.tested == tuple(NUISANCES)


def test_on_a_linear_scale_a_gain_is_the_logarithm_of_a_factor():
    linear = Amounts()
    found = find.fit(make_part(0, {"amount": 0.5}, each=30, amounts=linear), amounts=linear)
    assert found.sizes["amount"].size == pytest.approx(0.5, rel=0.25)


def test_within_groups_what_groups_do_is_left_out():
    """Three measurements of each sample: samples differ in amount, measurements in retention."""
    rng = np.random.default_rng(0)
    moved = make_part(0, {"slow_shift": 0.02}, each=27, classes=2, shape=(24, 24))
    samples_N = np.arange(len(moved)) // 3
    factor_N = np.exp(0.5 * rng.normal(size=samples_N.max() + 1))[samples_N]
    part = parts.from_arrays(moved.x_NxRxT * factor_N[:, None, None], moved.labels_N, samples_N)
    assert "amount" in find.fit(part).sizes
    within = find.fit(part, within="group")
    assert set(within.sizes) == {"slow_shift"} and within.degrees == 36


def test_groups_count_once():
    """Copies in one group make nothing clearer: evidence rests on groups."""
    part = make_part(0, {"amount": 0.3}, each=8)
    twice = parts.from_arrays(
        np.concatenate([part.x_NxRxT, part.x_NxRxT]), np.tile(part.labels_N, 2), np.tile(np.arange(len(part)), 2)
    )
    once, again = (find.fit(p, amounts=LOGARITHM).sizes["amount"] for p in (part, twice))
    assert again.evidence == pytest.approx(once.evidence, rel=0.25)
    assert np.log(again.high / again.low) == pytest.approx(np.log(once.high / once.low), rel=0.25)


@pytest.mark.parametrize(
    "x_NxRxT",
    [np.ones((6, 8, 8)), np.zeros((6, 8, 8)), np.arange(6.0)[:, None, None] * np.ones((6, 8, 8))],
    ids=["ones", "zeros", "constant, each another"],
)
def test_records_without_a_shape_are_survived(x_NxRxT):
    found = find.fit(parts.from_arrays(x_NxRxT + 0.0, np.repeat([0, 1], 3), range(6)))
    assert np.isfinite(found.share) and not found.sizes


def test_classes_of_one_record_have_no_say():
    part = make_part(0, {"amount": 0.4}, each=12)
    single = parts.from_arrays(np.concatenate([part.x_NxRxT, part.x_NxRxT[:1] * 3.0]), np.append(part.labels_N, 9))
    assert find.fit(single, amounts=LOGARITHM) == find.fit(part, amounts=LOGARITHM)
    alone = parts.from_arrays(part.x_NxRxT[:3], [0, 1, 2])
    assert find.fit(alone).degrees == 0 and not find.fit(alone).sizes


@pytest.mark.parametrize("shape", [(1, 60), (60, 1), (3, 3), (4, 100)])
def test_series_and_tiny_records_are_survived(shape):
    rng = np.random.default_rng(0)
    x_NxRxT = 1.0 + rng.random(shape) + 0.01 * rng.normal(size=(24, *shape))
    x_NxRxT = x_NxRxT * np.exp(0.4 * rng.normal(size=(24, 1, 1)))
    found = find.fit(parts.from_arrays(x_NxRxT, np.repeat([0, 1], 12)))
    assert all(np.isfinite(size.size) for size in found.sizes.values())


def test_gains_of_a_series_are_found():
    rng = np.random.default_rng(1)
    x_NxRxT = (1.0 + rng.random((1, 200))) * np.exp(0.4 * rng.normal(size=(40, 1, 1)))
    found = find.fit(parts.from_arrays(x_NxRxT + 0.02 * rng.normal(size=x_NxRxT.shape), np.repeat([0, 1], 20)))
    assert list(found.sizes) == ["amount"] and found.sizes["amount"].size == pytest.approx(0.4, rel=0.3)
