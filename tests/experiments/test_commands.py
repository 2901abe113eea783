"""Other experiments from the command line, in small."""

import dataclasses
import json
import os

import numpy as np
import pytest
from conftest import make_records
from test_experiments import SMALL, launch

from gcims_jax import io
from gcims_jax.simulation import gcims


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "records.nc"
    io.write(make_records((12, 8), groups=[f"g{i % 4}" for i in range(20)]), path)
    return path


@pytest.mark.slow
def test_a_run_from_a_folder_of_instrument_files(tmp_path):
    """As configs/folder.py says, with sample folders kept together; the synthetic records for gc-ims-tools as well."""
    real, _ = gcims.simulate(
        0, n_retention=24, n_drift=512, class_sizes={"Escherichia coli": 8, "Staphylococcus aureus": 8}
    )
    for i, (label, name) in enumerate(zip(real.labels, real.names, strict=True)):
        folder = tmp_path / "set" / label / f"sample_{i % 4}"
        folder.mkdir(parents=True, exist_ok=True)
        io.write(dataclasses.replace(real.take([i]), groups=None), folder / f"{name}.mea{'.gz' if i % 5 == 0 else ''}")
    (tmp_path / "set" / "README.txt").write_text("not a record")
    options = [
        f"--config.data.path={tmp_path / 'set'}",
        f"--workdir={tmp_path / 'w'}",
    ]
    options.append("--config.preprocess.fast_level=3")
    done = launch(*SMALL, *options, config="configs/folder.py")
    assert done.returncode == 0, done.stderr
    assert "16 files in 2 classes" in done.stdout and "1 files left out: README.txt" in done.stdout
    assert "relative drift time" in done.stdout and "8 groups" in done.stdout
    native, other = io.read(tmp_path / "w" / "synthetic.nc"), io.read(tmp_path / "w" / "synthetic.hdf5")
    assert native.fast.name == "relative_drift_time" and 1.05 <= native.fast.values[0] < native.fast.values[-1] <= 2.0
    np.testing.assert_array_equal(other.values, native.values)
    assert other.labels.tolist() == native.labels.tolist()


def test_the_sampler_study_goes_on_where_it_stopped(data, tmp_path):
    options = [
        *SMALL, "--config.experiment=sampler_study", "--config.sampler_study.samplers=('rda', 'smote')",
        "--config.sampler_study.ridges=(0.1, 0.5)", "--config.sampler_study.records_per_class=(3, 0)",
        f"--config.data.path={data}", f"--workdir={tmp_path / 's'}",
    ]  # fmt: skip
    done = launch(*options)
    assert done.returncode == 0, done.stderr
    first = json.loads((tmp_path / "s" / "results.json").read_text())
    assert [(cell["latent"], cell["records_per_class"]) for cell in first["cells"]] == [(3, 3), (3, 0)]
    for cell in first["cells"]:
        points = {(p["sampler"], p["setting"]): p for p in cell["points"]}
        assert set(points) == {("rda", "0.1"), ("rda", "0.5"), ("rda", "own choice"), ("smote", "own choice")}
        assert points["rda", "0.1"]["used"]["ridge"] == pytest.approx(0.1)
        assert points["rda", "own choice"]["log_likelihood"] is not None
        assert points["smote", "own choice"]["log_likelihood"] is None
    assert first["recommendation"]["best"]["sampler"] in done.stdout
    assert (tmp_path / "s" / "report.html").read_text().count("data:image/png") == 3

    lost = tmp_path / "s" / "checkpoints" / "latent_003" / "class_000" / "fold_001.json"
    before = json.loads(lost.read_text())
    lost.unlink()
    assert launch(*options).returncode == 0
    again = json.loads(lost.read_text())
    assert again["points"] == before["points"]
    predicted = [[row["predicted_M"] for row in one["rows"]] for one in (before, again)]
    assert predicted[0] == predicted[1]


def test_diagnostics_leave_a_page_and_figures_and_keep_compiled_code_where_asked(data, tmp_path):
    folder = tmp_path / "run"
    options = [
        f"--config.data.path={data}",
        "--config.sampler_study.samplers=('gaussian','smote')",
        f"--workdir={folder}",
    ]
    cache = f"--compilation_cache={tmp_path / 'cache'}"
    done = launch(*SMALL, *options, cache, config="configs/diagnostics.py")
    assert done.returncode == 0, done.stderr
    assert any((tmp_path / "cache").iterdir())
    assert "cannot be decided with 6 records" in done.stdout and "Of 2 classes: 2 too small to decide" in done.stdout
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
