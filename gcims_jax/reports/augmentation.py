"""Pictures and the page of the main experiment."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gcims_jax.evaluation.answers import FoldAnswers
from gcims_jax.reports.blocks import verdict_block
from gcims_jax.reports.comparisons import PAIRED, plot_paired, points, terms
from gcims_jax.reports.page import GREY, REAL, SYNTHETIC, grid, image, render_page, save_figures, table, write_page
from gcims_jax.reports.record_pictures import COLOURS, Examples, plot_records


def write(
    workdir: Path,
    summary: Mapping[str, Any],
    *,
    folds_by_protocol: Mapping[str, Sequence[FoldAnswers]],
    examples: Examples,
) -> None:
    """Writes ``figures/*.png`` and ``report.html`` into a work directory.

    Args:
      workdir: of the run.
      summary: content of ``results.json``.
      folds_by_protocol: answers of folds, whose cells hold the training curves.
      examples: records to show.
    """
    summaries = summary.get("protocols") or {summary["protocol"]["name"]: summary}
    main = summaries.get("strict") or next(iter(summaries.values()))
    figures = {
        "records": plot_records(examples),
        "arms": plot_arms(summaries),
        "paired": plot_paired(main["comparison"], main["per_record"]),
        "confusion": plot_confusion(summaries, list(summary["dataset"]["classes"])),
        "classes": plot_class_counts(summary["dataset"]["classes"]),
    }
    curves = {name: [f.cells[0]["curves"] for f in folds] for name, folds in folds_by_protocol.items()}
    trained = any(len(s["steps_E"]) > 1 for found in curves.values() for one in found for s in one.values())
    flat = trained and is_flat(curves)
    if trained and not flat:
        figures["training"] = plot_training(curves)
    if any(part["selection"] for part in summaries.values()):
        figures["selection"] = plot_selection(summaries)
    images = save_figures(workdir, figures)
    write_page(workdir, render(summary, summaries, images, flat=flat))


def plot_arms(summaries: Mapping[str, Mapping]) -> Figure:
    """Accuracy and balanced accuracy of each arm: mean, standard deviation and every fold."""
    scores = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}
    figure, axes = grid(len(summaries), 2, width=5.2, height=2.7, sharex=True)
    for i, (name, summary) in enumerate(summaries.items()):
        for j, (score, title) in enumerate(scores.items()):
            ax = axes[i, j]
            for y, (arm, values) in enumerate(summary["arms"].items()):
                colour = SYNTHETIC if "synthetic" in arm else REAL
                per_fold_J = np.asarray(values[score]["per_fold"])
                ax.plot(per_fold_J, np.full(len(per_fold_J), y) + 0.22, ".", color=GREY, markersize=5)
                ax.errorbar(values[score]["mean"], y, xerr=values[score]["std"], fmt="o", color=colour, capsize=4)
            ax.set_yticks(range(len(summary["arms"])), list(summary["arms"]) if j == 0 else [])
            ax.set_ylim(len(summary["arms"]) - 0.5, -0.5)
            ax.grid(axis="x", alpha=0.3)
            ax.set_xlabel(title)
            leak = " — leaks, not evidence" if summary["protocol"]["leaks"] else ""
            ax.set_title(f"{name}{leak}", fontsize=9)
    return figure


def plot_confusion(summaries: Mapping[str, Mapping], classes: Sequence[str]) -> Figure:
    """Confusion without synthetic records, counts over all folds, and how it changes with them."""
    size = max(3.2, 0.5 * len(classes) + 1.5)
    figure, axes = grid(len(summaries), 2, width=size + 1.2, height=size)
    for row, (name, summary) in zip(axes, summaries.items(), strict=True):
        without_KxK, with_KxK = (
            np.asarray(summary["arms"][arm]["confusion"]) for arm in ("original", "original+synthetic")
        )
        records_Kx1 = np.maximum(without_KxK.sum(axis=1, keepdims=True), 1)
        change_KxK = with_KxK - without_KxK
        most = max(float(np.abs(change_KxK / records_Kx1).max()), 0.05)
        _matrix(row[0], without_KxK, without_KxK / records_Kx1, "d", vmin=0.0, vmax=1.0, cmap="Blues")
        _matrix(row[1], change_KxK, change_KxK / records_Kx1, "+d", vmin=-most, vmax=most, cmap="PuOr_r")
        row[0].set_title(f"original ({name})", fontsize=9)
        row[1].set_title(f"original+synthetic less original ({name})", fontsize=9)
        row[0].set_ylabel("true")
        for ax in row:
            ax.set_xticks(range(len(classes)), classes, rotation=40, ha="right", fontsize=7)
            ax.set_yticks(range(len(classes)), classes if ax is row[0] else [], fontsize=7)
            ax.set_xlabel("predicted")
    return figure


def _matrix(ax: Axes, counts_KxK: np.ndarray, shares_KxK: np.ndarray, form: str, **options: Any) -> None:
    """Shares of the records of each true class as colours, with counts where they are not zero."""
    ax.imshow(shares_KxK, **options)
    for (row, column), count in np.ndenumerate(counts_KxK):
        if count:
            ink = "white" if abs(shares_KxK[row, column]) > 0.6 * options["vmax"] else "black"
            ax.text(column, row, format(count, form), ha="center", va="center", color=ink, fontsize=8)


FLAT = (
    "<p>Training lowered the loss on held-out training records by less than 1 % in every fold, so no curve is shown: the codec is "
    "what it was before training.</p>"
)


def is_flat(curves_by_protocol: Mapping[str, Sequence[Mapping]]) -> bool:
    """Whether no training made the loss on held-out training records better by 1 % of what it was at its start."""
    losses = [
        np.asarray(of_stage["validation_loss_E"], float)
        for found in curves_by_protocol.values()
        for one in found
        for of_stage in one.values()
    ]
    return all(np.nanmin(loss_E) > 0.99 * loss_E[0] for loss_E in losses)


def plot_training(curves_by_protocol: Mapping[str, Sequence[Mapping]]) -> Figure:
    """Training and validation loss of both stages, one line per codec."""
    stages = list(next(iter(curves_by_protocol.values()))[0])
    figure, axes = grid(len(curves_by_protocol), len(stages), width=5.2, height=2.6)
    for i, (name, found) in enumerate(curves_by_protocol.items()):
        for j, stage in enumerate(stages):
            for one in found:
                curves = one[stage]
                for key, style, colour in (("train_loss_E", ":", GREY), ("validation_loss_E", "-", REAL)):
                    axes[i, j].plot(curves["steps_E"], curves[key], style, color=colour, linewidth=1.2)
            axes[i, j].plot([], [], ":", color=GREY, label="training")
            axes[i, j].plot([], [], "-", color=REAL, label="validation (held-out training records)")
            axes[i, j].set_yscale("log")
            axes[i, j].set_xlabel("step")
            axes[i, j].set_ylabel("loss / variance")
            axes[i, j].set_title(f"{'both stages' if stage == 'joint' else stage + ' series'} ({name})", fontsize=9)
            axes[i, j].grid(alpha=0.3, which="both")
    axes[0, 0].legend(fontsize=8)
    return figure


def plot_selection(summaries: Mapping[str, Mapping]) -> Figure:
    """Held-out log-likelihood by each value that the sampler chose, at the best of the others."""
    tried = next(iter(summaries.values()))["selection"]
    names = [name for name in ("alpha", "ridge", "bandwidth") if len(tried[f"{name}s"]) > 1]
    figure, axes = grid(len(summaries), len(names), width=4.2, height=2.6)
    for i, (protocol, summary) in enumerate(summaries.items()):
        curve_AxGxH = np.array(summary["selection"]["log_likelihood"], float)
        for j, name in enumerate(names):
            others = tuple(k for k, other in enumerate(("alpha", "ridge", "bandwidth")) if other != name)
            profile = np.nanmax(np.where(np.isfinite(curve_AxGxH), curve_AxGxH, np.nan), axis=others)
            values = summary["selection"][f"{name}s"]
            axes[i, j].plot(values, profile, ".-", color=REAL)
            axes[i, j].plot(values[int(np.nanargmax(profile))], np.nanmax(profile), "*", color=SYNTHETIC, markersize=12)
            axes[i, j].set_xlabel(name)
            axes[i, j].grid(alpha=0.3)
            axes[i, j].set_title(protocol, fontsize=9)
            if name == "ridge":
                axes[i, j].set_xscale("log")
        axes[i, 0].set_ylabel("log-likelihood [nats]")
    return figure


def plot_class_counts(counts: Mapping[str, int]) -> Figure:
    """Records per class."""
    figure, axes = grid(1, 1, width=7.0, height=0.6 + 0.32 * len(counts))
    ax = axes[0, 0]
    bars = ax.barh(list(counts), list(counts.values()), color=REAL)
    ax.bar_label(bars, padding=3, fontsize=8)
    ax.set_xlabel("records")
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def render(
    summary: Mapping[str, Any], summaries: Mapping[str, Mapping], images: Mapping[str, str], *, flat: bool = False
) -> str:
    """The page: verdict first, then pictures, then tables; ``flat`` where training lowered no loss."""
    main = summaries.get("strict") or next(iter(summaries.values()))
    dataset, compared = summary["dataset"], main["comparison"]
    parts = [
        verdict_block(
            "Do synthetic records help?", compared["sentence"], compared["verdict"], compared["smallest_visible"]
        ),
        *_leak_note(summary, summaries),
        "<h2>Real and synthetic records</h2>",
        image(images["records"], "real, reconstructed and synthetic records"),
        "<p>One record of each class as measured, the same record through the codec, and one synthetic record of the "
        f"class. {COLOURS}</p>",
        f"<p>{html.escape(_ranges(summary['synthetic'], main['bounded']))}</p>",
        "<h2>Scores on held-out real records</h2>",
        image(images["arms"], "scores of the arms"),
        "<p>Each arm names what the classifier was trained on. Circle and bar: mean and standard deviation over folds; "
        "dots: folds. Trained on synthetic records alone is “synthetic”; the other way round, a classifier of real records "
        f"gives {100 * main['real_to_synthetic']['accuracy']:.0f} % of the synthetic ones their own class.</p>",
        *[_arms_table(name, part) for name, part in summaries.items()],
        image(images["paired"], "change of accuracy in every fold and of every record"),
        PAIRED,
        terms(compared["cautious"]),
        "<h2>Which classes gain or lose</h2>",
        image(images["confusion"], "confusion matrix and its change"),
        "<p>Left: how records were told without synthetic ones, counts over all folds. Right: how the counts change with them; on the "
        "diagonal more is better, beside it less.</p>",
        *[_recall_table(name, part, dataset["classes"]) for name, part in summaries.items()],
        "<h2>How well the codec keeps a record</h2>",
        f"<p>{html.escape(main['codec'])}</p>",
        *[_reconstruction_table(name, part) for name, part in summaries.items()],
        *([image(images["training"], "training curves")] if "training" in images else []),
        *([FLAT] if flat else []),
        "<h2>How the draws were made</h2>",
        f"<p>{html.escape('; '.join(dict.fromkeys(note for note in main['notes'] if note)))}</p>",
        *[_sampler_table(name, part) for name, part in summaries.items()],
        *_selection_part(images, main["selection"]),
        "<h2>The data</h2>",
        f"<p>{dataset['records']} records of {dataset['shape'][0]} × {dataset['shape'][1]} points in "
        f"{len(dataset['classes'])} classes{_groups(dataset)}.</p>",
        image(images["classes"], "records per class"),
        "<h2>How this was done</h2>",
        f"<p>{html.escape(_procedure(main))}</p>",
        _timing_table(summary["timing"]),
    ]
    return render_page("Do synthetic records help?", parts)


def _ranges(synthetic: Mapping[str, float], bounded: float) -> str:
    measured, found = ([f"{synthetic[f'{p}{end}']:.4g}" for end in ("low", "high")] for p in ("measured_", ""))
    return (
        f"Training records lie between {measured[0]} and {measured[1]}, synthetic ones between {found[0]} and {found[1]}; "
        f"{100 * synthetic['share_outside']:.2g} % of their values lie outside the measured range. {100 * bounded:.2g} % of drawn "
        "values were brought to its limits."
    )


def _groups(dataset: Mapping[str, Any]) -> str:
    return f" and {dataset['groups']} groups that stay together" if dataset["groups"] < dataset["records"] else ""


def _leak_note(summary: Mapping[str, Any], summaries: Mapping[str, Mapping]) -> list[str]:
    if "paper" not in summaries:
        return []
    text = summaries["paper"]["comparison"]["sentence"]
    if "leakage" in summary:
        text += f" On the same folds this protocol scores {points(summary['leakage'])} points against strict: that is the leak."
    return [f'<div class="leak"><b>Protocol “paper” leaks.</b> {html.escape(text)}</div>']


def _procedure(summary: Mapping[str, Any]) -> str:
    p = summary["protocol"]
    who = "all records, test records included" if p["leaks"] else "the training part of each fold alone"
    return (
        f"Protocol {p['name']}: {p['folds']}-fold stratified cross-validation, {p['repeats']} repeat(s). Scaling, codec "
        f"and class statistics were learned from {who}. Per fold about {round(np.mean(p['records_train']))} training, "
        f"{round(np.mean(p['records_test']))} test and {round(np.mean(p['records_synthetic']))} synthetic records; "
        f"{p['pca_components']} principal components."
    )


def _arms_table(name: str, summary: Mapping[str, Any]) -> str:
    def cell(score: Mapping) -> str:
        return f"{100 * score['mean']:.1f} ± {100 * score['std']:.1f}"

    rows = [
        [arm, *(cell(values[score]) for score in ("accuracy", "balanced_accuracy", "macro_f1"))]
        for arm, values in summary["arms"].items()
    ]
    leak = " (leaks: not evidence)" if summary["protocol"]["leaks"] else ""
    return table(
        f"Protocol {name}{leak}; percent, mean ± standard deviation over folds",
        ["trained on", "accuracy", "balanced accuracy", "macro F1"],
        rows,
    )


def _recall_table(name: str, summary: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    without, with_ = (summary["arms"][arm]["per_class_recall"] for arm in ("original", "original+synthetic"))
    changes, rows = summary["per_class"], []
    for c, n in counts.items():
        cells = [f"{100 * (with_[c] - without[c]):+.0f}", ""]
        if c in changes:
            low, high = changes[c]["ci95"]
            cells = [f"{cells[0]} ({100 * low:+.0f} to {100 * high:+.0f})", f"{changes[c]['p_adjusted']:.2f}"]
        rows.append([c, str(n), f"{100 * without[c]:.0f}", f"{100 * with_[c]:.0f}", *cells])
    head = ["class", "records", "original", "+ synthetic", "change (95 % interval)", "p, adjusted"]
    return table(f"Recall per class, percent ({name})", head, rows)


def _reconstruction_table(name: str, summary: Mapping[str, Any]) -> str:
    r = summary["reconstruction"]
    seen = " (seen in training: this protocol leaks)" if summary["protocol"]["leaks"] else ""
    rows = [
        ["training records", f"{r['mse_train']:.3g}"],
        [f"test records{seen}", f"{r['mse_test']:.3g}"],
        ["test records, two-sided linear codec (Tucker-2) of the same d", f"{r['mse_test_linear']:.3g}"],
        ["test records, PCA of whole records, d² components or all there are", f"{r['mse_test_principal']:.3g}"],
        ["test records, their own d² largest wavelet coefficients", f"{r['mse_test_wavelet']:.3g}"],
        [
            "share of folds whose transformers beat their linear start on held-out training records",
            f"{r['residual_on']:.2g}",
        ],
    ]
    return table(f"Mean squared error on the [0, 1] scale, mean over folds ({name})", ["records", "error"], rows)


def _sampler_table(name: str, summary: Mapping[str, Any]) -> str:
    """What the sampler notes of each class, mean over folds."""
    notes = summary["sampler"]
    classes = list(next(iter(notes.values()))) if notes else []
    rows = [[c, *(f"{values[c]:.3g}" for values in notes.values())] for c in classes]
    head = ["class", *(key.removesuffix("_K").replace("_", " ") for key in notes)]
    return table(f"Sampler {summary['generator']}, mean over folds ({name})", head, rows)


def at_edges(selection: Mapping[str, Any]) -> list[str]:
    """Sentences about best values at an end of what was tried, where more lies beyond; λ = 1 is an end by nature."""
    found = []
    curve_AxGxH = np.array(selection["log_likelihood"], float)
    best = np.unravel_index(np.nanargmax(np.where(np.isfinite(curve_AxGxH), curve_AxGxH, -np.inf)), curve_AxGxH.shape)
    for axis, (name, symbol) in enumerate((("alpha", "α"), ("ridge", "λ"), ("bandwidth", "h"))):
        values = np.asarray(selection[f"{name}s"], float)
        if name == "alpha" or len(values) < 2 or (name == "ridge" and values[best[axis]] == 1.0):
            continue
        if values[best[axis]] in (values.min(), values.max()):
            end = "smallest" if values[best[axis]] == values.min() else "largest"
            found.append(
                f"The best {symbol}, {values[best[axis]]:g}, is the {end} that was tried; a better one may lie beyond."
            )
    return found


def _selection_part(images: Mapping[str, str], selection: Mapping[str, Any] | None) -> list[str]:
    if "selection" not in images:
        return []
    edges = [] if selection is None else at_edges(selection)
    return [
        *[f'<div class="leak">{html.escape(text)}</div>' for text in edges],
        image(images["selection"], "held-out likelihood of the values tried"),
        "<p>Mean log-density of records that neither codec nor sampler had learned from, inside the training part, by the values "
        "that were tried, mean over folds; the star is its best. Each fold takes the best of its own curve.</p>",
    ]


def _timing_table(timing: Mapping[str, float]) -> str:
    return table("Seconds", list(timing), [[f"{value:.1f}" for value in timing.values()]])
