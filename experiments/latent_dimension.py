"""How large must the latent matrix be? Error, small peaks, classification and cost of every codec by d."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gcims_jax.codec.double import check_latent
from gcims_jax.preprocessing import scale
from gcims_jax.reports import codec as codec_page

from . import reconstruction as rec
from .job import Job, kept
from .settings import Setup

NAMES = {
    "codec": "this codec",
    "paper": "paper's recipe",
    "linear": "Tucker-2",
    "principal": "PCA",
    "wavelet": "wavelets, adaptive",
}
SHOWN = ("codec", "paper", "linear", "principal")
FIGURES = {
    "mse": "held-out mean squared error",
    "mse_clean": "error against the record without noise",
    "recall": "small-peak recall",
    "ghosts": "ghost peaks per record",
    "accuracy": "accuracy, trained on reconstructions",
    "train_seconds": "training, s (the first of each d compiles)",
}


def run(job: Job) -> str:
    """Scores all codecs at every d of ``codec_study.latents``; finished rows are files."""
    start = time.perf_counter()
    setup = job.setup
    for latent in setup.codec_study["latents"]:
        check_latent(latent, setup.compression.shape)
    splits = rec.splits(setup)
    truth = rec.truth(setup)
    rows: dict[int, dict[str, list]] = {}
    shown: dict[str, dict[str, np.ndarray]] = {NAMES[name]: {} for name in SHOWN}
    for latent in setup.codec_study["latents"]:
        rows[latent] = {name: [] for name in NAMES}
        for index, split in enumerate(splits):
            data = rec.data_of(setup, split, truth)
            for name, row in score_split(job, setup, data, latent, index, shown).items():
                rows[latent][name].append(row)
        rows[latent] = {name: values for name, values in rows[latent].items() if values}
        print(f"d = {latent}: {_line(rows[latent])}", flush=True)
    test_to_train = len(splits[0].test) / len(splits[0].train)
    summary = _summarise(rows, test_to_train)
    job.timed("study", start)
    first = rec.data_of(setup, splits[0], truth)
    job.finish(summary, lambda workdir, summary: _report(setup, first, workdir, rows, summary, shown))
    return "\n".join(summary["lines"])


def score_split(
    job: Job,
    setup: Setup,
    data: rec.Data,
    latent: int,
    index: int,
    shown: dict[str, dict[str, np.ndarray]],
    *,
    classes: bool = True,
) -> dict[str, dict[str, float]]:
    """Rows of figures of all codecs of ``NAMES`` on one split; the first test record of split 0 is added to ``shown``."""
    folder = job.workdir / "checkpoints" / f"d_{latent:02d}_split_{index}"
    key = jax.random.fold_in(jax.random.key(setup.seed), index)
    config = dataclasses.replace(setup.method.codec, latent=latent)
    trained = {"codec": config}
    if index < setup.codec_study["paper_splits"]:
        trained["paper"] = rec.paper_codec(config)
    result = {}
    for name, codec_config in trained.items():

        def make(name: str = name, codec_config: Any = codec_config) -> dict[str, float]:
            row, reconstruct = rec.score_codec(setup, data, codec_config, key, folder / name, classes)
            if index == 0:
                folder.mkdir(parents=True, exist_ok=True)
                np.save(folder / f"{name}.npy", reconstruct(data.test.x_NxRxT[:1])[0])
            return row

        result[name] = kept(folder / f"{name}.json", make)
    for name, reconstruct in rec.baselines(data.train.x_NxRxT, latent).items():
        result[name] = kept(folder / f"{name}.json", lambda f=reconstruct: rec.score(setup, data, f, classes))
        if index == 0 and name in SHOWN:
            shown[NAMES[name]][f"d = {latent}"] = reconstruct(data.test.x_NxRxT[:1])[0]
    for name in trained if index == 0 else ():
        shown[NAMES[name]][f"d = {latent}"] = np.load(folder / f"{name}.npy")
    return result


def _line(rows: dict[str, list]) -> str:
    parts = []
    for name, values in rows.items():
        text = f"{name} {rec.mean(values, 'mse'):.3g}"
        if "recall" in values[0]:
            text += f" (recall {rec.mean(values, 'recall'):.2f})"
        parts.append(text)
    return ", ".join(parts)


def _summarise(rows: dict[int, dict[str, list]], test_to_train: float) -> dict[str, Any]:
    result: dict[str, Any] = {"latents": {}}
    lines = []
    for latent, by_name in rows.items():
        part: dict[str, Any] = {
            name: {key: rec.mean(values, key) for key in values[0]} for name, values in by_name.items()
        }
        if len(by_name["codec"]) > 1:
            for name in ("linear", "principal"):
                part[f"codec_to_{name}"] = rec.ratio(by_name["codec"], by_name[name], "mse", test_to_train)
            r, p = part["codec_to_linear"], part["codec_to_principal"]
            lines.append(
                f"d = {latent}: error {r['ratio']:.3f} of Tucker-2's (95 % interval {r['ci95'][0]:.3f} to "
                f"{r['ci95'][1]:.3f}, {r['splits']} splits) and {p['ratio']:.3f} of PCA's"
            )
        result["latents"][str(latent)] = part
    result["lines"] = lines
    return result


def _report(
    setup: Setup, data: rec.Data, workdir: Path, rows: dict, summary: dict[str, Any], shown: dict[str, dict]
) -> None:
    panels = {}
    for key, title in FIGURES.items():
        lines = {}
        for name, label in NAMES.items():
            x = [d for d in rows if name in rows[d] and key in rows[d][name][0]]
            if x:
                lines[label] = (x, [rec.mean(rows[d][name], key) for d in x])
        if lines:
            panels[title] = lines
    real = {"real, held out": data.test.x_NxRxT[0]}
    if data.truth is not None:
        clean = data.truth.clean_NxRxT[data.split.test[:1]]
        real["without noise"] = scale.apply(data.scaling, clean)[0]
    plan, (r, t) = setup.compression, setup.compression.shape
    window = (slice(0, max(r // 2, 8)), slice(0, max(t // 2, 8)))
    gallery = codec_page.plot_gallery(
        {"real": real, **{name: row for name, row in shown.items() if row}}, plan.slow, plan.fast, window
    )
    heads = ["d", "codec", *[title for key, title in FIGURES.items() if title in panels]]
    keys = [key for key, title in FIGURES.items() if title in panels]
    table = [
        [str(d), label, *[f"{rec.mean(rows[d][name], k):.3g}" if k in rows[d][name][0] else "–" for k in keys]]
        for d in rows
        for name, label in NAMES.items()
        if name in rows[d]
    ]
    codec_page.write(
        workdir,
        "How large must the latent matrix be?",
        "; ".join(summary["lines"]) + ".",
        [("All figures", "Means over splits; PCA has at most one component fewer than training records", heads, table)],
        {
            "curves": (codec_page.plot_curves(panels, "d"), "Every figure by latent size d."),
            "records": (gallery, "A corner of the same held-out record at each d, one colour scale."),
        },
    )
