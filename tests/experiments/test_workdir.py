"""A work directory belongs to one run at a time and to one identity."""

import copy
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import gcims_jax
from experiments import workdir
from gcims_jax import InputError

IDENTITY = {
    "config": {"seed": 0, "train": {"steps": 100}},
    "data": {"values": "a1", "labels": "b1", "groups": "c1", "names": "d1", "folds": "e1", "shape": [20, 9, 14]},
    "software": {"jax": "0.10.1", "numpy": "2.4.6", "code": "f1"},
}
HOLD = """
import sys, time
from pathlib import Path
from experiments import workdir
workdir.claim(Path(sys.argv[1]), {"config": {}}, {})
print("held", flush=True)
time.sleep(600)
"""


def changed(**by_name):
    identity = copy.deepcopy(IDENTITY)
    for name, value in by_name.items():
        *parents, leaf = name.split("__")
        part = identity
        for parent in parents:
            part = part[parent]
        part[leaf] = value
    return identity


def test_a_second_process_is_turned_away_and_a_killed_one_leaves_nothing_locked(tmp_path):
    folder = tmp_path / "run"
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", HOLD, folder], cwd=root, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "held\n"
            with pytest.raises(
                InputError, match=f"one run at a time.*process {other.pid}.*another --workdir"
            ) as caught:
                workdir.claim(folder, {"config": {}}, {})
            assert "\n" not in str(caught.value)
        finally:
            other.send_signal(signal.SIGKILL)
    workdir.claim(folder, {"config": {}}, {})


def test_the_same_process_may_go_on_and_begin_anew(tmp_path):
    workdir.claim(tmp_path / "run", IDENTITY, {"device": "cpu"})
    workdir.claim(tmp_path / "run", IDENTITY, {"device": "gpu"})
    assert '"cpu"' in (tmp_path / "run" / "config.json").read_text()
    shutil.rmtree(tmp_path / "run")
    workdir.claim(tmp_path / "run", changed(config__seed=1), {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data__values": "x"}, "differs in the records' values;"),
        ({"data__labels": "x"}, "differs in the labels;"),
        ({"data__groups": "x"}, "differs in the groups;"),
        ({"data__names": "x"}, "differs in the records' names;"),
        ({"data__folds": "x", "data__groups": "x"}, "differs in the folds, the groups;"),
        ({"data__shape": [21, 9, 14]}, r"number of records or points \[20, 9, 14\] → \[21, 9, 14\]"),
        ({"config__train__steps": 200}, "differs in options: train.steps 100 → 200;"),
        ({"software__jax": "0.11"}, "versions of code or libraries: jax 0.10.1 → 0.11;"),
        ({"software__code": "x"}, "versions of code or libraries: this package's own code;"),
        ({"config__seed": 1, "data__labels": "x"}, "differs in options: seed 0 → 1; the labels;"),
        ({"config": {str(i): i for i in range(9)}}, "6 more"),
    ],
)
def test_what_differs_is_named(tmp_path, changes, message):
    workdir.claim(tmp_path, IDENTITY, {})
    before = (tmp_path / "config.json").read_text()
    with pytest.raises(InputError, match=message):
        workdir.claim(tmp_path, changed(**changes), {})
    assert (tmp_path / "config.json").read_text() == before


def test_a_run_that_did_not_say_its_versions_is_another_one(tmp_path):
    workdir.claim(tmp_path, {k: IDENTITY[k] for k in ("config", "data")}, {})
    with pytest.raises(InputError, match="jax none → 0.10.1"):
        workdir.claim(tmp_path, IDENTITY, {})


def test_other_files_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="files without config.json"):
        workdir.claim(tmp_path, IDENTITY, {})
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_code_version_follows_the_source_files(tmp_path, monkeypatch):
    assert workdir.code_version() == workdir.code_version()
    monkeypatch.setattr(gcims_jax, "__file__", str(tmp_path / "__init__.py"))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.py").write_bytes(b"x = 1\n")
    one = workdir.code_version()
    (tmp_path / "notes.txt").write_text("not code")
    (tmp_path / "a" / "one.py").write_bytes(b"x = 1\r\n")
    assert workdir.code_version() == one
    (tmp_path / "_experiments").mkdir()  # where this folder lies in an installed package, beside the one that is read
    (tmp_path / "_experiments" / "run.py").write_text("x = 1\n")
    assert workdir.code_version() == one
    (tmp_path / "a" / "one.py").write_bytes(b"x = 2\n")
    two = workdir.code_version()
    (tmp_path / "a" / "one.py").rename(tmp_path / "a" / "two.py")
    assert len({one, two, workdir.code_version()}) == 3
