"""The main experiment: do synthetic records help a classifier on held-out real records?

For every protocol and fold: learn a generator, draw, score the four arms. A finished fold is a file, and an
unfinished codec a checkpoint, so a run that was killed goes on where it stopped and ends with the same figures.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments.settings import Setup
from experiments.workdir import to_json, write_text
from gcims_jax import io
from gcims_jax.codec import double
from gcims_jax.evaluation import guard, protocols, results
from gcims_jax.preprocessing import scale
from gcims_jax.records import Records
from gcims_jax.reports import augmentation as augmentation_page


def run(setup: Setup, seed: int, workdir: Path, provenance: dict[str, Any], seconds: dict[str, float]) -> str:
    """Runs all folds, then writes ``synthetic.nc``, ``results.json``, figures and report.

    Args:
      setup: checked data and configuration.
      seed: of the run.
      workdir: claimed work directory.
      provenance: versions and revision, kept with the synthetic records.
      seconds: stages already done, by name.

    Returns:
      Scores of the arms and the verdict, as text.
    """
    start = time.perf_counter()
    classes_K, labels_N = np.unique(setup.records.labels, return_inverse=True)
    compressed_NxRxT = scale.compress(setup.compression, setup.records.values)
    seconds = {**seconds, "preprocess": time.perf_counter() - start}

    rows_by_protocol = {
        protocol: _run_protocol(protocol, setup, seed, compressed_NxRxT, labels_N, workdir)
        for protocol in setup.protocols
    }
    start = time.perf_counter()
    synthetic, examples = _show(setup, seed, compressed_NxRxT, labels_N, classes_K, workdir, provenance)
    for ending in ("nc", *setup.also_write):
        io.write(synthetic, workdir / f"synthetic.{ending}")
    summary = results.summarise(rows_by_protocol, setup.records.class_counts(), setup.records.shape)
    seconds |= results.seconds(rows_by_protocol)
    seconds["report"] = time.perf_counter() - start
    summary["timing"] = {**seconds, "total": sum(seconds.values())}
    augmentation_page.write(workdir, summary, rows_by_protocol, examples)
    # The results come last: where they are, the run is complete.
    seconds["report"] = time.perf_counter() - start
    summary["timing"] = {**seconds, "total": sum(seconds.values())}
    write_text(workdir / "results.json", to_json(summary))
    return _closing(summary)


def _closing(summary: dict[str, Any]) -> str:
    lines = []
    for name, part in (summary.get("protocols") or {summary["protocol"]["name"]: summary}).items():
        lines.append(name + (" (leaks: not evidence)" if part["protocol"]["leaks"] else ""))
        for arm, scores in part["arms"].items():
            accuracy, balanced = scores["accuracy"], scores["balanced_accuracy"]
            lines.append(
                f"  {arm:24s} accuracy {accuracy['mean']:.3f} ± {accuracy['std']:.3f}   "
                f"balanced {balanced['mean']:.3f} ± {balanced['std']:.3f}"
            )
        lines.append(f"  {part['comparison']['sentence']}")
    return "\n".join(lines)


def _run_protocol(
    protocol: str, setup: Setup, seed: int, compressed_NxRxT: np.ndarray, labels_N: np.ndarray, workdir: Path
) -> list[dict[str, Any]]:
    """Rows of all folds; finished ones are read back."""
    rows, generator = [], None
    for index, fold in enumerate(setup.folds):
        path = workdir / "checkpoints" / protocol / f"fold_{index:03d}.json"
        if not path.exists():
            if generator is None or not protocols.LEAKS[protocol]:
                generator = _fit(protocol, index, setup, seed, compressed_NxRxT, labels_N, workdir)
            draw_key = protocols.fold_keys(seed, protocol, index)[1]
            row = protocols.score_fold(
                draw_key, generator, setup.method, compressed_NxRxT, labels_N, fold, seed + index, protocol
            )
            write_text(path, to_json(row))
        rows.append(json.loads(path.read_text()))
        scores = {arm: f"{rows[-1]['arms'][arm]['accuracy']:.3f}" for arm in protocols.ARMS}
        print(f"{protocol} fold {index + 1}/{len(setup.folds)}: accuracy {scores}", flush=True)
    return rows


def _fit(
    protocol: str,
    index: int,
    setup: Setup,
    seed: int,
    compressed_NxRxT: np.ndarray,
    labels_N: np.ndarray,
    workdir: Path,
) -> protocols.Generator:
    """The generator of a fold: from its training part, or under a leaking protocol once from all records."""
    folder = workdir / "checkpoints" / protocol
    if protocols.LEAKS[protocol]:
        seen, index, directory, title = np.arange(len(labels_N)), 0, folder / "all", f"{protocol}:"
    else:
        seen, directory = setup.folds[index].train, folder / f"fold_{index:03d}"
        title = f"{protocol} fold {index + 1}/{len(setup.folds)}:"
    fit_key = protocols.fold_keys(seed, protocol, index)[0]
    part = guard.take(compressed_NxRxT, labels_N, seen)
    return protocols.fit_generator(fit_key, part, setup.method, directory=directory, title=title)


def _show(
    setup: Setup,
    seed: int,
    compressed_NxRxT: np.ndarray,
    labels_N: np.ndarray,
    classes_K: np.ndarray,
    workdir: Path,
    provenance: dict[str, Any],
) -> tuple[Records, augmentation_page.Examples]:
    """The synthetic records of the first fold in the input's unit, and one example of each class.

    The fold's codec comes back from its checkpoint, so these are the very records that its arms were scored with.
    """
    protocol = next((name for name in setup.protocols if not protocols.LEAKS[name]), setup.protocols[0])
    fold, method, plan = setup.folds[0], setup.method, setup.compression
    shape = compressed_NxRxT.shape[1:]
    generator = _fit(protocol, 0, setup, seed, compressed_NxRxT, labels_N, workdir)
    draw_labels_S = protocols.synthetic_labels(labels_N[fold.train], method.ratio, method.balanced)
    draw_key = protocols.fold_keys(seed, protocol, 0)[1]
    synthetic_SxRxT = protocols.draw(draw_key, generator, method, draw_labels_S, shape)

    def in_units(x_NxRxT: np.ndarray) -> np.ndarray:
        return scale.expand(plan, scale.invert(generator.scaling, x_NxRxT))

    synthetic = Records(
        values=in_units(synthetic_SxRxT),
        slow=plan.slow,
        fast=plan.fast,
        labels=classes_K[draw_labels_S],
        names=np.asarray([f"synthetic_{i:05d}" for i in range(len(draw_labels_S))]),
        attrs={
            "title": "Synthetic records",
            "units": str(setup.records.attrs.get("units", "1")),
            "generator": method.sampler,
            "protocol": protocol + (" (leaks: learned from all records)" if protocols.LEAKS[protocol] else ""),
            "seed": seed,
            "git_revision": str(provenance["git_revision"]),
            "held_out_records": list(setup.records.names[fold.test]),
            "note": "Learned without the held-out records of one fold; only those may test what is trained on these.",
        },
    )
    if protocols.LEAKS[protocol]:
        synthetic.attrs.update(held_out_records="none", note="Learned from all records; none is left to test with.")
    shown_K = np.array([fold.test[np.flatnonzero(labels_N[fold.test] == k)[0]] for k in range(len(classes_K))])
    x_KxRxT = scale.apply(generator.scaling, compressed_NxRxT[shown_K])
    first_draw_K = np.searchsorted(draw_labels_S, np.arange(len(classes_K)))
    examples = augmentation_page.Examples(
        classes=[str(name) for name in classes_K],
        real_KxLxM=setup.records.values[shown_K][:, plan.slow_slice, plan.fast_slice],
        reconstructed_KxLxM=in_units(double.reconstruct(generator.codec, x_KxRxT, method.codec)),
        synthetic_KxLxM=synthetic.values[first_draw_K],
        slow=plan.slow,
        fast=plan.fast,
        scaling=generator.scaling,
        unit=str(setup.records.attrs.get("units", "1")),
        held_out=not protocols.LEAKS[protocol],
    )
    return synthetic, examples
