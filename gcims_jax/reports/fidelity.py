"""The page that shows whether synthetic records look real."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure

from gcims_jax.records import Axis
from gcims_jax.reports.page import REAL, SYNTHETIC, grid, image, render_page, save_figures, table, write_page

Summary = Mapping[str, Any]
SHOWN = 30  # peaks in table and pictures, the highest
LEVEL = 0.05


class Pictures(NamedTuple):
    """What is drawn.

    Attributes:
      real_RxT, synthetic_RxT: mean records of the class, in linear units.
      axes: slow and fast.
      reference_Mx2: places of its peaks, row and column.
    """

    real_RxT: np.ndarray
    synthetic_RxT: np.ndarray
    axes: Sequence[Axis]
    reference_Mx2: np.ndarray


def order(summary: Summary) -> list[int]:
    """The highest peaks of real records, highest first."""
    return sorted(range(len(summary["peaks"])), key=lambda m: -np.nan_to_num(summary["peaks"][m]["real_height"][1]))[
        :SHOWN
    ]


def sentence(summary: Summary) -> str:
    """Peaks, fidelity and memorisation of the method's records, in three sentences."""
    entries = summary["peaks"]
    kept = [entry for entry in entries if entry["other_share"] >= entry["real_share"] / 2]
    ratios = [entry["other_height"][1] / entry["real_height"][1] for entry in kept if entry["real_height"][1] > 0]
    differ = sum(entry.get("p_holm", 1.0) <= LEVEL for entry in entries)
    text = (
        f"Of {len(entries)} peaks of “{summary['class']}”, synthetic records ({summary['method']}) have {len(kept)} at least half as "
        "often as real ones"
    )
    if ratios:
        text += (
            f"; their median heights are {np.median(ratios):.2f} times the real ones (median over peaks), and those of "
            f"{differ} peaks differ in distribution (Holm, 5 %); their places vary {place_spread(entries):.2f} times as much"
        )
    found = summary["fidelity"][summary["method"]]
    unlike = [name for name, measure in found.items() if measure["words"] == "unlike real records"]
    text += f". {len(found) - len(unlike)} of {len(found)} figures of fidelity are not unlike those of real records"
    text += f"; unlike: {', '.join(unlike)}." if unlike else "."
    checks = summary["memorisation"][summary["method"]]
    seen = [name for name, check in checks.items() if check["words"] == "memorised"]
    return text + (f" Memorisation shows in: {', '.join(seen)}." if seen else " Memorisation was not seen.")


def write(workdir: Path, summary: Summary, pictures: Pictures) -> None:
    """Writes figures and page."""
    figures = {"means": plot_means(summary, pictures)}
    if summary["peaks"]:
        figures["heights"] = plot_heights(summary)
    images = save_figures(workdir, figures)
    counts = summary["records"]
    parts = [
        f'<div class="verdict"><p>Do synthetic records look real?</p><p>{html.escape(sentence(summary))}</p></div>',
        f"<h2>Peaks of {html.escape(summary['class'])}</h2>",
        image(images["means"], "mean real and mean synthetic record with its peaks"),
        "<p>Mean of the real and of the synthetic records of the class on one colour scale, with the peaks of the former in the "
        "order of their height.</p>",
    ]
    if "heights" in images:
        parts += [
            image(images["heights"], "heights of peaks in real and synthetic records"),
            "<p>Median and quartiles of the heights above the surroundings, over the records that have the peak.</p>",
            peak_table(summary),
            place_table(summary),
        ]
    parts += [
        "<h2>Fidelity</h2>",
        fidelity_table(summary["fidelity"]),
        "<p>Each figure compares synthetic with held-out real records at equal size and equal classes; “real records” does the "
        "same with training records in their place, mean and the range of 95 % of draws. That is what perfect records "
        "would reach; values outside are marked unlike or, if better, closer: less varied than real records, for instance. "
        "Peaks: of pairs of records of a class; small ones are the lower half. About one figure in twenty lies outside by "
        "chance.</p>",
        "<h2>Memorisation</h2>",
        memorisation_table(summary["memorisation"]),
        "<p>In brackets what exchanging training and held-out records at random gives (95 %); beyond it, after adjusting for the "
        "number of figures, the generator remembers. Copies of training records always do. Not seen is no proof of "
        "privacy.</p>",
        "<h2>How this was done</h2>",
        f"<p>First strict fold: {counts['train']} training and {counts['held_out']} held-out records, {counts['synthetic']} "
        "synthetic ones per generator, of the classes of the training records. Generators, scaling and everything else that "
        "learns saw the training records alone. Distances are on the classifier's [0, 1] scale, peaks of the class in the "
        "input's unit.</p>",
    ]
    write_page(workdir, render_page("Do synthetic records look real?", parts))


def peak_table(summary: Summary) -> str:
    """Place and height of each peak."""
    rows = []
    for rank, m in enumerate(order(summary), 1):
        entry = summary["peaks"][m]
        p_value = entry.get("p_holm", np.nan)
        rows.append(
            [
                str(rank),
                *(f"{value:.4g}" for value in entry["place"]),
                f"{100 * entry['real_share']:.0f} / {100 * entry['other_share']:.0f}",
                *("{1:.3g} ({0:.3g} to {2:.3g})".format(*entry[f"{side}_height"]) for side in ("real", "other")),
                "–" if np.isnan(p_value) else f"{p_value:.3f}",
            ]
        )
    places = [f"{axis['name'].replace('_', ' ')} [{axis['unit']}]" for axis in summary["axes"]]
    head = ["peak", *places, "in % of records, real / synthetic", f"height [{summary['unit']}], real", "synthetic"]
    caption = f"Peaks of {summary['class']}: median height (quartiles), and p-value of equal heights"
    return table(caption, [*head, "p (Holm)"], rows)


def place_table(summary: Summary) -> str:
    """Shift of each peak, and how much its place varies."""
    rows = []
    for rank, m in enumerate(order(summary), 1):
        entry = summary["peaks"][m]
        row = [str(rank)]
        for which, step in zip(("row", "column"), entry["steps"], strict=True):
            spreads = (step * entry[f"{side}_{which}_sd"] for side in ("real", "other"))
            row += [_number(step * entry[f"{which}_shift"], "+.2g"), " / ".join(_number(s, ".2g") for s in spreads)]
        rows.append(row)
    slow, fast = (f"{axis['name'].replace('_', ' ')} [{axis['unit']}]" for axis in summary["axes"])
    spread = "spread, real / synthetic"
    head = ["peak", f"shift in {slow}", spread, f"shift in {fast}", spread]
    return table(
        "Where these peaks lie: mean place in synthetic less in real records, and standard deviations", head, rows
    )


def place_spread(entries: Sequence[Mapping[str, Any]]) -> float:
    """Standard deviation of a peak's place in synthetic over that in real records, median over peaks and axes."""
    pairs = [(e[f"other_{which}_sd"], e[f"real_{which}_sd"]) for e in entries for which in ("row", "column")]
    ratios = [other / real for other, real in pairs if real > 0.0 and np.isfinite(other)]
    return float(np.median(ratios)) if ratios else np.nan


def fidelity_table(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Figures by generator beside those of real records."""
    names = list(found)
    marks = {"unlike real records": " unlike", "closer than real records": " closer", "like real records": ""}
    rows = []
    for key, first in found[names[0]].items():
        real = f"{first['real']:.3g} ({first['low']:.3g} to {first['high']:.3g})"
        cells = [f"{found[n][key]['synthetic']:.3g}{marks.get(found[n][key]['words'], ' –')}" for n in names]
        rows.append([key, {"low": "low", "high": "high", "half": "½"}[first["ideal"]], real, *cells])
    return table("Synthetic against held-out real records", ["", "best", "real records", *names], rows)


def memorisation_table(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Figures by generator, each with its chance level."""
    names = list(found)
    rows = []
    for key in found[names[0]]:
        cells = []
        for name in names:
            check = found[name][key]
            chance = f" ({check['low']:.2g} to {check['high']:.2g})" if check["high"] > 0.0 else ""
            cells.append(f"{check['value']:.2g}{chance}{' memorised' if check['words'] == 'memorised' else ''}")
        rows.append([key, *cells])
    return table("Training records against held-out ones, as synthetic records see them", ["", *names], rows)


def plot_means(summary: Summary, pictures: Pictures) -> Figure:
    """Mean real and mean synthetic record, its peaks numbered."""
    figure, axes = grid(1, 2, width=5.2, height=4.4, sharex=True, sharey=True)
    slow, fast = pictures.axes
    centre = float(np.median(pictures.real_RxT))
    high = float(pictures.real_RxT.max()) - centre
    norm = AsinhNorm(
        linear_width=high / 60.0 or 1.0, vmin=min(0.0, float(pictures.real_RxT.min()) - centre), vmax=high or 1.0
    )
    for ax, title, mean_RxT in zip(
        axes[0], ("real", f"synthetic ({summary['method']})"), (pictures.real_RxT, pictures.synthetic_RxT), strict=True
    ):
        ax.pcolormesh(
            fast.values, slow.values, mean_RxT - centre, norm=norm, cmap="viridis", shading="nearest", rasterized=True
        )
        for rank, m in enumerate(order(summary), 1):
            i, j = pictures.reference_Mx2[m]
            ax.annotate(
                str(rank), (fast.values[j], slow.values[i]), color="white", fontsize=7, ha="center", va="center"
            )
        ax.set_title(title, fontsize=9)
        ax.set_xlabel(f"{fast.name.replace('_', ' ')} [{fast.unit}]")
    axes[0, 0].set_ylabel(f"{slow.name.replace('_', ' ')} [{slow.unit}]")
    return figure


def plot_heights(summary: Summary) -> Figure:
    """Quartiles of each peak's height, real and synthetic side by side."""
    ranks = order(summary)
    figure, axes = grid(1, 1, width=max(5.0, 0.32 * len(ranks) + 1.5), height=3.2)
    ax = axes[0, 0]
    for side, colour, offset, label in (("real", REAL, -0.15, "real"), ("other", SYNTHETIC, 0.15, "synthetic")):
        low, middle, high = np.array([summary["peaks"][m][f"{side}_height"] for m in ranks], float).T
        x = np.arange(1, len(ranks) + 1) + offset
        ax.errorbar(
            x, middle, yerr=[middle - low, high - middle], fmt="o", color=colour, capsize=2, markersize=4, label=label
        )
    ax.set_yscale("log")
    ax.set_xticks(range(1, len(ranks) + 1))
    ax.set_xlabel("peak")
    ax.set_ylabel(f"height [{summary['unit']}]")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return figure


def _number(value: float, form: str) -> str:
    """A number, or a dash where there is none."""
    return f"{value:{form}}" if np.isfinite(value) else "–"
