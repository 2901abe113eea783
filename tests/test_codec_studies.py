"""The studies of the codec: splits, rows that are kept, refusals, and one small study from end to end."""

import json

import numpy as np
import pytest
from conftest import make_records

from configs import base
from experiments import codec_ablation, latent_dimension, reconstruction, settings
from gcims_jax import InputError, io, simulate


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


def test_unknown_groups_and_impossible_latents_stop_before_anything_is_trained(config, tmp_path):
    config.codec_study.groups = ("loss", "magic")
    with pytest.raises(InputError, match="codec_study.groups"):
        codec_ablation.run(settings.prepare(config), 0, tmp_path / "a", {}, {})
    config.codec_study.latents = (3, 99)
    with pytest.raises(InputError, match="got 99"):
        latent_dimension.run(settings.prepare(config), 0, tmp_path / "b", {}, {})
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_finished_rows_are_read_and_not_made_again(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"mse": 0.5}

    for _ in range(2):
        assert reconstruction.kept(tmp_path / "row.json", make) == {"mse": 0.5}
    assert len(made) == 1


def test_ratios_of_two_codecs_with_their_interval():
    a, b = [{"mse": v} for v in (1.0, 2.0, 4.0)], [{"mse": v} for v in (2.0, 4.4, 7.0)]
    result = reconstruction.ratio(a, b, "mse", 0.25)
    assert result["ratio"] == pytest.approx(np.exp(np.mean(np.log([1 / 2, 2 / 4.4, 4 / 7]))))
    assert result["ci95"][0] < result["ratio"] < result["ci95"][1] < 1.0


def test_coupling_moves_late_peaks_only_and_leaves_other_records_as_they_were():
    sizes = {"Escherichia coli": 2}
    plain, at = simulate.simulate(0, n_retention=32, n_drift=64, class_sizes=sizes)
    coupled, moved = simulate.simulate(
        0, n_retention=32, n_drift=64, class_sizes=sizes, variability=simulate.Variability(coupling_sd=0.02)
    )
    np.testing.assert_array_equal(at.retention_NxC, moved.retention_NxC)
    change_NxC = moved.monomer_NxC / at.monomer_NxC - 1.0
    per_second_NxC = change_NxC / at.retention_NxC
    np.testing.assert_allclose(per_second_NxC, per_second_NxC[:, :1] * np.ones_like(change_NxC), rtol=1e-6)
    assert np.abs(change_NxC).max() > 1e-4 and not np.array_equal(plain.values, coupled.values)


@pytest.mark.slow
def test_the_study_of_latent_sizes_from_end_to_end(config, tmp_path):
    config.codec_study.latents = (2, 3)
    setup = settings.prepare(config)
    printed = latent_dimension.run(setup, 0, tmp_path / "study", {}, {})
    written = json.loads((tmp_path / "study" / "results.json").read_text())
    assert set(written["latents"]) == {"2", "3"} and len(written["lines"]) == 2
    assert written["latents"]["3"]["linear"]["mse"] < written["latents"]["2"]["linear"]["mse"]
    page = (tmp_path / "study" / "report.html").read_text()
    assert written["lines"][0] in printed and page.count("data:image/png") == 2
    latent_dimension.run(setup, 0, tmp_path / "study", {}, {})
    again = json.loads((tmp_path / "study" / "results.json").read_text())
    assert again["latents"] == written["latents"]
