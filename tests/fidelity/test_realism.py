"""Fidelity and memorisation on records whose relation is known: fresh, shifted, noisy, copied."""

import numpy as np
import pytest
from scipy import stats

from gcims_jax import InputError
from gcims_jax.fidelity import found_peaks, memorisation, realism
from gcims_jax.fidelity.realism import Measure

SHAPE = (20, 30)


def draw(rng, labels, noise=0.01):
    """Three peaks of varying height; the class decides about the mean of the third."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    heights_Nx3 = np.exp(rng.normal(0.0, 0.3, (len(labels), 3)))
    heights_Nx3[:, 2] *= 0.3 + 0.5 * labels
    x = rng.normal(0.0, noise, (len(labels), *SHAPE))
    for (i, j), height_N in zip(((5, 6), (14, 12), (8, 23)), heights_Nx3.T, strict=True):
        peak_RxT = np.exp(-((rows - i) ** 2 + (columns - j) ** 2) / 4.0)
        x += height_N[:, None, None] * peak_RxT
    return x.astype(np.float32)


def real(seed=0):
    rng = np.random.default_rng(seed)
    labels, held_out = np.repeat([0, 1], 40), np.repeat([0, 1], 12)
    return rng, draw(rng, labels), labels, draw(rng, held_out), held_out


def measured(make, seed=0, draws=20):
    rng, x, labels, held_out, held_out_labels = real(seed)
    return realism.table(0, x, labels, held_out, held_out_labels, make(rng, x, labels), labels, draws)


def checked(make, seed=0, exchanges=99):
    rng, x, labels, held_out, held_out_labels = real(seed)
    return memorisation.table(0, x, labels, held_out, held_out_labels, make(rng, x, labels), exchanges)


def fresh(rng, x, labels):
    return draw(rng, labels)


def test_fresh_records_are_like_real_ones():
    found = measured(fresh)
    assert found == measured(fresh)  # same seed, same table
    unlike = [name for name, measure in found.items() if measure.in_words() == "unlike real records"]
    assert len(unlike) <= 2, unlike  # of sixteen, by chance
    assert found["coverage"].synthetic > 0.8 and found["shared peaks"].synthetic > 0.9
    assert all(measure.low <= measure.real <= measure.high for measure in found.values())


def test_shifted_records_are_far():
    found = measured(lambda rng, x, labels: np.roll(draw(rng, labels), 2, axis=2))
    for name in ("sliced Wasserstein distance", "energy distance", "maximum mean discrepancy", "coverage", "density"):
        assert found[name].in_words() == "unlike real records", name
    assert found["classifier two-sample accuracy"].synthetic > 0.9
    assert found["its permutation p-value"].synthetic < 0.05 < found["its permutation p-value"].real
    assert found["distance of shared peaks [points]"].synthetic == pytest.approx(2.0, abs=0.3)


def test_each_kind_of_error_shows_where_it_should():
    noisy = measured(lambda rng, x, labels: draw(rng, labels, noise=0.1))
    assert noisy["error of marginals"].in_words() == "unlike real records"
    assert noisy["relative difference in number of peaks"].synthetic > 0.5

    def without_the_small_peak(rng, x, labels):
        x = draw(rng, labels)
        x[:, :, 18:] = rng.normal(0.0, 0.01, x[:, :, 18:].shape)
        return x

    lacking = measured(without_the_small_peak)
    assert lacking["shared peaks"].synthetic == pytest.approx(2 / 3, abs=0.03)  # two of three are left
    assert lacking["shared small peaks"].synthetic < 0.6 < lacking["shared small peaks"].low
    wider = measured(lambda rng, x, labels: np.repeat(draw(rng, labels), 2, axis=1)[:, 10:30])
    assert wider["|log ratio| of their widths"].in_words() == "unlike real records"


def test_two_sample_test_sees_spread_where_means_agree():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 3)), 0.3 * rng.normal(size=(60, 3))
    assert realism.two_sample_accuracy(0, a, b) > 0.75
    assert abs(realism.two_sample_accuracy(0, a, rng.normal(size=(60, 3))) - 0.5) < 0.15


def test_words():
    low = Measure(0.5, 0.4, 0.3, 0.45, "low")
    assert low.in_words() == "unlike real records"
    assert low._replace(synthetic=0.2).in_words() == "closer than real records"
    assert low._replace(synthetic=0.3).in_words() == "like real records"
    assert low._replace(ideal="high").in_words() == "closer than real records"
    assert low._replace(ideal="half").in_words() == "unlike real records"
    assert low._replace(ideal="half", synthetic=0.1).in_words() == "like real records"
    assert low._replace(real=np.nan).in_words() == "nothing to compare"


def test_distances_against_references():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(30, 1)), rng.normal(size=(30, 1)) + 0.5
    assert realism.sliced_wasserstein(0, a, b) == pytest.approx(stats.wasserstein_distance(a[:, 0], b[:, 0]))
    same = np.ones((12, 3))
    assert realism.kernel_test(0, same, same) == (0.0, 1.0)
    assert realism.density_coverage(a, a)[1] == 1.0 and realism.density_coverage(same, same)[1] == 1.0
    assert realism.density_coverage(a, a + 100.0) == (0.0, 0.0)
    assert realism.correlation_error(a, b) == 0.0  # one component has no correlations
    a2 = np.hstack([a, a])
    assert realism.correlation_error(a2, a2 * [1.0, -1.0]) == pytest.approx(2.0)


def test_kernel_test_keeps_its_level():
    rng = np.random.default_rng(1)
    p_values = [realism.kernel_test(i, rng.normal(size=(12, 3)), rng.normal(size=(12, 3)))[1] for i in range(300)]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_found_peaks_have_place_height_and_width():
    rows, columns = np.mgrid[:20, :30]
    record = np.exp(-((rows - 9) ** 2 / (2 * 1.5**2) + (columns - 20) ** 2 / (2 * 3.0**2)))
    found = found_peaks.find_peaks(record, 0.2)
    np.testing.assert_array_equal(found.position_Mx2, [[9, 20]])
    assert 0.6 < found.height_M[0] < 1.0
    # Half height is 2.35 standard deviations wide; smoothing widens a little.
    np.testing.assert_allclose(found.width_Mx2[0], [2.35 * 1.5, 2.35 * 3.0], rtol=0.25)
    none = found_peaks.find_peaks(np.zeros((20, 30)), 0.0)
    assert len(none.height_M) == 0 and none.width_Mx2.shape == (0, 2)
    compared = found_peaks.compare_peaks([found, none], [found, found])
    assert compared["shared peaks"] == (0.5, "high") and compared["distance of shared peaks [points]"] == (0.0, "low")
    assert all(np.isnan(v) for k, (v, _) in found_peaks.compare_peaks([none], [none]).items() if "number" not in k)


def test_records_without_peaks_or_variance_are_no_error():
    labels, held_out = np.repeat([0, 1], 20), np.repeat([0, 1], 8)
    flat = [np.ones((len(each), *SHAPE), np.float32) for each in (labels, held_out, labels)]
    found = realism.table(0, flat[0], labels, flat[1], held_out, flat[2], labels, 20)
    assert found["shared peaks"].in_words() == "nothing to compare"
    assert found["sliced Wasserstein distance"].synthetic == 0.0


def test_planted_copies_are_found():
    def half_copies(rng, x, labels):
        x_S = draw(rng, labels)
        x_S[::2] = x[::2]
        return x_S

    found = checked(half_copies)
    assert found["exact copies of training records"].value == pytest.approx(0.5)
    for name in ("near copies of training records", "nearest real record is a training one"):
        assert found[name].in_words() == "memorised" and found[name].value > found[name].high, name

    def near_copies(rng, x, labels):
        return x + rng.normal(0.0, 0.005, x.shape)

    found = checked(near_copies)
    assert found["exact copies of training records"].value == 0.0
    assert found["near copies of training records"].in_words() == "memorised"
    assert found == checked(near_copies)


def test_memorisation_keeps_its_level():
    """Fresh records memorise nothing: any figure is called so in about 5 % of data sets."""
    words = [[check.in_words() for check in checked(fresh, seed, 39).values()] for seed in range(40)]
    alarms = sum("memorised" in each for each in words)
    assert alarms <= stats.binom.ppf(0.99, 40, 0.05)


BAD = [
    ({"x": np.zeros((4, 5))}, "N×R×T"),
    ({"synthetic": np.zeros((80, 3, 4))}, "one shape"),
    ({"synthetic": np.full((80, *SHAPE), np.nan)}, "finite"),
    ({"held_out": np.zeros((4, *SHAPE)), "held_out_labels": np.zeros(4, int)}, "10 or more"),
    ({"held_out_labels": np.zeros(3, int)}, "labels"),
]


@pytest.mark.parametrize(("changed", "message"), [*BAD, ({"synthetic_labels": np.zeros(80, int)}, "class 1"),
                                                  ({"draws": 3}, "draws"),
                                                  ({"labels": np.repeat([0, 1], [79, 1])}, "2 or more training")])  # fmt: skip
def test_bad_comparisons_are_refused(changed, message):
    rng, x, labels, held_out, held_out_labels = real()
    given = {"x": x, "labels": labels, "held_out": held_out, "held_out_labels": held_out_labels}
    given |= {"synthetic": x, "synthetic_labels": labels, "draws": 20, **changed}
    with pytest.raises(InputError, match=message):
        realism.table(0, *given.values())


@pytest.mark.parametrize(("changed", "message"), [*BAD, ({"exchanges": 3}, "exchanges"),
                                                  ({"held_out_labels": np.full(24, 7)}, "classes")])  # fmt: skip
def test_bad_checks_are_refused(changed, message):
    rng, x, labels, held_out, held_out_labels = real()
    given = {"x": x, "labels": labels, "held_out": held_out, "held_out_labels": held_out_labels}
    given |= {"synthetic": x, "exchanges": 99, **changed}
    with pytest.raises(InputError, match=message):
        memorisation.table(0, *given.values())


def test_peaks_of_a_class_are_followed_and_described():
    """Synthetic records lack the third peak, move the first by one row and double the second."""
    rng = np.random.default_rng(0)
    labels = np.zeros(30, int)
    x, other = draw(rng, labels, 0.0), draw(rng, labels, 0.0)
    other[:, :, 18:] = 0.0
    other[:, :, 9:18] *= 2.0
    other[:, 1:, :9] = other[:, :-1, :9].copy()
    places = np.array([[5, 6], [14, 12], [8, 23]])
    sides = [found_peaks.follow(places, found_peaks.find_all(records, 0.05)) for records in (x, other)]
    np.testing.assert_array_equal(sides[0].position_NxMx2[3], places)
    first, second, third = found_peaks.describe(*sides)
    assert (first["row_shift"], first["column_shift"]) == (1.0, 0.0) and first["p_value"] > 0.01
    assert second["row_shift"] == 0.0 and second["p_value"] < 0.01
    assert second["other_height"][1] / second["real_height"][1] == pytest.approx(2.0, rel=0.4)
    assert third["real_share"] == 1.0 and third["other_share"] == 0.0
    assert np.isnan(third["p_value"]) and np.isnan(third["row_shift"])
