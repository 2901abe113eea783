"""Does each choice in the codec earn its place? One change at a time, against the codec as configured."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax

from gcims_jax.codec.double import CodecConfig
from gcims_jax.codec.losses import LossConfig
from gcims_jax.codec.perturb import PerturbConfig
from gcims_jax.errors import InputError
from gcims_jax.reports import codec as codec_page

from . import reconstruction as rec
from .job import Job, kept

BASE = "as configured"
STAYED_OFF = (
    "Transformers stayed off in every variant: on these records the linear codec is as good, and no choice of how they are trained "
    "changes anything. Other records, or fewer latents, may tell more."
)


def _model(**changes: Any) -> dict[str, Any]:
    return {"model": changes}


def _train(**changes: Any) -> dict[str, Any]:
    return {"train": changes}


# What changes, by group and name: fields of CodecConfig; of its model and train parts where these are named.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "regularisation": {
        "latent noise 0.2": {"latent_noise": 0.2},
        "dropout 0.1": _model(dropout=0.1),
        "no weight decay": _train(weight_decay=0.0),
        "shifts of 1 point": {"perturb": PerturbConfig(shift=1)},
        "warps of 1 %": {"perturb": PerturbConfig(warp=0.01)},
        "intensity 10 %": {"perturb": PerturbConfig(intensity=0.1)},
        "batch 16, a quarter of the steps": {},  # sizes follow the configured ones, see _change
        "AdamW": _train(optimiser="adamw", learning_rate=6e-3),
    },
    "loss": {
        "noise weights": {"loss": LossConfig(weight="noise")},
        "prominence weights": {"loss": LossConfig(weight="prominence")},
        "multiscale": {"loss": LossConfig(multiscale=1.0)},
        "derivative": {"loss": LossConfig(derivative=1.0)},
        "half in linear units": {"loss": LossConfig(linear=0.5)},
    },
    "architecture": {
        "patch 8": _model(patch=8),
        "patch 16": _model(patch=16),
        "patch 32": _model(patch=32),
        "width 32": _model(width=32),
        "width 128": _model(width=128),
        "depth 2": _model(depth=2),
        "heads 1": _model(heads=1),
        "heads 4": _model(heads=4),
        "relu": _model(activation="relu"),
        "silu": _model(activation="silu"),
    },
}
FIGURES = {
    "mse": "held-out error",
    "mse_clean": "against the record without noise",
    "recall": "small-peak recall",
    "intensity_error": "intensity error",
    "signal_to_noise": "signal-to-noise",
    "ghosts": "ghosts per record",
    "residual_on": "transformers stayed on, share of splits",
    "train_seconds": "training, s (with compiling)",
}


def run(job: Job) -> str:
    """Scores every variant of the groups in ``codec_study.groups`` on each split; finished rows are files."""
    start = time.perf_counter()
    setup = job.setup
    groups = setup.codec_study["groups"]
    unknown = sorted(set(groups) - set(VARIANTS))
    if unknown or not groups:
        raise InputError(f"codec_study.groups: expected some of {sorted(VARIANTS)}, got {list(groups)}")
    splits = rec.splits(setup)
    truth = rec.truth(setup)
    names = {"Tucker-2": None, BASE: {}, **{name: change for g in groups for name, change in VARIANTS[g].items()}}
    rows: dict[str, list[dict[str, float]]] = {}
    for name, change in names.items():
        rows[name] = []
        for index, split in enumerate(splits):
            data = rec.data_of(setup, split, truth)
            folder = job.workdir / "checkpoints" / name.replace(" ", "_") / f"split_{index}"
            key = jax.random.fold_in(jax.random.key(setup.seed), index)

            def make(data: rec.Data = data, change: Any = change, key: Any = key, folder: Path = folder) -> dict:
                if change is None:
                    return rec.score(
                        setup, data, rec.baselines(data.train.x_NxRxT, setup.method.codec.latent)["linear"], False
                    )
                config = _change(setup.method.codec, name, change)  # noqa: B023 - called before the loop goes on
                return rec.score_codec(setup, data, config, key, folder, False)[0]

            rows[name].append(kept(folder / "row.json", make))
        print(
            f"{name}: " + ", ".join(f"{k} {rec.mean(rows[name], k):.3g}" for k in FIGURES if k in rows[name][0]),
            flush=True,
        )
    summary = _summarise(rows, len(splits[0].test) / len(splits[0].train))
    job.timed("study", start)
    job.finish(summary, lambda workdir, summary: _report(workdir, rows, summary))
    return "\n".join(summary["lines"])


def _change(config: CodecConfig, name: str, change: dict[str, Any]) -> CodecConfig:
    if name.startswith("batch 16"):
        change = _train(batch=16, steps=max(1, config.train.steps // 4))
    changes = {
        field: dataclasses.replace(getattr(config, field), **value) if field in ("model", "train") else value
        for field, value in change.items()
    }
    return dataclasses.replace(config, **changes)


def _summarise(rows: dict[str, list[dict[str, float]]], test_to_train: float) -> dict[str, Any]:
    result: dict[str, Any] = {"variants": {}, "lines": []}
    for name, values in rows.items():
        part: dict[str, Any] = {key: rec.mean(values, key) for key in values[0]}
        part["to_linear"] = rec.mean(values, "mse") / rec.mean(rows["Tucker-2"], "mse")
        if len(values) > 1 and name not in (BASE, "Tucker-2"):
            part["to_configured"] = rec.ratio(values, rows[BASE], "mse", test_to_train)
        result["variants"][name] = part
        result["lines"].append(f"{name}: {part['to_linear']:.3f} of Tucker-2's error")
    if not any(part.get("residual_on") for part in result["variants"].values()):
        result["lines"].append(STAYED_OFF)
    return result


def _report(workdir: Path, rows: dict[str, list[dict[str, float]]], summary: dict[str, Any]) -> None:
    keys = [key for key in FIGURES if key in rows[BASE][0]]
    table = [
        [name, f"{summary['variants'][name]['to_linear']:.3f}",
         *[f"{rec.mean(values, k):.3g}" if k in values[0] else "–" for k in keys]]
        for name, values in rows.items()
    ]  # fmt: skip
    codec_page.write(
        workdir,
        "Does each choice in the codec earn its place?",
        STAYED_OFF
        if STAYED_OFF in summary["lines"]
        else "One change at a time; a lower error than as configured means that the change would pay.",
        [("All figures", "Means over splits", ["change", "error / Tucker-2's", *[FIGURES[k] for k in keys]], table)],
        {},
    )
