"""One bar over all stages on a terminal, a line a stage in a log."""

import io
import time

import pytest

from experiments import progress
from experiments.progress import Progress


class Terminal(io.StringIO):
    """Output that says it is a terminal."""

    def isatty(self):
        return True


def work(shown):
    shown.expect(2)
    shown.stage("codec", "; compiles")
    print("a figure")
    shown.done("codec of fold 1")
    shown.stage("page")


def test_a_log_gets_one_line_a_stage(capsys):
    with Progress() as shown:
        work(shown)
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["codec; compiles", "a figure", "page"] and printed.err == ""


def test_a_terminal_gets_one_bar_that_moves_by_itself(monkeypatch):
    out, bar = Terminal(), Terminal()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", bar)
    with Progress() as shown:
        before = bar.getvalue()
        deadline = time.monotonic() + 20.0
        while bar.getvalue() == before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "data: 00:0" in bar.getvalue()[len(before) :]
        work(shown)
    assert out.getvalue() == ""
    assert "\rcodec; compiles\n" in bar.getvalue() and "\ra figure\n" in bar.getvalue()
    assert "of 3, " in bar.getvalue() and "left" in bar.getvalue() and "page: " in bar.getvalue()
    assert bar.getvalue().endswith("\r")  # nothing of it stays


def test_what_nobody_opened_prints_stages(capsys):
    work(Progress())
    assert capsys.readouterr().out.splitlines() == ["codec; compiles", "a figure", "page"]


@pytest.mark.parametrize("rows", [[["a", "1.0"], ["longer", "10.0"]], []])
def test_columns_stand_below_each_other(rows):
    lines = progress.table(["arm", "accuracy"], rows).splitlines()
    assert len({len(line) for line in lines}) == 1 and lines[0].split() == ["arm", "accuracy"]
