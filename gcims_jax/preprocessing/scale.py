"""From instrument counts to the [0, 1] scale of the codec, and back.

Two halves. *Compression* crops in axis units and keeps the wavelet approximation of each axis; it learns nothing, so
it may run once over all records. *Scaling* is a logarithm that accepts negative counts, then min-max to [0, 1]; it
is fitted on training records.

    x = apply(scaling, compress(compression, values))      values' = expand(compression, invert(scaling, x))

``apply`` and ``compress`` undo ``invert`` and ``expand`` exactly (to rounding), so a synthetic record that was written
in the input's units comes back as the record that the classifier saw. With alignment that holds up to the shift, which
is found anew.

An instrument measures within a range. ``bound`` keeps draws within that of the training records, on the scale that
classifiers see; ``to_units`` is the whole way back and keeps what is written within the measured counts too.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
import pywt
from threadpoolctl import threadpool_limits

from gcims_jax.errors import InputError
from gcims_jax.parts import Part
from gcims_jax.preprocessing import alignment
from gcims_jax.preprocessing.wavelets import analysis_matrix, synthesis_matrix
from gcims_jax.records import Axis

# Of cutting at the measured limits: real records are then within 0.03 on the [0, 1] scale, without within 0.2.
ROUNDS = 16


@dataclasses.dataclass(frozen=True)
class PreprocessConfig:
    """How records are prepared.

    Attributes:
      slow_range: (low, high) kept on the slow axis, in the axis' unit; None keeps all.
      fast_range: the same for the fast axis.
      wavelet: any discrete wavelet that pywavelets knows.
      slow_level: halvings of the slow axis; 0 keeps its resolution.
      fast_level: halvings of the fast axis.
      log: logarithm of the distance from the baseline; False is linear.
      log_knee: where the logarithm takes over from a straight line, in multiples of the training values' median
        absolute deviation from their median.
      max_shift: largest shift of a record along the slow axis, in compressed points, that brings it into step with
        the training records; 0 does not align.
    """

    slow_range: tuple[float, float] | None = None
    fast_range: tuple[float, float] | None = None
    wavelet: str = "db3"
    slow_level: int = 0
    fast_level: int = 0
    log: bool = True
    log_knee: float = 10.0
    max_shift: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.max_shift < np.inf:
            raise InputError(f"preprocess.align: expected a largest shift of at least 0, got {self.max_shift}")


class Compression(NamedTuple):
    """Crop and wavelet approximation as one matrix per axis and direction; learns nothing.

    Attributes:
      slow: kept part of the input's slow axis, L coordinates.
      fast: kept part of the input's fast axis, M coordinates.
      slow_slice, fast_slice: where the kept part lies in the input.
      slow_analysis_RxL, slow_synthesis_LxR: to and from R compressed points.
      fast_analysis_TxM, fast_synthesis_MxT: to and from T compressed points.
      input_shape: (slow, fast) points that records must have.
    """

    slow: Axis
    fast: Axis
    slow_slice: slice
    fast_slice: slice
    slow_analysis_RxL: np.ndarray
    slow_synthesis_LxR: np.ndarray
    fast_analysis_TxM: np.ndarray
    fast_synthesis_MxT: np.ndarray
    input_shape: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """(R, T) of compressed records."""
        return len(self.slow_analysis_RxL), len(self.fast_analysis_TxM)


class Scaling(NamedTuple):
    """Fitted on training records; see ``fit``. Scalars in the input's units, except low and high.

    Attributes:
      centre: baseline that the logarithm is taken from.
      knee: distance from it where the logarithm takes over; infinite for a linear scale.
      low, high: training minimum and maximum after the logarithm.
      reference_RxT: what records are aligned to, on the [0, 1] scale; None does not align.
      max_shift: largest shift along the slow axis in compressed points.
    """

    centre: float
    knee: float
    low: float
    high: float
    reference_RxT: np.ndarray | None = None
    max_shift: float = 0.0


def make_compression(slow: Axis, fast: Axis, config: PreprocessConfig) -> Compression:
    """Plans crop and compression of records on a grid.

    The crop keeps coordinates within the range, both ends included; at most ``2**level - 1`` points are then dropped
    at the end of an axis, which makes the halvings exact. Compressed values stay in the input's unit; see ``wavelets``.

    Raises:
      InputError: a crop that leaves nothing, an unknown wavelet, a level that leaves no point.
    """
    try:
        pywt.Wavelet(config.wavelet)
    except ValueError as error:
        raise InputError(
            f"preprocess.wavelet: expected a discrete wavelet such as {pywt.wavelist('db')[:4]}, got {config.wavelet!r}"
        ) from error
    if config.log and not config.log_knee > 0.0:
        raise InputError(f"preprocess.log_knee: expected a number above 0, got {config.log_knee}")
    slow_slice = crop(slow, config.slow_range, config.slow_level, "slow")
    fast_slice = crop(fast, config.fast_range, config.fast_level, "fast")
    slow_kept = slow._replace(values=slow.values[slow_slice])
    fast_kept = fast._replace(values=fast.values[fast_slice])
    slow_wavelet = len(slow_kept.values), config.wavelet, config.slow_level
    fast_wavelet = len(fast_kept.values), config.wavelet, config.fast_level
    return Compression(
        slow_kept,
        fast_kept,
        slow_slice,
        fast_slice,
        analysis_matrix(*slow_wavelet),
        synthesis_matrix(*slow_wavelet),
        analysis_matrix(*fast_wavelet),
        synthesis_matrix(*fast_wavelet),
        input_shape=(len(slow.values), len(fast.values)),
    )


def crop(axis: Axis, limits: tuple[float, float] | None, level: int, which: str) -> slice:
    """The part of an axis within the limits, its length a multiple of ``2**level``.

    Raises:
      InputError: nothing is left.
    """
    kept = np.arange(len(axis.values))
    if limits is not None:
        low, high = limits
        kept = np.flatnonzero((axis.values >= low) & (axis.values <= high))
    if level < 0:
        raise InputError(f"preprocess.{which}_level: expected 0 or more, got {level}")
    length = len(kept) - len(kept) % 2**level
    if length == 0:
        raise InputError(
            f"preprocess.{which}_range: expected a range that keeps at least {2**level} of the {len(axis.values)} "
            f"points of {axis.name} ({axis.values.min():g} to {axis.values.max():g} {axis.unit}), got {limits} at "
            f"level {level}, which keeps {len(kept)}; widen the range or lower preprocess.{which}_level"
        )
    return slice(int(kept[0]), int(kept[0]) + length)


def compress(compression: Compression, values_NxRxT: np.ndarray) -> np.ndarray:
    """Crops and compresses records, one at a time so that memory stays flat.

    Returns:
      N×R×T in the input's units, float32, R and T now those of ``compression.shape``.

    Raises:
      InputError: records on another grid than the planned one.
    """
    kept_NxLxM = _crop(compression, values_NxRxT)
    compressed_NxRxT = np.empty((len(values_NxRxT), *compression.shape), np.float32)
    with threadpool_limits(1):  # products of one record, which several threads only slow down
        for compressed_RxT, kept_LxM in zip(compressed_NxRxT, kept_NxLxM, strict=True):
            compressed_RxT[:] = _analyse(compression, kept_LxM)
    return compressed_NxRxT


def _crop(compression: Compression, values_NxRxT: np.ndarray) -> np.ndarray:
    if values_NxRxT.shape[1:] != compression.input_shape:
        raise InputError(
            f"records: expected a grid of {compression.input_shape}, got {values_NxRxT.shape[1:]}; "
            "bring them to the grid that the compression was planned for"
        )
    return values_NxRxT[:, compression.slow_slice, compression.fast_slice]


def _analyse(compression: Compression, kept_LxM: np.ndarray) -> np.ndarray:
    return compression.slow_analysis_RxL @ kept_LxM @ compression.fast_analysis_TxM.T


def expand(compression: Compression, compressed_NxRxT: np.ndarray) -> np.ndarray:
    """Records on the kept part of the input's grid (``compression.slow``, ``.fast``) from compressed ones."""
    return compression.slow_synthesis_LxR @ compressed_NxRxT @ compression.fast_synthesis_MxT.T


def fit(part: Part, config: PreprocessConfig) -> Scaling:
    """Learns the scale, and the reference of the alignment if there is one, from compressed training records.

    The logarithm is asinh((v - centre) / knee): linear near the baseline, logarithmic in the peaks, odd, strictly
    increasing and invertible for all numbers. Where more than half of the values are equal their deviation is 0 and
    a thousandth of the largest distance from the centre serves instead; a constant set maps to 0.

    Args:
      part: training records in the input's unit, from ``compress``.
      config: the options.

    Raises:
      InputError: no records.
    """
    if not len(part):
        raise InputError("preprocess: expected training records to learn the scale from, got none; give at least one")
    scaling = _fit_scale(part.x_NxRxT, config)
    if not config.max_shift:
        return scaling
    reference_RxT = alignment.fit_reference(apply_to(scaling, part), config.max_shift)
    return scaling._replace(reference_RxT=reference_RxT, max_shift=config.max_shift)


def _fit_scale(train_NxRxT: np.ndarray, config: PreprocessConfig) -> Scaling:
    if not config.log:
        return _with_limits(Scaling(0.0, np.inf, 0.0, 1.0), train_NxRxT)
    centre = float(np.median(train_NxRxT))
    distances = np.abs(train_NxRxT - np.float32(centre))
    knee = config.log_knee * float(np.median(distances)) or 1e-3 * float(distances.max()) or 1.0
    return _with_limits(Scaling(centre, knee, 0.0, 1.0), train_NxRxT)


def apply(scaling: Scaling, compressed_NxRxT: np.ndarray) -> np.ndarray:
    """Compressed records on the [0, 1] scale, aligned; float32; values beyond the training range leave [0, 1]."""
    warped = _warp(scaling, np.asarray(compressed_NxRxT, np.float64))
    x_NxRxT = ((warped - scaling.low) / (scaling.high - scaling.low)).astype(np.float32)
    if scaling.reference_RxT is None:
        return x_NxRxT
    return alignment.align(x_NxRxT, scaling.reference_RxT, scaling.max_shift)


def apply_to(scaling: Scaling, part: Part) -> Part:
    """The same records on the [0, 1] scale; they keep labels, groups and identities."""
    return part.with_values(apply(scaling, part.x_NxRxT))


def invert(scaling: Scaling, x_NxRxT: np.ndarray) -> np.ndarray:
    """Exact inverse of ``apply`` but for the alignment, which stays: compressed records in the input's units, float32."""
    warped = np.asarray(x_NxRxT, np.float64) * (scaling.high - scaling.low) + scaling.low
    if np.isinf(scaling.knee):
        return warped.astype(np.float32)
    return (np.sinh(warped) * scaling.knee + scaling.centre).astype(np.float32)


def bound(scaling: Scaling, x_NxRxT: np.ndarray) -> np.ndarray:
    """Records on the [0, 1] scale with what lies outside the training records' range brought to its nearest end.

    The cut is hard. What the instrument could have measured has to stay exactly as it is, and a soft bound would bend
    it, or let through what lies outside.

    Args:
      scaling: from ``fit``.
      x_NxRxT: draws of a generator, or records.
    """
    del scaling  # its range is [0, 1] by construction
    return np.clip(x_NxRxT, 0.0, 1.0)


def measured_limits(compression: Compression, values_NxRxT: np.ndarray) -> tuple[float, float]:
    """Lowest and highest value of raw records within the crop, in the input's unit; give it training records only.

    Raises:
      InputError: no records, or records on another grid than the planned one.
    """
    if not len(values_NxRxT):
        raise InputError(
            "records: expected training records to measure the range of values of, got none; give at least one"
        )
    kept_NxLxM = _crop(compression, values_NxRxT)
    return float(kept_NxLxM.min()), float(kept_NxLxM.max())


def to_units(
    compression: Compression, scaling: Scaling, x_NxRxT: np.ndarray, limits: tuple[float, float]
) -> np.ndarray:
    """Records in the input's unit on the kept part of its grid, as an instrument could have measured them; float32.

    Expanding a bounded record overshoots beside steep peaks, so the measured limits count once more. What the cut takes is
    given to the neighbours, in a few rounds of compressing, adding what is missing and cutting again: real records come back
    from ``compress`` as they were, wild draws as nearly as the limits allow.

    Args:
      compression: the plan.
      scaling: from ``fit``.
      x_NxRxT: on the [0, 1] scale.
      limits: lowest and highest value, from ``measured_limits``.
    """
    low, high = limits
    compressed_NxRxT = invert(scaling, bound(scaling, x_NxRxT))
    values_NxLxM = np.empty((len(x_NxRxT), len(compression.slow.values), len(compression.fast.values)), np.float32)
    for values_LxM, compressed_RxT in zip(values_NxLxM, compressed_NxRxT, strict=True):
        missing_RxT = compressed_RxT
        values_LxM[:] = 0.0
        for _ in range(ROUNDS):
            free_LxM = values_LxM + expand(compression, missing_RxT)
            np.clip(free_LxM, low, high, out=values_LxM)
            if (values_LxM == free_LxM).all():
                break
            missing_RxT = compressed_RxT - _analyse(compression, values_LxM)
    return values_NxLxM


def share_outside(values: np.ndarray, low: float, high: float) -> float:
    """Share of values below ``low`` or above ``high``; what is no number counts as outside."""
    values = np.asarray(values)
    return float(np.mean(~((values >= low) & (values <= high)))) if values.size else 0.0


def threshold_wavelets(x_NxRxT: np.ndarray, coefficients: int, wavelet: str = "db3") -> np.ndarray:
    """Each record from its own largest wavelet coefficients, the rest set to zero.

    A baseline that learns nothing. Which coefficients were kept would have to be stored too, so it is told more about
    a record than a latent matrix of as many numbers.
    """
    result = np.empty_like(x_NxRxT)
    for out_RxT, x_RxT in zip(result, x_NxRxT, strict=True):
        flat, slices = pywt.coeffs_to_array(pywt.wavedec2(x_RxT, wavelet, mode="symmetric"))
        kept = np.argpartition(np.abs(flat), -min(coefficients, flat.size), axis=None)[-coefficients:]
        sparse = np.zeros_like(flat)
        sparse.flat[kept] = flat.flat[kept]
        full = pywt.waverec2(pywt.array_to_coeffs(sparse, slices, "wavedec2"), wavelet, mode="symmetric")
        out_RxT[:] = full[: x_RxT.shape[0], : x_RxT.shape[1]]
    return result


def _warp(scaling: Scaling, values: np.ndarray) -> np.ndarray:
    return values if np.isinf(scaling.knee) else np.arcsinh((values - scaling.centre) / scaling.knee)


def _with_limits(scaling: Scaling, train_NxRxT: np.ndarray) -> Scaling:
    # The warp is increasing, so the limits of the values give the limits of the warped values.
    ends = np.array([train_NxRxT.min(), train_NxRxT.max()], np.float64)
    low, high = _warp(scaling, ends)
    return scaling._replace(low=float(low), high=float(high) if high > low else float(low) + 1.0)
