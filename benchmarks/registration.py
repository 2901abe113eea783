"""How fast and how well are records registered? Against elastic alignment (fdasrsf) and dynamic time warping, one run.

python -m benchmarks.registration

Simulated records, whose planted retention times tell the error of each. fdasrsf and dtw-python are optional (``pip install
fdasrsf dtw-python``); a row is left out where its package is missing. Both align the retention axis alone.
"""

import argparse
import importlib
import importlib.util
import time
from collections.abc import Callable, Iterator

import numpy as np

from experiments import settings
from gcims_jax import preprocess, registration, simulate
from gcims_jax.preprocess import PreprocessConfig
from gcims_jax.registration import RegistrationConfig


def main() -> None:
    """Prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-records", type=int, default=40, help="records that slow peers register")
    options = parser.parse_args()
    records, truth = simulate.simulate(0)
    config = PreprocessConfig(fast_range=(8.0, 15.0), slow_level=2, fast_level=2)
    plan = preprocess.make_compression(records.slow, records.fast, config)
    compressed_NxRxT = preprocess.compress(plan, records.values)
    x_NxRxT = preprocess.apply(preprocess.fit(compressed_NxRxT, config), compressed_NxRxT)
    labels_N = np.unique(records.labels, return_inverse=True)[1]
    # Every peer on the same records; those of all classes come first in turn.
    order_N = np.argsort(np.concatenate([np.arange(np.sum(labels_N == k)) for k in np.unique(labels_N)]), kind="stable")
    x_NxRxT, labels_N, retention_NxC = x_NxRxT[order_N], labels_N[order_N], truth.retention_NxC[order_N]
    seconds_R = np.linspace(plan.slow.values[0], plan.slow.values[-1], x_NxRxT.shape[1])
    print(f"{settings.describe_device()}; records of {x_NxRxT.shape[1]} × {x_NxRxT.shape[2]}\n")
    print("| registered by | records | records/s | times ours | error of retention, s | correlation with truth |")
    print("|---|---|---|---|---|---|")
    few = min(options.peer_records, len(x_NxRxT))
    planted_NxC = retention_NxC[:few] - retention_NxC[:few].mean(axis=0)
    print(f"| nothing | {few} | | | {planted_NxC.std():.2f} | |")
    ours = None
    for name, count, positions_NxR, seconds in _rivals(x_NxRxT, labels_N, plan.fast.values, few):
        rate = count / seconds
        ours = ours or rate
        nominal_C = retention_NxC[:few].mean(axis=0)
        found_NxC = np.array([np.interp(nominal_C, seconds_R, p_R) for p_R in positions_NxR[:few]])
        # Positions are shares of the axis.
        found_NxC = seconds_R[0] + (seconds_R[-1] - seconds_R[0]) * found_NxC
        found_NxC -= found_NxC.mean(axis=0)
        error = np.sqrt(np.mean((found_NxC - planted_NxC) ** 2))
        correlation = np.corrcoef(found_NxC.ravel(), planted_NxC.ravel())[0, 1]
        print(f"| {name} | {count} | {rate:.1f} | {ours / rate:.1f} | {error:.2f} | {correlation:.2f} |", flush=True)
    begin = time.perf_counter()
    large_NxRxT = np.resize(x_NxRxT, (200, *x_NxRxT.shape[1:]))
    large_NxRxT = np.concatenate([large_NxRxT, large_NxRxT[:, :, : 128 - large_NxRxT.shape[2]]], axis=2)
    registration.fit(large_NxRxT[:, :128], np.resize(labels_N, 200), RegistrationConfig())
    print(f"\n200 records of 128 × 128: {time.perf_counter() - begin:.1f} s, compiling included")


def _rivals(
    x_NxRxT: np.ndarray, labels_N: np.ndarray, drift_T: np.ndarray, few: int
) -> Iterator[tuple[str, int, np.ndarray, float]]:
    """Name, number of records, positions N×R in shares of the axis, seconds."""
    config = RegistrationConfig(stiffness=0.3, anchor=-drift_T[0] / (drift_T[-1] - drift_T[0]))

    def ours() -> np.ndarray:
        learned = registration.fit(x_NxRxT, labels_N, config)
        return np.asarray(registration.positions(learned.unlabelled.theta_NxP, x_NxRxT.shape[1:], config)[0])

    begin = time.perf_counter()
    ours()
    first = time.perf_counter() - begin
    positions_NxR, seconds = _timed(ours)
    yield f"gcims_jax, both axes (compiling {first - seconds:.1f} s)", len(x_NxRxT), positions_NxR, seconds
    if importlib.util.find_spec("fdasrsf"):
        for penalty in (0.01, 0.1, 1.0):
            yield (
                f"fdasrsf, summed over drift, penalty {penalty:g}",
                few,
                *_timed(lambda p=penalty: _elastic(x_NxRxT[:few], p)),
            )
    if importlib.util.find_spec("dtw"):
        for window in (3, 6):
            yield f"dtw-python, whole rows, band {window}", few, *_timed(lambda w=window: _dynamic(x_NxRxT[:few], w))


def _timed(register: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    begin = time.perf_counter()
    positions_NxR = register()
    return positions_NxR, time.perf_counter() - begin


def _elastic(x_NxRxT: np.ndarray, penalty: float) -> np.ndarray:
    """Square-root slope functions of chromatograms, aligned to their Karcher mean (Srivastava et al. 2011)."""
    fdasrsf = importlib.import_module("fdasrsf")
    share_R = np.linspace(0.0, 1.0, x_NxRxT.shape[1])
    warping = fdasrsf.fdawarp(np.asarray(x_NxRxT.sum(axis=2).T, np.float64), share_R)
    warping.srsf_align(parallel=False, lam=penalty, verbose=False)
    return warping.gam.T


def _dynamic(x_NxRxT: np.ndarray, window: int) -> np.ndarray:
    """Rows as vectors, warped to the mean record within a band; where a row meets several, their mean."""
    dtw = importlib.import_module("dtw")
    template_RxT = x_NxRxT.mean(axis=0, dtype=np.float64)
    rows = np.arange(len(template_RxT))
    result = []
    for x_RxT in x_NxRxT.astype(np.float64):
        path = dtw.dtw(x_RxT, template_RxT, window_type="sakoechiba", window_args={"window_size": window})
        matched_R = np.bincount(path.index2, path.index1, len(rows)) / np.bincount(path.index2, minlength=len(rows))
        result.append(matched_R / (len(rows) - 1))
    return np.array(result)


if __name__ == "__main__":
    main()
