"""Statistics against references, and verdicts on latents whose law is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import optimize, stats

from gcims_jax import InputError, parts
from gcims_jax.evaluation import guard
from gcims_jax.fidelity import gaussianity, normality
from gcims_jax.fidelity.gaussian_null import TESTS, compute_statistics, find_power, null, p_values
from gcims_jax.fidelity.gaussianity import compare_draws, diagnose, diagnose_class


def sample(n=30, p=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.exponential(size=(n, p)) @ rng.normal(size=(p, p))


class TestStatistics:
    def test_whitened_coordinates_are_the_principal_ones_at_variance_one(self):
        x = sample(40, 6)
        z = normality.whiten(x[None], 3)[0]
        np.testing.assert_allclose(z.mean(0), 0.0, atol=1e-9)
        np.testing.assert_allclose(z.T @ z / 40, np.eye(3), atol=1e-9)
        centred = x - x.mean(0)
        directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :3]
        np.testing.assert_allclose(np.abs(np.corrcoef(z.T, (centred @ directions).T)[:3, 3:]), np.eye(3), atol=1e-6)

    def test_mardia_on_a_line_is_skewness_squared_and_kurtosis(self):
        x = sample(50, 1)
        z = normality.whiten(x[None], 1)
        assert normality.mardia_skewness(z)[0] == pytest.approx(stats.skew(x[:, 0]) ** 2)
        assert normality.mardia_kurtosis(z)[0] == pytest.approx(stats.kurtosis(x[:, 0], fisher=False))
        assert normality.least_kurtosis(z)[0] == normality.mardia_kurtosis(z)[0]

    def test_henze_zirkler_is_the_weighted_distance_of_characteristic_functions(self):
        """By its definition as an integral, n·∫|ψ(t) - exp(-t²/2)|²·φ_β(t) dt, on a line."""
        z = normality.whiten(sample(25, 1)[None], 1)
        t, step = np.linspace(-40, 40, 80001, retstep=True)
        beta = np.sqrt(0.5) * (3 * 25 / 4) ** 0.2
        difference = np.exp(1j * t[:, None] * z[0, :, 0]).mean(1) - np.exp(-(t**2) / 2)
        integral = 25 * np.sum(np.abs(difference) ** 2 * stats.norm.pdf(t, scale=beta)) * step
        assert normality.henze_zirkler(z)[0] == pytest.approx(integral, rel=1e-6)

    @pytest.mark.parametrize("name", ["mardia_skewness", "mardia_kurtosis", "henze_zirkler"])
    def test_affine_invariance(self, name):
        x = sample(30, 3)
        moved = x @ np.random.default_rng(1).normal(size=(3, 3)) + 7.0
        values = getattr(normality, name)(normality.whiten(np.stack([x, moved]), 3))
        assert values[0] == pytest.approx(values[1], rel=1e-8)

    def test_tail_index_finds_the_exponent_of_a_pareto_law(self):
        draws = np.random.default_rng(0).pareto(2.0, (1, 100_000, 1)) + 1.0
        assert normality.tail_index(draws)[0] == pytest.approx(0.5, abs=0.02)

    def test_symmetry_is_blind_to_tails_and_sees_skewness(self):
        rng = np.random.default_rng(0)
        heavy = [normality.symmetry_p_value(normality.whiten(rng.standard_t(3, (1, 60, 2)), 2)[0]) for _ in range(100)]
        skew = [normality.symmetry_p_value(normality.whiten(rng.exponential(size=(1, 60, 2)), 2)[0]) for _ in range(20)]
        assert np.mean(np.array(heavy) <= 0.05) <= 0.12 and np.mean(np.array(skew) <= 0.05) >= 0.8


def nearest_unimodal(x):
    """Smallest sup-distance to a distribution convex up to a value and concave from it on, by linear programs."""
    values, counts = np.unique(x, return_counts=True)
    after = np.cumsum(counts) / len(x)
    before, m = after - counts / len(x), len(values)
    best = 1.0
    for mode in range(m):  # heights left of and at the values up to the mode, at and right of it, and the distance
        split, size = mode + 1, m + 2
        rows, bounds = [], []

        def below(pairs, bound, size=size, rows=rows, bounds=bounds):
            row = np.zeros(size)
            for index, weight in pairs:
                row[index] += weight
            rows.append(row)
            bounds.append(bound)

        for i in range(m):
            for j in {i} if i < mode else {i + 1} if i > mode else {i, i + 1}:
                if j != split or i != mode:
                    below([(j, 1), (m + 1, -1)], before[i])
                    below([(j, -1), (m + 1, -1)], -before[i])
                if j != mode or i != mode:
                    below([(j, 1), (m + 1, -1)], after[i])
                    below([(j, -1), (m + 1, -1)], -after[i])
        below([(mode, 1), (split, -1)], 0.0)
        for offset, first, last, sign in ((0, 0, mode, 1.0), (1, mode, m - 1, -1.0)):
            for i in range(first, last):
                below([(offset + i, 1), (offset + i + 1, -1)], 0.0)
            for i in range(first + 1, last):
                left, right = 1 / (values[i] - values[i - 1]), 1 / (values[i + 1] - values[i])
                j = offset + i
                below([(j - 1, -sign * left), (j, sign * (left + right)), (j + 1, -sign * right)], 0.0)
        cost = np.eye(size)[-1]
        best = min(best, optimize.linprog(cost, np.array(rows), bounds, bounds=(0, 1)).fun)
    return best


class TestDip:
    @pytest.mark.parametrize("seed", range(12))
    def test_is_the_distance_from_the_nearest_unimodal_distribution(self, seed):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=14) + 4.0 * (rng.random(14) < 0.5)
        x = np.round(x) if seed % 3 == 0 else x  # with ties
        assert normality.dip(x) == pytest.approx(nearest_unimodal(x), abs=1e-6)

    def test_known_values(self):
        assert normality.dip(np.arange(20.0)) == pytest.approx(1 / 40)  # even spacing: as unimodal as steps can be
        assert normality.dip(np.repeat([0.0, 1.0], 50)) == pytest.approx(1 / 4, abs=1e-6)
        assert normality.dip(np.ones(5)) == 0.0

    @given(arrays(float, st.integers(1, 40), elements=st.floats(-100, 100, width=16)))
    def test_range_and_invariance(self, x):
        dip = normality.dip(x)
        assert dip == 0.0 or 1 / (2 * len(x)) - 1e-12 <= dip <= 0.25 + 1e-6
        assert normality.dip(3.0 - 2.0 * x) == pytest.approx(dip, abs=1e-6)


def test_null_does_not_depend_on_covariance_or_on_more_dimensions_than_records():
    """Gaussian classes in 100 dimensions with a steep spectrum have the statistics of those in 4 with a flat one."""
    rng = np.random.default_rng(0)
    steep_BxNxP = rng.normal(size=(500, 20, 100)) * 0.8 ** np.arange(100)
    flat_BxNxP = rng.normal(size=(500, 20, 4))
    steep, flat = (compute_statistics(normality.whiten(x_BxNxP, 4)) for x_BxNxP in (steep_BxNxP, flat_BxNxP))
    for name in TESTS:
        assert stats.ks_2samp(steep[name], flat[name]).pvalue > 1e-3, name
    rejected = p_values(null(20, 4).statistics, steep).min(axis=1) * len(TESTS) <= 0.05
    assert stats.binomtest(int(rejected.sum()), 500, 0.05, "greater").pvalue > 0.01


def planted(kind, n, d, rng):
    """Latents N×d×d of one class with a falling spectrum."""
    spread = 1.0 / np.sqrt(1 + np.arange(d * d))
    x = rng.normal(size=(n, d * d)) * spread
    if kind == "bimodal":
        x[:, 0] += 6.0 * rng.integers(0, 2, n)
    elif kind == "heavy-tailed":
        x /= np.sqrt(rng.chisquare(3, (n, 1)) / 3)
    elif kind == "skewed":
        x = rng.exponential(size=(n, d * d)) * spread
    return x.reshape(n, d, d)


def test_verdicts_on_planted_shapes():
    rng = np.random.default_rng(0)
    kinds = ["Gaussian", "bimodal", "heavy-tailed", "skewed"]
    latents = np.concatenate([planted(kind, 100, 8, rng) for kind in kinds])
    found = diagnose(parts.from_arrays(latents, np.repeat([0, 1, 5, 7], 100)))
    assert list(found) == [0, 1, 5, 7]
    assert found[0].verdict == "Gaussian" and not found[0].shapes and min(found[0].power.values()) >= 0.8
    for k, kind in ((1, "bimodal"), (5, "heavy-tailed"), (7, "skewed")):
        assert found[k].verdict.startswith("not Gaussian") and kind in found[k].shapes
    assert found[0].directions == 4 and 0.0 < found[0].variance_share < 1.0
    q = found[0].quantiles
    assert q.coordinates_QxN.shape == (4, 100) and q.low_N.shape == q.normal_N.shape == (100,)
    inside = (q.coordinates_QxN >= q.low_N) & (q.coordinates_QxN <= q.high_N)
    assert inside.mean() > 0.8


@pytest.mark.parametrize(
    ("x", "verdict", "directions"),
    [
        (np.zeros((1, 4)), "cannot be decided with 1 record", 0),
        (np.random.default_rng(0).normal(size=(4, 9)), "cannot be decided with 4 records", 0),
        (np.random.default_rng(0).normal(size=(9, 9)), "cannot be decided with 9 records", 1),
        (np.full((30, 9), 0.3, np.float32), "cannot be decided of 30 records that are all the same", 0),
    ],
)
def test_what_is_too_small_says_so(x, verdict, directions):
    found = diagnose_class(x)
    assert found.verdict == verdict and found.directions == directions


def test_class_of_low_rank_is_tested_in_the_directions_it_has():
    x = np.random.default_rng(0).normal(size=(20, 1)) @ np.ones((1, 9))
    found = diagnose_class(x)
    assert found.directions == 1 and found.variance_share == pytest.approx(1.0)
    assert found.effective_rank == pytest.approx(1.0)
    full = diagnose_class(np.random.default_rng(0).normal(size=(40, 9)))
    assert 6.5 < full.effective_rank < 9.0


def test_large_class_is_judged_by_a_part_of_it(monkeypatch):
    monkeypatch.setattr(gaussianity, "MAX_RECORDS", 20)
    x = np.random.default_rng(0).normal(size=(60, 9))
    found, again = diagnose_class(x), diagnose_class(x)
    assert found.records == 20 and found.quantiles.coordinates_QxN.shape == (4, 20)
    assert found.tests == again.tests


def test_more_records_find_more():
    assert find_power(40, 4)["bimodal"] > find_power(20, 4)["bimodal"] + 0.2
    assert find_power(40, 4)["heavy_tailed"] > find_power(20, 4)["heavy_tailed"] + 0.1


def test_draws_are_told_apart_from_held_out_latents_where_they_differ():
    rng = np.random.default_rng(0)
    labels, held_out_labels = np.repeat([0, 1], 40), np.repeat([0, 1], 15)

    def latents(labels, scale=1.0, shift=0.0):
        x = rng.normal(size=(len(labels), 6, 6)) * scale + shift + 50.0 * labels[:, None, None]
        return parts.from_arrays(x, labels)

    draws = {"like": latents(labels), "wide": latents(labels, 1.4), "moved": latents(labels, shift=0.4)}
    found = compare_draws(0, latents(labels), latents(held_out_labels), draws, 199)
    assert list(found) == [gaussianity.REAL, "like", "wide", "moved"]
    for name in (gaussianity.REAL, "like"):
        assert min(found[name].energy.p_value, found[name].spread_p_value) > 0.05
    assert found["moved"].energy.p_value < 0.01 and found["moved"].energy.distance > 1.5 * found["like"].energy.distance
    assert found["wide"].spread_p_value < 0.01
    for name, spread in (("like", 1.0), ("wide", 1.4), ("moved", 1.0)):
        assert found[name].spread == pytest.approx(spread, rel=0.07)


def test_spread_test_keeps_its_level_in_small_classes():
    rng = np.random.default_rng(0)
    labels, held_out_labels = np.repeat([0, 1, 2], [12, 6, 4]), np.repeat([0, 1, 2], [3, 2, 1])
    p_values = []
    for seed in range(300):
        sides = (parts.from_arrays(rng.normal(size=(len(k), 4, 4)), k) for k in (labels, held_out_labels))
        real = compare_draws(seed, *sides, {}, 49)[gaussianity.REAL]
        p_values.append(real.spread_p_value)
    assert stats.binomtest(int(np.sum(np.array(p_values) <= 0.1)), 300, 0.1, "greater").pvalue > 0.01


def test_draws_of_a_sampler_that_has_seen_held_out_latents_are_refused():
    rng = np.random.default_rng(0)
    train, held_out = (parts.from_arrays(rng.normal(size=(20, 4, 4)), np.repeat([0, 1], 10)) for _ in range(2))
    everything = parts.join(train, held_out).origin
    with pytest.raises(guard.LeakError, match="20 that it has"):
        compare_draws(0, train, held_out, {"rda": parts.synthetic(train.x_NxRxT, train.labels_N, everything)})


def test_bad_latents():
    with pytest.raises(InputError, match=r"shape \(N, d, d\)"):
        diagnose(parts.from_arrays(np.zeros((4, 9)), np.zeros(4, int)))
    with pytest.raises(InputError, match="finite"):
        diagnose(parts.from_arrays(np.full((4, 3, 3), np.nan), np.zeros(4, int)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("records", "found_bimodal", "found_heavy"), [(20, 0.5, 0.9), (40, 0.9, 0.97), (100, 0.97, 0.99)]
)
def test_error_rates_over_many_seeds(records, found_bimodal, found_heavy):
    """Gaussian classes are called otherwise in at most 5 % of many seeds but for chance; planted shapes are found.

    At 20 records a class is never called Gaussian, at 40 and 100 it is unless it is called otherwise.
    """
    rng = np.random.default_rng(records)

    def verdicts(kind, count):
        return [diagnose_class(planted(kind, records, 8, rng).reshape(records, -1)).verdict for _ in range(count)]

    seeds = 400 if records < 100 else 160  # classes of a hundred take five times as long
    gaussian = verdicts("Gaussian", seeds)
    false_alarms = sum(v.startswith("not Gaussian") for v in gaussian)
    assert stats.binomtest(false_alarms, seeds, 0.05, "greater").pvalue > 0.01
    other = "Gaussian" if records >= 40 else f"cannot be decided with {records} records"
    assert gaussian.count(other) == seeds - false_alarms
    for kind, least in (("bimodal", found_bimodal), ("heavy-tailed", found_heavy)):
        found = verdicts(kind, seeds // 2)
        rate = np.mean([v.startswith("not Gaussian") for v in found])
        named = np.mean([kind in v for v in found])
        print(
            f"{records} records, {kind}: found {rate:.3f}, named {named:.3f}; false alarms {false_alarms / seeds:.4f}"
        )
        assert rate >= least
        assert named >= 0.9 * rate
