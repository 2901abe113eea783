"""Studies of usefulness end to end in small."""

import dataclasses
import json

import numpy as np
import pytest
import small_study
import xarray as xr
from conftest import make_records

from configs import base
from experiments import augment, registration_study, settings, studies
from experiments.job import Job
from gcims_jax import InputError, io
from gcims_jax.evaluation.candidates import COPIES, PLAIN


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    candidates = ("class_weights", "latent_rda", "noise")
    return small_study.prepare(tmp_path_factory.mktemp("data"), 2, candidates=candidates, records_per_class=(4, 0))


@pytest.mark.parametrize("experiment", ["leaderboard", "ratio", "minority", "learning_curve"])
def test_studies_end_with_an_answer_and_go_on_where_they_stopped(experiment, setup, tmp_path):
    run = getattr(studies, experiment)
    answer = run(Job(setup, tmp_path, {}, {}))
    results = json.loads((tmp_path / "results.json").read_text())
    page = (tmp_path / "report.html").read_text()
    assert len(answer) > 40 and "data:image/png" in page and "latent_rda" in page
    assert {"lines", "dataset", "timing", "banner"} <= set(results)
    cells = sorted((tmp_path / "checkpoints").rglob("*.json"))
    before = {cell: cell.read_bytes() for cell in cells[1:]}
    cells[0].unlink()
    assert run(Job(setup, tmp_path, {}, {})) == answer
    assert {cell: cell.read_bytes() for cell in cells[1:]} == before  # only the missing one was scored again


def test_both_sides_have_the_same_menu_and_copies_are_on_it(setup, tmp_path):
    job = Job(setup, tmp_path, {}, {})
    studies.leaderboard(job)
    with xr.open_dataset(tmp_path / "predictions.nc", engine="h5netcdf") as kept:
        menus = {
            name: {*zip(of["classifier"].values, of["setting"].values, strict=True)}
            for name, of in kept.groupby("candidate")
        }
    assert COPIES.name in menus and len(menus[PLAIN.name]) == 4  # one forest, three costs
    assert all(menu == menus[PLAIN.name] for menu in menus.values())


def test_class_weights_alone_never_end_in_augment(setup, tmp_path):
    only = dataclasses.replace(setup.study, candidates=(PLAIN, *[c for c in setup.study.candidates if c.class_weights]))
    answer = studies.leaderboard(Job(setup._replace(study=only), tmp_path, {}, {}))
    assert "augment with" not in answer and "train without synthetic records" in answer


def test_synthetic_records_come_in_the_inputs_units_and_name_what_may_test_them(setup, tmp_path):
    setup = setup._replace(study=dataclasses.replace(setup.study, candidates=(PLAIN, COPIES)))
    assert "records of duplicate" in augment.run(Job(setup, tmp_path, {"git_revision": "abc"}, {}))
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


def config_of(path, **study):
    config = base.get_config()
    config.data.path = str(path)
    config.protocol.folds = 2
    config.codec.latent = 3
    with config.study.unlocked():
        for name, value in study.items():
            setattr(config.study, name, value)
    return config


def test_what_registration_does_is_shown_and_measured(tmp_path):
    records = make_records((12, 8), r=16, t=20)
    records.values[3] = 0.0  # a record that is all but flat
    records.values[3, 0, 0] = 1e-6
    io.write(records, tmp_path / "records.nc")
    answer = registration_study.run(Job(settings.prepare(config_of(tmp_path / "records.nc")), tmp_path, {}, {}))
    results = json.loads((tmp_path / "results.json").read_text())
    assert "d = 8" in answer and set(results["latents"]) == {"8", "16"}
    assert str(records.names[3]) in results["left_alone"] and str(records.names[3]) in answer
    change = results["latents"]["8"]
    assert change["registered_to_plain"]["splits"] == 2 and 0 < change["registered"] < 10 * change["plain"]
    assert (tmp_path / "report.html").read_text().count("data:image/png") == 3


def test_learned_warps_leave_the_reactant_ion_peak_where_it_is(tmp_path):
    records = make_records((12, 8), r=16, t=20)
    axis = records.fast._replace(name="relative_drift_time", unit="1", values=np.linspace(0.8, 1.8, 20))
    io.write(dataclasses.replace(records, fast=axis), tmp_path / "records.nc")
    config = config_of(tmp_path / "records.nc", candidates=("phase_amplitude", "duplicate"))
    anchored, other = settings.prepare(config).study.candidates[1:]
    assert dict(anchored.options)["anchor"] == pytest.approx(0.2) and not other.options


def test_groups_can_be_named_by_a_covariate_and_limit_the_folds(tmp_path, capsys):
    day = np.array([f"day {i % 3}" for i in range(20)])
    io.write(dataclasses.replace(make_records(), covariates={"day": day}), tmp_path / "records.nc")
    config = config_of(tmp_path / "records.nc")
    config.protocol.folds = 5
    config.data.group_column = "day"
    setup = settings.prepare(config)
    assert [set(day[fold.test]) for fold in setup.folds].count({"day 0"}) == 1 and len(setup.folds) == 3
    assert "3 groups that stay together: 3 folds instead of 5" in capsys.readouterr().out
    config.data.group_column = "week"
    with pytest.raises(InputError, match="data.group_column.*'day'.*got 'week'"):
        settings.prepare(config)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("ratios", (0.0,), r"study.ratios: expected numbers above 0, got 0"),
        ("modes", ("unequal",), "study.modes.*got 'unequal'"),
        ("classifiers", ("nope",), "classifier.name.*'nope'"),
        ("codec", "svd", "study.codec.*'svd'"),
        ("inner_splits", 0, "study.inner_splits: expected 1 to 9"),
        ("candidates", ("wrap",), "study.candidates.*'wrap'"),
    ],
)
def test_impossible_studies_are_refused(option, value, message, tmp_path):
    io.write(make_records(), tmp_path / "records.nc")
    with pytest.raises(InputError, match=message):
        settings.prepare(config_of(tmp_path / "records.nc", **{option: value}))
