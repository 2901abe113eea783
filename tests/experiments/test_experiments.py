"""The command line as a user meets it, in small: files left behind, resuming, refusals."""

import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from conftest import make_records
from in_process import launch

from configs import base
from experiments import settings
from gcims_jax import InputError, io

ROOT = Path(__file__).parents[2]
SMALL = [
    "--config.codec.latent=3", "--config.codec.patch=4", "--config.codec.width=8", "--config.train.steps=6",
    "--config.train.batch=8", "--config.train.evaluate_every=2", "--config.train.checkpoint_seconds=0",
    "--config.classifier.trees=10", "--config.protocol.folds=2",
    "--config.codec.start=random",  # trains whatever the records
]  # fmt: skip


def command(*options):
    return [sys.executable, "-m", "experiments.run", "--config", "configs/quickstart.py", *options]


def saves(folder):
    """Checkpoints that are whole; os.walk passes over folders that the run renames meanwhile, on which rglob fails."""
    return sum("commit_success.txt" in files for _, _, files in os.walk(folder))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "records.nc"
    io.write(make_records((12, 8), groups=[f"g{i % 4}" for i in range(20)]), path)
    return path


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "straight"
    options = [f"--config.data.path={data}", "--config.protocol.names=strict,paper", f"--workdir={folder}"]
    done = launch(*SMALL, *options)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def figures(folder):
    """Everything in results.json but the clock."""
    return {k: v for k, v in json.loads((folder / "results.json").read_text()).items() if k != "timing"}


def test_a_run_leaves_what_it_promises(finished, data):
    folder, printed = finished
    promised = {
        "config.json",
        "results.json",
        "predictions.nc",
        "report.html",
        "figures",
        "synthetic.nc",
        "checkpoints",
    }
    assert promised <= set(os.listdir(folder))
    results = json.loads((folder / "results.json").read_text())
    assert set(results["protocols"]) == {"strict", "paper"}
    assert {"data", "generator", "classify", "measure", "records", "report", "total"} == set(results["timing"])
    with xr.open_dataset(folder / "predictions.nc", engine="h5netcdf") as kept:
        assert kept.sizes == {"run": 10, "record": 20, "class": 2} and (kept["predicted"].values >= 0).all()
        run = kept.isel(run=int(np.flatnonzero((kept["candidate"] == "original") & (kept["protocol"] == "strict"))[0]))
        right = run["class"].values[run["predicted"].values] == run["label"].values
        per_fold = [right[run["fold"].values == k].mean() for k in range(2)]
    np.testing.assert_allclose(per_fold, results["protocols"]["strict"]["arms"]["original"]["accuracy"]["per_fold"])
    assert results["synthetic"]["share_outside"] == 0.0
    config = json.loads((folder / "config.json").read_text())
    assert config["config"]["train"]["steps"] == 6 and config["versions"]["jax"] and config["seed"] == 0
    page = (folder / "report.html").read_text()
    assert results["protocols"]["strict"]["comparison"]["sentence"] in page and "leaks" in page
    assert 'src="http' not in page and page.count("data:image/png") == 7
    assert "not evidence" in printed

    synthetic, real = io.read(folder / "synthetic.nc"), io.read(data)
    assert synthetic.shape == (10, 9, 14) and synthetic.class_counts() == {"class_0": 6, "class_1": 4}
    np.testing.assert_array_equal(synthetic.fast.values, real.fast.values)
    held_out = synthetic.attrs["held_out_records"].split("\n")
    assert len(held_out) == 10 and set(held_out) < set(real.names)
    assert synthetic.attrs["generator"] == "rda" and synthetic.attrs["protocol"] == "strict"


@pytest.mark.slow
def test_killed_three_times_it_ends_with_the_same_figures(finished, data, tmp_path):
    options = [
        *SMALL,
        f"--config.data.path={data}",
        "--config.protocol.names=strict,paper",
        f"--workdir={tmp_path / 'k'}",
    ]
    rng = np.random.default_rng(int(time.time()))
    for kill in range(3):
        process = subprocess.Popen(command(*options), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if saves(tmp_path / "k" / "checkpoints") > 2 * kill:
                break
            time.sleep(0.05)
        time.sleep(rng.uniform(0.0, 2.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command(*options), cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert figures(tmp_path / "k") == figures(finished[0])


def test_another_configuration_is_refused_and_nothing_overwritten(finished, data):
    folder, _ = finished
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    done = launch(*SMALL, f"--config.data.path={data}", "--config.sampler.ridge=0.5", f"--workdir={folder}")
    assert (
        done.returncode == 1
        and "protocol.names strict,paper → strict" in done.stderr
        and "sampler.ridge" in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_a_folder_that_is_no_run_is_refused(data, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    done = launch(*SMALL, f"--config.data.path={data}", f"--workdir={tmp_path}")
    assert done.returncode == 1 and "files without config.json" in done.stderr
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_interrupt_ends_with_one_message_and_compiled_code_is_kept_where_asked(data, tmp_path):
    options = [
        *SMALL,
        "--config.train.steps=100000",
        f"--config.data.path={data}",
        f"--workdir={tmp_path / 'i'}",
        f"--compilation_cache={tmp_path / 'cache'}",
    ]
    process = subprocess.Popen(
        command(*options), cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    while not saves(tmp_path / "i") and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "the same command goes on from here" in stderr
    assert "Traceback" not in stderr
    assert any("train_steps" in name for name in os.listdir(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("data.path", "/no/such/file.nc", ["/no/such/file.nc: expected a file"]),
        ("codec.latent", "99", ["codec.latent", "from 1 to 9", "got 99"]),
        ("preprocess.fast_range", "50:60", ["preprocess.fast_range", "0 to 1.3 ms"]),
        ("preprocess.fast_range", "wide", ["preprocess.fast_range", "'low:high'"]),
        ("protocol.folds", "1", ["protocol", "at least 2 folds", "got 1"]),
        ("protocol.names", "honest", ["protocol.names", "strict, paper", "honest"]),
        ("sampler.name", "gan", ["sampler.name", "gaussian_cholesky", "gan"]),
        ("sampler.ridge", "=2", ["sampler.ridge", "from 0 to 1", "2.0"]),
        ("sampler.ridge", "lasso", ["sampler.ridge", "or likelihood", "lasso"]),
        ("sampler.bandwidth", "=0.5", ["sampler.bandwidth", "rda expects only alpha, ridge", "0.5"]),
        ("sampler_study.samplers", "('rda', 'gan')", ["sampler_study.samplers", "gaussian_cholesky", "got gan"]),
        ("sampler_study.ridges", "(0.5, 2.0)", ["sampler_study.ridges", "from 0 to 1"]),
        ("sampler_study.records_per_class", "(1,)", ["records_per_class", "2 and more"]),
        ("sampler_study.latents", "(3, 99)", ["codec.latent", "got 99"]),
        ("classifier.name", "oracle", ["classifier.name", "pca_rf", "oracle"]),
        ("codec.heads", "3", ["codec.heads", "divides"]),
        ("data.class_counts", "(3,)", ["class counts", "each of the 2 classes"]),
        ("data.table", "labels.csv", ["data.table", "expected a folder"]),
        ("data.baseline", "magic", ["baseline.method", "tophat", "magic"]),
        ("data.slow_grid", "1:2", ["data.slow_grid", "low:high:step"]),
    ],
)
def test_bad_options_stop_before_training(data, option, value, expected):
    """In this process, where it is quick; the tests around it show that a message and nothing else reaches the user."""
    config = base.get_config()
    config.data.path = str(data)
    config.codec.latent, config.codec.patch, config.codec.width = 3, 4, 8
    part, name = option.split(".")
    if value.startswith("="):  # a number that the config keeps as text
        value = value[1:]
    elif value[0] in "(0123456789" and ":" not in value:
        value = ast.literal_eval(value)
    config[part][name] = value
    with pytest.raises(InputError) as caught:
        settings.prepare(config)
    assert all(text in str(caught.value) for text in expected), caught.value


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--config.train.step=3", ["unknown option", "steps"]),
        ("--config.train.steps=many", ["steps=many"]),
        ("--config.codec.latent=99", ["error: codec.latent", "from 1 to 9", "got 99"]),
    ],
)
def test_the_command_line_ends_with_one_message_and_writes_nothing(data, tmp_path, option, expected):
    workdir = tmp_path / "w"
    done = launch(*SMALL, f"--config.data.path={data}", f"--workdir={workdir}", option)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert all(text in done.stderr for text in expected), done.stderr
    assert not workdir.exists()


def test_help_says_what_a_user_needs():
    done = subprocess.run([sys.executable, "-m", "experiments.run", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert "--config configs/quickstart.py" in done.stdout and "--config.data.path" in done.stdout
    assert "--workdir" in done.stdout and "Traceback" not in done.stdout + done.stderr
