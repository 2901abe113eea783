"""How often the verdict says "helps" on data sets where nothing helps, and how often where something does."""

import json
import time
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from tqdm import tqdm

from experiments.settings import Setup
from experiments.workdir import to_json, write_text
from gcims_jax.errors import InputError
from gcims_jax.evaluation import calibration
from gcims_jax.reports import calibration as calibration_page


def run(setup: Setup, seed: int, workdir: Path, provenance: dict[str, Any], seconds: dict[str, float]) -> str:
    """Judges many small data sets in every condition; one file per condition, so a killed run goes on.

    Args:
      setup: its calibration options; the records are not used.
      seed: of the data sets.
      workdir: claimed work directory.
      provenance: not used: no records are written.
      seconds: stages already done, by name.

    Returns:
      The answer, as text.
    """
    start = time.perf_counter()
    options = dict(setup.calibration)
    data_sets = {True: options.pop("data_sets"), False: options.pop("planted_data_sets")}
    if min(data_sets.values()) < 2:
        raise InputError(f"calibration: expected 2 or more data sets a condition, got {min(data_sets.values())}")
    conditions = calibration.plan(**options)
    lines = []
    for condition in tqdm(conditions, desc="conditions"):
        path = workdir / "checkpoints" / f"{'_'.join(map(str, condition))}.json"
        if not path.exists():
            seeds = range(seed, seed + data_sets[condition.is_null])
            with Parallel(n_jobs=-1) as workers:
                judged = workers(delayed(calibration.judge)(s, condition) for s in seeds)
                gains = workers(delayed(calibration.true_gain)(s, condition) for s in seeds)
            write_text(path, to_json(calibration.summarise(condition, judged, gains)))
        lines.append(json.loads(path.read_text()))
    summary = {"lines": lines, "timing": {**seconds, "study": time.perf_counter() - start}}
    calibration_page.write(workdir, summary)
    write_text(workdir / "results.json", to_json(summary))
    return calibration_page.sentence(summary)
