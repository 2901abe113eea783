"""Records side by side: real, through the codec, synthetic."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.colors import FuncNorm
from matplotlib.figure import Figure

from gcims_jax.preprocessing.scale import Scaling
from gcims_jax.records import Axis
from gcims_jax.reports.page import grid

OUTSIDE = "magenta"
COLOURS = "All share one colour scale, logarithmic above the baseline; magenta lies outside the measured range."


class Examples(NamedTuple):
    """One held-out real record per class, its reconstruction if there is a codec, and a synthetic record of that class.

    Attributes:
      classes: K class names.
      real_KxLxM, reconstructed_KxLxM, synthetic_KxLxM: in the input's unit, on the cropped grid.
      slow, fast: its axes.
      scaling: gives the colour scale, so that small and large peaks both show.
      unit: of the values.
      held_out: whether the generator has not seen the real records.
      limits: lowest and highest value that the training records measured.
    """

    classes: Sequence[str]
    real_KxLxM: np.ndarray
    reconstructed_KxLxM: np.ndarray | None
    synthetic_KxLxM: np.ndarray
    slow: Axis
    fast: Axis
    scaling: Scaling
    unit: str
    held_out: bool
    limits: tuple[float, float]


def plot_records(examples: Examples) -> Figure:
    """Real | reconstructed | synthetic, one row per class, one colour scale."""
    columns = {
        "real, held out" if examples.held_out else "real, seen in training": examples.real_KxLxM,
        "reconstructed": examples.reconstructed_KxLxM,
        "synthetic": examples.synthetic_KxLxM,
    }
    columns = {title: records_KxLxM for title, records_KxLxM in columns.items() if records_KxLxM is not None}
    figure, axes = grid(len(examples.classes), len(columns), width=4.0, height=2.5, sharex=True, sharey=True)
    extent = (*examples.fast.values[[0, -1]], *examples.slow.values[[0, -1]])
    low, high = examples.limits
    norm = _log_norm(examples.scaling, low, high)
    colours = matplotlib.colormaps["viridis"].with_extremes(under=OUTSIDE, over=OUTSIDE)
    for j, (title, records_KxLxM) in enumerate(columns.items()):
        axes[0, j].set_title(title)
        axes[-1, j].set_xlabel(examples.fast.label)
        for i, name in enumerate(examples.classes):
            image = axes[i, j].imshow(
                records_KxLxM[i], origin="lower", aspect="auto", extent=extent, norm=norm, cmap=colours,
                interpolation="nearest",
            )  # fmt: skip
            if j == 0:
                axes[i, j].set_ylabel(f"{name}\n{examples.slow.label}", fontsize=8)
    bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 2.0 / len(examples.classes)), aspect=30)
    bar.set_label(examples.unit if examples.unit not in ("", "1") else "value")
    ticks = _colour_ticks(examples.scaling, low, high)
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    return figure


def _log_norm(scaling: Scaling, low: float, high: float) -> FuncNorm:
    return FuncNorm(_scale_functions(scaling), vmin=low, vmax=high if high > low else low + 1.0)


def _scale_functions(scaling: Scaling) -> tuple[Any, Any]:
    if np.isinf(scaling.knee):
        return (lambda v: v), (lambda w: w)
    return (
        lambda v: np.arcsinh((v - scaling.centre) / scaling.knee),
        lambda w: np.sinh(w) * scaling.knee + scaling.centre,
    )


def _colour_ticks(scaling: Scaling, low: float, high: float, count: int = 6) -> np.ndarray:
    """Round values, 1, 2 or 5 times a power of ten, about evenly spread on the colour scale, in the input's unit."""
    largest = int(np.floor(np.log10(max(abs(low), abs(high), 1e-12))))
    positive = [digit * 10.0**power for power in range(largest - 5, largest + 1) for digit in (1, 2, 5)]
    round_M = np.array([0.0, *positive, *(-value for value in positive)])
    round_M = np.sort(round_M[(low <= round_M) & (round_M <= high)])
    if not len(round_M):  # a range without a round value
        return np.array([low, high])
    forward, _ = _scale_functions(scaling)
    at_M = forward(round_M)
    wanted = np.linspace(*forward(np.array([low, high])), count)
    return np.unique(round_M[[int(np.abs(at_M - place).argmin()) for place in wanted]])
