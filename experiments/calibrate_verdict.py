"""How often the verdict says "helps" on data sets where nothing helps, and how often where something does."""

import json
import time
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from tqdm import tqdm

from experiments.settings import Setup
from experiments.workdir import to_json, write_text
from gcims_jax import calibrate, report_calibration


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
    options = setup.calibration
    conditions = [
        calibrate.Condition(kind, ratio, records)
        for records in options["records"]
        for kind, ratio in (("permuted", 1.0), ("duplicated", 1.0), *(("population", r) for r in options["ratios"]))
    ]
    lines = []
    for condition in tqdm(conditions, desc="conditions"):
        path = workdir / "checkpoints" / f"{condition.kind}_{condition.ratio:g}_{condition.records}.json"
        if not path.exists():
            seeds = range(seed, seed + options["data_sets"])
            judged = Parallel(n_jobs=-1)(
                delayed(calibrate.judge)(s, condition, options["folds"], options["repeats"]) for s in seeds
            )
            gains = Parallel(n_jobs=-1)(delayed(calibrate.true_gain)(s, condition, options["folds"]) for s in seeds)
            write_text(path, to_json(calibrate.summarise(condition, judged, gains)))
        lines.append(json.loads(path.read_text()))
    summary = {
        "lines": lines,
        "folds": options["folds"],
        "repeats": options["repeats"],
        "timing": {**seconds, "study": time.perf_counter() - start},
    }
    report_calibration.write(workdir, summary)
    write_text(workdir / "results.json", to_json(summary))
    return report_calibration.sentence(summary)
