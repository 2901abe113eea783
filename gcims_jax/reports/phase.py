"""Pictures of phase and amplitude: records before and after registration, their warps, and the main directions of both."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gcims_jax.phase import registration
from gcims_jax.phase.registration import Registration, RegistrationConfig
from gcims_jax.records import Axis
from gcims_jax.reports.page import REAL, grid

STEPS = (-2.0, -1.0, 0.0, 1.0, 2.0)  # standard deviations along a direction
SHOWN = 4


def plot_all(
    x_NxRxT: np.ndarray,
    labels_N: np.ndarray,
    learned: Registration,
    config: RegistrationConfig,
    slow: Axis,
    fast: Axis,
) -> dict[str, tuple[Figure, str]]:
    """Figures and captions by name, of the largest class of training records on the [0, 1] scale."""
    labels, counts = np.unique(labels_N, return_counts=True)
    own = labels_N == labels[counts.argmax()]
    theta_NxP = np.asarray(learned.labelled.theta_NxP)
    aligned_NxRxT = registration.apply(theta_NxP, x_NxRxT, config)
    centre_KxP = {k: theta_NxP[labels_N == k].mean(axis=0) for k in labels}
    deviations_NxP = theta_NxP - np.array([centre_KxP[k] for k in labels_N])
    return {
        "before_after": (
            _before_after(x_NxRxT[own], aligned_NxRxT[own], slow, fast),
            "Training records of the largest class and their mean, as measured (above) and registered (below): "
            "a mean of records in step is sharper.",
        ),
        "warps": (
            _warps(theta_NxP, x_NxRxT.shape[1:], config, slow, fast),
            "The warps of all training records: how far from its place each point is read.",
        ),
        "directions": (
            _directions(aligned_NxRxT[own], deviations_NxP, config, slow, fast),
            "The mean record of the largest class along the first direction of phase (above: peaks move) and of amplitude "
            "(below: peaks grow and shrink), from minus two to two standard deviations.",
        ),
    }


def _draw(ax: Axes, x_RxT: np.ndarray, limits: tuple[float, float], slow: Axis, fast: Axis, title: str) -> None:
    extent = (fast.values[0], fast.values[-1], slow.values[0], slow.values[-1])
    ax.imshow(
        x_RxT, origin="lower", aspect="auto", extent=extent, vmin=limits[0], vmax=limits[1], cmap="viridis",
        interpolation="nearest",
    )  # fmt: skip
    ax.set_title(title, fontsize=9)


def _label(axes: np.ndarray, slow: Axis, fast: Axis) -> None:
    for ax in axes[-1]:
        ax.set_xlabel(fast.label, fontsize=8)
    for ax in axes[:, 0]:
        ax.set_ylabel(slow.label, fontsize=8)


def _before_after(x_NxRxT: np.ndarray, aligned_NxRxT: np.ndarray, slow: Axis, fast: Axis) -> Figure:
    shown = min(SHOWN, len(x_NxRxT))
    figure, axes = grid(2, shown + 1, width=2.5, height=2.3, sharex=True, sharey=True)
    limits = tuple(np.quantile(x_NxRxT[:shown], [0.01, 0.998]))
    for row, (a_NxRxT, title) in enumerate(((x_NxRxT, "measured"), (aligned_NxRxT, "registered"))):
        for i in range(shown):
            _draw(axes[row, i], a_NxRxT[i], limits, slow, fast, f"{title}, record {i + 1}")
        _draw(axes[row, shown], a_NxRxT.mean(axis=0), limits, slow, fast, f"{title}, mean of {len(x_NxRxT)}")
    _label(axes, slow, fast)
    return figure


def _warps(theta_NxP: np.ndarray, shape: tuple[int, int], config: RegistrationConfig, slow: Axis, fast: Axis) -> Figure:
    figure, axes = grid(1, 2, width=4.5, height=2.8)
    for ax, axis, positions_NxL in zip(
        axes[0], (slow, fast), registration.positions(theta_NxP, shape, config), strict=True
    ):
        grid_L = np.linspace(0.0, 1.0, positions_NxL.shape[1])
        span = axis.values[-1] - axis.values[0]
        ax.plot(axis.values[0] + span * grid_L, span * (np.asarray(positions_NxL) - grid_L).T, color=REAL, alpha=0.15)
        ax.axhline(0.0, color="black", linewidth=0.8)
        ax.set_xlabel(axis.label, fontsize=8)
        ax.set_ylabel("moved by" if axis.unit in ("", "1") else f"moved by [{axis.unit}]", fontsize=8)
    return figure


def _directions(
    aligned_MxRxT: np.ndarray, deviations_NxP: np.ndarray, config: RegistrationConfig, slow: Axis, fast: Axis
) -> Figure:
    mean_RxT = aligned_MxRxT.mean(axis=0)
    unit_P = registration.spread(config)
    _, values_P, phase_PxP = np.linalg.svd(deviations_NxP / unit_P, full_matrices=False)
    phase_P = phase_PxP[0] * values_P[0] / np.sqrt(len(deviations_NxP)) * unit_P
    rows_MxF = (aligned_MxRxT - mean_RxT).reshape(len(aligned_MxRxT), -1)
    _, values_M, amplitude_MxF = np.linalg.svd(rows_MxF, full_matrices=False)
    amplitude_RxT = (amplitude_MxF[0] * values_M[0] / np.sqrt(len(rows_MxF))).reshape(mean_RxT.shape)
    theta_SxP = np.float32(np.array(STEPS)[:, None] * phase_P)
    moved_SxRxT = registration.apply(theta_SxP, np.repeat(mean_RxT[None], len(STEPS), axis=0), config)
    figure, axes = grid(2, len(STEPS), width=2.4, height=2.3, sharex=True, sharey=True)
    limits = tuple(np.quantile(mean_RxT, [0.01, 0.998]))
    for i, step in enumerate(STEPS):
        _draw(axes[0, i], moved_SxRxT[i], limits, slow, fast, f"phase {step:+g} SD" if step else "mean record")
        _draw(
            axes[1, i],
            mean_RxT + step * amplitude_RxT,
            limits,
            slow,
            fast,
            f"amplitude {step:+g} SD" if step else "mean record",
        )
    _label(axes, slow, fast)
    return figure
