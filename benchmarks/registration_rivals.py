"""What others do to bring records into step along retention: elastic registration and dynamic time warping.

Each function gives positions, N×R in shares of the retention axis: where each point's value comes from.
"""

import contextlib
import io
from collections.abc import Callable

import joblib
import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import cdist


def functions(sums_NxR: np.ndarray, elasticity: float) -> np.ndarray:
    """Elastic registration of summed chromatograms; above 100 records it takes two processes by itself."""
    from fdasrsf import fdawarp

    warp = fdawarp(np.ascontiguousarray(sums_NxR.T), np.linspace(0.0, 1.0, sums_NxR.shape[1]))
    warp.srsf_align(lam=elasticity, verbose=False)
    return warp.gam.T


def curves(x_NxRxT: np.ndarray, channels: int, elasticity: float, passes: int) -> np.ndarray:
    """Elastic registration of curves in the space of the first principal drift channels, to their mean."""
    n, r, t = x_NxRxT.shape
    rows_MxT = x_NxRxT.reshape(-1, t) - x_NxRxT.mean(axis=(0, 1))
    loadings_TxK = np.linalg.eigh(rows_MxT.T @ rows_MxT)[1][:, : -channels - 1 : -1]
    curves_NxKxR = np.moveaxis((rows_MxT @ loadings_TxK).reshape(n, r, channels), 1, 2).astype(float)
    slope_NxKxR = np.gradient(curves_NxKxR / curves_NxKxR.std(), 1.0 / (r - 1), axis=2)
    q_NxKxR = slope_NxKxR / np.sqrt(np.linalg.norm(slope_NxKxR, axis=1, keepdims=True) + 1e-9)
    grid_R, template_KxR = np.linspace(0.0, 1.0, r), q_NxKxR.mean(axis=0)
    for left in reversed(range(passes)):
        positions_NxR = _in_two(_curves_of, q_NxKxR, template_KxR, elasticity * channels**0.5)
        if left:
            pairs = zip(q_NxKxR, positions_NxR, strict=True)
            warped_NxKxR = np.stack([CubicSpline(grid_R, q_KxR, axis=1)(at_R) for q_KxR, at_R in pairs])
            slope_NxR = np.gradient(positions_NxR, grid_R, axis=1)
            template_KxR = (warped_NxKxR * np.sqrt(slope_NxR)[:, None]).mean(axis=0)
    return positions_NxR


def _curves_of(q_NxKxR: np.ndarray, template_KxR: np.ndarray, elasticity: float) -> np.ndarray:
    from fdasrsf.curve_functions import optimum_reparam_curve

    return np.stack([optimum_reparam_curve(template_KxR, np.array(q_KxR), elasticity) for q_KxR in q_NxKxR])


def dtw(x_NxRxT: np.ndarray, finer: int, pattern: str, band: int, smooth: float, passes: int) -> np.ndarray:
    """Dynamic time warping of drift series to their mean record; the path is smoothed by a Gaussian (points)."""
    grid_R = np.linspace(0.0, 1.0, x_NxRxT.shape[1])
    template_RxT = x_NxRxT.mean(axis=0)
    for left in reversed(range(passes)):
        moved_NxR = gaussian_filter1d(
            _in_two(_paths, x_NxRxT, template_RxT, finer, pattern, band) - grid_R, smooth, axis=1
        )
        if left:
            at_NxR = np.clip(grid_R + moved_NxR - moved_NxR.mean(axis=0), 0.0, 1.0)
            pairs = zip(x_NxRxT, at_NxR, strict=True)
            template_RxT = np.mean([CubicSpline(grid_R, x_RxT)(at_R) for x_RxT, at_R in pairs], axis=0)
    return grid_R + moved_NxR


def _paths(x_NxRxT: np.ndarray, template_RxT: np.ndarray, finer: int, pattern: str, band: int) -> np.ndarray:
    with contextlib.redirect_stdout(io.StringIO()):  # it greets
        from dtw import dtw as warp_time

    r = x_NxRxT.shape[1]
    grid_R, fine_F = np.linspace(0.0, 1.0, r), np.linspace(0.0, 1.0, (r - 1) * finer + 1)
    template_FxT = CubicSpline(grid_R, template_RxT)(fine_F)
    positions_NxR = np.empty(x_NxRxT.shape[:2])
    for positions_R, x_RxT in zip(positions_NxR, x_NxRxT, strict=True):
        apart_FxF = cdist(template_FxT, x_RxT if finer == 1 else CubicSpline(grid_R, x_RxT)(fine_F))
        path = warp_time(
            apart_FxF, step_pattern=pattern, window_type="sakoechiba", window_args={"window_size": band * finer}
        )
        times_F = np.bincount(path.index1, minlength=len(fine_F))
        at_F = np.bincount(path.index1, path.index2, len(fine_F)) / np.maximum(times_F, 1)
        # Some step patterns leave points of the template out.
        positions_R[:] = np.interp(grid_R, fine_F[times_F > 0], at_F[times_F > 0] / (len(fine_F) - 1))
    return positions_NxR


def _in_two(function: Callable[..., np.ndarray], x_Nx: np.ndarray, *arguments: object) -> np.ndarray:
    """A function of many records on two processes."""
    halves = joblib.Parallel(n_jobs=2)(joblib.delayed(function)(half, *arguments) for half in np.array_split(x_Nx, 2))
    return np.concatenate(halves)
