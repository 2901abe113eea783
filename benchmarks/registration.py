"""How fast and how well are records brought into step? Against elastic registration and dynamic time warping, one run, ratios.

python -m benchmarks.registration

Registers the 220 simulated records, for which the planted shifts are known. The rivals are optional (``pip install fdasrsf
dtw-python``); their rows are left out where they are missing. Their options are searched on every fifth record, with the
planted shifts, and the best are then timed on all, on two processes where that helps. Times exclude compiling, which has a
column of its own, and the search.
"""

import argparse
import importlib.metadata
import importlib.util
import itertools
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np

from benchmarks import registration_rivals
from experiments import settings
from gcims_jax import parts
from gcims_jax.parts import Part
from gcims_jax.phase import registration
from gcims_jax.phase.registration import RegistrationConfig
from gcims_jax.preprocessing import scale
from gcims_jax.preprocessing.scale import PreprocessConfig
from gcims_jax.records import Axis
from gcims_jax.simulation import gcims

LEVEL = 2
OURS = {
    "defaults": {},
    "stiffness 0.3": {"stiffness": 0.3},
}
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
    options = parser.parse_args()

    records, truth = gcims.simulate(options.seed)
    config = PreprocessConfig(fast_range=(8.0, 15.0), slow_level=LEVEL, fast_level=LEVEL)
    compression = scale.make_compression(records.slow, records.fast, config)
    counts_NxRxT = scale.compress(compression, records.values)
    x_NxRxT = scale.apply(scale.fit(parts.from_records(records, counts_NxRxT), config), counts_NxRxT)
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
    anchor = -fast.first / fast.length
    part = parts.from_records(records, x_NxRxT)
    ours = _this_registration(part, anchor, slow, fast)
    ratios = {}
    for name, method, search, prepared_Nx in _rivals(found, x_NxRxT, counts_NxRxT):
        best = _search(method, list(search), prepared_Nx[SEARCHED], slow)
        positions_NxR, seconds = _timed(lambda m=method, p=prepared_Nx, o=best: m(p, *o))
        _print_row(name, " ".join(map(str, best)), n / seconds, np.nan, slow.score(positions_NxR), None)
        ratios[name] = list(ours.values())[-1] * seconds / n
    compared = ", ".join(f"{ratio:.2g} × {name}" for name, ratio in ratios.items())
    print(f"\nRecords/s of this registration, last setting: {compared or 'nothing to compare with'}")
    padded_NxRxT = np.pad(x_NxRxT[:200], ((0, 0), (0, 128 - r), (0, 128 - t)), "edge")
    padded = part.take(range(200)).with_values(padded_NxRxT)
    times = [_timed(lambda: registration.fit(padded, RegistrationConfig(anchor=anchor)))[1] for _ in range(2)]
    print(f"200 records of 128 × 128: {times[1]:.1f} s, the first time {times[0]:.1f} s with compiling")


def _limits(axis: Axis, length: int) -> tuple[float, float]:
    """First coordinate of a compressed axis, and how far it is to the last."""
    return float(axis.values[: 2**LEVEL].mean()), float(length - 1) * float(axis.values[2**LEVEL] - axis.values[0])


def _timed(run: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    result = jax.block_until_ready(run())
    return result, time.perf_counter() - start


def _search(method: Callable[..., np.ndarray], search: list[tuple], searched_Nx: np.ndarray, slow: Planted) -> tuple:
    """The fastest options among those within 3 % of the lowest error."""
    method(searched_Nx, *search[0])  # starts the processes
    tried = [(*_timed(lambda o=options: method(searched_Nx, *o)), options) for options in search]
    errors = [slow.score(positions_NxR, SEARCHED)[0] for positions_NxR, _, _ in tried]
    good = [one for one, error in zip(tried, errors, strict=True) if error <= 1.03 * min(errors)]
    return min(good, key=lambda one: one[1])[2]


def _this_registration(part: Part, anchor: float, slow: Planted, fast: Planted) -> dict[str, float]:
    """Rows of this registration; records per second of each setting."""
    rates = {}
    for name, options in OURS.items():
        config = RegistrationConfig(anchor=anchor, **options)
        (_, first), (fitted, seconds) = (_timed(lambda c=config: registration.fit(part, c)) for _ in range(2))
        extra = np.nan if rates else first - seconds  # the same code serves all settings
        rates[name] = len(part) / seconds
        for which in ("unlabelled", "labelled"):
            theta_NxP = getattr(fitted, which).theta_NxP
            at_NxR, at_NxT = map(np.asarray, registration.positions(theta_NxP, part.x_NxRxT.shape[1:], config))
            scores = slow.score(at_NxR), fast.score(at_NxT)
            _print_row(f"this registration, {which}", name, rates[name], extra, *scores)
    return rates


def _rivals(found: list[str], x_NxRxT: np.ndarray, counts_NxRxT: np.ndarray) -> Iterator[tuple]:
    """Name, method, options to search and what it registers, of every rival that is installed."""
    if "dtw-python" in found:
        patterns, bands, smooth, passes = ("symmetric2", "symmetricP1", "symmetricP2"), (5, 8), (1, 2, 4), (1, 2)
        for finer in (1, 2, 4):
            search = itertools.product((finer,), patterns, bands, smooth, passes)
            yield f"DTW, grid {finer} times as fine", registration_rivals.dtw, search, x_NxRxT
    if "fdasrsf" in found:
        yield (
            "fdasrsf, principal drift channels",
            registration_rivals.curves,
            itertools.product((4, 8), (1.0, 10.0), (1, 2)),
            x_NxRxT,
        )
        roots_NxRxT = np.sqrt(np.abs(counts_NxRxT - np.median(counts_NxRxT)))
        sums_NxR = roots_NxRxT.sum(axis=2).astype(float)
        sums_NxR = (sums_NxR - sums_NxR.mean()) / sums_NxR.std()
        yield (
            "fdasrsf, summed chromatograms",
            registration_rivals.functions,
            itertools.product((0.1, 0.5, 1.0)),
            sums_NxR,
        )
    for missing in {"dtw-python", "fdasrsf"} - set(found):
        print(f"| {missing}: not installed, left out | | | | | | | |")


def _print_row(
    name: str, options: str, rate: float, extra: float, slow: tuple[float, float], fast: tuple[float, float] | None
) -> None:
    cells = [f"{rate:.3g}", f"{extra:.1f}", f"{slow[0]:.2f}", f"{slow[1]:.3f}"]
    cells += [f"{1000.0 * fast[0]:.1f}", f"{fast[1]:.3f}"] if fast else ["nan", "nan"]
    print(f"| {name} | {options} | " + " | ".join("–" if cell == "nan" else cell for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
