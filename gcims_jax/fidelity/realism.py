"""Do synthetic records look like held-out real ones? Every figure beside what real training records reach.

Synthetic and training records are compared with the same held-out ones, in the same number and class mix, on principal
components of all three. Were synthetic records of one kind with real ones, synthetic and training records could change
sides: exchanging them at random, class by class, gives the differences between both figures to expect by chance (Pitman
1937; Lehmann & Romano 2005, chapter 15). Every exchanged figure is computed as the figure itself is, a mean over as many
draws. Of the records of a class in a group one is taken: two measurements of a sample are no two samples, and would weigh
in the components and make their side look dense. Measures are judged together, by the largest of
their differences (Westfall & Young 1993): of generators that draw from the real distribution one in twenty gets a mark
anywhere in its table.

Two controls run through the same computation: real records in the place of synthetic ones, which should get no mark, and
the same blurred, which should. Where blurred ones get none, there are too few records for the table to mean anything.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from threadpoolctl import threadpool_limits

from gcims_jax.errors import InputError
from gcims_jax.evaluation import guard
from gcims_jax.fidelity import distances, found_peaks, peaks
from gcims_jax.fidelity.exchange import exchange
from gcims_jax.parts import Part

FEWEST = 10  # records a side
MOST = 100  # records a side of one draw
PEAK_RECORDS = 30  # of a kind in which peaks are looked for
LEVEL = 0.05  # share of perfect generators with a mark in their table
BLUR = 2.0  # points, of the positive control
REAL, BLURRED = "real records", "blurred records"
IDEALS = distances.IDEALS | found_peaks.IDEALS
SHARES = ("classifier two-sample accuracy", "coverage", "shared peaks", "shared small peaks")  # at most 1


class Measure(NamedTuple):
    """A figure of synthetic records beside that of real training records.

    Attributes:
      synthetic: synthetic against held-out records, mean over draws.
      real: training against held-out records, the same way: the value to expect of perfect records.
      low, high: between these all figures of a table lie in 95 % of the exchanges.
      ideal: "low", "high" or "half", what is best.
    """

    synthetic: float
    real: float
    low: float
    high: float
    ideal: str

    def in_words(self) -> str:
        """``like real records``, ``unlike real records``, ``closer than real records``, or ``nothing to compare``."""
        if not np.all(np.isfinite(self[:4])):
            return "nothing to compare"
        if self.low <= self.synthetic <= self.high or (self.ideal == "half" and self.synthetic < self.low):
            return "like real records"
        better = self.synthetic < self.low if self.ideal == "low" else self.synthetic > self.high
        return "closer than real records" if better and self.ideal != "half" else "unlike real records"


class Table(NamedTuple):
    """All measures, by name.

    Attributes:
      measures: of the synthetic records.
      controls: of half the training records in the place of synthetic ones and the other half as training records: as they
        are (``REAL``) and blurred (``BLURRED``). The same for all generators with the same training and held-out records.
    """

    measures: dict[str, Measure]
    controls: dict[str, dict[str, Measure]]


def marked(measures: Mapping[str, Measure]) -> list[str]:
    """Names of measures that are unlike, or closer than, those of real records."""
    return [name for name, one in measures.items() if one.in_words() not in ("like real records", "nothing to compare")]


def table(
    seed: int, train: Part, held_out: Part, synthetic: Part, draws: int = 8, exchanges: int = 99, controls: bool = True
) -> Table:
    """All measures of synthetic records, and of the controls.

    Args:
      seed: of draws, exchanges and directions.
      train: real records that the generator has seen.
      held_out: real records that it has not.
      synthetic: its records; as many as training records of each class are used at most.
      draws: to average over, in the figure and in every exchange.
      exchanges: 19 or more.
      controls: False leaves them out, where they are known from another generator.

    Raises:
      LeakError: held-out records that the generator has learned from, or of whose groups it has.
      InputError: shapes that disagree, values that are not finite, a held-out class without synthetic or training records,
        fewer than ten records a side (one of each class and group), too few draws or exchanges.
    """
    guard.check_unseen(held_out, train, synthetic)
    check_records({"training": train, "held-out": held_out, "synthetic": synthetic})
    if draws < 1:
        raise InputError(f"draws: expected 1 or more, got {draws}")
    if exchanges < 19:
        raise InputError(f"exchanges: expected 19 or more, as 1 in 20 is the level, got {exchanges}")
    check_enough(train, held_out, synthetic)
    with threadpool_limits(1):  # many small products, which several threads only slow down
        return _table(seed, train, held_out, synthetic, draws, exchanges, controls)


def _table(
    seed: int, train: Part, held_out: Part, synthetic: Part, draws: int, exchanges: int, controls: bool
) -> Table:
    found = compare(seed, train, held_out, synthetic, draws, exchanges)
    if not controls:
        return Table(found, {})
    ones_N = np.zeros(len(train), bool)
    ones_N[np.argsort(train.labels_N, kind="stable")[::2]] = True
    half_N = exchange(np.random.default_rng(seed), train.labels_N, train.groups_N, ones_N, 1)[0]
    one, other = (train.take(np.flatnonzero(side)) for side in (half_N, ~half_N))
    blurred = one.with_values(ndimage.gaussian_filter(one.x_NxRxT, (0.0, BLUR, BLUR)))
    sides = {REAL: one, BLURRED: blurred}
    return Table(found, {name: compare(seed, other, held_out, side, draws, exchanges) for name, side in sides.items()})


def check_records(sides: Mapping[str, Part]) -> None:
    """Raises InputError unless all are finite records of one shape, ten or more of each kind."""
    shape = next(iter(sides.values())).x_NxRxT.shape[1:]
    for name, part in sides.items():
        x = part.x_NxRxT
        if x.ndim != 3 or x.shape[1:] != shape or len(x) < FEWEST or 0 in x.shape:
            raise InputError(
                f"{name} records: expected {FEWEST} or more of one shape, N×R×T, got {x.shape} beside records of {shape}"
            )
        if not np.all(np.isfinite(x)):
            raise InputError(f"{name} records: expected finite numbers, got NaN or infinite ones")


def check_enough(train: Part, held_out: Part, synthetic: Part) -> None:
    """Raises InputError for a held-out class that a side lacks, or fewer than ten records a side of a comparison."""
    for k in np.unique(held_out.labels_N).tolist():
        for name, part in (("training", train), ("synthetic", synthetic)):
            if k not in part.labels_N:
                raise InputError(
                    f"class {k!r}: expected {name} records beside the held-out ones, got none; leave it out"
                )
    ones = [_one_of_each(np.random.default_rng(0), part) for part in (train, held_out, synthetic)]
    if (most := sum(_counts(*ones)[1].values())) < FEWEST:
        raise InputError(
            f"records: expected enough for comparisons of {FEWEST} records a side, one of each class and group, got {most}; "
            "draw more synthetic records or hold out more"
        )


def compare(seed: int, real: Part, held_out: Part, other: Part, draws: int, exchanges: int) -> dict[str, Measure]:
    """Measures of other records and of real ones, both against held-out ones, with what exchanging them gives."""
    rng = np.random.default_rng((seed, 1))
    real, held_out, other = (_one_of_each(rng, part) for part in (real, held_out, other))
    totals, counts = _counts(real, held_out, other)
    if not counts:
        return {name: Measure(*4 * [np.nan], ideal) for name, ideal in IDEALS.items()}
    kinds = [part.take(_draw(rng, part.labels_N, totals)) for part in (real, other)]
    held_out = held_out.take(np.flatnonzero(np.isin(held_out.labels_N, list(counts))))
    labels_A = np.concatenate([part.labels_N for part in (*kinds, held_out)])
    size = len(labels_A) - len(held_out)
    other_P = np.arange(size) >= len(kinds[0])
    other_BxP = exchange(rng, labels_A[:size], np.arange(size), other_P, exchanges)
    other_BxP = np.concatenate([other_P[None], other_BxP])

    def draw_sets(side: np.ndarray) -> np.ndarray:
        return _draws(rng, [(side[labels_A[side] == k], count) for k, count in counts.items()], draws)

    at = distances.space(seed, np.concatenate([part.x_NxRxT for part in (*kinds, held_out)]))
    sums_PxQx2 = _peak_sums(rng, kinds, held_out, counts)
    figures_Bx2xQ = np.empty((exchanges + 1, 2, len(IDEALS)))
    for b, other_P in enumerate(other_BxP):
        a_DxM = [draw_sets(np.flatnonzero(side_P)) for side_P in (other_P, ~other_P)]
        by_DxM = draw_sets(np.arange(size, len(labels_A)))
        found_DxQ = distances.compare(at, np.concatenate(a_DxM), np.concatenate([by_DxM, by_DxM]))
        for side, side_P in enumerate((other_P, ~other_P)):
            sums_Qx2 = sums_PxQx2[side_P].sum(axis=0)
            shares_Q = np.divide(*sums_Qx2.T, out=np.full(len(sums_Qx2), np.nan), where=sums_Qx2[:, 1] > 0.0)
            figures_Bx2xQ[b, side] = *found_DxQ[side * draws : (side + 1) * draws].mean(axis=0), *shares_Q
    return _judge(figures_Bx2xQ)


def _judge(figures_Bx2xQ: np.ndarray) -> dict[str, Measure]:
    """Measures from the figures of other and real records, first as they are, then exchanged."""
    difference_BxQ = figures_Bx2xQ[:, 0] - figures_Bx2xQ[:, 1]
    # Both sides are alike, so differences are symmetric about 0.
    spread_Q = np.sqrt(np.mean(difference_BxQ**2, axis=0))
    sizes_BxQ = np.abs(difference_BxQ) / np.where(spread_Q > 0.0, spread_Q, 1.0)
    largest_B = np.nanmax(np.where(np.isfinite(spread_Q), sizes_BxQ, 0.0), axis=1)
    # The largest difference found is among so many largest ones in 5 % of tables.
    limit = np.sort(largest_B)[::-1][int(LEVEL * len(largest_B))]
    measures = {}
    for q, (name, ideal) in enumerate(IDEALS.items()):
        other, real = figures_Bx2xQ[0, :, q].tolist()
        # Of rounding nobody is to blame.
        reach = float(limit * spread_Q[q] * (1.0 + 1e-9) + 1e-9)
        high = min(real + reach, 1.0) if name in SHARES else real + reach
        measures[name] = Measure(other, real, max(real - reach, 0.0) if np.isfinite(reach) else np.nan, high, ideal)
    return measures


def _one_of_each(rng: np.random.Generator, part: Part) -> Part:
    """One record, at random, of each class in each group."""
    order = rng.permutation(len(part))
    pairs = np.unique(part.groups_N, return_inverse=True)[1] * (part.labels_N.max() + 1) + part.labels_N
    return part.take(np.sort(order[np.unique(pairs[order], return_index=True)[1]]))


def _counts(real: Part, held_out: Part, other: Part) -> tuple[dict[int, int], dict[int, int]]:
    """Records of each class that real and other side both have, and those of one draw; classes that a side lacks are left out."""
    classes = np.unique(held_out.labels_N).tolist()
    totals = {k: min(int(np.sum(part.labels_N == k)) for part in (real, other)) for k in classes}
    totals = {k: total for k, total in totals.items() if total}
    counts = {k: min(total, int(np.sum(held_out.labels_N == k))) for k, total in totals.items()}
    share = min(1.0, MOST / max(sum(counts.values()), 1))
    return totals, {k: max(1, round(share * count)) for k, count in counts.items()}


def _draw(rng: np.random.Generator, labels_N: np.ndarray, counts: Mapping[int, int]) -> np.ndarray:
    """Positions of so many records of each class, one class after the other."""
    return np.concatenate([rng.permutation(np.flatnonzero(labels_N == k))[:c] for k, c in counts.items()])


def _draws(rng: np.random.Generator, classes: list[tuple[np.ndarray, int]], draws: int) -> np.ndarray:
    """D×M positions: so many of each class without repetition, and none again before all that fit had their turn."""
    columns = []
    for rows, count in classes:
        turns = len(rows) // count
        passes = [rng.permutation(rows)[: turns * count].reshape(turns, count) for _ in range(-(-draws // turns))]
        columns.append(np.concatenate(passes)[:draws])
    return np.concatenate(columns, axis=1)


def _peak_sums(rng: np.random.Generator, kinds: list[Part], held_out: Part, counts: Mapping[int, int]) -> np.ndarray:
    """Peaks of each real and other record beside those of all held-out ones of its class, P×Q×2.

    To find peaks takes most of the time: they are found in some records only, the others have zeros.
    """
    lowest = found_peaks.LOWEST * peaks.noise_level(held_out.x_NxRxT)
    share = min(1.0, PEAK_RECORDS / sum(counts.values()))
    few = {k: max(1, round(share * count)) for k, count in counts.items()}
    rows = [_draw(rng, part.labels_N, few) for part in (*kinds, held_out)]
    found = [found_peaks.find_all(part.x_NxRxT[r], lowest) for part, r in zip((*kinds, held_out), rows, strict=True)]
    middle = found_peaks.middle_height(found[2])
    own = {k: [found[2][i] for i in np.flatnonzero(held_out.labels_N[rows[2]] == k)] for k in counts}
    sums_PxQx2 = np.zeros((sum(map(len, kinds)), len(found_peaks.IDEALS), 2))
    for offset, part, r, here in zip((0, len(kinds[0])), kinds, rows[:2], found[:2], strict=True):
        for i, one in zip(r, here, strict=True):
            pairs = [found_peaks.compare_peaks(one, by, middle) for by in own[part.labels_N[i]]]
            sums_PxQx2[offset + i] = np.sum(pairs, axis=0)
    return sums_PxQx2
