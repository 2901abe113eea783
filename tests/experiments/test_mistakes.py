"""What a user gets wrong ends in one sentence that says what to do, before anything is written."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import make_records

import gcims_jax
from experiments import command, data
from experiments.__main__ import main
from gcims_jax import InputError, io
from gcims_jax.records import Axis, Records

COMMANDS = ("run", "augment", "inspect", "ingest", "plan", "benchmark", "simulate", "view", "version")
SMALL = ["--config.codec.latent=3", "--config.codec.patch=4", "--config.codec.width=8"]


@pytest.fixture
def told(capsys, monkeypatch, tmp_path):
    """Runs a command that must fail, in an empty folder; gives its one sentence."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    kept = signal.getsignal(signal.SIGINT)

    def tell(*argv):
        assert main(list(map(str, argv))) not in (0, None)
        printed = capsys.readouterr()
        assert printed.err.startswith("error: ") and printed.err.count("\n") == 1
        assert "np.str_" not in printed.err and "Traceback" not in printed.out + printed.err
        assert os.listdir() == []
        return printed.err

    yield tell
    signal.signal(signal.SIGINT, kept)


def write_one(path, length=9, value=None, seed=0):
    """A file of one record of so many rows, half a second apart."""
    values_RxT = (
        np.random.default_rng(seed).normal(size=(length, 14)) if value is None else np.full((length, 14), value)
    )
    axes = Axis("retention_time", "s", np.arange(length) * 0.5), Axis("drift_time", "ms", np.arange(14) * 0.1)
    path.parent.mkdir(parents=True, exist_ok=True)
    io.write(Records(values_RxT[None], *axes, labels=["?"]), path)


@pytest.fixture
def folder(tmp_path):
    """Class/file: two classes of six."""
    for i in range(12):
        write_one(tmp_path / "set" / ("red", "blue")[i % 2] / f"r{i:02d}.nc", seed=i)
    return tmp_path / "set"


@pytest.fixture
def file(tmp_path):
    io.write(make_records(), tmp_path / "records.nc")
    return tmp_path / "records.nc"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["rnu"], "expected one of run, augment, inspect, ingest, plan, benchmark, simulate, view, version, got 'rnu'; did you mean 'run'?"),
        (["run"], "--config: expected a recipe, for example --config quickstart, got none"),
        (["run", "--config", "quikstart"], "got 'quikstart'; did you mean 'quickstart'?"),
        (["run", "--config", "configs/fodler.py"], "got 'configs/fodler.py'; did you mean 'folder'?"),
        (["inspect", "--config=agument"], "did you mean 'augment'?"),
        (["run", "--config", "quickstart", "--wrokdir=x"], "unknown option --wrokdir; did you mean '--workdir'?"),
        (["augment", "x.nc", "--wrokdir", "x"], "unknown option --wrokdir; did you mean '--workdir'?"),
        (["inspect", "--tabel", "x.csv"], "unknown option --tabel; did you mean '--table'?"),
        (["inspect", "--data.pth=x"], "unknown option --config.data.pth; did you mean 'path'?"),
        (["ingest", "--input", "x", "--outptu", "s.zarr"], "unknown option --outptu; did you mean '--output'?"),
        (["plan", "--inptu=x"], "unknown option --inptu; did you mean '--input'?"),
        (["simulate", "s.nc", "--recrods=6"], "unknown option --recrods; did you mean '--records'?"),
        (["plan", "x.nc", "--fast_range=8:15"], "unknown option --fast_range; in a recipe it is --config.preprocess.fast_range"),
        (["augment", "x.nc", "--folds", "3"], "unknown option --folds; in a recipe it is --config.calibration.folds or --config.protocol.folds"),
        (["version", "--xyzzy"], "unknown option --xyzzy; --help lists all options"),
        (["run", "--config", "quickstart", "--config.train.step=3"], "unknown option --config.train.step; did you mean 'steps'?"),
        (["run", "--config", "quickstart", "--config.seed=two"], "--config.seed=two: expected a whole number, got 'two'"),
        (["run", "--config", "quickstart", "--config.train=3"], "--config.train=3: expected one of its options, batch,"),
        (["run", "--config", "quickstart", "--workdir"], "argument --workdir: expected one argument"),
        (["run", "--config", "quickstart", "--config.experiment=leaderbord"], "did you mean 'leaderboard'?"),
        (["run", "--config", "benchmark"], "gcims-jax benchmark runs it"),
        (["augment"], "augment: expected records, for example gcims-jax augment my_records.nc, got none"),
        (["ingest", "--input", "x"], "--output: expected a store to make"),
        (["ingest", "--output", "s.zarr"], "--input: expected a folder of files, got none"),
        (["simulate", "s.nc", "--records", "2"], "records: expected 5 or more, one for each species, got 2"),
        (["simulate", "s.txt"], "s.txt: expected a file name ending in one of"),
        (["simulate", "s.nc", "--seed", "-1"], "seed: expected a whole number from 0 to 4294967295 or one JAX key, got -1"),
        (["simulate", "s.nc", "--records", "many"], "argument --records: invalid int value: 'many'"),
        (["simulate", "s.nc", "--n-drift", "2"], "n_drift: expected a whole number of 8 or more, got 2"),
        (["run", "quickstart"], "--config: expected a recipe, for example --config quickstart, got none"),
        (["inspect", "not_there.nc"], "not_there.nc: expected a file with records, found nothing; check the path"),
        (["version", "extra"], "expected options that begin with --, got 'extra'"),
    ],
)  # fmt: skip
def test_wrong_words_are_named_with_the_nearest_right_one(told, argv, expected):
    assert expected in told(*argv)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--config.seed=-1"], "seed: expected a whole number from 0 to 2147483647, got -1"),
        (
            ["--config.protocol.folds=50", "--config.study.candidates=mix"],
            "expected at least as many records as folds (20), got 12; set protocol.folds to 12 or less",
        ),
        (["--config.protocol.names=strickt"], "protocol.names: expected some of strict, paper, got 'strickt'"),
        (
            ["--config.preprocess.slow_range=(1,2)"],
            "preprocess.slow_range: expected 'low:high', 'auto' or '', got '(1,2)'",
        ),
        (["--config.preprocess.wavelet=db"], "preprocess.wavelet: expected a discrete wavelet such as ['db1',"),
        (["--config.codec.latent=64"], "codec.latent: expected a dimension d from 1 to 9"),
        (["--config.sampler.name=gauss"], "sampler.name: expected one of ['borrowed',"),
        (["--config.classifier.name=forest"], "classifier.name: expected one of ['extra_trees',"),
        (["--config.train.steps=0"], "train.steps: expected 1 or more, got 0"),
        (
            ["--config.study.ratios=much", "--config.study.candidates=mix"],
            "study.ratios: expected numbers above 0, got 'much'",
        ),
        (["--config.study.candidates=warp:size=large"], "warp.size: expected a number from 0 to 100, got 'large'"),
        (["--group-column=dya"], "data.group_column: expected one of"),
        (["--slow-grid=a:b:c"], "data.slow_grid: expected 'low:high:step' or '', got 'a:b:c'"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_may_be(told, file, options, expected):
    assert expected in told("run", "--config", "leaderboard", *SMALL, "--input", file, *options)


def test_a_recipe_that_fails_is_named(told, tmp_path):
    (tmp_path / "mine.py").write_text("def get_config():\n    return nothing\n")
    assert "mine.py, which ends with NameError: name 'nothing' is not defined" in told(
        "run", "--config", tmp_path / "mine.py"
    )


def test_options_have_one_meaning_in_every_spelling(tmp_path):
    same = [
        ["--config.data.path=p", "--config.data.group_column=day", "--config.data.rip_relative=True"],
        ["--data.path", "p", "--data.group_column=day", "--data.rip_relative"],
        ["--input=p", "--group-column", "day", "--rip-relative"],
        ["p", "--group-column=day", "--rip-relative", "--config.data.classes=()"],
    ]
    read = [command.read(command.Parser("run", ""), argv, "folder")[1].to_dict() for argv in same]
    assert all(one == read[0] for one in read)
    assert read[0]["data"]["path"] == "p" and read[0]["data"]["group_column"] == "day"


@pytest.mark.parametrize(("text", "expected"), [("red,blue", ("red", "blue")), ("('red','blue')", ("red", "blue")),
                                                ("red", ("red",)), ("(40, 35)", (40, 35)), ("", ())])  # fmt: skip
def test_several_values_are_read_with_and_without_quotes(text, expected):
    _, config = command.read(command.Parser("run", ""), [f"--classes={text}"], "quickstart")
    assert config.data.classes == expected


def places(name):
    return {
        "run": ["run", "--config", "quickstart", *SMALL, "--workdir", name],
        "inspect": ["inspect", "--workdir", name],
        "ingest": ["ingest", "--output", f"{name}.zarr"],
        "simulate": ["simulate", f"{name}.nc", "--records", "5"],
    }


@pytest.mark.parametrize("which", places(""))
def test_a_place_that_cannot_be_written_is_refused_at_once(told, file, folder, tmp_path, monkeypatch, which):
    (tmp_path / "thesis.txt").write_text("mine")
    given = {"run": ["--input", file], "inspect": ["--input", file], "ingest": ["--input", folder], "simulate": []}[
        which
    ]
    said = told(*places(tmp_path / "thesis.txt" / "x")[which], *given)
    assert "expected a folder that can be written, but" in said and "thesis.txt is a file; choose another" in said
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root, who may write everywhere
    said = told(*places(tmp_path / "new")[which], *given)
    assert "expected a place that can be written, got no permission for" in said and "choose another" in said
    assert (tmp_path / "thesis.txt").read_text() == "mine" and not list(tmp_path.glob("*new*"))


def test_a_file_in_the_place_of_the_work_directory_is_left_alone(told, file, tmp_path):
    (tmp_path / "w").write_text("mine")
    assert "w is a file; choose another --workdir" in told(*places(tmp_path / "w")["run"], "--input", file)
    assert "expected no such file yet" in told("simulate", file, "--records", "5")


def test_a_full_disk_ends_with_a_sentence(told, file, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "w/config.json")

    monkeypatch.setattr("experiments.workdir.write_text", full)
    said = told(*places(tmp_path / "w")["run"], "--input", file)
    assert (
        "w/config.json: expected room on the disk, got none left; make room, and the same command goes on from here"
        in said
    )
    usage = type("usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    said = told("simulate", tmp_path / "s.nc", "--records", "5", "--n-retention", "16", "--n-drift", "24")
    assert "expected 0.0 MB of free disk, got 0.0 MB; make room, or write elsewhere" in said
    assert not (tmp_path / "s.nc").exists()


def test_constant_records_are_named(told, tmp_path, monkeypatch):
    records = make_records()
    records.values[4] = 7.0
    io.write(records, tmp_path / "c.nc")
    said = told("run", "--config", "quickstart", *SMALL, "--input", tmp_path / "c.nc", "--workdir", tmp_path / "w")
    assert (
        "expected values that differ within a record, got one and the same value everywhere in record_0004; leave it out"
        in said
    )
    assert not (tmp_path / "w").exists()


def scan_of(path, *options):
    section = command.read(command.Parser("run", ""), ["--input", str(path), *options], "quickstart")[1].data
    return data.load(section, seed=0)


def test_a_missing_table_is_told_with_those_that_are_there(folder):
    (folder / "labels.csv").write_text("name;label\nr00;red\n")
    (folder / "notes.csv").write_text("when,what\n")
    with pytest.raises(
        InputError, match=r"found no label.csv; or name .* --data.table, for example .*/set/labels.csv$"
    ):
        scan_of(folder, "--table", "label.csv")
    (folder / "labels.csv").unlink()
    with pytest.raises(InputError, match=r"found no label.csv; check the path$"):
        scan_of(folder, "--table", "label.csv")


def test_a_table_of_other_names_is_told_with_names_from_both(folder):
    (folder / "labels.csv").write_text("name,label\nx1,red\nx2,blue\n")
    with pytest.raises(
        InputError,
        match=r"labels.csv: expected names of files below .*/set, for example \S+/\S+, \S+/\S+ .*got x1, x2;",
    ):
        scan_of(folder, "--table", str(folder / "labels.csv"))


def test_a_folder_of_the_wrong_depth_is_told(folder, tmp_path):
    with pytest.raises(InputError, match=r"got one, 'set'; if blue, red are the classes, give .*/set instead"):
        scan_of(tmp_path)
    (folder / "red" / "labels.csv").write_text("name,label\nr00,a\nr02,b\n")
    with pytest.raises(
        InputError, match=r"found 0 record files with a class.*--data.table, for example .*/red/labels.csv"
    ):
        scan_of(folder / "red")
    with pytest.raises(InputError, match="got one, 'red'; give the folder above the classes"):
        scan_of(folder, "--classes", "red")


def test_deeper_folders_do_not_take_a_sample_apart(tmp_path):
    for day in ("mon", "tue"):
        write_one(tmp_path / "red" / "s1" / day / "a.nc")
    write_one(tmp_path / "blue" / "s2" / "a.nc")
    listing = io.folders.scan(tmp_path)
    assert [(e.name, e.group) for e in listing.entries] == [
        ("blue/s2/a", "blue/s2"), ("red/s1/mon/a", "red/s1"), ("red/s1/tue/a", "red/s1")
    ]  # fmt: skip


def test_a_stray_folder_is_warned_of(folder):
    assert io.folders.scan(folder).warnings == ()
    write_one(folder / "red" / "old" / "r02.nc")
    said = io.folders.scan(folder).describe()
    assert "warning: 1 file of 13 not in Class as the others: red/old/r02.nc" in said and "--pattern" in said


def test_a_short_file_is_told_and_left_out_where_asked(folder, tmp_path, capsys):
    write_one(folder / "red" / "short.nc", length=5)
    assert scan_of(folder).shape == (13, 5, 14)
    said = capsys.readouterr().out
    assert "warning: red/short is short (its retention time covers 0 to 2 of 0 to 4)" in said and "--drop-short" in said
    assert scan_of(folder, "--drop-short").shape == (12, 9, 14)
    assert "left out red/short: its retention time covers 0 to 2 of 0 to 4" in capsys.readouterr().out
    with pytest.raises(InputError, match="short.nc: expected a retention_time that covers.*--drop-short"):
        scan_of(folder, "--slow-grid", "0:3:0.5")
    assert scan_of(folder, "--slow-grid", "0:3:0.5", "--drop-short").shape == (12, 7, 14)
    # The other commands say the same of the same folder.
    capsys.readouterr()
    assert main(["inspect", str(folder), "--workdir", str(tmp_path / "i")]) == 0
    said = capsys.readouterr().out
    assert "warning: red/short is short" in said and "in 5 points" in said
    assert main(["ingest", str(folder), "--output", str(tmp_path / "s.zarr"), "--drop-short"]) == 3
    assert "skipped red/short.nc: its retention time covers 0 to 2 of 0 to 4" in capsys.readouterr().err
    assert io.read(tmp_path / "s.zarr").shape == (12, 9, 14)
    assert io.read(tmp_path / "s.zarr").names.tolist() == scan_of(folder, "--drop-short").names.tolist()


@pytest.mark.parametrize("low", [0, 1])
def test_the_first_file_may_be_the_short_one(tmp_path, low):
    for i in range(4):
        write_one(tmp_path / ("a", "b")[i % 2] / f"{i}.nc", length=3 if i == low else 9, seed=i)
    records = scan_of(tmp_path, "--drop-short")
    assert records.shape == (3, 9, 14) and not any(name.endswith(str(low)) for name in records.names)


def test_ranges_of_one_value_are_one_value(tmp_path, capsys):
    """Axes of one length that begin at different times."""
    for i in range(4):
        slow = Axis("retention_time", "s", 0.1 * i + np.arange(9) * 0.5)
        values = np.random.default_rng(i).normal(size=(1, 9, 14))
        path = tmp_path / ("a", "b")[i % 2] / f"{i}.nc"
        path.parent.mkdir(exist_ok=True)
        io.write(Records(values, slow, Axis("drift_time", "ms", np.arange(14) * 0.1), labels=["?"]), path)
    scan_of(tmp_path)
    assert "axes of 9 points and steps of 0.5;" in capsys.readouterr().out


def test_messages_show_plain_names(tmp_path):
    records = make_records()
    values = records.values.copy()
    values[2, 0, 0] = np.nan
    with pytest.raises(InputError, match="in record 'record_0002' "):
        dataclasses.replace(records, values=values)
    assert repr(records.take([0])) == "<1 record of 9 retention time [s] × 14 drift time [ms] points, 1 class>"


def test_an_extra_that_is_not_installed_is_named(told, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    said = told("ingest", folder, "--output", folder.parent / "s.zarr", "--processes")
    assert "--processes: expected dask to be installed" in said and 'pip install "gcims-jax[dask]"' in said
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (folder / "t.xlsx").write_bytes(b"")
    with pytest.raises(InputError, match=r'expected openpyxl to be installed.*pip install "gcims-jax\[excel\]"'):
        scan_of(folder, "--table", str(folder / "t.xlsx"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: python -m experiments.{name}") and f"gcims-jax {name}" in printed
    assert max(map(len, printed.splitlines())) < 140
    if name not in ("simulate", "view", "version"):
        assert "quickstart" in printed and "--group-column" in printed


def test_help_without_a_command_lists_all(capsys):
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in COMMANDS)


def test_simulated_records_are_those_of_the_seed(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        options = ["--records", "7", "--seed", str(seed), "--n-retention", "16", "--n-drift", "24"]
        assert main(["simulate", str(tmp_path / "new" / f"{name}.nc"), *options]) == 0
    a, b, c = (io.read(tmp_path / "new" / f"{name}.nc") for name in "abc")
    assert sorted(a.class_counts().values()) == [1, 1, 1, 2, 2]
    np.testing.assert_array_equal(a.values, b.values)
    assert not np.array_equal(a.values, c.values)


def test_what_begins_is_said_before_anything_heavy_is_imported():
    """Without JAX, SciPy and pandas the first line comes at once; mistakes in options too."""
    code = (
        "import sys; from experiments import run; from experiments.__main__ import main; "
        "status = main(['run', '--config', 'quikstart']); "
        "print(status, *sorted({'jax', 'scipy', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [f"gcims_jax {gcims_jax.__version__}: run", "1"]


def test_version_names_the_device(capsys):
    assert main(["version"]) == 0
    assert "gcims-jax" in (printed := capsys.readouterr().out) and "device" in printed


def test_a_reader_that_has_enough_of_the_output_is_no_mistake():
    code = "import sys; from experiments import command; sys.exit(command.main('version', lambda _: print('x' * 10**6), ['--x']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.read(10)
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1 and told == ""
