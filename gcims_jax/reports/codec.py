"""Pages of the studies of the codec: tables, curves and galleries of records."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gcims_jax.records import Axis
from gcims_jax.reports.page import grid, image, render_page, save_figures, table, write_page

COLOURS = ("#c8553d", "#1f4e79", "#8a8a8a", "#5b8e7d", "#b8860b", "#6a4c93")


def plot_curves(
    panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]], xlabel: str, *, log_x: bool = True
) -> Figure:
    """One panel per figure of merit, one line per codec; values are (x, y)."""
    columns = min(3, len(panels))
    figure, axes = grid(-(-len(panels) // columns), columns, width=4.2, height=3.1)
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    for ax, (title, lines) in zip(axes.flat, panels.items(), strict=False):
        for colour, (name, (x, y)) in zip(COLOURS, lines.items(), strict=False):
            ax.plot(x, y, "o-", color=colour, label=name, markersize=4, linewidth=1.4)
        if log_x:
            ax.set_xscale("log", base=2)
            ticks = sorted({value for x, _ in lines.values() for value in x})
            ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.minorticks_off()
        values = [value for _, y in lines.values() for value in y if np.isfinite(value)]
        if values and min(values) > 0 and max(values) > 20 * min(values):
            ax.set_yscale("log")
        ax.set_title(title, fontsize=9)
        ax.set_xlabel(xlabel)
        ax.grid(alpha=0.3, which="both")
    axes.flat[0].legend(fontsize=7)
    return figure


def plot_gallery(
    rows: Mapping[str, Mapping[str, np.ndarray]],
    slow: Axis,
    fast: Axis,
    window: tuple[slice, slice],
    *,
    brightest: float = 1.0,
    marks_Mx2: np.ndarray | None = None,
) -> Figure:
    """Records R×T on the [0, 1] scale, rows and columns by name; ``window`` is the part of each that is shown.

    Colours end at the quantile ``brightest`` of the first record; ``marks_Mx2`` are places to circle, row and column
    within the window.
    """
    columns = max(len(row) for row in rows.values())
    figure, axes = grid(len(rows), columns, width=2.7, height=2.3, sharex=True, sharey=True)
    first = next(iter(next(iter(rows.values())).values()))
    low, high = float(np.quantile(first[window], 0.01)), float(np.quantile(first[window], brightest))
    extent = (*_span(fast, window[1], first.shape[1]), *_span(slow, window[0], first.shape[0]))
    for i, (name, row) in enumerate(rows.items()):
        for j, (title, record) in enumerate(row.items()):
            axes[i, j].imshow(
                record[window], origin="lower", aspect="auto", extent=extent, vmin=low, vmax=high,
                cmap="viridis", interpolation="nearest",
            )  # fmt: skip
            if marks_Mx2 is not None:
                x_M = extent[0] + (marks_Mx2[:, 1] + 0.5) / record[window].shape[1] * (extent[1] - extent[0])
                y_M = extent[2] + (marks_Mx2[:, 0] + 0.5) / record[window].shape[0] * (extent[3] - extent[2])
                axes[i, j].plot(x_M, y_M, "o", markersize=9, markerfacecolor="none", color="white", linewidth=0)
            axes[i, j].set_title(title, fontsize=8)
            axes[i, j].set_xlabel(fast.label, fontsize=8)
        for j in range(len(row), columns):
            axes[i, j].set_visible(False)
        axes[i, 0].set_ylabel(f"{name}\n{slow.label}", fontsize=8)
    return figure


def write(
    workdir: Path, title: str, answer: str, parts: Sequence[tuple[str, str, Sequence[str], Sequence[Sequence[str]]]],
    figures: Mapping[str, tuple[Figure, str]],
) -> None:  # fmt: skip
    """Writes ``figures/*.png`` and ``report.html``.

    Args:
      workdir: of the run.
      title: the question.
      answer: what was found, one paragraph.
      parts: tables as (heading, caption, head, rows).
      figures: by file name, each with its caption.
    """
    images = save_figures(workdir, {name: figure for name, (figure, _) in figures.items()})
    body = [f'<div class="verdict cannot-tell"><h1>{html.escape(title)}</h1><p>{html.escape(answer)}</p></div>']
    for name, (_, caption) in figures.items():
        body.append(f"{image(images[name], caption)}<p>{html.escape(caption)}</p>")
    for heading, caption, head, rows in parts:
        body.append(f"<h2>{html.escape(heading)}</h2>{table(caption, head, rows)}")
    write_page(workdir, render_page(title, body))


def _span(axis: Axis, part: slice, points: int) -> tuple[float, float]:
    first, last, _ = part.indices(points)
    edges = np.linspace(axis.values[0], axis.values[-1], points + 1)
    return float(edges[first]), float(edges[last])
