"""Smoothing and baseline correction of single records; optional, pure, and nothing is learned.

Smoothing is a Savitzky–Golay filter (SciPy). Baselines are estimated for every drift spectrum by its own, through
pybaselines, and subtracted: what is corrected is gone for good, synthetic records included.
"""

import dataclasses

import numpy as np

from gcims_jax.errors import InputError

BASELINES = ("tophat", "snip", "asls", "arpls")


@dataclasses.dataclass(frozen=True)
class BaselineConfig:
    """How records are smoothed and their baselines found.

    Attributes:
      smooth_slow, smooth_fast: points of the smoothing window along each axis, odd; 0 does not smooth.
      order: degree of the smoothing polynomial.
      method: "" for none; ``tophat`` (morphological opening) and ``snip`` (Ryan et al. 1988) are quick, ``asls``
        (Eilers & Boelens 2005) and ``arpls`` (Baek et al. 2015) solve a system per drift spectrum.
      window: half-width in points of the widest peak to keep, for ``tophat`` and ``snip``.
      lam: stiffness of ``asls`` and ``arpls``.
      p: asymmetry of ``asls``.
    """

    smooth_slow: int = 0
    smooth_fast: int = 0
    order: int = 2
    method: str = ""
    window: int = 30
    lam: float = 1e6
    p: float = 1e-3

    def __post_init__(self) -> None:
        for which in ("smooth_slow", "smooth_fast"):
            window = getattr(self, which)
            if window and (window % 2 == 0 or window <= self.order or self.order < 0):
                raise InputError(
                    f"baseline.{which}: expected 0 or an odd number of points above baseline.order "
                    f"({self.order}), got {window}"
                )
        if self.method not in ("", *BASELINES):
            raise InputError(f"baseline.method: expected one of {', '.join(BASELINES)} or '', got {self.method!r}")
        if self.window < 1 or not self.lam > 0.0 or not 0.0 < self.p < 1.0:
            raise InputError(
                "baseline: expected window of at least 1, lam above 0 and p between 0 and 1, got "
                f"{self.window}, {self.lam:g} and {self.p:g}"
            )

    @property
    def active(self) -> bool:
        """Whether anything is done."""
        return bool(self.smooth_slow or self.smooth_fast or self.method)


def correct(values_RxT: np.ndarray, config: BaselineConfig) -> np.ndarray:
    """One record smoothed, then without its baseline; a new array unless there is nothing to do.

    Raises:
      InputError: a window that is longer than the axis.
    """
    for axis, (which, window) in enumerate((("slow", config.smooth_slow), ("fast", config.smooth_fast))):
        if window > values_RxT.shape[axis]:
            raise InputError(
                f"baseline.smooth_{which}: expected at most the {values_RxT.shape[axis]} points of the axis, got {window}"
            )
        if window:
            from scipy import signal  # as pybaselines below: 60 MB for each process that only reads files

            values_RxT = signal.savgol_filter(values_RxT, window, config.order, axis=axis)
    if config.method:
        if config.method in ("tophat", "snip") and 2 * config.window + 1 > values_RxT.shape[1]:
            raise InputError(
                f"baseline.window: expected at most {(values_RxT.shape[1] - 1) // 2}, half of the "
                f"{values_RxT.shape[1]} points of the fast axis, got {config.window}"
            )
        values_RxT = values_RxT - _baseline(np.asarray(values_RxT, np.float64), config)
    return np.asarray(values_RxT, np.float32)


def _baseline(values_RxT: np.ndarray, config: BaselineConfig) -> np.ndarray:
    import pybaselines

    fitter = pybaselines.Baseline(np.arange(values_RxT.shape[1], dtype=float))
    options = {
        "tophat": {"half_window": config.window},
        "snip": {"max_half_window": config.window, "decreasing": True},
        "asls": {"lam": config.lam, "p": config.p},
        "arpls": {"lam": config.lam},
    }[config.method]
    find = getattr(fitter, config.method)
    return np.stack([find(spectrum_T, **options)[0] for spectrum_T in values_RxT])
