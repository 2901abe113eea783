"""Does ending repeats early keep the level? Data sets where nothing helps, after all repeats and after the rule's.

python -m benchmarks.repeats --sets 100 --out FILE.json

Every data set is cross-validated so many times as ``--repeats`` says; the rule looks after each repeat from the second. Conditions
are those of the calibration of the verdict, with one where fresh records help.
"""

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy import stats
from threadpoolctl import threadpool_limits

from experiments.workdir import to_json
from gcims_jax.evaluation import calibration, repeats, verdict
from gcims_jax.evaluation.calibration import Trial
from gcims_jax.evaluation.null_sets import NULLS, Kind, Setting

JUDGES = (("even", "pca_nearest", 60), ("even", "pls_da", 100))
LEFT_OUT = ("mixed", "halves")  # "mixed" needs a search for each population, "halves" a real set
FRESH = Kind("fresh", 4.0)


def judge(seed: int, setting: Setting) -> list[dict[str, Any]]:
    """One data set of every kind: the word after all repeats, where the rule ends, and how many repeats that takes."""
    kinds = [Kind(name, NULLS[name][1]) for name in NULLS if name not in LEFT_OUT] + [FRESH]
    with threadpool_limits(1), warnings.catch_warnings():
        # Partial least squares need not converge on components that are noise.
        warnings.simplefilter("ignore")
        tried = calibration.trials(seed, setting, kinds)
    return [_ended(setting, kind, one) for kind, one in tried.items()]


def _ended(setting: Setting, kind: Kind, tried: Trial) -> dict[str, Any]:
    def first(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return tried.gain_RxN[:count], tried.model_RxN[:count], tried.data.groups_N

    planned = setting.repeats
    done = next(count for count in range(1, planned + 1) if repeats.settled(*first(count), planned))
    return {
        "kind": kind.name,
        "judge": setting.judge,
        "repeats": done,
        "early": verdict.decide(*first(done)).word,
        "all": verdict.decide(*first(planned)).word,
    }


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares of "helps" early and after all repeats, with Clopper–Pearson intervals; words that differ; repeats taken."""
    result: dict[str, Any] = {"data_sets": len(rows), "repeats": float(np.mean([row["repeats"] for row in rows]))}
    for when in ("early", "all"):
        count = sum(row[when] == "helps" for row in rows)
        interval = stats.binomtest(count, len(rows)).proportion_ci(0.95, "exact")
        result[when] = {"helps": count, "share": count / len(rows), "ci95": (float(interval.low), float(interval.high))}
    return result | {"other_word": sum(row["early"] != row["all"] for row in rows)}


def main() -> None:
    """Prints nulls and gains apart, and by kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=100, help="of each condition")
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.sets)
    settings = [Setting(source, name, records, 5, options.repeats) for source, name, records in JUDGES]
    found = Parallel(options.jobs)(delayed(judge)(seed, setting) for setting in settings for seed in seeds)
    rows = [row for mine in found for row in mine]
    sets = {"nulls": [row for row in rows if row["kind"] in NULLS]}
    sets |= {kind: [row for row in rows if row["kind"] == kind] for kind in dict.fromkeys(row["kind"] for row in rows)}
    summary = {name: summarise(mine) for name, mine in sets.items()}
    print(json.dumps(json.loads(to_json(summary)), indent=1))
    if options.out:
        options.out.write_text(to_json({"repeats": options.repeats, "summary": summary, "rows": rows}))


if __name__ == "__main__":
    main()
