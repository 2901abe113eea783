"""Other experiments from end to end, in small."""

import dataclasses
import json
import os

import numpy as np
import pytest
from conftest import make_records

from configs import base
from configs import diagnostics as diagnostics_recipe
from configs import folder as folder_recipe
from experiments import augmentation, diagnostics, sampler_study, settings
from experiments.job import Job
from gcims_jax import io
from gcims_jax.simulation import gcims


def small(config, path):
    """A recipe with a method that is trained in no time, on these records."""
    config.data.path = str(path)
    config.codec.update({"latent": 3, "patch": 4, "width": 8})
    config.train.update({"steps": 4, "batch": 8, "evaluate_every": 2})
    config.classifier.trees = 10
    config.protocol.folds = 2
    return config


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "records.nc"
    io.write(make_records((12, 8), groups=[f"g{i % 4}" for i in range(20)]), path)
    return path


@pytest.mark.slow
def test_a_run_from_a_folder_of_instrument_files(tmp_path, capsys):
    """As configs/folder.py says, with sample folders kept together; the synthetic records for gc-ims-tools as well."""
    real, _ = gcims.simulate(
        0, n_retention=24, n_drift=512, class_sizes={"Escherichia coli": 8, "Staphylococcus aureus": 8}
    )
    for i, (label, name) in enumerate(zip(real.labels, real.names, strict=True)):
        folder = tmp_path / "set" / label / f"sample_{i % 4}"
        folder.mkdir(parents=True, exist_ok=True)
        io.write(dataclasses.replace(real.take([i]), groups=None), folder / f"{name}.mea{'.gz' if i % 5 == 0 else ''}")
    (tmp_path / "set" / "README.txt").write_text("not a record")
    config = small(folder_recipe.get_config(), tmp_path / "set")
    config.preprocess.fast_level = 3
    setup = settings.prepare(config)
    augmentation.run(Job(setup, tmp_path / "w", {}, {}))
    printed = capsys.readouterr().out
    assert "16 files in 2 classes" in printed and "1 file left out: README.txt" in printed
    assert "relative drift time" in printed and "8 groups" in printed
    native, other = io.read(tmp_path / "w" / "synthetic.nc"), io.read(tmp_path / "w" / "synthetic.hdf5")
    assert native.fast.name == "relative_drift_time" and 1.05 <= native.fast.values[0] < native.fast.values[-1] <= 2.0
    np.testing.assert_array_equal(other.values, native.values)
    assert other.labels.tolist() == native.labels.tolist()


def test_the_sampler_study_goes_on_where_it_stopped(data, tmp_path):
    config = small(base.get_config(), data)
    config.experiment = "sampler_study"
    study = {"samplers": ("rda", "smote"), "ridges": (0.1, 0.5), "records_per_class": (3, 0)}
    config.sampler_study.update(study)
    setup = settings.prepare(config)
    answer = sampler_study.run(Job(setup, tmp_path / "s", {}, {}))
    first = json.loads((tmp_path / "s" / "results.json").read_text())
    assert [(cell["latent"], cell["records_per_class"]) for cell in first["cells"]] == [(3, 3), (3, 0)]
    for cell in first["cells"]:
        points = {(p["sampler"], p["setting"]): p for p in cell["points"]}
        assert set(points) == {("rda", "0.1"), ("rda", "0.5"), ("rda", "own choice"), ("smote", "own choice")}
        assert points["rda", "0.1"]["used"]["ridge"] == pytest.approx(0.1)
        assert points["rda", "own choice"]["log_likelihood"] is not None
        assert points["smote", "own choice"]["log_likelihood"] is None
    assert first["recommendation"]["best"]["sampler"] in answer
    assert (tmp_path / "s" / "report.html").read_text().count("data:image/png") == 3

    lost = tmp_path / "s" / "checkpoints" / "latent_003" / "class_000" / "fold_001.json"
    before = json.loads(lost.read_text())
    lost.unlink()
    assert sampler_study.run(Job(setup, tmp_path / "s", {}, {})) == answer
    again = json.loads(lost.read_text())
    assert again["points"] == before["points"]
    predicted = [[row["predicted_M"] for row in one["rows"]] for one in (before, again)]
    assert predicted[0] == predicted[1]


def test_diagnostics_leave_a_page_and_figures(data, tmp_path, capsys):
    folder = tmp_path / "run"
    config = small(diagnostics_recipe.get_config(), data)
    config.sampler_study.samplers = ("gaussian", "smote")
    closing = diagnostics.run(Job(settings.prepare(config), folder, {}, {}))
    printed = capsys.readouterr().out + closing
    assert "cannot be decided with 6 records" in printed and "Of 2 classes: 2 too small to decide" in printed
    found = json.loads((folder / "diagnostics.json").read_text())
    assert {"dataset", "protocol", "latent", "classes", "samplers", "timing", "banner"} == set(found)
    assert list(found["samplers"]) == ["training records", "gaussian", "smote"]
    for entry in found["samplers"].values():
        assert entry["distance"] > 0.0 < entry["spread"] and 0.0 < entry["p_value"] <= entry["adjusted"] <= 1.0
        assert 0.0 < entry["spread_p_value"] <= entry["spread_adjusted"] <= 1.0
    tested, untested = (found["classes"][name] for name in ("class_0", "class_1"))
    assert (tested["records"], tested["directions"], untested["records"]) == (6, 1, 4)
    assert len(tested["tests"]) == 6 and not untested["tests"] and untested["quantiles"] is None
    assert all(np.isfinite(value) for outcome in tested["tests"].values() for value in outcome.values())
    assert np.shape(tested["quantiles"]["coordinates_QxN"]) == (1, 6)
    page = (folder / "report.html").read_text()
    assert 'src="http' not in page and page.count("data:image/png") == 4
    assert sorted(os.listdir(folder / "figures")) == ["energy.png", "pca.png", "quantiles.png", "tsne.png"]
