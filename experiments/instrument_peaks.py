"""Do small peaks of a real instrument survive the codec? One record as two interleaved recordings of the same run.

Noise is white along retention, so even and odd retention rows of one record show the same substances with noise of
their own. Windows of one half teach the codecs, windows of the other half at places in between test them; then the
halves change roles. A peak counts where both halves show it, its height is that in the half that tests.
"""

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from gcims_jax import parts
from gcims_jax.codec.double import check_latent
from gcims_jax.errors import InputError
from gcims_jax.fidelity import found_peaks, peaks
from gcims_jax.preprocessing import scale
from gcims_jax.records import Records
from gcims_jax.reports import codec as codec_page

from . import latent_dimension
from . import reconstruction as rec
from .job import Job
from .latent_dimension import NAMES, SHOWN
from .settings import Setup

OTHER = "the other half itself"
FIGURES = {
    "mse": "held-out mean squared error",
    "recall": "small-peak recall",
    "intensity_error": "error of height",
    "signal_to_noise": "signal-to-noise",
    "ghosts": "ghost peaks per window",
    "train_seconds": "training, s (the first of each d compiles)",
}
# Longer than any small peak: what lasts for so many rows of a half is a stripe or a tail, and its noise makes maxima.
STRIPE_ROWS = 41
LEAST_ROWS = len(peaks.RING)  # of a window: the ring around a peak
# Held-out windows lie this many training steps apart; those in between show nearly the same.
TEST_STRIDE = 2


class Windows(NamedTuple):
    """Windows of both halves, N in all.

    Attributes:
      values_NxRxT: compressed, in the record's unit.
      truth: the windows themselves, and where both halves show a peak; NaN where a window has fewer than others.
      splits: train on windows of the even rows and test on those of the odd ones, and the other way round.
      partner_N: the window of the other half at the same place; held-out windows only, others are their own.
      start_N: row of the half with which a window begins.
      distinct: peaks that both halves show, of any height.
    """

    values_NxRxT: np.ndarray
    truth: rec.Truth
    splits: list[rec.Split]
    partner_N: np.ndarray
    start_N: np.ndarray
    distinct: int


def run(job: Job) -> str:
    """Scores all codecs at every d of ``codec_study.latents``; finished rows are files."""
    start = time.perf_counter()
    setup = job.setup
    record_RxT = _one_record(setup)
    window, step = setup.codec_study["window_rows"], setup.codec_study["window_step"]
    for latent in setup.codec_study["latents"]:
        check_latent(latent, (window, record_RxT.shape[1]))
    windows = cut(record_RxT, window, step)
    records = _as_records(setup, windows)
    setup = setup._replace(records=records, part=parts.from_records(records, windows.values_NxRxT))
    data = [rec.data_of(setup, split, windows.truth) for split in windows.splits]
    other = [_score_other(setup, part, windows) for part in data]
    if not all(row["count"] for row in other):
        raise InputError(
            f"data.path: expected small peaks ({peaks.PeakConfig().lowest:g} to {peaks.PeakConfig().highest:g} times the "
            f"noise) that even and odd rows both show, got none among {windows.distinct} peaks; take another record or "
            "another preprocess.fast_range"
        )
    rows: dict[int, dict[str, list]] = {}
    shown: dict[str, dict[str, np.ndarray]] = {NAMES[name]: {} for name in SHOWN}
    for latent in setup.codec_study["latents"]:
        rows[latent] = {name: [] for name in NAMES}
        for index, part in enumerate(data):
            scored = latent_dimension.score_split(job, setup, part, latent, index, shown, classes=False)
            for name, row in scored.items():
                rows[latent][name].append(row)
        rows[latent] = {name: values for name, values in rows[latent].items() if values}
        print(_line(latent, rows[latent]), flush=True)
    summary = _summarise(rows, other, windows, [_distinct_small(part, windows) for part in data])
    job.timed("study", start)
    job.finish(summary, lambda workdir, summary: _report(setup, data[0], windows, workdir, rows, other, summary, shown))
    return "\n".join(summary["lines"])


def _one_record(setup: Setup) -> np.ndarray:
    """The compressed record R×T, its rows as measured.

    Raises:
      InputError: more than one record, rows that are no longer independent, or too few of them.
    """
    if len(setup.records) != 1:
        raise InputError(
            f"data.path: expected a file of one long record, for example a .mea file, got {len(setup.records)} records; "
            "for many records there is experiment=latent_dimension"
        )
    if len(setup.compression.slow_analysis_RxL) != len(setup.compression.slow.values):
        raise InputError(
            "preprocess.slow_level: expected 0, for neighbouring rows must have noise of their own, got a higher one; "
            "set preprocess.slow_level=0"
        )
    window, step = setup.codec_study["window_rows"], setup.codec_study["window_step"]
    rows = setup.compression.shape[0]
    if window < LEAST_ROWS or step < 2:
        raise InputError(
            f"codec_study: expected window_rows of at least {LEAST_ROWS} and window_step of at least 2 (held-out windows "
            f"lie between training windows), got {window} and {step}"
        )
    least = 2 * (window + 4 * step)
    if rows < least:
        raise InputError(
            f"data.path: expected a record of at least {least} retention rows for windows of {window} rows of every "
            f"second one in steps of {step}, got {rows}; lower codec_study.window_rows or widen preprocess.slow_range"
        )
    return scale.compress(setup.compression, setup.records.values)[0]


def _as_records(setup: Setup, windows: Windows) -> Records:
    """The windows as a set of one class; places along its axes are points."""
    n, r, t = windows.values_NxRxT.shape
    slow, fast = (
        axis._replace(unit="1", values=np.arange(points))
        for axis, points in ((setup.records.slow, r), (setup.records.fast, t))
    )
    return Records(windows.values_NxRxT, slow, fast, np.repeat(setup.records.labels, n))


def cut(record_RxT: np.ndarray, window: int, step: int) -> Windows:
    """Windows of the even and the odd rows of a record, and the peaks that both show.

    Args:
      record_RxT: rows with independent noise.
      window: rows of a window.
      step: rows of a half from one training window to the next; held-out windows begin in between.
    """
    rows = len(record_RxT) // 2
    halves_2xRxT = np.stack([record_RxT[0 : 2 * rows : 2], record_RxT[1 : 2 * rows : 2]])
    train_at = np.arange(0, rows - window + 1, step)
    test_at = np.arange(step // 2, rows - window + 1, TEST_STRIDE * step)
    # Even training, odd training, even held-out, odd held-out.
    parts = [(half, at) for ats in (train_at, test_at) for half in (0, 1) for at in ats]
    values_NxRxT = np.stack([halves_2xRxT[half, at : at + window] for half, at in parts])
    lowest = found_peaks.LOWEST * peaks.noise_level(halves_2xRxT)
    found = [_stand_apart(half_RxT, lowest) for half_RxT in halves_2xRxT]
    shared = [_shown_by(found[half], found[1 - half]) for half in (0, 1)]
    places = [shared[half] - (at, 0) for half, at in parts]
    places = [at_Mx2[(at_Mx2[:, 0] >= 0) & (at_Mx2[:, 0] < window)] for at_Mx2 in places]
    places_NxCx2 = np.full((len(parts), max(1, *map(len, places)), 2), np.nan)
    for row_Cx2, at_Mx2 in zip(places_NxCx2, places, strict=True):
        row_Cx2[: len(at_Mx2)] = at_Mx2
    n, m = len(train_at), len(test_at)
    order = np.argsort([-len(at_Mx2) for at_Mx2 in places[2 * n : 2 * n + m]], kind="stable")  # the fullest is shown
    even, odd = 2 * n + order, 2 * n + m + order
    partner_N = np.arange(len(parts))
    partner_N[even], partner_N[odd] = odd, even
    return Windows(
        values_NxRxT,
        rec.Truth(values_NxRxT, places_NxCx2[..., 0], places_NxCx2[..., 1]),
        [rec.Split(np.arange(n), odd), rec.Split(np.arange(n, 2 * n), even)],
        partner_N,
        np.array([at for _, at in parts]),
        len(shared[1]),
    )


def _stand_apart(half_RxT: np.ndarray, lowest: float) -> np.ndarray:
    """M×2 places of peaks that stand out along retention too, after what lasts there has been taken away.

    Not at the ends of the drift axis, where the crop cuts peaks and the wavelet transform is periodic.
    """
    lasting_RxT = ndimage.median_filter(half_RxT, size=(STRIPE_ROWS, 1), mode="nearest")
    places_Mx2 = found_peaks.find_peaks(half_RxT - lasting_RxT, lowest).position_Mx2
    margin = len(peaks.RING) // 2
    return places_Mx2[np.abs(places_Mx2[:, 1] - (half_RxT.shape[1] - 1) / 2) < half_RxT.shape[1] / 2 - margin]


def _shown_by(places_Mx2: np.ndarray, other_Lx2: np.ndarray) -> np.ndarray:
    """The places near which there is another."""
    apart_MxL = np.linalg.norm(places_Mx2[:, None] - other_Lx2[None], axis=2)
    return places_Mx2[(apart_MxL <= found_peaks.REACH).any(axis=1)]


def _small(data: rec.Data) -> peaks.SmallPeaks:
    """The small peaks of the held-out windows, as ``reconstruction.score`` takes them."""
    noise = peaks.noise_level(scale.invert(data.scaling, data.train.x_NxRxT))
    test = data.split.test
    truth = data.truth
    return peaks.find(truth.clean_NxRxT[test], noise, truth.rows_NxC[test], truth.columns_NxC[test])


def _distinct_small(data: rec.Data, windows: Windows) -> int:
    """Small peaks that are not one and the same in another window: further apart than two peaks that are taken for one."""
    small = _small(data)
    rows_M = small.row_M + windows.start_N[data.split.test][small.record_M]
    places: list[np.ndarray] = []
    for place in np.stack([rows_M, small.column_M], axis=1):
        if all(np.linalg.norm(place - there) > found_peaks.REACH for there in places):
            places.append(place)
    return len(places)


def _score_other(setup: Setup, data: rec.Data, windows: Windows) -> dict[str, float]:
    """The other half's window in place of a reconstruction: as good as a second measurement."""
    other_MxRxT = scale.apply(data.scaling, windows.values_NxRxT[windows.partner_N[data.split.test]])
    return rec.score(setup, data, lambda _: other_MxRxT, classes=False)


def _line(latent: int, rows: dict[str, list]) -> str:
    """One sentence on a latent size."""
    parts = [
        f"{NAMES[name]} {rec.mean(values, 'recall'):.2f} (error {rec.mean(values, 'mse'):.3g})"
        for name, values in rows.items()
    ]
    return f"d = {latent}: small-peak recall " + ", ".join(parts)


def _summarise(
    rows: dict[int, dict[str, list]], other: list[dict[str, float]], windows: Windows, small: list[int]
) -> dict[str, Any]:
    def means(values: list[dict[str, float]]) -> dict[str, Any]:
        return {key: rec.mean(values, key) for key in values[0]} | {"halves": values}

    lines = [
        f"{windows.distinct} peaks stand apart in both halves; of them {small[0]} in odd and {small[1]} in even rows are "
        f"small somewhere, {other[0]['count']} and {other[1]['count']} times in {len(windows.splits[0].test)} held-out "
        f"windows; {OTHER} recalls {rec.mean(other, 'recall'):.2f} of them"
    ]
    return {
        "training_windows": len(windows.splits[0].train),
        "held_out_windows": len(windows.splits[0].test),
        "distinct_peaks": windows.distinct,
        "distinct_small_peaks": small,
        OTHER: means(other),
        "latents": {str(d): {name: means(values) for name, values in by_name.items()} for d, by_name in rows.items()},
        "lines": lines + [_line(latent, by_name) for latent, by_name in rows.items()],
    }


def _report(
    setup: Setup, data: rec.Data, windows: Windows, workdir: Path, rows: dict, other: list, summary: dict, shown: dict
) -> None:
    first = data.split.test[0]
    partner_RxT = scale.apply(data.scaling, windows.values_NxRxT[windows.partner_N[[first]]])[0]
    small = _small(data)
    here = small.record_M == 0
    slow, fast = setup.compression.slow, setup.compression.fast
    length = data.test.x_NxRxT.shape[1]
    # Half 1 are the odd rows.
    kept = slow.values[1::2][windows.start_N[first] :][:length]
    gallery = codec_page.plot_gallery(
        {"measured": {"held out": data.test.x_NxRxT[0], OTHER: partner_RxT}}
        | {name: row for name, row in shown.items() if row},
        slow._replace(values=kept),
        fast,
        (slice(None), slice(None)),
        brightest=0.95,
        marks_Mx2=np.stack([small.row_M[here], small.column_M[here]], axis=1),
    )
    table = [["–", OTHER, *_cells(other)]]
    table += [
        [str(latent), label, *_cells(rows[latent][name])]
        for latent in rows
        for name, label in NAMES.items()
        if name in rows[latent]
    ]
    caption = (
        f"Means over both halves; a peak is seen in every window that holds it, {other[0]['count']} and "
        f"{other[1]['count']} times in all. The same peaks are in the training windows: this is about noise, not about "
        "substances that the codec has never seen."
    )
    codec_page.write(
        workdir,
        "Do small peaks of a real instrument survive the codec?",
        "; ".join(summary["lines"]) + ".",
        [("All figures", caption, ["d", "codec", *FIGURES.values()], table)],
        {
            "windows": (
                gallery,
                "A held-out window through each codec, one colour scale up to the 95 % quantile; circles: its small peaks.",
            )
        },
    )


def _cells(values: list[dict[str, float]]) -> list[str]:
    return [f"{rec.mean(values, key):.3g}" if key in values[0] else "–" for key in FIGURES]
