"""Are two stages of series as good as one autoencoder of whole records? Also where drift and retention are coupled."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gcims_jax import parts
from gcims_jax.codec import whole
from gcims_jax.errors import InputError
from gcims_jax.preprocessing import scale
from gcims_jax.reports import codec as codec_page
from gcims_jax.simulation import gcims
from gcims_jax.simulation.cultures import CLASS_SIZES

from . import reconstruction as rec
from .job import Job, kept
from .settings import Setup

NAMES = {"pair": "pair of stages", "whole": "whole records", "linear": "Tucker-2", "principal": "PCA"}
FIGURES = {
    "mse": "held-out mean squared error",
    "recall": "small-peak recall",
    "accuracy": "accuracy, trained on reconstructions",
    "train_seconds": "training, s (the first of each kind compiles)",
}
COUPLING = 0.01
# Tokens of 16 × 16 points: with 8 × 8 the two fully connected layers between tokens and latent grow fourfold, a step took
# thirty times as long as the pair's, and the error was the same.
WHOLE_PATCH = 16


def run(job: Job) -> str:
    """Scores both architectures by number of training records, on the data and, if simulated, on a coupled set."""
    start = time.perf_counter()
    setup = job.setup
    splits = rec.splits(setup)
    for count in setup.codec_study["records"]:
        if not 2 <= count <= len(splits[0].train):
            raise InputError(
                f"codec_study.records: expected numbers from 2 to {len(splits[0].train)} training records, got {count}"
            )
    sets = {"as it is": setup}
    if setup.variability is not None and len(setup.records) == sum(CLASS_SIZES.values()):
        sets["drift and retention coupled"] = _coupled(setup)
    rows: dict[str, dict[int, dict[str, list]]] = {}
    for title, one in sets.items():
        truth = rec.truth(one)
        rows[title] = {}
        for count in one.codec_study["records"]:
            rows[title][count] = {name: [] for name in NAMES}
            for index, split in enumerate(splits):
                part = rec.Split(_thin(one, split.train, count, setup.seed + index), split.test)
                data = rec.data_of(one, part, truth)
                folder = job.workdir / "checkpoints" / f"{title.split()[0]}_{count}_split_{index}"
                for name, row in _score_split(one, data, index, folder).items():
                    rows[title][count][name].append(row)
            print(f"{title}, {count} records: {_line(rows[title][count])}", flush=True)
    summary = _summarise(rows, len(splits[0].test))
    job.timed("study", start)
    job.finish(summary, lambda workdir, summary: _report(workdir, rows, summary))
    return "\n".join(summary["lines"])


def _coupled(setup: Setup) -> Setup:
    """The simulated set once more, with drift times that change along each run."""
    variability = dataclasses.replace(setup.variability, coupling_sd=COUPLING)
    _, r, t = setup.records.shape
    records, _ = gcims.simulate(setup.seed, n_retention=r, n_drift=t, variability=variability)
    part = parts.from_records(records, scale.compress(setup.compression, records.values))
    return setup._replace(records=records, part=part, variability=variability)


def _thin(setup: Setup, train: np.ndarray, count: int, seed: int) -> np.ndarray:
    """That many training records, at least one of each class where there is room, drawn by seed."""
    order = np.random.default_rng(seed).permutation(train)
    _, first = np.unique(setup.records.labels[order], return_index=True)
    return np.concatenate([order[first], np.delete(order, first)])[:count]


def _score_split(setup: Setup, data: rec.Data, index: int, folder: Path) -> dict[str, dict[str, float]]:
    key = jax.random.fold_in(jax.random.key(setup.seed), index)
    config = setup.method.codec

    def fit_whole() -> dict[str, float]:
        start = time.perf_counter()
        model_config = dataclasses.replace(config.model, patch=WHOLE_PATCH)
        model, fitted, _ = whole.fit(
            key, data.train, config.latent, model_config, config.train, directory=folder / "whole"
        )
        seconds = time.perf_counter() - start
        row = rec.score(setup, data, lambda x: whole.reconstruct_all(model, fitted, x, config.batch_records))
        return {**row, "train_seconds": seconds}

    linear = rec.baselines(data.train.x_NxRxT, config.latent)
    return {
        "pair": kept(folder / "pair.json", lambda: rec.score_codec(setup, data, config, key, folder / "pair")[0]),
        "whole": kept(folder / "whole.json", fit_whole),
        **{
            name: kept(folder / f"{name}.json", lambda name=name: rec.score(setup, data, linear[name]))
            for name in ("linear", "principal")
        },
    }


def _line(rows: dict[str, list]) -> str:
    return ", ".join(f"{name} {rec.mean(values, 'mse'):.3g}" for name, values in rows.items())


def _summarise(rows: dict, n_test: int) -> dict[str, Any]:
    result: dict[str, Any] = {"sets": {}, "lines": []}
    for title, by_count in rows.items():
        result["sets"][title] = {}
        for count, by_name in by_count.items():
            part: dict[str, Any] = {
                name: {key: rec.mean(values, key) for key in values[0]} for name, values in by_name.items()
            }
            if len(by_name["pair"]) > 1:
                for name in ("whole", "linear"):
                    part[f"pair_to_{name}"] = rec.ratio(by_name["pair"], by_name[name], "mse", n_test / count)
                r = part["pair_to_whole"]
                result["lines"].append(
                    f"{title}, {count} training records: the pair's error is {r['ratio']:.3f} of that of whole records "
                    f"(95 % interval {r['ci95'][0]:.3f} to {r['ci95'][1]:.3f})"
                )
            result["sets"][title][str(count)] = part
    return result


def _report(workdir: Path, rows: dict, summary: dict[str, Any]) -> None:
    figures, table = {}, []
    for i, (title, by_count) in enumerate(rows.items()):
        panels = {}
        for key, heading in FIGURES.items():
            lines = {}
            for name, label in NAMES.items():
                x = [count for count in by_count if key in by_count[count][name][0]]
                if x:
                    lines[label] = (x, [rec.mean(by_count[count][name], key) for count in x])
            if lines:
                panels[heading] = lines
        figures[f"curves_{i}"] = (
            codec_page.plot_curves(panels, "training records"),
            f"Simulated records, {title}." if len(rows) > 1 else "Every figure by number of training records.",
        )
        for count, by_name in by_count.items():
            for name, label in NAMES.items():
                cells = [f"{rec.mean(by_name[name], k):.3g}" if k in by_name[name][0] else "–" for k in FIGURES]
                table.append([title, str(count), label, *cells])
    codec_page.write(
        workdir,
        "One autoencoder of whole records, or a pair of stages?",
        "; ".join(summary["lines"]) + ".",
        [("All figures", "Means over splits", ["data", "records", "codec", *FIGURES.values()], table)],
        figures,
    )
