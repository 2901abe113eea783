"""The wheel holds all that the commands need, and nothing lands beside the package."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXAMPLE = """
import numpy as np, gcims_jax as gj
rng = np.random.default_rng(0)
X, y = rng.normal(10.0, 1.0, (12, 16, 24)), np.repeat(["a", "b"], 6)
state = gj.fit(gj.Records.from_arrays(X, y), "warp", seed=0)
print(gj.sample(state, per_class=5, seed=1), gj.__file__)
from imblearn.pipeline import make_pipeline
from sklearn.neighbors import KNeighborsClassifier
from gcims_jax.sklearn import RecordAugmenter
pipeline = make_pipeline(RecordAugmenter("mix", random_state=0), KNeighborsClassifier(3)).fit(X.reshape(12, -1), y)
print(*pipeline.predict(X.reshape(12, -1)[:1]))
"""
SMALL = [
    "--config.data.path=records.nc", "--config.codec.latent=2", "--config.codec.patch=4", "--config.codec.width=8",
    "--config.train.steps=2", "--config.protocol.folds=2", "--config.classifier.name=pca_nearest",
]  # fmt: skip


def requirements(text):
    return {line.partition("#")[0].strip() for line in text.splitlines()} - {""}


def test_requirements_of_the_clone_are_those_of_the_package_and_its_extras():
    extras = PROJECT["project"]["optional-dependencies"].values()
    declared = {*PROJECT["project"]["dependencies"], *(one for extra in extras for one in extra)}
    assert declared == requirements((ROOT / "requirements.txt").read_text())


def test_every_folder_of_the_package_is_declared():
    folders = {".".join(p.parent.relative_to(ROOT).parts) for p in (ROOT / "gcims_jax").rglob("__init__.py")}
    assert {*folders, "gcims_jax._configs", "gcims_jax._experiments"} == set(PROJECT["tool"]["setuptools"]["packages"])


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_folder(tmp_path):
    """Built from the source distribution, so that both hold everything; installed away from this clone."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def call(*command):
        done = subprocess.run(command, cwd=empty, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    empty, dist, site = tmp_path / "empty", tmp_path / "dist", tmp_path / "site"
    empty.mkdir()
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(ROOT))
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"gcims_jax"}
    for folder, place in (("gcims_jax", "gcims_jax"), ("experiments", "gcims_jax/_experiments"), ("configs", "gcims_jax/_configs")):  # fmt: skip
        there = {f"{place}/{p.relative_to(ROOT / folder).as_posix()}" for p in (ROOT / folder).rglob("*.py")}
        assert there <= set(names)
    # The page on an index shows no broken picture and no link that leads nowhere.
    assert "# gcims_jax\n" in metadata and "](https://arxiv.org/" in metadata and "![" not in metadata
    assert not re.findall(r"\]\((?!https://)", metadata) and "Held-out real records of five" not in metadata
    assert "Description-Content-Type: text/markdown" in metadata and re.search(
        r"^Provides-Extra: dask$", metadata, re.M
    )

    call(
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)
    )
    assert {p.name for p in site.iterdir() if not p.name.endswith(".dist-info")} == {"gcims_jax", "bin"}
    env["PYTHONPATH"] = str(site)
    printed = call(sys.executable, "-c", EXAMPLE)
    assert "10 records of 16 × 24 points, 2 classes" in printed and str(site) in printed
    assert printed.split()[-1] in ("a", "b")
    gcims_jax = str(site / "bin" / "gcims-jax")
    version = PROJECT["project"].get("version") or re.search(r"^Version: (.*)$", metadata, re.M)[1]
    assert re.search(rf"^gcims-jax +{re.escape(version)}$", call(gcims_jax, "version"), re.M)
    call(gcims_jax, "simulate", "records.nc", "--records", "20", "--n-retention", "16", "--n-drift", "24")
    printed = call(gcims_jax, "run", "--config", "quickstart", *SMALL)
    assert "20 records of 16 × 24 points, 5 classes" in printed
    assert {"results.json", "report.html", "synthetic.nc"} <= set(os.listdir(empty / "runs" / "quickstart"))
    synthetic = "runs/quickstart/synthetic.nc"
    call(gcims_jax, "view", "records.nc", synthetic, "--out", "view.html")
    assert "plotly" in (empty / "view.html").read_text(encoding="utf-8")
    (empty / "mine.py").write_text(
        "from configs import augment\n\n\ndef get_config():\n    return augment.get_config()\n"
    )
    assert "experiment: expected one of" in subprocess.run(
        [gcims_jax, "run", "--config", "mine.py", "--config.experiment=x"], cwd=empty, env=env, capture_output=True, text=True
    ).stderr  # fmt: skip
