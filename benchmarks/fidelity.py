"""How often fresh records are marked as unlike real ones or as copies, and how often copies are.

    python -m benchmarks.fidelity --runs 40

Each run simulates records on a small grid and deals them out at random, class by class: training, held out, and as many as
training ones that stand for the synthetic records of a perfect generator. Its table of fidelity should have a mark in one run
of twenty, its memorisation be called in one of twenty. Copies of all training records should always be called.
"""

import argparse
import time
from collections import Counter

import numpy as np

from gcims_jax import parts
from gcims_jax.fidelity import memorisation, realism
from gcims_jax.preprocessing import scale
from gcims_jax.simulation import cultures, gcims

AREA = "membership inference, area under curve"


def deal(seed: int, share: int) -> tuple[parts.Part, parts.Part, np.ndarray]:
    """Training and held-out records on the codec's scale, and fresh ones with the labels of the training records.

    Args:
      seed: of the simulation and of the dealing.
      share: held-out records of a class; four times as many are for training.
    """
    sizes = dict.fromkeys(list(cultures.SPECIES)[:4], 9 * share)
    records, _ = gcims.simulate(seed, n_retention=96, n_drift=192, class_sizes=sizes)
    config = scale.PreprocessConfig(fast_range=(8.0, 14.0))
    compression = scale.make_compression(records.slow, records.fast, config)
    whole = parts.from_records(records, scale.compress(compression, records.values))
    rng = np.random.default_rng(seed)
    rows_KxN = [rng.permutation(np.flatnonzero(whole.labels_N == k)) for k in range(len(sizes))]
    held_out, train, fresh = (
        np.concatenate([rows[low * share : high * share] for rows in rows_KxN])
        for low, high in ((0, 1), (1, 5), (5, 9))
    )
    whole = scale.apply_to(scale.fit(whole.take(train), config), whole)
    return whole.take(train), whole.take(held_out), whole.x_NxRxT[fresh]


def main() -> None:
    """Prints counts over runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--share", type=int, default=6, help="held-out records of a class; four times as many train")
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    measures: Counter[str] = Counter()
    areas, seconds = [], 0.0
    for seed in range(arguments.runs):
        train, held_out, fresh_NxRxT = deal(seed, arguments.share)
        fresh = parts.synthetic(fresh_NxRxT, train.labels_N, train.origin)
        copies = parts.synthetic(train.x_NxRxT, train.labels_N, train.origin)
        start = time.process_time()
        table = realism.table(seed, train, held_out, fresh)
        seconds += time.process_time() - start
        marked = realism.marked(table.measures)
        measures.update(marked)
        counts["fresh records marked"] += bool(marked)
        for name, control in table.controls.items():
            counts[f"control, {name}, marked"] += bool(realism.marked(control))
        checks = [memorisation.table(seed, train, held_out, synthetic) for synthetic in (fresh, copies)]
        for name, found in zip(("fresh records", "copies"), checks, strict=True):
            counts[f"{name} called memorised"] += any(check.in_words() == "memorised" for check in found.values())
        areas.append([*(found[AREA].value for found in checks), checks[0][AREA].chance])
    print(f"{arguments.runs} runs, {len(train)} training, {len(held_out)} held-out and {len(fresh)} fresh records\n")
    for name in ("fresh records marked", *(f"control, {name}, marked" for name in (realism.REAL, realism.BLURRED))):
        print(f"{name}: {counts[name]}")
    for name in ("fresh records called memorised", "copies called memorised"):
        print(f"{name}: {counts[name]}")
    fresh_area, copies_area, chance = np.mean(areas, axis=0)
    print(f"area of membership inference: fresh {fresh_area:.3f} (chance {chance:.3f}), copies {copies_area:.3f}")
    print(f"smallest area of copies: {np.min(areas, axis=0)[1]:.3f}")
    print(f"processor seconds a table: {seconds / arguments.runs:.2f}")
    print(f"marks by measure: {dict(measures)}")


if __name__ == "__main__":
    main()
