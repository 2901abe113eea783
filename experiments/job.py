"""What every experiment gets, and how it leaves its results."""

import datetime
import json
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gcims_jax
from gcims_jax.evaluation.study import dataset
from gcims_jax.reports.page import put_banner, put_foot

from .progress import Progress
from .settings import Setup, describe_device
from .workdir import to_json, write_text


class Job(NamedTuple):
    """One run of an experiment: ``EXPERIMENTS[name](job)`` writes its results and returns the answer as text.

    Attributes:
      setup: checked data and configuration.
      workdir: claimed work directory.
      provenance: versions and revision, kept with synthetic records.
      seconds: stages done so far, by name; experiments add theirs.
      progress: told of stages and of what is done.
      scheduler: address of a Dask cluster that scores cells; "" scores them here.
    """

    setup: Setup
    workdir: Path
    provenance: dict[str, Any]
    seconds: dict[str, float]
    progress: Progress = Progress()
    scheduler: str = ""

    def timed(self, stage: str, start: float) -> None:
        """Notes the seconds since ``start`` (of ``time.perf_counter``) as those of a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def finish(
        self,
        summary: dict[str, Any],
        write_page: Callable[[Path, dict[str, Any]], None],
        name: str = "results.json",
    ) -> None:
        """Adds what every summary has, writes the page, and last the results: where they are, the run is complete."""
        setup = self.setup
        summary.setdefault("dataset", dataset(setup.records, setup.part))
        summary["banner"] = setup.banner
        start = time.perf_counter()
        self.progress.stage("page")
        summary["timing"] = {**self.seconds, "total": sum(self.seconds.values())}
        write_page(self.workdir, summary)
        if setup.banner:
            put_banner(self.workdir, setup.banner)
        put_foot(self.workdir, self._about(summary["dataset"]))
        self.timed("report", start)
        summary["timing"] = {**self.seconds, "total": sum(self.seconds.values())}
        write_text(self.workdir / name, to_json(summary))

    def _about(self, data: dict[str, Any]) -> dict[str, str]:
        """What the page comes from, by name; files by their names alone, as pages are handed on."""
        setup, revision = self.setup, self.provenance.get("git_revision")
        synthetic = self.workdir / "synthetic.nc"
        rows = {
            "data": f"{setup.source or 'simulated records'}: {data['records']} records in {len(data['classes'])} classes",
            "made": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "command": _command(),
            "seed": str(setup.seed),
            "version": f"gcims_jax {gcims_jax.__version__}" + (f", revision {revision}" if revision else ""),
            "device": describe_device(),
            "work directory": self.workdir.name,
        }
        if synthetic.exists():
            rows["synthetic records"] = f"{self.workdir.name}/{synthetic.name}"
        return rows


def _command() -> str:
    """As it was typed, less the folders of this program."""
    program, *options = sys.argv
    name = Path(program).stem
    inside = Path(program).resolve().parent == Path(__file__).resolve().parent
    if inside:
        name = "python -m experiments" + ("" if name == "__main__" else f".{name}")
    return shlex.join([*name.split(), *options])


def kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A finished row from its file, or made and written there; so an interrupted run goes on where it stopped."""
    if not path.exists():
        write_text(path, to_json(make()))
    return json.loads(path.read_text())
