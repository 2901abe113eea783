"""Fidelity on records whose relation is known: fresh, shifted, noisy, blurred."""

import numpy as np
import pytest
from made_sets import population
from scipy import stats

from gcims_jax import InputError, parts
from gcims_jax.evaluation.guard import LeakError
from gcims_jax.fidelity import distances, energy, found_peaks, peaks, realism
from gcims_jax.fidelity.exchange import exchange
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


def sides(make, seed=0):
    """Training, held-out and synthetic records."""
    rng = np.random.default_rng(seed)
    labels, held_out = np.repeat([0, 1], 40), np.repeat([0, 1], 12)
    train = parts.from_arrays(draw(rng, labels), labels)
    held_out = parts.from_arrays(draw(rng, held_out), held_out)
    return train, held_out, parts.synthetic(make(rng, train.x_NxRxT, labels), labels, train.origin)


def measured(make, seed=0):
    return realism.table(0, *sides(make, seed), controls=False).measures


def fresh(rng, x, labels):
    return draw(rng, labels)


def count_marked(seeds, copies=1):
    found = []
    for seed in seeds:
        _, train, held_out, x = population((9, seed), copies=copies)
        synthetic = parts.synthetic(x, train.labels_N, train.origin)
        found.append(realism.marked(realism.table(seed, train, held_out, synthetic, controls=False).measures))
    return sum(map(bool, found))


def test_fresh_records_get_no_mark():
    """One table in twenty may have one: more than 3 of 12 have one by chance in 0.2 % of cases."""
    assert count_marked(range(12)) <= 3


@pytest.mark.slow
@pytest.mark.parametrize("copies", [1, 3])
def test_fresh_records_get_a_mark_in_one_table_of_twenty(copies):
    """More than 4 of 40 have one by chance in 5 % of cases; of triplicates as of single records."""
    assert count_marked(range(100, 140), copies) <= 4


def test_controls_run_in_every_table():
    found = realism.table(0, *sides(fresh))
    assert list(found.controls) == [realism.REAL, realism.BLURRED]
    assert not realism.marked(found.controls[realism.REAL])
    assert len(realism.marked(found.controls[realism.BLURRED])) > 3
    assert all(list(control) == list(found.measures) == list(realism.IDEALS) for control in found.controls.values())
    train, held_out, _ = sides(fresh)
    copies = realism.table(0, train, held_out, parts.synthetic(train.x_NxRxT, train.labels_N, train.origin))
    # They do not depend on the generator; copies are real records and get no mark here.
    assert copies.controls == found.controls and not realism.marked(copies.measures)


def test_a_generator_that_varies_too_little_is_marked():
    _, train, held_out, _ = population((9, 0))
    x = train.x_NxRxT.copy()
    for k in np.unique(train.labels_N):
        own = train.labels_N == k
        x[own] = 0.5 * (x[own] + x[own].mean(axis=0))
    found = realism.table(0, train, held_out, parts.synthetic(x, train.labels_N, train.origin), controls=False).measures
    assert found["classifier two-sample accuracy"].in_words() == "unlike real records"
    assert found["density"].in_words() == "closer than real records"


def test_records_that_the_generator_has_seen_are_refused():
    train, held_out, synthetic = sides(fresh)
    everything = parts.join(train, held_out).origin
    seen = parts.synthetic(synthetic.x_NxRxT, synthetic.labels_N, everything)
    with pytest.raises(LeakError, match="24 that it has"):
        realism.table(0, train, held_out, seen)
    with pytest.raises(LeakError, match="12 that it has"):
        realism.table(0, parts.join(train, held_out.take(range(12))), held_out, synthetic)


def test_exchanges_keep_classes_and_groups():
    rng = np.random.default_rng(0)
    labels, groups = np.repeat([0, 1, 0], [6, 4, 6]), np.repeat(np.arange(8), 2)
    first = np.arange(16) < 10
    found = exchange(rng, labels, groups, first, 200)
    assert found.shape == (200, 16) and np.array_equal(found[:, ::2], found[:, 1::2])
    for k in (0, 1):
        assert set(found[:, labels == k].sum(axis=1)) == {first[labels == k].sum()}
    assert np.abs(found[:, labels == 0].mean(axis=0) - 0.5).max() < 0.15
    # Days with all classes change places with each other, not with anything else.
    days = exchange(rng, np.tile([0, 1], 8), np.repeat(np.arange(4), 4), np.arange(16) < 8, 50)
    assert set(days.sum(axis=1)) == {8} and len(np.unique(days, axis=0)) == 6


def test_fresh_records_are_like_real_ones():
    found = measured(fresh)
    assert found == measured(fresh)  # same seed, same table
    assert not realism.marked(found)
    assert found["coverage"].synthetic > 0.8 and found["shared peaks"].synthetic > 0.9
    assert all(measure.low <= measure.real <= measure.high for measure in found.values())


def test_shifted_records_are_far():
    found = measured(lambda rng, x, labels: np.roll(draw(rng, labels), 2, axis=2))
    for name in ("sliced Wasserstein distance", "energy distance", "maximum mean discrepancy", "coverage", "density"):
        assert found[name].in_words() == "unlike real records", name
    assert found["classifier two-sample accuracy"].synthetic > 0.9
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


def halves(a, b):
    """Space of the scores of two sets, and their positions."""
    rows = np.arange(len(a) + len(b))
    values = np.concatenate([a, b])
    return distances.space_of(0, values, values), rows[None, : len(a)], rows[None, len(a) :]


def compared(a, b):
    return dict(zip(distances.IDEALS, distances.compare(*halves(a, b))[0], strict=True))


def test_two_sample_test_sees_spread_where_means_agree():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(60, 3)), 0.3 * rng.normal(size=(60, 3)), rng.normal(size=(60, 3))
    assert compared(a, b)["classifier two-sample accuracy"] > 0.75
    assert abs(compared(a, c)["classifier two-sample accuracy"] - 0.5) < 0.15


def test_rows_left_out_are_predicted_as_by_a_fit_without_them():
    rng = np.random.default_rng(0)
    at, a, b = halves(rng.normal(size=(10, 2)), rng.normal(size=(10, 2)) + 0.7)
    side, fold = np.repeat([1.0, -1.0], 10), np.tile(np.arange(10) % distances.FOLDS, 2)
    right = []
    for out in (fold == f for f in range(distances.FOLDS)):
        fit = at.classifier_AxA[~out][:, ~out] + distances.RIDGE * np.eye((~out).sum())
        right += list(side[out] * (at.classifier_AxA[out][:, ~out] @ np.linalg.solve(fit, side[~out])) > 0)
    assert distances.two_sample_accuracy(at.classifier_AxA[None])[0] == pytest.approx(np.mean(right))


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
    found = compared(a, b)
    assert found["sliced Wasserstein distance"] == pytest.approx(stats.wasserstein_distance(a[:, 0], b[:, 0]))
    assert found["energy distance"] == pytest.approx(energy.energy_distance(a, b))
    assert found["error of correlations"] == 0.0  # one component has no correlations
    same = np.ones((12, 3))
    assert compared(same, same)["maximum mean discrepancy"] == 0.0 and compared(same, same)["coverage"] == 1.0
    assert compared(a, a)["coverage"] == 1.0
    far = compared(a, a + 100.0)
    assert far["density"] == far["coverage"] == 0.0 and far["classifier two-sample accuracy"] == 1.0
    a2 = np.hstack([a, a])
    assert compared(a2, a2 * [1.0, -1.0])["error of correlations"] == pytest.approx(2.0)


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
    middle = found_peaks.middle_height([found])
    sums = sum(found_peaks.compare_peaks(one, found, middle) for one in (found, none))
    shared = dict(zip(found_peaks.IDEALS, sums.tolist(), strict=True))
    assert shared["shared peaks"] == [1.0, 2.0] and shared["distance of shared peaks [points]"] == [0.0, 1.0]
    assert shared["relative difference in number of peaks"] == [1.0, 2.0]
    np.testing.assert_array_equal(found_peaks.compare_peaks(none, none, 0.0)[:-1], 0.0)


def test_heights_of_peaks_are_those_of_the_whole_map():
    record = np.random.default_rng(0).normal(size=(25, 31))
    found = found_peaks.find_peaks(record, 0.3)
    height_RxT, maximum_RxT = peaks.heights(record)
    np.testing.assert_array_equal(found.position_Mx2, np.argwhere(maximum_RxT & (height_RxT >= 0.3)))
    np.testing.assert_allclose(found.height_M, height_RxT[tuple(found.position_Mx2.T)])


def test_records_without_peaks_or_variance_are_no_error():
    train, held_out, synthetic = sides(fresh)
    # Groups keep equal records apart.
    train, held_out, synthetic = (part.with_values(np.ones_like(part.x_NxRxT)) for part in (train, held_out, synthetic))
    found = realism.table(0, train, held_out, synthetic, controls=False).measures
    assert found["shared peaks"].in_words() == "nothing to compare"
    assert found["sliced Wasserstein distance"].synthetic == 0.0 and not realism.marked(found)


def test_bad_comparisons_are_refused():
    train, held_out, synthetic = sides(fresh)
    with pytest.raises(InputError, match="one shape"):
        realism.table(0, train, held_out, synthetic.with_values(np.zeros((80, 3, 4))))
    with pytest.raises(InputError, match="N×R×T"):
        realism.table(0, train.with_values(np.zeros((80, 4))), held_out, synthetic)
    with pytest.raises(InputError, match="finite"):
        realism.table(0, train, held_out, synthetic.with_values(np.full((80, *SHAPE), np.nan)))
    with pytest.raises(InputError, match="10 or more"):
        realism.table(0, train, held_out.take(range(4)), synthetic)
    with pytest.raises(InputError, match="class 1: expected synthetic"):
        realism.table(0, train, held_out, synthetic.take(range(40)))
    with pytest.raises(InputError, match="class 1: expected training"):
        realism.table(0, train.take(range(40)), held_out, synthetic)
    with pytest.raises(InputError, match="10 records a side, one of each class and group, got 9"):  # 3 of 4, 6 of 9
        few = held_out.take([*range(4), *range(12, 18)]), synthetic.take([*range(3), *range(40, 49)])
        realism.table(0, train, *few)
    with pytest.raises(InputError, match="draws"):
        realism.table(0, train, held_out, synthetic, draws=0)
    with pytest.raises(InputError, match="exchanges"):
        realism.table(0, train, held_out, synthetic, exchanges=3)


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
