"""The experiments that test the verdict and look at synthetic records, end to end in small."""

import json

import numpy as np
import pytest
from conftest import make_records

from configs import base
from experiments import calibrate_verdict, settings, synthetic_sanity
from experiments.job import Job
from gcims_jax import InputError, io
from gcims_jax.reports import calibration as calibration_page
from gcims_jax.reports import fidelity as fidelity_page


def prepared(tmp_path, counts=(24, 18), **sections):
    path = tmp_path / "records.nc"
    io.write(make_records(counts), path)
    config = base.get_config()
    config.data.path = str(path)
    config.protocol.folds = 3
    config.study.candidates = ("class_weights", "duplicate")
    for section, options in {
        "codec": {"latent": 3, "patch": 4, "width": 8},
        "train": {"steps": 6, "batch": 8},
        **sections,
    }.items():
        config[section].update(options)
    return config


@pytest.fixture(scope="module")
def sane(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sanity")
    config = prepared(folder)
    config.sanity_class = "class_1"
    setup = settings.prepare(config)
    answer = synthetic_sanity.run(Job(setup, folder / "run", {}, {}))
    return setup, folder / "run", answer


def test_a_page_says_whether_synthetic_records_look_real(sane):
    setup, folder, answer = sane
    results = json.loads((folder / "results.json").read_text())
    assert list(results["fidelity"]) == list(results["memorisation"]) == ["codec, rda", "duplicate"]
    assert results["class"] == "class_1" and results["records"] == {"train": 28, "held_out": 14, "synthetic": 28}
    assert results["memorisation"]["duplicate"]["exact copies of training records"]["value"] == 1.0
    # The class has one peak, and its place is told on the axes: row 3 × 0.5 s, column 5 × 0.1 ms.
    highest = max(results["peaks"], key=lambda entry: entry["real_height"][1])
    np.testing.assert_allclose(highest["place"], [1.5, 0.5], atol=0.51)
    assert highest["real_share"] == 1.0 and highest["steps"] == pytest.approx([0.5, 0.1])
    page = (folder / "report.html").read_text()
    assert answer == fidelity_page.sentence(results) and page.count("data:image/png") == 2
    assert "class_1" in answer and "memorised" in page and "exact copies" in page


def test_the_same_command_goes_on_and_ends_with_the_same_figures(sane, tmp_path):
    setup, folder, answer = sane
    before = json.loads((folder / "results.json").read_text())
    assert synthetic_sanity.run(Job(setup, folder, {}, {})) == answer
    after = json.loads((folder / "results.json").read_text())
    assert {**before, "timing": 0} == {**after, "timing": 0}


def test_too_few_records_and_unknown_classes_are_refused_before_training(tmp_path):
    config = prepared(tmp_path, (9, 6))
    with pytest.raises(InputError, match="comparisons of 10 records a side, one of each class and group, got 5"):
        synthetic_sanity.run(Job(settings.prepare(config), tmp_path / "run", {}, {}))
    assert not (tmp_path / "run").exists()
    config.sanity_class = "class_7"
    with pytest.raises(InputError, match="sanity_class: expected one of class_0, class_1, got 'class_7'"):
        settings.prepare(config)


def test_calibration_ends_with_an_answer_and_goes_on_where_it_stopped(tmp_path):
    small = {
        "data_sets": 3,
        "planted_data_sets": 2,
        "judges": ("pca_nearest",),
        "records": (40,),
        "repeats": (1,),
        "measurements": (1,),
        "sources": ("even",),
        "batches": (0,),
        "search_steps": 3,
        "training_sets": 2,
    }
    setup = settings.prepare(prepared(tmp_path, calibration={**small, "ratios": (4.0,)}))
    folder = tmp_path / "run"
    answer = calibrate_verdict.run(Job(setup, folder, {}, {}))
    results = json.loads((folder / "results.json").read_text())
    kinds = ["permuted", "inside", "duplicated", "mixed", "choose"]
    assert [line["kind"] for line in results["lines"]] == [*kinds, "fresh"]
    assert [line["data_sets"] for line in results["lines"]] == [3, 3, 3, 3, 3, 2]
    assert answer == calibration_page.sentence(results) and "Where nothing helps" in answer
    assert (folder / "report.html").read_text().count("data:image/png") == 3
    cells = sorted((folder / "checkpoints").glob("*.json"))
    before = {cell: cell.read_bytes() for cell in cells}
    cells[0].unlink()
    assert calibrate_verdict.run(Job(setup, folder, {}, {})) == answer
    assert {cell: cell.read_bytes() for cell in cells} == before
    wrong = setup._replace(calibration={**setup.calibration, "planted_data_sets": 1})
    with pytest.raises(InputError, match="2 or more data sets"):
        calibrate_verdict.run(Job(wrong, folder, {}, {}))
    for changed, message in (
        ({"batches": (0, 0)}, "one entry a setting, got 1 sources, .*, 2 batches"),
        ({"sources": ("odd",)}, "expected some of even, tailed, got 'odd'"),
        ({"files": ("absent.nc",)}, "absent.nc.*is not there"),
    ):
        with pytest.raises(InputError, match=message):
            calibrate_verdict.run(Job(setup._replace(calibration={**setup.calibration, **changed}), folder, {}, {}))
