"""How fast and how well are records brought into step? Against elastic registration and dynamic time warping, one run, ratios.

python -m benchmarks.registration

Registers the 220 simulated records, for which the planted shifts are known. The rivals are optional (``pip install fdasrsf
dtw-python``); their rows are left out where they are missing. Their options are searched on every fifth record, with the
planted shifts, and the best are then timed on all, on two processes where that helps. Times exclude compiling, which has a
column of its own, and the search.
"""

import argparse
import contextlib
import importlib.metadata
import importlib.util
import io
import itertools
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import joblib
import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import cdist

from experiments import settings
from gcims_jax import preprocess, registration, simulate
from gcims_jax.preprocess import PreprocessConfig
from gcims_jax.records import Axis
from gcims_jax.registration import RegistrationConfig

LEVEL = 2
SEARCHED = slice(None, None, 5)  # records that the options of rivals are searched on


class Planted(NamedTuple):
    """Where C peaks were put in N records, and the axis of L points, both in units of the axis."""

    at_NxC: np.ndarray
    first: float
    length: float

    def score(self, positions_NxL: np.ndarray, part: slice = slice(None)) -> tuple[float, float]:
        """Root mean square error and correlation of how peaks moved, each against the mean of its peak."""
        grid_L = np.linspace(0.0, 1.0, positions_NxL.shape[1])
        shares_C = (self.at_NxC.mean(axis=0) - self.first) / self.length
        inside_C = (shares_C > 0.0) & (shares_C < 1.0)
        moved_NxC = self.length * np.stack([np.interp(shares_C, grid_L, p_L) for p_L in positions_NxL])[:, inside_C]
        true_NxC = self.at_NxC[part][:, inside_C]
        moved_NxC, true_NxC = moved_NxC - moved_NxC.mean(axis=0), true_NxC - true_NxC.mean(axis=0)
        # Without any registration all is 0, and nothing correlates.
        together = np.corrcoef(moved_NxC.ravel(), true_NxC.ravel())[0, 1] if moved_NxC.std() > 1e-9 else np.nan
        return float(np.sqrt(np.mean((moved_NxC - true_NxC) ** 2))), float(together)


def main() -> None:
    """Prints tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the simulated records")
    parser.add_argument("--stiffness", type=float, nargs="+", default=[0.3, 0.03], help="of this registration")
    options = parser.parse_args()

    records, truth = simulate.simulate(options.seed)
    config = PreprocessConfig(fast_range=(8.0, 15.0), slow_level=LEVEL, fast_level=LEVEL)
    compression = preprocess.make_compression(records.slow, records.fast, config)
    counts_NxRxT = preprocess.compress(compression, records.values)
    x_NxRxT = preprocess.apply(preprocess.fit(counts_NxRxT, config), counts_NxRxT)
    slow = Planted(truth.retention_NxC, *_limits(compression.slow, x_NxRxT.shape[1]))
    fast = Planted(truth.monomer_NxC, *_limits(compression.fast, x_NxRxT.shape[2]))
    n, r, t = x_NxRxT.shape
    found = [name for name in ("fdasrsf", "dtw-python") if importlib.util.find_spec(name.removesuffix("-python"))]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("jax", *found))
    print(f"{settings.describe_device()}; {n} records of {r} × {t}, seed {options.seed}; {versions}\n")
    print(
        "| | options | records/s | first call, s more | retention error, s | correlation | drift error, µs | correlation |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    still = [np.tile(np.linspace(0.0, 1.0, length), (n, 1)) for length in (r, t)]
    _print_row("no registration", "", np.nan, np.nan, slow.score(still[0]), fast.score(still[1]))
    anchored = RegistrationConfig(anchor=-fast.first / fast.length)
    rate = _this_registration(x_NxRxT, records.labels, anchored, options.stiffness, slow, fast)

    rates = {}
    for name, method, search, prepared_Nx in _rivals(found, x_NxRxT, counts_NxRxT):
        _, best = min((slow.score(method(prepared_Nx[SEARCHED], *o), SEARCHED), o) for o in search)
        positions_NxR, seconds = _timed(lambda m=method, p=prepared_Nx, o=best: m(p, *o))
        rates[name] = n / seconds
        _print_row(name, " ".join(map(str, best)), rates[name], np.nan, slow.score(positions_NxR), None)
    print("\nRecords/s of this registration: " + ", ".join(f"{rate / of:.2g} × {name}" for name, of in rates.items()))
    padded_NxRxT = np.pad(x_NxRxT[:200], ((0, 0), (0, 128 - r), (0, 128 - t)), "edge")
    times = [_timed(lambda: registration.fit(padded_NxRxT, records.labels[:200], anchored))[1] for _ in range(2)]
    print(f"200 records of 128 × 128: {times[1]:.1f} s, the first time {times[0]:.1f} s with compiling")


def _limits(axis: Axis, length: int) -> tuple[float, float]:
    """First coordinate of a compressed axis, and how far it is to the last."""
    return float(axis.values[: 2**LEVEL].mean()), float(length - 1) * float(axis.values[2**LEVEL] - axis.values[0])


def _timed(run: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    result = jax.block_until_ready(run())
    return result, time.perf_counter() - start


def _this_registration(
    x_NxRxT: np.ndarray,
    labels_N: np.ndarray,
    anchored: RegistrationConfig,
    stiffnesses: list[float],
    slow: Planted,
    fast: Planted,
) -> float:
    """Rows of this registration; records per second at the first stiffness."""
    rates = []
    for stiffness in stiffnesses:
        config = RegistrationConfig(stiffness=stiffness, anchor=anchored.anchor)
        first = _timed(lambda c=config: registration.fit(x_NxRxT, labels_N, c))[1]
        fitted, seconds = _timed(lambda c=config: registration.fit(x_NxRxT, labels_N, c))
        rates.append(len(x_NxRxT) / seconds)
        for name in ("unlabelled", "labelled"):
            theta_NxP = getattr(fitted, name).theta_NxP
            at_NxR, at_NxT = map(np.asarray, registration.positions(theta_NxP, x_NxRxT.shape[1:], config))
            what = f"stiffness {stiffness:g}"
            extra = first - seconds if not rates[1:] else np.nan
            _print_row(f"this registration, {name}", what, rates[-1], extra, slow.score(at_NxR), fast.score(at_NxT))
    return rates[0]


def _rivals(found: list[str], x_NxRxT: np.ndarray, counts_NxRxT: np.ndarray) -> Iterator[tuple]:
    """Name, method, options to search and what it registers, of every rival that is installed."""
    if "dtw-python" in found:
        patterns, bands, smooth, passes = ("symmetric2", "symmetricP1", "symmetricP2"), (8, 16), (0, 1, 2, 4), (1, 2)
        for finer in (1, 4):
            search = itertools.product((finer,), patterns, bands, smooth, passes)
            yield f"DTW, grid {finer} times as fine", _dtw, search, x_NxRxT
    if "fdasrsf" in found:
        yield "fdasrsf, principal drift channels", _curves, itertools.product((4, 8, 16), (1.0, 10.0), (1, 2)), x_NxRxT
        roots_NxRxT = np.sqrt(np.abs(counts_NxRxT - np.median(counts_NxRxT)))
        for name, values_NxRxT in (("log scale", x_NxRxT), ("square roots", roots_NxRxT)):
            sums_NxR = values_NxRxT.sum(axis=2).astype(float)
            sums_NxR = (sums_NxR - sums_NxR.mean()) / sums_NxR.std()
            yield f"fdasrsf, chromatograms, {name}", _functions, itertools.product((0.3, 1.0)), sums_NxR
    for missing in {"dtw-python", "fdasrsf"} - set(found):
        print(f"| {missing}: not installed, left out | | | | | | | |")


def _functions(sums_NxR: np.ndarray, elasticity: float) -> np.ndarray:
    """Elastic registration of summed chromatograms; above 100 records it takes two processes by itself."""
    from fdasrsf import fdawarp

    warp = fdawarp(np.ascontiguousarray(sums_NxR.T), np.linspace(0.0, 1.0, sums_NxR.shape[1]))
    warp.srsf_align(lam=elasticity, verbose=False)
    return warp.gam.T


def _curves(x_NxRxT: np.ndarray, channels: int, elasticity: float, passes: int) -> np.ndarray:
    """Elastic registration of curves in the space of the first principal drift channels, to their mean."""
    n, r, t = x_NxRxT.shape
    rows_MxT = x_NxRxT.reshape(-1, t) - x_NxRxT.mean(axis=(0, 1))
    loadings_TxK = np.linalg.eigh(rows_MxT.T @ rows_MxT)[1][:, : -channels - 1 : -1]
    curves_NxKxR = np.moveaxis((rows_MxT @ loadings_TxK).reshape(n, r, channels), 1, 2).astype(float)
    slope_NxKxR = np.gradient(curves_NxKxR / curves_NxKxR.std(), 1.0 / (r - 1), axis=2)
    q_NxKxR = slope_NxKxR / np.sqrt(np.linalg.norm(slope_NxKxR, axis=1, keepdims=True) + 1e-9)
    grid_R, template_KxR = np.linspace(0.0, 1.0, r), q_NxKxR.mean(axis=0)
    for _ in range(passes):
        positions_NxR = _in_two(_curves_of, q_NxKxR, template_KxR, elasticity * channels**0.5)
        warped_NxKxR = np.stack(
            [CubicSpline(grid_R, q, axis=1)(p) for q, p in zip(q_NxKxR, positions_NxR, strict=True)]
        )
        template_KxR = (warped_NxKxR * np.sqrt(np.gradient(positions_NxR, grid_R, axis=1))[:, None]).mean(axis=0)
    return positions_NxR


def _curves_of(q_NxKxR: np.ndarray, template_KxR: np.ndarray, elasticity: float) -> np.ndarray:
    from fdasrsf.curve_functions import optimum_reparam_curve

    return np.stack([optimum_reparam_curve(template_KxR, np.array(q_KxR), elasticity) for q_KxR in q_NxKxR])


def _dtw(x_NxRxT: np.ndarray, finer: int, pattern: str, band: int, smooth: float, passes: int) -> np.ndarray:
    """Dynamic time warping of drift series to their mean record; the path is smoothed by a Gaussian (points)."""
    grid_R = np.linspace(0.0, 1.0, x_NxRxT.shape[1])
    template_RxT = x_NxRxT.mean(axis=0)
    for _ in range(passes):
        moved_NxR = _in_two(_paths, x_NxRxT, template_RxT, finer, pattern, band) - grid_R
        moved_NxR = gaussian_filter1d(moved_NxR, smooth, axis=1) if smooth else moved_NxR
        at_NxR = np.clip(grid_R + moved_NxR - moved_NxR.mean(axis=0), 0.0, 1.0)
        template_RxT = np.mean([CubicSpline(grid_R, x)(p) for x, p in zip(x_NxRxT, at_NxR, strict=True)], axis=0)
    return grid_R + moved_NxR


def _paths(x_NxRxT: np.ndarray, template_RxT: np.ndarray, finer: int, pattern: str, band: int) -> np.ndarray:
    with contextlib.redirect_stdout(io.StringIO()):  # it greets
        from dtw import dtw

    r = x_NxRxT.shape[1]
    grid_R, fine_F = np.linspace(0.0, 1.0, r), np.linspace(0.0, 1.0, (r - 1) * finer + 1)
    template_FxT = CubicSpline(grid_R, template_RxT)(fine_F)
    positions_NxR = np.empty(x_NxRxT.shape[:2])
    for positions_R, x_RxT in zip(positions_NxR, x_NxRxT, strict=True):
        apart_FxF = cdist(template_FxT, CubicSpline(grid_R, x_RxT)(fine_F))
        path = dtw(apart_FxF, step_pattern=pattern, window_type="sakoechiba", window_args={"window_size": band * finer})
        times_F = np.bincount(path.index1, minlength=len(fine_F))
        at_F = np.bincount(path.index1, path.index2, len(fine_F)) / np.maximum(times_F, 1)
        # Some step patterns leave points of the template out.
        positions_R[:] = np.interp(grid_R, fine_F[times_F > 0], at_F[times_F > 0] / (len(fine_F) - 1))
    return positions_NxR


def _in_two(function: Callable[..., np.ndarray], x_Nx: np.ndarray, *arguments: object) -> np.ndarray:
    """A function of many records on two processes."""
    halves = joblib.Parallel(n_jobs=2)(joblib.delayed(function)(half, *arguments) for half in np.array_split(x_Nx, 2))
    return np.concatenate(halves)


def _print_row(
    name: str, options: str, rate: float, extra: float, slow: tuple[float, float], fast: tuple[float, float] | None
) -> None:
    cells = [f"{rate:.3g}", f"{extra:.1f}", f"{slow[0]:.2f}", f"{slow[1]:.3f}"]
    cells += [f"{1000.0 * fast[0]:.1f}", f"{fast[1]:.3f}"] if fast else ["nan", "nan"]
    print(f"| {name} | {options} | " + " | ".join("–" if cell == "nan" else cell for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
