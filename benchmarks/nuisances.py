"""Do records with the nuisances of their set help, beside other generators? Every candidate with every classifier.

    python -m benchmarks.nuisances --draws 4 --each 10 --files mars_ega_dev.nc watch_motion.nc spoken_digits.nc

Low-noise mode: so many records a class teach, all other groups are tested, again and again. Data sets: simulated peaks of which
every point of the fast axis has a gain of its own, or whose retention moves, and any files. Balanced accuracy in points, at the
setting of each classifier that is best in hindsight, for all candidates alike: without synthetic records, and the change with
five times as many in equal classes, mean over draws with its standard error.
"""

import argparse
import tempfile
from pathlib import Path

import jax
import numpy as np

from benchmarks.choosing import balanced, prepare
from gcims_jax import io
from gcims_jax.errors import InputError
from gcims_jax.evaluation import study
from gcims_jax.evaluation.candidates import PLAIN, parse_candidate
from gcims_jax.evaluation.classify import ClassifierConfig, tried
from gcims_jax.nuisances import draw
from gcims_jax.nuisances.amounts import Amounts
from gcims_jax.records import Records

CANDIDATES = ("duplicate", "latent_rda", "tuned_warp", "nuisances")
CLASSIFIERS = ("svm", "pca_rf", "pca_lda")
SIMULATED = {"channel gains": {"fast_gain": 0.5}, "shifts": {"slow_shift": 0.03}}
CLASSES, EACH, PEAKS, SHAPE = 4, 60, 15, (40, 40)


def simulate(sizes: dict[str, float], seed: int) -> Records:
    """Peaks whose heights differ by class, and by half as much from record to record, with planted nuisances."""
    rng = np.random.default_rng(seed)
    slow_Rx1, fast_T = np.linspace(0, 1, SHAPE[0])[:, None], np.linspace(0, 1, SHAPE[1])
    labels_N = np.repeat(np.arange(CLASSES), EACH)
    x_NxRxT = np.zeros((len(labels_N), *SHAPE))
    for _ in range(PEAKS):
        slow, fast = rng.uniform(0.1, 0.9, 2)
        height_N = np.exp(0.15 * rng.normal(size=CLASSES)[labels_N] + 0.1 * rng.normal(size=len(labels_N)))
        peak_RxT = np.exp(-0.5 * ((slow_Rx1 - slow) / 0.04) ** 2 - 0.5 * ((fast_T - fast) / 0.04) ** 2)
        x_NxRxT += height_N[:, None, None] * peak_RxT
    x_NxRxT = draw.change(jax.random.key(seed), x_NxRxT, sizes, Amounts()) + 0.02 * rng.normal(size=x_NxRxT.shape)
    return Records.from_arrays(x_NxRxT, [f"class {label}" for label in labels_N])


def compare(path: str, title: str, options: argparse.Namespace) -> None:
    """Prints a line a candidate."""
    setup = prepare(path, 0.0, options.each, options.draws, options.seed)
    candidates = [PLAIN, *map(parse_candidate, options.candidates)]
    plan = setup.study.plan(setup.method.preprocess, len(setup.truth.classes))
    settings = tuple(setting for name in CLASSIFIERS for setting in tried(ClassifierConfig(name)))
    plan = plan._replace(classifiers=settings)
    folds = study.score_folds(setup.part, setup.folds, candidates, plan, setup.seed)
    labels_N = setup.truth.labels_N
    scores: dict[tuple[str, str], dict[str, list[float]]] = {}
    for fold in folds:
        for row in fold.rows:
            at = scores.setdefault((row["candidate"], row["classifier"]), {}).setdefault(row["setting"], [])
            at.append(100.0 * balanced(labels_N, row["predicted_M"], fold.fold.test))
    best = {key: np.array(max(by.values(), key=np.mean)) for key, by in scores.items()}
    print(f"\n{title}, {options.each} a class, {len(folds)} draws")
    for candidate in candidates:
        told = []
        for classifier in CLASSIFIERS:
            mine_D, plain_D = best[candidate.name, classifier], best[PLAIN.name, classifier]
            error = (mine_D - plain_D).std(ddof=1) / np.sqrt(len(folds))
            same = candidate is PLAIN
            told.append(
                f"{classifier} {mine_D.mean():5.1f}" if same else f"{(mine_D - plain_D).mean():+5.1f} ± {error:3.1f}"
            )
        note = folds[0].notes[candidate.name]
        print(f"{candidate.name:28s} {'   '.join(told)}   {note['text']} ({note['seconds']:.1f} s)", flush=True)


def main() -> None:
    """Prints a table a data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--each", type=int, default=10, help="training records of a class")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", nargs="*", default=[], help="data sets beside the simulated ones")
    parser.add_argument("--simulated", nargs="*", default=list(SIMULATED), choices=list(SIMULATED))
    parser.add_argument("--candidates", nargs="*", default=list(CANDIDATES))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.simulated:
            path = Path(folder) / f"{name.replace(' ', '_')}.nc"
            io.write(simulate(SIMULATED[name], options.seed), path)
            compare(str(path), name, options)
        for path in options.files:
            try:
                compare(path, Path(path).stem, options)
            except InputError as error:
                raise SystemExit(f"error: {path}: {error}") from None


if __name__ == "__main__":
    main()
