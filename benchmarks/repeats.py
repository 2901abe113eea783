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
from gcims_jax.evaluation.calibration import Condition

JUDGES = (("pca_nearest", 60, 1), ("pls_da", 100, 1))


def conditions(planned: int) -> list[Condition]:
    """The nulls and one gain for each judge."""
    kinds = [*calibration.NULL_RATIO.items(), ("population", 4.0)]
    return [
        Condition(kind, ratio, records, judge, 5, planned, measurements)
        for judge, records, measurements in JUDGES
        for kind, ratio in kinds
    ]


def judge(seed: int, condition: Condition) -> dict[str, Any]:
    """One data set: the word after all repeats, the word where the rule ends, and how many repeats that takes."""
    with threadpool_limits(1), warnings.catch_warnings():
        # Partial least squares need not converge on components that are noise.
        warnings.simplefilter("ignore")
        tried = calibration.trial(seed, condition)

    def first(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return tried.gain_RxN[:count], tried.model_RxN[:count], tried.samples_N

    planned = condition.repeats
    done = next(count for count in range(1, planned + 1) if repeats.settled(*first(count), planned))
    return {
        "kind": condition.kind,
        "judge": condition.judge,
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
    tasks = [(seed, condition) for condition in conditions(options.repeats) for seed in seeds]
    rows = Parallel(options.jobs)(delayed(judge)(*task) for task in tasks)
    sets = {"nulls": [row for row in rows if row["kind"] in calibration.NULLS]}
    sets |= {kind: [row for row in rows if row["kind"] == kind] for kind in dict.fromkeys(row["kind"] for row in rows)}
    summary = {name: summarise(mine) for name, mine in sets.items()}
    print(json.dumps(json.loads(to_json(summary)), indent=1))
    if options.out:
        options.out.write_text(to_json({"repeats": options.repeats, "summary": summary, "rows": rows}))


if __name__ == "__main__":
    main()
