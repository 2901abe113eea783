"""The page about a set of records: facts, warnings, classes by groups, contact sheet."""

import html
from collections.abc import Sequence
from pathlib import Path

import matplotlib.axis
import numpy as np
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gcims_jax.errors import counted
from gcims_jax.preprocessing import inspection
from gcims_jax.preprocessing.inspection import Extent, Look
from gcims_jax.reports import page

SHOWN = 8  # records of a class on the contact sheet
CLASSES_SHOWN = 24


def write(workdir: Path, looks: Sequence[Look], warnings: Sequence[str], left_out: Sequence[tuple[str, str]]) -> None:
    """Writes ``report.html`` and ``figures/contact_sheet.png``.

    Args:
      workdir: the folder.
      looks: one for each record.
      warnings: sentences.
      left_out: files that are no part of the set and why.
    """
    figures = {"contact_sheet": contact_sheet(looks)}
    if sum(not np.isnan(one.rip) for one in looks) > 1:
        figures["rip"] = rip_positions(looks)
    images = page.save_figures(workdir, figures)
    classes, groups, counts = classes_by_groups(looks)
    parts = [f"<h1>{counted(len(looks), 'record')} in {counted(len(classes), 'class')}</h1>"]
    if warnings:
        items = "".join(f"<li>{html.escape(text)}</li>" for text in warnings)
        parts.append(f'<div class="leak"><strong>{len(warnings)} to look into</strong><ul>{items}</ul></div>')
    else:
        parts.append('<div class="verdict helps"><p>Nothing to warn of.</p></div>')
    parts.append(page.image(images["contact_sheet"], "contact sheet"))
    parts.append(
        "<p>Up to eight records of each class on one colour scale, logarithmic above the baseline. Axes that differ from those of "
        "the first record are written in red.</p>"
    )
    parts.append(page.table("The set", ("what", "value"), inspection.summary(looks)))
    if "rip" in images:
        parts.append(page.image(images["rip"], "position of the reactant ion peak"))
    if len(groups) > 20:
        rows = [(c, str(sum(row)), str(sum(n > 0 for n in row))) for c, row in zip(classes, counts, strict=True)]
        parts.append(page.table("Records and groups of each class", ("class", "records", "groups"), rows))
    else:
        rows = [(c, *map(str, row), str(sum(row))) for c, row in zip(classes, counts, strict=True)]
        parts.append(page.table("Records by class and group", ("class", *groups, "all"), rows))
    if left_out:
        parts.append(page.table("Left out", ("file", "why"), left_out))
    page.write_page(workdir, page.render_page("A look at the data", parts))


def classes_by_groups(looks: Sequence[Look]) -> tuple[list[str], list[str], list[list[int]]]:
    """Names of classes and groups, and records of each class in each group."""
    classes = sorted({one.label for one in looks})
    groups = sorted({one.group or "no group" for one in looks})
    counts = [[sum((o.label, o.group or "no group") == (c, g) for o in looks) for g in groups] for c in classes]
    return classes, groups, counts


def contact_sheet(looks: Sequence[Look]) -> Figure:
    """Up to eight records of each class, evenly picked, on one scale."""
    classes = sorted({one.label for one in looks})[:CLASSES_SHOWN]
    rows = []
    for label in classes:
        own = [one for one in looks if one.label == label]
        rows.append([own[i] for i in np.unique(np.linspace(0, len(own) - 1, min(SHOWN, len(own))).astype(int))])
    pooled = np.concatenate([one.thumbnail_HxW.ravel() for row in rows for one in row])
    centre = float(np.median(pooled))
    low, high = float(np.percentile(pooled, 0.5)) - centre, float(pooled.max()) - centre
    norm = AsinhNorm(linear_width=max(high, -low) / 60.0 or 1.0, vmin=low, vmax=max(high, low + 1e-6))
    columns = max(4, *map(len, rows))  # room for the line about the axes
    figure, axes = page.grid(len(rows), columns, width=1.5, height=1.4)
    for i, (axes_row, row) in enumerate(zip(axes, rows, strict=True)):
        for ax in axes_row:
            ax.set_xticks([])
            ax.set_yticks([])
            ax.set_frame_on(False)
        for ax, one in zip(axes_row, row, strict=False):
            extent = (one.fast.low, one.fast.high, one.slow.low, one.slow.high)
            ax.imshow(
                one.thumbnail_HxW - centre, norm=norm, aspect="auto", origin="lower", cmap="viridis", extent=extent
            )
            # An axis of its own where a record's differs from the first one's; else one at the left and one at the bottom.
            if ax is axes_row[0] or not _same(one.slow, looks[0].slow):
                _ends(ax.yaxis, one.slow, looks[0].slow)
            if i == len(rows) - 1 or not _same(one.fast, looks[0].fast):
                _ends(ax.xaxis, one.fast, looks[0].fast)
            ax.set_title(_short(one.name), fontsize=6, loc="left")
        axes_row[0].set_title(f"{row[0].label}\n{_short(row[0].name)}", fontsize=6, loc="left")
    one = looks[0]
    slow, fast = (f"{e.name.replace('_', ' ')} [{e.unit}]" for e in (one.slow, one.fast))
    figure.supylabel(f"↑ {slow}", fontsize=7)
    figure.supxlabel(f"→ {fast}", fontsize=7)
    return figure


def _same(extent: Extent, other: Extent) -> bool:
    return f"{extent.low:.3g} {extent.high:.3g}" == f"{other.low:.3g} {other.high:.3g}"


def _ends(axis: matplotlib.axis.Axis, extent: Extent, usual: Extent) -> None:
    """Both ends of an axis as ticks, red where they are not the usual ones."""
    colour = "black" if _same(extent, usual) else "red"
    axis.set_ticks([extent.low, extent.high], [f"{extent.low:.3g}", f"{extent.high:.3g}"], fontsize=5, color=colour)
    axis.set_tick_params(length=1.5, pad=1.0)


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:9]}…{name[-10:]}"


def rip_positions(looks: Sequence[Look]) -> Figure:
    """Position of the reactant ion peak in the order of the records, coloured by class."""
    figure, axes = page.grid(1, 1, width=8.0, height=2.6)
    ax = axes[0, 0]
    for label in sorted({one.label for one in looks}):
        points = [(i, one.rip) for i, one in enumerate(looks) if one.label == label and not np.isnan(one.rip)]
        if points:
            ax.plot(*zip(*points, strict=True), ".", label=label)
    fast = looks[0].fast
    ax.set_xlabel("record, in the order of the files")
    ax.set_ylabel(f"reactant ion peak [{fast.unit}]")
    ax.ticklabel_format(axis="y", useOffset=False)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len({one.label for one in looks}) <= 10:
        ax.legend(fontsize=7, ncols=4, loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False)
    return figure
