"""What a look at the data finds, and that it leaves the data alone."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED_DATA

from gcims_jax import io
from gcims_jax.preprocessing import inspection
from gcims_jax.records import Axis
from gcims_jax.simulation import gcims

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def simulated():
    sizes = {"Escherichia coli": 3, "Staphylococcus aureus": 3}
    variability = gcims.Variability(drift_scale_sd=0.02)
    records, truth = gcims.simulate(3, n_retention=64, n_drift=1024, class_sizes=sizes, variability=variability)
    return dataclasses.replace(records, values=np.rint(records.values)), truth


def looks_at(records):
    return [
        inspection.look(v, records.slow, records.fast, name=n, label=c, group=None)
        for v, n, c in zip(records.values, records.names, records.labels, strict=True)
    ]


def test_a_look_finds_what_was_planted(simulated):
    records, truth = simulated
    looks = looks_at(records)
    np.testing.assert_allclose([one.rip for one in looks], truth.rip_N, atol=0.005)
    assert all(0.0 < one.rip_left < 1.0 for one in looks)
    assert [one.low for one in looks] == records.values.min(axis=(1, 2)).tolist()
    assert looks[0].thumbnail_HxW.shape == (64, 120)
    np.testing.assert_allclose(looks[0].thumbnail_HxW.mean(), records.values[0].mean(), rtol=0.02)
    warnings = inspection.warnings(looks)
    assert any("moves by" in text and "rip_relative" in text for text in warnings)
    assert not any("identical" in text for text in warnings)


def test_every_warning_has_its_cause(simulated):
    records, _ = simulated
    values = records.values.copy()
    values[1] = values[0]  # the same class
    values[4] = values[2]  # another class
    values[3] = np.minimum(values[3], 2000.0)
    values[5] = 7.0
    looks = looks_at(dataclasses.replace(records, values=values))
    looks.append(looks[0]._replace(label="lonely", digest="x", rip_left=0.02))
    looks.append(looks[3]._replace(label="lonely two", digest="y", fast=looks[3].fast._replace(unit="s")))
    text = "\n".join(inspection.warnings(looks))
    expected = [
        "identical records under 2 labels, one of which must be wrong: culture_0002 (Escherichia coli), culture_0004",
        "identical records, which would stand on both sides of a split: culture_0000",
        "names that several records bear: culture_0000, culture_0003",
        "classes of a single record, which cannot be split: lonely, lonely two",
        "fast axes that differ in name or unit",
        "flat at their highest value, as by an overloaded detector: culture_0003",
        "constant: culture_0005",
        "less than 10%, substances saturated: culture_0000",
        "no reactant ion peak: culture_0005",
    ]
    assert [part for part in expected if part not in text] == []
    assert text.startswith("identical records under 2 labels")


def test_the_command_shows_mixed_axes_broken_files_and_a_page(simulated, tmp_path):
    records, _ = simulated
    for i, label in enumerate(records.labels):
        one = dataclasses.replace(records.take([i]), groups=None)
        if i == 2:
            one = dataclasses.replace(
                one, values=one.values[:, :50], slow=Axis("retention_time", "s", records.slow.values[:50])
            )
        path = tmp_path / "set" / label / f"{records.names[i]}.mea"
        path.parent.mkdir(parents=True, exist_ok=True)
        io.write(one, path)
    (tmp_path / "set" / "Staphylococcus aureus" / "copy.mea").write_bytes(
        (tmp_path / "set" / "Escherichia coli" / "culture_0000.mea").read_bytes()
    )
    (tmp_path / "set" / "Escherichia coli" / "cut.mea").write_bytes(path.read_bytes()[:5000])
    (tmp_path / "set" / "notes.txt").write_text("")
    command = [
        sys.executable,
        "-m",
        "experiments.inspect",
        f"--data.path={tmp_path / 'set'}",
        f"--workdir={tmp_path / 'w'}",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for text in (
        "records            7", "slow points        50 to 64", "reactant ion peak", "class Escherichia coli: 3 records",
        "left out notes.txt", "warning: cannot be read: cut.mea: expected 64 × 1024 counts",
        "identical records under 2 labels",
    ):  # fmt: skip
        assert text in done.stdout, (text, done.stdout)
    page = (tmp_path / "w" / "report.html").read_text()
    assert page.count("data:image/png") == 2 and "identical records under 2 labels" in page
    assert (tmp_path / "w" / "figures" / "contact_sheet.png").stat().st_size > 10_000
    assert len(list((tmp_path / "set").rglob("*"))) == 11
    command[3] = f"--data.path={tmp_path / 'nowhere'}"
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "Traceback" not in done.stderr


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="no example data beside the repository")
def test_the_reactant_ion_peak_of_a_real_run():
    records = io.read(SHARED_DATA / "gcims_ketones" / "small.mea.gz")
    (one,) = looks_at(records)
    assert one.rip == pytest.approx(7.740, abs=0.01)
    assert one.rip_left == pytest.approx(0.08, abs=0.02)
    assert any("substances saturated" in text for text in inspection.warnings([one]))
