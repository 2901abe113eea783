"""The one evaluation: what is scored, what may be seen, what is kept."""

import dataclasses

import jax
import numpy as np
import pytest
from conftest import TINY_METHOD, make_records

from gcims_jax import InputError, parts
from gcims_jax.evaluation import guard, scoring, splits
from gcims_jax.evaluation.candidates import (
    COPIES,
    NO_DOSE,
    PLAIN,
    WEIGHTED,
    Candidate,
    Dose,
    parse_candidate,
    synthetic_labels,
)
from gcims_jax.evaluation.classify import ClassifierConfig
from gcims_jax.evaluation.scoring import Plan
from gcims_jax.generators.codecs import Tucker

PART = parts.from_records(make_records((18, 9)))
TRAIN, TEST = PART.take([*range(12), *range(18, 24)]), PART.take([*range(12, 18), *range(24, 27)])
DOSES = (Dose(0.5, False), Dose(2.0, False), Dose(1.0, True))
CLASSIFIERS = (ClassifierConfig(components=5, trees=10), ClassifierConfig("svm"))
PLAN = Plan(TINY_METHOD.preprocess, Tucker(3), DOSES, CLASSIFIERS, 2)
KEYS = splits.fold_keys(0, "strict", 0)


def score(*candidates, train=TRAIN, test=TEST, plan=PLAN, **options):
    return scoring.score(KEYS, candidates, train, test, plan, 0, **options)


def test_every_dose_and_classifier_answers_for_every_record_and_repeats_exactly():
    one, two = (score(parse_candidate("latent_kde"))["rows"] for _ in range(2))
    assert [(r["ratio"], r["balanced"], r["classifier"]) for r in one] == [
        (dose.ratio, dose.balanced, name) for dose in DOSES for name in ("pca_rf", "svm")
    ]
    assert [r["n_synthetic"] for r in one[::2]] == [9, 36, 30]  # half of 12 + 6; twice; 24 of each class
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a["predicted_M"], b["predicted_M"])
        assert np.mean(a["predicted_M"] == TEST.labels_N) > 0.8 and a["scores_MxK"].shape == (9, 2)
    (plain,) = {r["n_synthetic"] for r in score(PLAIN)["rows"]}
    assert plain == 0


@pytest.mark.parametrize(
    "candidate", [PLAIN, WEIGHTED, COPIES, parse_candidate("votes"), parse_candidate("latent_rda")]
)
def test_a_record_on_both_sides_is_refused(candidate):
    leaky = parts.join(TEST, PART.take([3]))
    with pytest.raises(guard.LeakError, match="record_0003"):
        score(candidate, test=leaky)


def test_another_measurement_of_a_sample_is_refused():
    grouped = parts.from_records(make_records((18, 9), groups=[f"s{i // 2}" for i in range(27)]))
    train, test = grouped.take([*range(11), *range(18, 24)]), grouped.take([11, 12, 13])
    with pytest.raises(guard.LeakError, match="record_0011"):
        score(PLAIN, train=train, test=test)


def test_a_generator_that_has_seen_the_test_records_is_refused():
    """It closes over all records, so its origin says nothing of them; what it draws gives it away."""
    from gcims_jax.generators import GENERATORS
    from gcims_jax.generators.contract import Description, make

    hidden = {}

    def fit(key, part):
        return part.x_NxRxT.min()

    def sample(key, state, labels_S):
        return np.resize(hidden["test"], (len(labels_S), *hidden["test"].shape[1:]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(GENERATORS, "cheat", make(fit, sample, lambda state: Description(True, ""), {}))
        patch.setattr(scoring.scale, "bound", lambda scaling, x: x)
        made = []
        score(PLAIN, measure=lambda m: made.append(m) or {})
        hidden["test"] = made[0].test.x_NxRxT
        with pytest.raises(guard.LeakError, match="was not given"):
            score(Candidate("cheat", "cheat"))


def test_nothing_that_is_drawn_depends_on_held_out_records():
    records = make_records((18, 9), r=16, t=20)
    part = parts.from_records(records)
    train, test = part.take([*range(12), *range(18, 24)]), part.take([*range(12, 18), *range(24, 27)])
    spoiled = test.with_values(test.x_NxRxT[::-1] * 3.0 + 1.0)
    drawn = []
    for held_out in (test, spoiled):
        score(
            parse_candidate("phase_amplitude:phase=1,amplitude=0.5"), train=train, test=held_out,
            plan=PLAN._replace(doses=DOSES[:1], classifiers=CLASSIFIERS[1:]),
            measure=lambda made: drawn.extend(made.draws.values()) or {},
        )  # fmt: skip
    np.testing.assert_array_equal(drawn[0].x_NxRxT, drawn[1].x_NxRxT)
    assert drawn[0].origin == train.origin


def test_strict_learns_nothing_from_test_records_and_paper_does():
    """Noise in place of every test record changes nothing that was fitted or drawn, unless the protocol leaks."""
    candidate = TINY_METHOD.candidate("synthetic")
    spoiled = TEST.with_values(1e2 * np.random.default_rng(9).normal(size=TEST.x_NxRxT.shape).astype(np.float32))
    states = {}
    for leaks in (False, True):
        for held_out in (TEST, spoiled):
            everything = parts.join(TRAIN, held_out) if leaks else None
            score(
                candidate, test=held_out, plan=PLAN._replace(doses=DOSES[:1], classifiers=CLASSIFIERS[:1]),
                learn_from=everything,
                measure=lambda made: states.setdefault(leaks, []).append((made.scaling.value, *made.draws.values())) or {},  # noqa: B023
            )  # fmt: skip
    (one, draws), (other, other_draws) = states[False]
    assert one == other
    np.testing.assert_array_equal(draws.x_NxRxT, other_draws.x_NxRxT)
    assert states[True][0][0] != states[True][1][0]


def test_draws_stay_within_what_was_measured():
    made = []
    score(parse_candidate("latent_kde:bandwidth=3"), measure=lambda m: made.append(m) or {})
    (draws,), (share,) = made[0].draws.values(), made[0].bounded.values()
    assert 0.0 < share < 1.0
    assert draws.x_NxRxT.min() >= made[0].train.x_NxRxT.min() and draws.x_NxRxT.max() <= made[0].train.x_NxRxT.max()


def test_votes_ask_for_warped_copies_and_add_no_training_record():
    (row,) = score(
        parse_candidate("votes:size=0.5"),
        train=(big := parts.from_records(make_records((18, 9), r=16, t=20))).take([*range(12), *range(18, 24)]),
        test=big.take([*range(12, 18), *range(24, 27)]),
        plan=PLAN._replace(classifiers=CLASSIFIERS[1:]),
    )["rows"]
    assert row["n_synthetic"] == 0
    np.testing.assert_allclose(row["scores_MxK"].sum(axis=1), 1.0, atol=1e-3)


def test_training_sets_hold_what_their_names_say():
    seen = {}

    def spy(configs, part, seed, n_real):
        seen[len(seen)] = part
        return real(configs, part, seed, n_real)

    real = scoring.classify.fit_all
    codec = (("codec", Tucker(3)),)
    synthetic = dataclasses.replace(TINY_METHOD, codec=Tucker(3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring.classify, "fit_all", spy)
        score(
            Candidate("original"), Candidate("reconstructed", options=codec, real="reconstructed"),
            synthetic.candidate("both"), synthetic.candidate("rebuilt", real="reconstructed"),
            synthetic.candidate("alone", real="none"), plan=PLAN._replace(doses=(Dose(2.0, False),)),
        )  # fmt: skip
    original, rebuilt, both, rebuilt_both, alone = seen.values()
    assert [len(part) for part in seen.values()] == [18, 18, 54, 54, 36]
    np.testing.assert_array_equal(both.x_NxRxT[18:], alone.x_NxRxT)
    np.testing.assert_array_equal(rebuilt_both.x_NxRxT[18:], alone.x_NxRxT)  # one generator, one set of draws
    np.testing.assert_array_equal(np.sort(rebuilt.labels_N), np.sort(original.labels_N))
    assert not np.array_equal(rebuilt.x_NxRxT, original.x_NxRxT)


def test_inner_answers_come_from_the_training_part_alone():
    inner = splits.inner_splits(TRAIN, 2, 0)
    result = scoring.score_fold(KEYS, [PLAIN, COPIES], TRAIN, TEST, PLAN, 0, inner=inner)
    assert len(result["inner"]) == 2
    for split, (_, choose) in zip(result["inner"], inner, strict=True):
        np.testing.assert_array_equal(split["labels_M"], choose.labels_N)
        assert [r["candidate"] for r in split["rows"]] == [r["candidate"] for r in result["rows"]]


def test_candidates_are_read_with_their_options_and_told_apart():
    assert parse_candidate("warp:size=2").options == (("size", 2.0),)
    assert parse_candidate("latent_rda:ridge=oas,alpha=0").options == (("ridge", "oas"), ("alpha", 0.0))
    assert parse_candidate("class_weights").class_weights and PLAIN.is_plain and WEIGHTED.is_plain
    assert parse_candidate("votes").is_plain and parse_candidate("duplicate").is_plain
    assert not parse_candidate("noise").is_plain and not Candidate("r", real="reconstructed").is_plain
    for text, message in (
        ("wrap", "got 'wrap'; did you mean 'warp'"),
        ("warp:2", "name=value"),
        ("votes:size=0", "above 0"),
        ("warp:sizes=1", "warp expects only size, got 'sizes'"),
    ):
        with pytest.raises(InputError, match=message):
            parse_candidate(text)


def test_doses_follow_ratio_and_mode():
    labels = np.repeat([0, 1], [12, 8])
    for dose, expected in ((Dose(0.5, False), [6, 4]), (Dose(2.0, False), [24, 16]), (Dose(0.01, False), [1, 1]),
                           (Dose(0.5, True), [6, 10]), (Dose(2.0, True), [24, 28])):  # fmt: skip
        np.testing.assert_array_equal(np.bincount(synthetic_labels(labels, dose)), expected)
    assert NO_DOSE.mode == "–" and DOSES[0].mode == "proportional" and DOSES[2].mode == "balanced"


def test_keys_depend_on_seed_protocol_and_fold_alone():
    data = [
        jax.random.key_data(key).tolist()
        for seed in (0, 1) for protocol in splits.PROTOCOLS for index in (0, 1)
        for key in splits.fold_keys(seed, protocol, index)
    ]  # fmt: skip
    assert len({tuple(one) for one in data}) == len(data)
