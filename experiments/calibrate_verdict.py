"""How often the verdict says "helps" on data sets where nothing helps, and how often where something does."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sklearn
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from gcims_jax.errors import InputError
from gcims_jax.evaluation import calibration, null_sets
from gcims_jax.evaluation.null_sets import Kind, Setting
from gcims_jax.reports import calibration as calibration_page

from .job import Job, kept

LISTS = ("sources", "judges", "records", "repeats", "measurements", "batches")


def run(job: Job) -> str:
    """Judges many small data sets in every setting; one file per setting, so a killed run goes on."""
    start = time.perf_counter()
    options = dict(job.setup.calibration)
    sets, planted = options["data_sets"], options["planted_data_sets"]
    if min(sets, planted) < 2:
        raise InputError(f"calibration: expected 2 or more data sets a condition, got {min(sets, planted)}")
    lists = [tuple(options[name]) for name in LISTS]
    if len({len(values) for values in lists}) != 1:
        got = ", ".join(f"{len(values)} {name}" for name, values in zip(LISTS, lists, strict=True))
        raise InputError(f"calibration: expected lists of one length, one entry a setting, got {got}")
    settings = [
        Setting(source, judge, records, options["folds"], repeats, measured, batches)
        for source, judge, records, repeats, measured, batches in zip(*lists, strict=True)
    ]
    if wrong := [setting.source for setting in settings if setting.is_real]:
        raise InputError(f"calibration.sources: expected some of {', '.join(null_sets.FAMILIES)}, got {wrong[0]!r}")
    if absent := [path for path in options["files"] if not Path(path).is_file()]:
        raise InputError(f"calibration.files: expected files of records, got {absent[0]!r}, which is not there")
    settings += [Setting(path, "svm", 120, options["folds"], 3) for path in options["files"]]
    lines = []
    for setting, kinds in tqdm(calibration.conditions(settings, options["ratios"]), desc="settings", disable=None):
        about = hashlib.sha256(setting.source.encode()).hexdigest()[:6]  # two files may have one name
        name = "_".join([Path(setting.source).stem, about, *map(str, setting[1:])])
        path = job.workdir / "checkpoints" / f"{name}.json"
        lines += kept(path, lambda: {"lines": _lines(setting, kinds, options, job.setup.seed)})["lines"]  # noqa: B023
    job.timed("study", start)
    summary = {"lines": lines}
    job.finish(summary, calibration_page.write)
    return calibration_page.sentence(summary)


def _lines(setting: Setting, kinds: Sequence[Kind], options: Mapping[str, Any], seed: int) -> list[dict[str, Any]]:
    sets, planted = options["data_sets"], options["planted_data_sets"]
    size = options["search_steps"], options["training_sets"]
    with Parallel(n_jobs=-1) as workers:
        populations = 0 if setting.is_real else null_sets.POPULATIONS
        truths = workers(
            delayed(_alone)(calibration.truth, which, setting, kinds, *size) for which in range(populations)
        )
        wanted = []
        for index in range(max(sets, planted)):
            number = seed * max(sets, planted) + index
            mine = [kind for kind in kinds if index < (planted if kind.name == "fresh" else sets)]
            wrong = truths[number % len(truths)].wrong if truths else 0.0
            wanted.append((number, setting, mine, wrong))
        judged = workers(delayed(_alone)(calibration.judge, *arguments) for arguments in wanted)
    first = wanted[0][0]
    turned = [truths[(first + n) % len(truths)] for n in range(len(truths))]
    return [
        calibration.summarise(setting, kind, [rows[kind] for rows in judged if kind in rows], turned) for kind in kinds
    ]


def _alone(function: Any, *arguments: Any) -> Any:
    """For records this small more threads, and the library's checks of what is right by construction, cost more than fits."""
    with threadpool_limits(1), sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        return function(*arguments)
