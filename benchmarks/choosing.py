"""How much choosing costs: rules that choose by inner answers, against what was best in hindsight.

    python -m benchmarks.choosing --draws 20 --each 8 --files spoken_digits.nc watch_motion.nc mars_ega_dev.nc

Low-noise mode: so many records a class teach, all other groups are tested, again and again. Data sets: simulated ones with
peaks at rest, as measured, and twice as far out of step, and any files. Every rule sees the same answers. Regret is in points
of balanced accuracy, mean over draws, with its standard error: against the pair of generator and classifier that was best in
hindsight, and against the best plain classifier in hindsight. Votes and averages are of all rows, without choosing.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from configs import base
from experiments import cells, data, settings
from gcims_jax.errors import InputError
from gcims_jax.evaluation import choice, metrics
from gcims_jax.evaluation.answers import FoldAnswers, dose_of
from gcims_jax.evaluation.choice import RULES, Inner

CANDIDATES = ("duplicate", "latent_rda", "warp", "tuned_warp", "scale", "mix")
SIMULATED = {"peaks at rest": 0.0, "as measured": 1.0, "twice": 2.0}
INNER_SPLITS = (1, 3, 6)
POINTS = 40  # of an axis, at most about


def prepare(path: str, misalignment: float, each: int, draws: int, seed: int) -> settings.Setup:
    """A data set on a small grid, in low-noise mode."""
    config = base.get_config()
    config.seed = seed
    config.experiment = "leaderboard"
    config.data.path = path
    config.data.misalignment = misalignment
    if not path:
        config.data.n_retention, config.data.n_drift = 128, 256
    slow, fast = data.load(config.data, seed).shape[1:]
    config.preprocess.slow_level, config.preprocess.fast_level = (
        max(0, int(np.floor(np.log2(size / POINTS)))) for size in (slow, fast)
    )
    config.codec.latent = 8
    config.protocol.train_per_class, config.protocol.repeats = each, draws
    config.study.candidates = CANDIDATES
    config.study.ratios, config.study.modes = (5.0,), ("balanced",)
    config.study.classifiers = ("svm", "pca_lda")
    config.study.inner_splits = max(INNER_SPLITS)
    return settings.prepare(config)


def balanced(labels_N: np.ndarray, predicted_M: Sequence[int], test: np.ndarray) -> float:
    """Balanced accuracy of one draw."""
    return metrics.score(labels_N[test], np.asarray(predicted_M), labels_N.max() + 1).balanced_accuracy


def with_splits(fold: FoldAnswers, splits: int) -> FoldAnswers:
    """The same fold, as if only its first inner splits had been made."""
    inner = []
    for same in zip(*(cell["inner"] for cell in fold.cells), strict=True):
        inner.append({**same[0], "rows": [row for split in same for row in split["rows"]]})
    return fold._replace(inner=choice.gather(inner[:splits]))


def votes(fold: FoldAnswers, rows: Sequence[int], n_classes: int) -> np.ndarray:
    """The class that most rows name; in a tie the first of them that is best inside."""
    assert fold.inner is not None
    order = sorted(rows, key=lambda i: -fold.inner.scores()[i])
    counts_MxK = sum(np.eye(n_classes)[np.asarray(fold.rows[i]["predicted_M"], int)] for i in order)
    counts_MxK += 0.5 * np.eye(n_classes)[np.asarray(fold.rows[order[0]]["predicted_M"], int)]
    return counts_MxK.argmax(axis=1)


def near(inner: Inner, rows: Sequence[int]) -> list[int]:
    """Rows that are within a standard error of the best."""
    top = choice.best(inner, rows, ())
    kept = [top]
    for row in rows:
        gain, error = choice.spread(inner, top, row)
        if row != top and gain <= error:
            kept.append(row)
    return kept


def regrets(setup: settings.Setup, folds: Sequence[FoldAnswers]) -> dict[str, object]:
    """Scores of every rule and what was best in hindsight, a value a draw."""
    labels_N, n_classes = setup.truth.labels_N, len(setup.truth.classes)
    plain_names = {"none", "duplicate", "class_weights"}

    def score(pick) -> np.ndarray:  # noqa: ANN001
        return np.array([balanced(labels_N, pick(fold), fold.fold.test) for fold in folds])

    def is_plain(fold: FoldAnswers, i: int) -> bool:
        return fold.rows[i]["candidate"] in plain_names

    everything = list(range(len(folds[0].rows)))
    pairs: dict[tuple[str, str], np.ndarray] = {}
    full = [with_splits(fold, max(INNER_SPLITS)) for fold in folds]
    for key in dict.fromkeys((row["candidate"], row["classifier"], dose_of(row).mode) for row in folds[0].rows):
        mine = [i for i in everything if (folds[0].rows[i]["candidate"], folds[0].rows[i]["classifier"]) == key[:2]]
        taken = [fold.rows[choice.best(fold.inner, mine, ())]["predicted_M"] for fold in full]
        pairs[key[:2]] = np.array([balanced(labels_N, p, f.fold.test) for p, f in zip(taken, folds, strict=True)])
    means = {pair: values.mean() for pair, values in pairs.items()}
    best_pair = max(means, key=means.__getitem__)
    best_plain = max((pair for pair in means if pair[0] in plain_names), key=means.__getitem__)
    found: dict[str, np.ndarray] = {}
    plain = [i for i in everything if is_plain(folds[0], i)]
    for splits in INNER_SPLITS:
        known = {id(fold): with_splits(fold, splits) for fold in folds}
        for side, rows in (("plain", plain), ("with", everything)):
            for rule in RULES:
                found[f"{side}, {rule}, {splits} splits"] = score(
                    lambda fold: fold.rows[RULES[rule](known[id(fold)].inner, rows, plain)]["predicted_M"]  # noqa: B023
                )
            found[f"{side}, votes of rows near the best, {splits} splits"] = score(
                lambda fold: votes(known[id(fold)], near(known[id(fold)].inner, rows), n_classes)  # noqa: B023
            )
            found[f"{side}, votes of all rows, {splits} splits"] = score(
                lambda fold: votes(known[id(fold)], rows, n_classes)  # noqa: B023
            )
        for errors in (0.5, 2.0):
            found[f"with, lean by {errors:g} errors, {splits} splits"] = score(
                lambda fold: fold.rows[choice.lean(known[id(fold)].inner, everything, plain, errors)]["predicted_M"]  # noqa: B023
            )
    return {
        "best_pair": [*best_pair, means[best_pair]],
        "best_plain": [*best_plain, means[best_plain]],
        "pairs": {" + ".join(pair): float(mean) for pair, mean in means.items()},
        "rules": {
            name: {
                "score": float(values.mean()),
                "to_best": _paired(values - pairs[best_pair]),
                "to_plain": _paired(values - pairs[best_plain]),
            }
            for name, values in found.items()
        },
    }


def _paired(change_D: np.ndarray) -> list[float]:
    return [float(100 * change_D.mean()), float(100 * change_D.std(ddof=1) / np.sqrt(len(change_D)))]


def main() -> None:
    """Prints one line a rule: mean over data sets, and the worst."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--each", type=int, default=8, help="training records of a class")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", nargs="*", default=[], help="data sets beside the simulated ones")
    parser.add_argument("--out", type=Path, default=Path("runs/choosing"))
    options = parser.parse_args()
    sets = {name: ("", value) for name, value in SIMULATED.items()} | {Path(p).stem: (p, 0.0) for p in options.files}
    found = {}
    for name, (path, misalignment) in sets.items():
        try:
            setup = prepare(path, misalignment, options.each, options.draws, options.seed)
        except InputError as error:
            raise SystemExit(f"error: {name}: {error}") from None
        folder = options.out / name.replace(" ", "_") / f"{options.each}_{options.draws}_{options.seed}"
        folds = cells.score(setup, cells.Files(folder))
        found[name] = regrets(setup, folds)
        print(f"{name}: best pair {found[name]['best_pair']}, best plain {found[name]['best_plain']}", flush=True)
    (options.out / f"choosing_{options.each}_{options.seed}.json").write_text(json.dumps(found, indent=1))
    print(f"{'rule':50s} to the best pair: mean, worst set; to the best plain: mean, worst set")
    for rule in next(iter(found.values()))["rules"]:
        best, plain = (
            np.array([one["rules"][rule][key][0] for one in found.values()]) for key in ("to_best", "to_plain")
        )
        print(f"{rule:50s} {best.mean():+6.1f} {best.min():+6.1f}   {plain.mean():+6.1f} {plain.min():+6.1f}")


if __name__ == "__main__":
    main()
