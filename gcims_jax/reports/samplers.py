"""Pictures and the page of the sampler study."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gcims_jax.reports.page import GREY, REAL, SYNTHETIC, grid, image, render_page, save_figures, table, write_page

CHOSEN = "own choice"
# Shown in this order; whether a large value is good, and how it reads.
MEASURES = {
    "delta_accuracy": ("change of accuracy [points]", 100.0, True),
    "delta_balanced_accuracy": ("change of balanced accuracy [points]", 100.0, True),
    "log_likelihood": ("held-out log-likelihood [nats]", 1.0, True),
    "latent_energy": ("energy distance, latents", 1.0, False),
    "record_energy": ("energy distance, records", 1.0, False),
}


def write(workdir: Path, summary: Mapping[str, Any]) -> None:
    """Writes ``figures/*.png`` and ``report.html`` into a work directory."""
    cells = summary["cells"]
    figures = {"changes": plot_changes(cells)}
    if _settings(cells) != [CHOSEN]:
        figures |= {"heat_maps": plot_heat_maps(cells), "likelihood": plot_likelihood(cells)}
    images = save_figures(workdir, figures)
    parts = [
        f'<div class="verdict"><p>Which sampler, how regularised?</p><p>{html.escape(sentence(summary))}</p></div>',
        _recommendation_table(summary["recommendation"]),
        "<h2>Does it help the classifier?</h2>",
        image(images["changes"], "change of accuracy and balanced accuracy per sampler"),
        "<p>Change against no augmentation on held-out real records, each sampler at its own choice of regularisation; "
        "bars are 95 % intervals, not adjusted for the number of samplers.</p>",
    ]
    if "heat_maps" in images:
        parts += [
            "<h2>By sampler and ridge</h2>",
            image(images["heat_maps"], "heat maps of every measure by sampler and ridge"),
            "<p>Yellow is better in every panel. Each is the mean over folds. Energy distances are to held-out real "
            "records; in brackets that of real training records, which no sampler is expected to beat.</p>",
            "<h2>Is the ridge that likelihood chooses the right one?</h2>",
            image(images["likelihood"], "held-out log-likelihood by ridge"),
            "<p>Log-likelihood of held-out latents by ridge; the star is what the sampler chose from its training latents "
            "with whole groups left out. A star on the top of its curve is a right choice.</p>",
        ]
    parts += ["<h2>All figures</h2>", *[cell_table(cell) for cell in cells]]
    write_page(workdir, render_page("Samplers", parts))


def _recommendation_table(found: Mapping[str, Any]) -> str:
    why = {"best": "best for the classifier", "safe": "safe: best worst cell", "likeliest": "likeliest held out"}
    rows = [
        [
            words,
            found[name]["sampler"],
            found[name]["setting"],
            f"{100 * found[name]['mean_change']:+.1f}",
            f"{100 * found[name]['worst_change']:+.1f}",
        ]
        for name, words in why.items()
        if found[name]
    ]
    head = ["", "sampler", "ridge", "mean change [points]", "worst cell [points]"]
    return table("Over all cells; change is the mean of accuracy and balanced accuracy", head, rows)


def sentence(summary: Mapping[str, Any]) -> str:
    """The best and the safe setting in words."""
    found = summary["recommendation"]

    def words(entry: Mapping[str, Any]) -> str:
        ridge = "at its own choice" if entry["setting"] == CHOSEN else f"with ridge {entry['setting']}"
        return (
            f"{entry['sampler']} {ridge} (mean change {100 * entry['mean_change']:+.1f}, worst cell "
            f"{100 * entry['worst_change']:+.1f} points)"
        )

    intervals = [
        point[score]["ci95"]
        for cell in summary["cells"]
        for point in cell["points"]
        for score in ("delta_accuracy", "delta_balanced_accuracy")
    ]
    clear = sum(low > 0.0 or high < 0.0 for low, high in intervals)
    likely = ""
    if found["likeliest"]:
        entry = found["likeliest"]
        likely = (
            f"Likeliest for held-out latents: {words(entry)}, mean rank {entry['mean_rank']:.1f} of {entry['ranked']}. "
        )
    return (
        f"{likely}Best for the classifier, by the mean of both accuracies: "
        f"{words(found['best'])}. Safe, by the worst cell: {words(found['safe'])}. Both are picked on the folds that score "
        f"them, so optimistic; {clear} of {len(intervals)} intervals of a change exclude zero, where 5 % would by chance."
    )


def plot_changes(cells: Sequence[Mapping]) -> Figure:
    """Change of both accuracies at each sampler's own choice, one row of panels per cell."""
    names = list(dict.fromkeys(point["sampler"] for point in cells[0]["points"]))
    figure, axes = grid(len(cells), 2, width=5.2, height=0.6 + 0.28 * len(names), sharex="col")
    for row, cell in zip(axes, cells, strict=True):
        chosen = {point["sampler"]: point for point in cell["points"] if point["setting"] == CHOSEN}
        for ax, score in zip(row, ("delta_accuracy", "delta_balanced_accuracy"), strict=True):
            for y, name in enumerate(names):
                change = chosen[name][score]
                low, high = 100 * np.array(change["ci95"])
                ax.plot([low, high], [y, y], color=GREY, linewidth=2, solid_capstyle="round")
                ax.plot(100 * change["delta"], y, "o", color=SYNTHETIC)
            ax.axvline(0.0, color=REAL, linewidth=1)
            ax.set_yticks(range(len(names)), names if ax is row[0] else [])
            ax.set_ylim(len(names) - 0.5, -0.5)
            ax.grid(axis="x", alpha=0.3)
        row[0].set_title(f"{_title(cell)}; without: {100 * cell['original']['accuracy']:.1f} %", fontsize=9)
        row[1].set_title(f"without: {100 * cell['original']['balanced_accuracy']:.1f} %", fontsize=9)
    axes[-1, 0].set_xlabel("change of accuracy [points]")
    axes[-1, 1].set_xlabel("change of balanced accuracy [points]")
    return figure


def plot_heat_maps(cells: Sequence[Mapping]) -> Figure:
    """Every measure by sampler and ridge, one row of panels per cell."""
    settings = _settings(cells)
    names = list(dict.fromkeys(point["sampler"] for point in cells[0]["points"]))
    figure, axes = grid(len(cells), len(MEASURES), width=3.1, height=0.8 + 0.32 * len(names), sharex=True, sharey=True)
    for row, cell in zip(axes, cells, strict=True):
        for ax, (measure, (title, scale, large_is_good)) in zip(row, MEASURES.items(), strict=True):
            values = np.full((len(names), len(settings)), np.nan)
            for point in cell["points"]:
                value = point[measure]["delta"] if isinstance(point[measure], Mapping) else point[measure]
                if value is not None:
                    values[names.index(point["sampler"]), settings.index(point["setting"])] = scale * value
            shown = values if large_is_good else -values
            # The worst few settings would take the whole scale: it starts at the first quartile.
            low, high = np.nanquantile(shown, 0.25), np.nanmax(shown)
            ax.imshow(shown, aspect="auto", cmap="viridis", vmin=low, vmax=high if high > low else low + 1.0)
            for (i, j), value in np.ndenumerate(values):
                if np.isfinite(value):
                    dark = shown[i, j] < 0.5 * (low + high)
                    ax.text(j, i, _short(value), ha="center", va="center", fontsize=6, color="w" if dark else "k")
            real = f" ({_short(cell['real'][measure])})" if measure in cell["real"] else ""
            ax.set_title((title if ax in axes[0] else "") + real, fontsize=8)
            ax.set_xticks(range(len(settings)), ["own" if s == CHOSEN else s for s in settings], fontsize=7)
            ax.set_yticks(range(len(names)), names, fontsize=7)
        row[0].set_ylabel(_title(cell), fontsize=8)
    for ax in axes[-1]:
        ax.set_xlabel("ridge λ", fontsize=8)
    return figure


def plot_likelihood(cells: Sequence[Mapping]) -> Figure:
    """Held-out log-likelihood by ridge, a star where the sampler put it; one panel per cell."""
    columns = min(3, len(cells))
    figure, axes = grid(-(-len(cells) // columns), columns, width=3.8, height=3.0)
    colours = dict(zip(dict.fromkeys(p["sampler"] for p in cells[0]["points"]), _palette(), strict=False))
    for ax in axes.ravel()[len(cells) :]:
        ax.set_visible(False)
    for ax, cell in zip(axes.ravel(), cells, strict=False):
        tops = []
        for name, colour in colours.items():
            points = [p for p in cell["points"] if p["sampler"] == name and p["log_likelihood"] is not None]
            given = [(float(p["setting"]), p["log_likelihood"]) for p in points if p["setting"] != CHOSEN]
            if given:
                ax.plot(*zip(*sorted(given), strict=True), ".-", color=colour, label=name, linewidth=1)
                tops.append(max(value for _, value in given))
            for p in points:
                if p["setting"] == CHOSEN and "ridge" in p["used"]:
                    ax.plot(p["used"]["ridge"], p["log_likelihood"], "*", color=colour, markersize=11)
                    tops.append(p["log_likelihood"])
        ax.set_xscale("log")
        ax.set_title(_title(cell), fontsize=9)
        ax.set_xlabel("ridge λ")
        ax.grid(alpha=0.3)
        if tops:
            # Far below the best, curves only press the others together.
            ax.set_ylim(
                max(tops) - 3.0 * max(max(tops) - min(tops), 1.0), max(tops) + 0.3 * max(max(tops) - min(tops), 1.0)
            )
    axes[0, 0].set_ylabel("held-out log-likelihood [nats]")
    axes[0, 0].legend(fontsize=7)
    return figure


def cell_table(cell: Mapping[str, Any]) -> str:
    """All points of one cell."""

    def change(comparison: Mapping[str, Any]) -> str:
        low, high = (100 * value for value in comparison["ci95"])
        return f"{100 * comparison['delta']:+.1f} ({low:+.1f} to {high:+.1f})"

    rows = [
        [
            point["sampler"],
            point["setting"],
            ", ".join(f"{name} {value:.2g}" for name, value in point["used"].items()),
            change(point["delta_accuracy"]),
            change(point["delta_balanced_accuracy"]),
            *(
                "–" if point[m] is None else _short(point[m])
                for m in ("log_likelihood", "latent_energy", "record_energy")
            ),
            "–" if point["condition"] is None else f"{point['condition']:.1f}",
            f"{1000 * point['fit_seconds']:.0f}",
        ]
        for point in cell["points"]
    ]
    real = cell["real"]
    return table(
        f"{_title(cell)}: {cell['folds']} folds; without augmentation {100 * cell['original']['accuracy']:.1f} % accuracy, "
        f"{100 * cell['original']['balanced_accuracy']:.1f} % balanced; energy distance of real training records "
        f"{_short(real['latent_energy'])} (latents), {_short(real['record_energy'])} (records)",
        ["sampler", "ridge", "used", "accuracy change", "balanced change", "log-likelihood", "energy, latents",
         "energy, records", "log10 condition", "fit ms"],
        rows,
    )  # fmt: skip


def _settings(cells: Sequence[Mapping]) -> list[str]:
    """All settings, numbers first and ascending, then the samplers' own choice."""
    found = {point["setting"] for cell in cells for point in cell["points"]}
    return [*sorted(found - {CHOSEN}, key=float), CHOSEN]


def _title(cell: Mapping[str, Any]) -> str:
    most = "all records" if cell["records_per_class"] == 0 else f"{cell['records_per_class']} records a class"
    return f"d = {cell['latent']}, {most}"


def _short(value: float) -> str:
    if abs(value) < 1e-6:
        return "0"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2g}" if abs(value) < 1 else f"{value:.1f}"


def _palette() -> list[str]:
    return ["#1f4e79", "#c8553d", "#4c8c4a", "#8e5ea2", "#b8860b", "#2a9d9d", "#7a7a7a", "#d48fb1"]
