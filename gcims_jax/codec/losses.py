"""What a codec is trained for: squared error, weighted and in more than one unit, so that small peaks count."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from gcims_jax.errors import InputError

Array = jax.Array

WEIGHTS = ("none", "noise", "prominence")


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Terms of the loss; the defaults are the plain mean squared error.

    Attributes:
      weight: "none"; "noise": each point by the inverse of its noise variance; "prominence": points that stand out
        from their surroundings by more than the noise count up to ``gain`` times more, small peaks as much as large.
      gain: see ``weight``.
      multiscale: weight of the error of local averages, at 2 and 4 points.
      derivative: weight of the error of first differences along both axes.
      linear: share, 0 to 1, of the error in linear units (counts) instead of the logarithmic ones.
    """

    weight: str = "none"
    gain: float = 10.0
    multiscale: float = 0.0
    derivative: float = 0.0
    linear: float = 0.0

    def __post_init__(self) -> None:
        if self.weight not in WEIGHTS:
            raise InputError(f"loss.weight: expected one of {list(WEIGHTS)}, got {self.weight!r}")
        for name in ("gain", "multiscale", "derivative"):
            if not getattr(self, name) >= 0.0:
                raise InputError(f"loss.{name}: expected 0 or more, got {getattr(self, name)}")
        if not 0.0 <= self.linear <= 1.0:
            raise InputError(f"loss.linear: expected a share from 0 to 1, got {self.linear}")


def record_losses(
    config: LossConfig, out_BxRxT: Array, x_BxRxT: Array, noise_RxT: Array, variance: Array, units: Array
) -> Array:
    """Loss of each of B records, in units of the training records' variance.

    Args:
      config: terms.
      out_BxRxT: reconstructions on the [0, 1] scale.
      x_BxRxT: the records.
      noise_RxT: standard deviation of the noise at each point, see ``local_noise``.
      variance: of the training records around their mean, scalar.
      units: low and span of the logarithmic scale; only used where ``linear`` is above 0.
    """
    error_BxRxT = out_BxRxT - x_BxRxT
    square_BxRxT = error_BxRxT**2
    if config.weight == "noise":
        weight_RxT = 1.0 / (noise_RxT**2 + jnp.median(noise_RxT) ** 2)
        square_BxRxT *= weight_RxT / weight_RxT.mean()
    if config.weight == "prominence":
        square_BxRxT *= 1.0 + config.gain * _prominence(x_BxRxT, noise_RxT)
    losses_B = square_BxRxT.mean(axis=(1, 2))
    if config.linear > 0.0:
        losses_B = (1.0 - config.linear) * losses_B + config.linear * _linear_losses(out_BxRxT, x_BxRxT, units)
    if config.multiscale > 0.0:
        coarse_BxRxT = error_BxRxT
        for _ in range(2):
            coarse_BxRxT = _halve(coarse_BxRxT)
            losses_B += config.multiscale * (coarse_BxRxT**2).mean(axis=(1, 2))
    if config.derivative > 0.0:
        for axis in (1, 2):
            losses_B += config.derivative * (jnp.diff(error_BxRxT, axis=axis) ** 2).mean(axis=(1, 2))
    return losses_B / variance


jitted_record_losses = jax.jit(record_losses, static_argnums=0)


def local_noise(train_NxRxT: np.ndarray) -> np.ndarray:
    """R×T standard deviation of the noise at each point, from second differences along the slow axis.

    Peaks are smooth over neighbouring points of the slow axis while noise is not (in GC-IMS it is white there), so a
    second difference is mostly noise, with 6 times its variance. Medians over records leave peaks out; the result is
    smoothed over 5 × 5 points and never below a hundredth of its mean.
    """
    if train_NxRxT.shape[1] < 3:
        return np.full(train_NxRxT.shape[1:], 1.0, np.float32)
    second = np.diff(train_NxRxT, n=2, axis=1)
    noise_RxT = np.median(np.abs(second), axis=0) / (0.6745 * np.sqrt(6.0))
    noise_RxT = ndimage.uniform_filter(np.pad(noise_RxT, ((1, 1), (0, 0)), mode="edge"), 5, mode="nearest")
    return np.maximum(noise_RxT, max(0.01 * noise_RxT.mean(), 1e-6)).astype(np.float32)


def _prominence(x_BxRxT: Array, noise_RxT: Array) -> Array:
    """0 to 1: how clearly a smoothed record stands above its surroundings, saturating at a few times the noise."""
    near_BxRxT = _box(x_BxRxT, 3)
    contrast_BxRxT = jnp.maximum(near_BxRxT - _box(x_BxRxT, 11), 0.0) / noise_RxT
    return contrast_BxRxT**2 / (contrast_BxRxT**2 + 4.0)


def _linear_losses(out_BxRxT: Array, x_BxRxT: Array, units: Array) -> Array:
    """Squared error of sinh of the scale, per mean square slope, so that its size is that of the logarithmic one."""
    low, span = units
    slope = jnp.cosh(x_BxRxT * span + low)
    error_BxRxT = (jnp.sinh(jnp.clip(out_BxRxT, -0.2, 1.2) * span + low) - jnp.sinh(x_BxRxT * span + low)) / span
    return (error_BxRxT**2).mean(axis=(1, 2)) / (slope**2).mean()


def _box(x_BxRxT: Array, size: int) -> Array:
    """Mean over size × size points, at the edges over those that are there."""
    sums_BxRxT = jax.lax.reduce_window(x_BxRxT, 0.0, jax.lax.add, (1, size, size), (1, 1, 1), "SAME")
    # Counted here: XLA would spend seconds on folding the same sum over ones.
    rows_R, columns_T = (np.convolve(np.ones(n), np.ones(size))[size // 2 :][:n] for n in x_BxRxT.shape[1:])
    return sums_BxRxT / np.outer(rows_R, columns_T).astype(np.float32)


def _halve(a_BxRxT: Array) -> Array:
    """Means of 2 × 2 points; an odd last row or column is left out, and an axis of one point stays."""
    for axis in (1, 2):
        n = a_BxRxT.shape[axis] // 2 * 2
        if n:
            even = jax.lax.slice_in_dim(a_BxRxT, 0, n, 2, axis)
            a_BxRxT = 0.5 * (even + jax.lax.slice_in_dim(a_BxRxT, 1, n, 2, axis))
    return a_BxRxT
