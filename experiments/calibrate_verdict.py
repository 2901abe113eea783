"""How often the verdict says "helps" on data sets where nothing helps, and how often where something does."""

import time
from typing import Any

from joblib import Parallel, delayed
from tqdm import tqdm

from experiments.job import Job, kept
from gcims_jax.errors import InputError
from gcims_jax.evaluation import calibration
from gcims_jax.reports import calibration as calibration_page


def run(job: Job) -> str:
    """Judges many small data sets in every condition; one file per condition, so a killed run goes on."""
    start = time.perf_counter()
    options, seed = dict(job.setup.calibration), job.setup.seed
    data_sets = {True: options.pop("data_sets"), False: options.pop("planted_data_sets")}
    if min(data_sets.values()) < 2:
        raise InputError(f"calibration: expected 2 or more data sets a condition, got {min(data_sets.values())}")
    lines = []
    for condition in tqdm(calibration.plan(**options), desc="conditions"):

        def judge(condition: calibration.Condition = condition) -> dict[str, Any]:
            seeds = range(seed, seed + data_sets[condition.is_null])
            with Parallel(n_jobs=-1) as workers:
                judged = workers(delayed(calibration.judge)(s, condition) for s in seeds)
                gains = workers(delayed(calibration.true_gain)(s, condition) for s in seeds)
            return calibration.summarise(condition, judged, gains)

        lines.append(kept(job.workdir / "checkpoints" / f"{'_'.join(map(str, condition))}.json", judge))
    job.timed("study", start)
    summary = {"lines": lines}
    job.finish(summary, calibration_page.write)
    return calibration_page.sentence(summary)
