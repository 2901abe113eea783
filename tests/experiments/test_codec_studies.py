"""The studies of the codec: splits, rows that are kept, refusals, and one small study from end to end."""

import dataclasses
import json

import numpy as np
import pytest
from conftest import make_records

from configs import base
from experiments import (
    codec_ablation,
    cross_dimension,
    instrument_peaks,
    job,
    latent_dimension,
    reconstruction,
    settings,
)
from experiments.job import Job
from gcims_jax import InputError, io
from gcims_jax.simulation import gcims


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "records.nc"
    io.write(make_records((12, 8)), path)
    config = base.get_config()
    config.data.path = str(path)
    config.codec.latent, config.codec.patch, config.codec.width = 3, 4, 8
    config.train.steps, config.train.evaluate_every = 4, 2
    config.classifier.trees, config.protocol.folds = 5, 4
    config.codec_study.draws = 2
    return config


def test_splits_are_folds_or_draws_of_so_many_training_records(config):
    folds = reconstruction.splits(settings.prepare(config))
    assert [len(split.train) for split in folds] == [15, 15] and [len(split.test) for split in folds] == [5, 5]
    config.codec_study.train_records = 6
    draws = reconstruction.splits(settings.prepare(config))
    assert [len(split.train) for split in draws] == [6, 6]
    for split in folds + draws:
        assert not set(split.train) & set(split.test)
    config.codec_study.train_records = 20
    with pytest.raises(InputError, match=r"train_records: expected 0 \(folds\), or 2 to 18 of the 20"):
        reconstruction.splits(settings.prepare(config))


def test_draws_take_two_groups_or_more_and_leave_whole_ones_to_test():
    groups = np.repeat(["a", "b", "c", "d"], 50)
    for seed in range(4):
        train, test = reconstruction._draw_groups(groups, 30, seed)
        assert len(train) == len(set(train)) == 30 and len(set(groups[train])) == 2
        assert len(test) == 100 and not set(groups[train]) & set(groups[test])
    with pytest.raises(InputError, match="leaves a group to test"):
        reconstruction._draw_groups(groups, 180, 0)


def test_unknown_groups_and_impossible_latents_stop_before_anything_is_trained(config, tmp_path):
    config.codec_study.groups = ("loss", "magic")
    with pytest.raises(InputError, match="codec_study.groups"):
        codec_ablation.run(Job(settings.prepare(config), tmp_path / "a", {}, {}))
    config.codec_study.latents = (3, 99)
    with pytest.raises(InputError, match="got 99"):
        latent_dimension.run(Job(settings.prepare(config), tmp_path / "b", {}, {}))
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_finished_rows_are_read_and_not_made_again(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"mse": 0.5}

    for _ in range(2):
        assert job.kept(tmp_path / "row.json", make) == {"mse": 0.5}
    assert len(made) == 1


def test_ratios_of_two_codecs_with_their_interval():
    a, b = [{"mse": v} for v in (1.0, 2.0, 4.0)], [{"mse": v} for v in (2.0, 4.4, 7.0)]
    result = reconstruction.ratio(a, b, "mse", 0.25)
    assert result["ratio"] == pytest.approx(np.exp(np.mean(np.log([1 / 2, 2 / 4.4, 4 / 7]))))
    assert result["ci95"][0] < result["ratio"] < result["ci95"][1] < 1.0


def test_coupling_moves_late_peaks_only_and_leaves_other_records_as_they_were():
    sizes = {"Escherichia coli": 2}
    plain, at = gcims.simulate(0, n_retention=32, n_drift=64, class_sizes=sizes)
    coupled, moved = gcims.simulate(
        0, n_retention=32, n_drift=64, class_sizes=sizes, variability=gcims.Variability(coupling_sd=0.02)
    )
    np.testing.assert_array_equal(at.retention_NxC, moved.retention_NxC)
    change_NxC = moved.monomer_NxC / at.monomer_NxC - 1.0
    per_second_NxC = change_NxC / at.retention_NxC
    np.testing.assert_allclose(per_second_NxC, per_second_NxC[:, :1] * np.ones_like(change_NxC), rtol=1e-6)
    assert np.abs(change_NxC).max() > 1e-4 and not np.array_equal(plain.values, coupled.values)


@pytest.fixture
def one_record(config, tmp_path):
    """A simulated run with the steps of ``configs/instrument_peaks.py`` on a grid of its own."""
    record, _ = gcims.simulate(0, n_retention=300, n_drift=256, class_sizes={"Escherichia coli": 1})
    io.write(record, tmp_path / "one.nc")
    config.data.path, config.experiment = str(tmp_path / "one.nc"), "instrument_peaks"
    config.preprocess.fast_range, config.preprocess.slow_level, config.preprocess.fast_level = "8:15", 0, 1
    config.codec_study.window_rows, config.codec_study.window_step = 24, 6
    config.codec_study.latents, config.codec_study.paper_splits = (3,), 0
    return config


def test_held_out_windows_share_no_row_with_training_windows_and_peaks_are_in_both_halves():
    rng = np.random.default_rng(0)
    rows, columns = np.arange(200)[:, None], np.arange(40)
    numbered = np.repeat(rows, 40, axis=1).astype(np.float32)  # every value says which row it is from
    windows = instrument_peaks.cut(numbered, 30, 4)
    assert [len(split.train) for split in windows.splits] == [18, 18]
    for parity, split in enumerate(windows.splits):
        train, test = (windows.values_NxRxT[part] for part in split)
        assert {*np.unique(train % 2), parity} == {parity} and {*np.unique(test % 2), 1 - parity} == {1 - parity}
        other = windows.values_NxRxT[windows.partner_N[split.test]]
        np.testing.assert_array_equal(np.abs(other - test), 1.0)
        assert set(windows.start_N[split.test]).isdisjoint(windows.start_N[split.train])
    assert windows.distinct == 0

    def bump(row, column, height):
        return height * np.exp(-0.5 * ((rows - row) / 6.0) ** 2 - 0.5 * ((columns - column) / 2.0) ** 2)

    record = bump(101, 20, 30.0) + 20.0 * np.exp(-0.5 * ((columns - 10) / 2.0) ** 2) + bump(60, 38, 30.0)
    record = record + rng.normal(0.0, 1.0, record.shape)
    record[40:50:2] += bump(40, 30, 30.0)[40:50:2]  # in even rows only
    windows = instrument_peaks.cut(record.astype(np.float32), 30, 4)
    assert windows.distinct == 1  # neither the stripe, nor the edge, nor what one half alone shows
    held_out = windows.splits[0].test
    place_N = windows.truth.rows_NxC[held_out, 0] + windows.start_N[held_out]
    inside = np.isfinite(place_N)
    assert inside.any() and np.abs(place_N[inside] - 50).max() <= 2
    assert np.abs(windows.truth.columns_NxC[held_out, 0][inside] - 20).max() <= 2


def test_the_study_of_one_record_from_end_to_end(one_record, tmp_path):
    setup = settings.prepare(one_record)
    printed = instrument_peaks.run(Job(setup, tmp_path / "study", {}, {}))
    written = json.loads((tmp_path / "study" / "results.json").read_text())
    assert set(written["latents"]) == {"3"} and written["lines"][0] in printed
    assert (
        min(written["distinct_small_peaks"]) > 0
        and written["distinct_peaks"] > 0
        and written[instrument_peaks.OTHER]["count"] > 0
    )
    assert len(written["latents"]["3"]["codec"]["halves"]) == 2
    page = (tmp_path / "study" / "report.html").read_text()
    assert page.count("data:image/png") == 1 and "Tucker-2" in page


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("codec_study.window_rows", 140, r"data.path: expected a record of at least 328 retention rows .* got 300"),
        ("codec_study.window_rows", 5, "codec_study: expected window_rows of at least 11"),
        ("codec_study.window_step", 1, "window_step of at least 2"),
        ("codec_study.latents", (30,), "codec.latent: .* got 30"),
        ("preprocess.slow_level", 1, "preprocess.slow_level: expected 0"),
        ("data.path", "records.nc", "data.path: expected a file of one long record.* got 20 records"),
    ],
)
def test_records_without_two_recordings_in_them_are_refused(one_record, tmp_path, option, value, message):
    if option == "data.path":
        value = str(tmp_path / value)
        one_record.preprocess.fast_range = ""
    one_record.update_from_flattened_dict({option: value})
    with pytest.raises(InputError, match=message):
        instrument_peaks.run(Job(settings.prepare(one_record), tmp_path / "study", {}, {}))
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_the_study_of_latent_sizes_from_end_to_end(config, tmp_path, monkeypatch):
    few = dataclasses.replace(reconstruction.PAPER_TRAIN, steps=4, batch=8, evaluate_every=2)
    monkeypatch.setattr(reconstruction, "PAPER_TRAIN", few)
    config.codec_study.latents, config.codec_study.paper_splits = (2, 3), 1
    setup = settings.prepare(config)
    printed = latent_dimension.run(Job(setup, tmp_path / "study", {}, {}))
    written = json.loads((tmp_path / "study" / "results.json").read_text())
    assert set(written["latents"]) == {"2", "3"} and len(written["lines"]) == 2
    assert written["latents"]["3"]["linear"]["mse"] < written["latents"]["2"]["linear"]["mse"]
    page = (tmp_path / "study" / "report.html").read_text()
    assert written["lines"][0] in printed and page.count("data:image/png") == 2
    latent_dimension.run(Job(setup, tmp_path / "study", {}, {}))
    again = json.loads((tmp_path / "study" / "results.json").read_text())
    assert again["latents"] == written["latents"]


def test_the_ablation_says_so_where_transformers_stay_off(config, tmp_path, monkeypatch):
    """The linear codec holds one peak of each class, and nobody can learn the noise around it."""
    multiscale = {"multiscale": codec_ablation.VARIANTS["loss"]["multiscale"]}
    monkeypatch.setitem(codec_ablation.VARIANTS, "loss", multiscale)
    config.codec_study.groups = ("loss",)
    printed = codec_ablation.run(Job(settings.prepare(config), tmp_path / "study", {}, {}))
    written = json.loads((tmp_path / "study" / "results.json").read_text())
    assert set(written["variants"]) == {"Tucker-2", codec_ablation.BASE, "multiscale"}
    page = (tmp_path / "study" / "report.html").read_text()
    assert all(codec_ablation.STAYED_OFF in text for text in (printed, page))
    assert written["variants"]["multiscale"]["residual_on"] == 0.0


def test_pair_and_whole_records_are_compared_by_number_of_training_records(config, tmp_path):
    config.codec_study.records = (8, 14)
    job_of = Job(settings.prepare(config), tmp_path / "study", {}, {})
    printed = cross_dimension.run(job_of)
    written = json.loads((tmp_path / "study" / "results.json").read_text())
    assert set(written["sets"]) == {"as it is"}  # records of a file cannot be coupled
    few, more = (written["sets"]["as it is"][count] for count in ("8", "14"))
    for part in (few, more):
        assert set(cross_dimension.NAMES) < set(part) and part["pair_to_whole"]["splits"] == 2
        assert all(
            0.0 < part[name]["mse"] < 1.0 and 0.0 <= part[name]["accuracy"] <= 1.0 for name in cross_dimension.NAMES
        )
    assert more["linear"]["mse"] < few["linear"]["mse"] and written["lines"][1] in printed
    page = (tmp_path / "study" / "report.html").read_text()
    assert "a pair of stages?" in page and page.count("data:image/png") == 1
    config.codec_study.records = (8, 16)
    with pytest.raises(InputError, match="codec_study.records: expected numbers from 2 to 15 .* got 16"):
        cross_dimension.run(Job(settings.prepare(config), tmp_path / "other", {}, {}))
    assert not (tmp_path / "other").exists()
