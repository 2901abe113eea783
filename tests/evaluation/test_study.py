"""Studies of usefulness: doses, inner choices, sums, and the experiments end to end in small."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from conftest import TINY_METHOD, make_records

from configs import base
from experiments import augment, leaderboard, learning_curve, minority, ratio, registration_study, settings
from gcims_jax import InputError, io
from gcims_jax.evaluation import guard, study, study_results
from gcims_jax.evaluation.study import PLAIN, Candidate, Dose, parse_candidate

RECORDS = make_records((18, 9))
LABELS = np.repeat([0, 1], [18, 9])
TRAIN = guard.take(RECORDS.values, LABELS, [*range(12), *range(18, 24)])
TEST = guard.take(RECORDS.values, LABELS, [*range(12, 18), *range(24, 27)])
DOSES = (Dose(0.5, False), Dose(2.0, False), Dose(1.0, True))


def score(candidate, train=TRAIN, test=TEST, doses=DOSES, classifiers=("pca_rf", "svm")):
    fit_codec = study.codec_fitter("tucker", TINY_METHOD)
    return study.score_candidate(
        jax.random.key(0), candidate, train, test, doses, classifiers, fit_codec, TINY_METHOD, 0, 2
    )


def test_every_dose_and_classifier_is_scored_and_repeats_exactly():
    one, two = score(Candidate("kde", "latent_kde")), score(Candidate("kde", "latent_kde"))
    assert [(e["ratio"], e["balanced"], e["classifier"]) for e in one] == [
        (dose.ratio, dose.balanced, name) for dose in DOSES for name in ("pca_rf", "svm")
    ]
    assert [e["n_synthetic"] for e in one[::2]] == [9, 36, 30]  # half of 12 + 6; twice; 24 of each class
    for a, b in zip(one, two, strict=True):
        assert a["accuracy"] == b["accuracy"] > 0.9
    assert [e["n_synthetic"] for e in score(PLAIN)] == [0, 0]


@pytest.mark.parametrize("generator", ["duplicate", "phase_amplitude"])
def test_a_record_on_both_sides_is_refused(generator):
    leaky = guard.join(TEST, guard.take(RECORDS.values, LABELS, [3]))
    with pytest.raises(guard.LeakError, match=r"numbers 3"):
        score(Candidate(generator, generator), test=leaky)


def test_nothing_that_is_drawn_depends_on_held_out_records():
    records = make_records((18, 9), r=16, t=20)
    train, test = (guard.take(records.values, LABELS, sorted(part.seen)) for part in (TRAIN, TEST))
    candidate = parse_candidate("phase_amplitude:phase=1,amplitude=0.5")
    spoiled = test._replace(x_NxRxT=test.x_NxRxT[::-1] * 3.0 + 1.0)
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study.classify, "fit", lambda config, x, y, seed: drawn.append(x) or y)
        patch.setattr(study.classify, "predict", lambda judge, x: np.zeros(len(x), int))
        for held_out in (test, spoiled):
            score(candidate, train=train, test=held_out, classifiers=("svm",))
    assert len(drawn) == 2 * len(DOSES) and len(drawn[0]) > len(train.labels_N)
    for one, other in zip(drawn[: len(DOSES)], drawn[len(DOSES) :], strict=True):
        np.testing.assert_array_equal(one, other)


def test_votes_ask_for_warped_copies_of_the_test_records_and_add_no_training_record():
    candidate = parse_candidate("votes:size=0.5")
    assert candidate.votes == 0.5 and not candidate.generator
    records = make_records((18, 9), r=16, t=20)
    train, test = (guard.take(records.values, LABELS, sorted(part.seen)) for part in (TRAIN, TEST))
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study.classify, "predict", lambda judge, x: asked.append(x) or np.arange(len(x)) % 2)
        (entry,) = score(candidate, train=train, test=test, classifiers=("svm",))
    assert entry["n_synthetic"] == 0 and len(asked) == study.VOTES + 1
    assert sum(np.array_equal(asked[0], x) for x in asked) == 1  # the records themselves, which also break ties
    assert entry["accuracy"] == np.mean(test.labels_N == np.arange(len(test.labels_N)) % 2)


def test_inner_splits_stay_inside_the_training_part_and_keep_groups():
    groups_N = np.arange(18) // 3
    for groups in (None, groups_N):
        for learn, choose in study.inner_splits(TRAIN, groups, 3, 0):
            assert learn.seen | choose.seen <= TRAIN.seen and not learn.seen & choose.seen
            assert set(choose.labels_N) <= set(learn.labels_N)
            if groups is not None:
                numbers = sorted(TRAIN.seen)
                sides = [{groups[numbers.index(i)] for i in part.seen} for part in (learn, choose)]
                assert not sides[0] & sides[1]


def test_candidates_are_read_with_their_options():
    assert parse_candidate("warp:size=2").options == (("size", 2.0),)
    assert parse_candidate("latent_rda:ridge=oas,alpha=0.3").options == (("ridge", "oas"), ("alpha", 0.3))
    assert parse_candidate("class_weights").class_weights
    for text, message in (("wrap", "got 'wrap'"), ("warp:2", "name=value"), ("votes:size=0", "above 0")):
        with pytest.raises(InputError, match=message):
            parse_candidate(text)


def row(scores_by_dose, inner, n_test=20):
    def entries(values, count):
        return [
            {"ratio": r, "balanced": False, "classifier": "svm", "accuracy": v, "balanced_accuracy": v, "recall_K": [v, v],
             "n_synthetic": count * r, "seconds": 0.0, "generator_seconds": 0.0}
            for r, v in values.items()
        ]  # fmt: skip

    count = 0 if list(scores_by_dose) == [0.0] else 10
    return {"n_train": 80, "n_test": n_test, "outer": entries(scores_by_dose, count), "inner": [entries(inner, count)]}


def test_doses_are_chosen_by_inner_scores_not_by_the_best_outer_one():
    plain = [row({0.0: 0.5}, {0.0: 0.5}) for _ in range(4)]
    other = [row({1.0: 0.6 + 0.01 * j, 5.0: 0.9}, {1.0: 0.8, 5.0: 0.7}) for j in range(4)]
    lines = study_results.leaderboard({"none": plain, "better": other}, ["svm"])
    (line,) = [one for one in lines if one["candidate"] == "better"]
    assert line["ratios"] == [1.0] and line["accuracy"] == pytest.approx(0.615)
    assert line["delta_accuracy"]["delta"] == pytest.approx(0.115)
    assert line["delta_accuracy"]["p_holm"] == line["delta_accuracy"]["p_value"]  # one candidate, nothing to adjust


def test_a_plain_classifier_that_is_as_good_is_not_hidden():
    """The candidate lifts one classifier by far, but another needs no help: augmentation is not recommended."""
    weak = [row({0.0: 0.5}, {0.0: 0.5}) for _ in range(4)]
    lifted = [row({1.0: 0.8 + 0.001 * j}, {1.0: 0.8}) for j in range(4)]
    plain = [row({0.0: 0.9}, {0.0: 0.9}) for _ in range(4)]
    lines = study_results.leaderboard({"none": weak, "lifts": lifted}, ["svm"])
    assert lines[1]["delta_accuracy"]["verdict"] == "helps"
    context = study_results.honest_context({"none": weak, "lifts": lifted}, plain, ["svm"])
    assert context["delta_accuracy"]["delta"] < 0 and not context["recommend"]
    assert context["augmented_chosen"] == {"lifts, svm": 4}


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "records.nc"
    io.write(make_records((18, 9)), path)
    config = base.get_config()
    config.data.path = str(path)
    config.codec.latent = 3
    config.protocol.folds = 2
    config.study.ratios = (1.0,)
    config.classifier.trees = 5
    config.study.candidates = ("class_weights", "latent_rda", "duplicate")
    config.study.plain_classifiers = ("pca_rf", "svm")
    config.study.records_per_class = (4, 0)
    return settings.prepare(config)


@pytest.mark.parametrize("experiment", [leaderboard, ratio, minority, learning_curve], ids=lambda e: e.__name__)
def test_studies_end_with_an_answer_and_go_on_where_they_stopped(experiment, setup, tmp_path):
    answer = experiment.run(setup, 0, tmp_path, {}, {})
    results = json.loads((tmp_path / "results.json").read_text())
    page = (tmp_path / "report.html").read_text()
    assert len(answer) > 40 and "data:image/png" in page and "latent_rda" in page
    assert {"lines", "dataset", "timing"} <= set(results)
    cells = sorted((tmp_path / "checkpoints").rglob("*.json"))
    before = {cell: cell.read_bytes() for cell in cells[1:]}
    cells[0].unlink()
    assert experiment.run(setup, 0, tmp_path, {}, {}) == answer
    assert {cell: cell.read_bytes() for cell in cells[1:]} == before  # only the missing one was scored again


def test_synthetic_records_come_in_the_inputs_units_and_name_what_may_test_them(setup, tmp_path):
    copies = (study.PLAIN, Candidate("duplicate", "duplicate"))
    setup = setup._replace(study=dataclasses.replace(setup.study, candidates=copies))
    assert "records of duplicate" in augment.run(setup, 0, tmp_path, {"git_revision": "abc"}, {})
    synthetic = io.read(tmp_path / "synthetic.nc")
    # Copies of training records of the first fold: none of the held-out ones is among them.
    held_out = set(str(synthetic.attrs["held_out_records"]).split("\n"))
    assert held_out == set(setup.records.names[setup.folds[0].test])
    nearest = [
        setup.records.names[np.argmin(np.abs(setup.records.values - record).max(axis=(1, 2)))]
        for record in synthetic.values
    ]
    assert not held_out & set(nearest)
    np.testing.assert_allclose(synthetic.values.max(), setup.records.values[setup.folds[0].train].max(), rtol=1e-3)
    assert (tmp_path / "report.html").exists()


def test_what_registration_does_is_shown_and_measured(tmp_path):
    records = make_records((12, 8), r=16, t=20)
    records.values[3] = 0.0  # a flat record
    io.write(records, tmp_path / "records.nc")
    config = base.get_config()
    config.data.path = str(tmp_path / "records.nc")
    config.protocol.folds = 2
    config.codec.latent = 3
    answer = registration_study.run(settings.prepare(config), 0, tmp_path, {}, {})
    results = json.loads((tmp_path / "results.json").read_text())
    assert "d = 8" in answer and set(results["latents"]) == {"8", "16"}
    assert str(records.names[3]) in results["left_alone"] and str(records.names[3]) in answer
    change = results["latents"]["8"]
    assert change["registered_to_plain"]["splits"] == 2 and 0 < change["registered"] < 10 * change["plain"]
    assert (tmp_path / "report.html").read_text().count("data:image/png") == 3


def test_learned_warps_leave_the_reactant_ion_peak_where_it_is(tmp_path):
    records = make_records((12, 8), r=16, t=20)
    relative = dataclasses.replace(
        records, fast=records.fast._replace(name="relative_drift_time", unit="1", values=np.linspace(0.8, 1.8, 20))
    )
    io.write(relative, tmp_path / "records.nc")
    config = base.get_config()
    config.data.path = str(tmp_path / "records.nc")
    config.protocol.folds = 2
    config.codec.latent = 3
    config.study.candidates = ("phase_amplitude", "duplicate")
    anchored, other = settings.prepare(config).study.candidates[1:]
    assert dict(anchored.options)["anchor"] == pytest.approx(0.2) and not other.options


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("ratios", (0.0,), r"study.ratios: expected numbers above 0, got 0"),
        ("modes", ("unequal",), "study.modes.*got 'unequal'"),
        ("classifiers", ("nope",), "classifier.name.*'nope'"),
        ("codec", "svd", "study.codec.*'svd'"),
        ("inner_splits", 0, "study.inner_splits: expected 1, 2 or 3"),
        ("candidates", ("wrap",), "study.candidates.*'wrap'"),
    ],
)
def test_impossible_studies_are_refused(option, value, message):
    config = base.get_config()
    config.data.n_retention, config.data.n_drift = 64, 128
    with config.study.unlocked():
        setattr(config.study, option, value)
    with pytest.raises(InputError, match=message):
        settings.prepare(config)
