"""Physics-based GC-IMS records with known truth: the embedded default data set.

One record is a headspace measurement of a bacterial culture. Its signal is built from how the instrument works:

* charge: the reactant ion feeds monomers, monomers feed proton-bound dimers, both at rates proportional to the
  momentary concentration. Solving these first-order kinetics per retention time shares one constant charge among
  reactant ion peak (RIP), monomers and dimers: it gives saturation, depletion, and the notch of an overloaded monomer;
* elution: exponentially modified Gaussians whose tail grows with the amount (column overload);
* between runs: retention and drift misalignment, batch and run effects on intensity, band-limited noise.

The constants were measured on a FlavourSpec ketone standard (R package GCIMS, ``small.mea.gz``) and on published
urine and pooled-urine series; what the cultures contain stands in ``cultures``.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.records import Axis, Records
from gcims_jax.simulation import signal
from gcims_jax.simulation.cultures import CLASS_SIZES, COMPOUNDS, LADDER_INDEX, LADDER_TIME_S, MEDIUM, SPECIES

RIP_DRIFT_MS = 7.740
BASELINE_COUNTS = 98.0
BASELINE_DEPLETED_COUNTS = 42.0  # where the RIP is at its lowest, 8 %
RETENTION_END_S = 500.0
DRIFT_END_MS = 15.345
GAIN_KNOTS = 24  # of the sensitivity along the drift axis, 0.67 ms apart


@dataclasses.dataclass(frozen=True)
class Variability:
    """Sizes of everything that differs between records; logarithms are natural.

    Attributes:
      contrast: exponent on the species' marker ratios; 0 makes all species alike.
      biology_log_sd: of each compound between cultures of one species (strain, growth).
      batch_log_sd: intensity between batches, 0.18 in pooled urine.
      run_log_sd: intensity between runs of a batch, 0.20 in pooled urine.
      common_share: share of both that all compounds have in common, 0.55 in pooled urine.
      retention_shift_sd: relative to the measured 0.6 to 4.7 s; 0 aligns all runs.
      drift_scale_sd: relative standard deviation of the drift scale, half of it between batches.
      noise: relative to the measured 2.3 counts.
      coupling_sd: relative change of drift times over the whole run, a drift of the instrument; couples both axes.
      gain_log_sd: sensitivity between runs, smooth along the drift axis.
      absent: chance that a culture does without a marker of its species, which is then as in the medium.
      tail: degrees of freedom of biology, Student's t of the same spread; below infinity a few cultures are far off.
    """

    contrast: float = 1.0
    biology_log_sd: float = 0.45
    batch_log_sd: float = 0.18
    run_log_sd: float = 0.20
    common_share: float = 0.55
    retention_shift_sd: float = 1.0
    drift_scale_sd: float = 0.0008
    noise: float = 1.0
    coupling_sd: float = 0.0
    gain_log_sd: float = 0.0
    absent: float = 0.0
    tail: float = np.inf

    def __post_init__(self) -> None:
        for name in ("gain_log_sd", "batch_log_sd", "absent"):
            if not 0.0 <= getattr(self, name) <= (1.0 if name == "absent" else 10.0):
                most = "a share from 0 to 1" if name == "absent" else "0 to 10"
                raise InputError(f"variability {name}: expected {most}, got {getattr(self, name)}")
        if not self.tail > 2.0:
            raise InputError(f"variability tail: expected more than 2 degrees of freedom, got {self.tail}")


class Truth(NamedTuple):
    """What was planted, per record.

    Attributes:
      compounds: C names.
      amounts_NxC: depletion exponent at the apex, without unit.
      retention_NxC: apex of the elution, s.
      monomer_NxC: drift time of the monomer, ms.
      dimer_NxC: drift time of the dimer, ms.
      rip_N: drift time of the RIP, ms.
    """

    compounds: tuple[str, ...]
    amounts_NxC: np.ndarray
    retention_NxC: np.ndarray
    monomer_NxC: np.ndarray
    dimer_NxC: np.ndarray
    rip_N: np.ndarray


def simulate(
    seed: int = 0,
    *,
    n_retention: int = 512,
    n_drift: int = 1024,
    n_batches: int = 9,
    batch_skew: float = 0.0,
    class_sizes: dict[str, int] | None = None,
    variability: Variability = Variability(),
) -> tuple[Records, Truth]:
    """Simulates labelled GC-IMS records.

    The window is always 0 to 500 s and 0 to 15.3 ms; the number of points sets the resolution. Every record has
    a random stream of its own, so a record does not change when others are added behind it in its class.

    Args:
      seed: of everything random.
      n_retention: points on the retention axis, R.
      n_drift: points on the drift axis, T.
      n_batches: measurement batches; they become the covariate "batch".
      batch_skew: 0 deals every class out evenly among the batches; the larger, the more has each class batches of its own.
      class_sizes: records per species, keys from ``cultures.SPECIES``; default ``cultures.CLASS_SIZES``, 220 in all.
      variability: sizes of the differences between records.

    Returns:
      Records in counts (R in s, T in ms), and the planted truth.

    Raises:
      InputError: an unknown species, or a grid, batch number or class size below its minimum.
    """
    if not isinstance(class_sizes, Mapping | None):
        raise InputError(
            f"class_sizes: expected records by species, as in {{'Escherichia coli': 20}}, got {class_sizes!r}"
        )
    if not isinstance(variability, Variability):
        raise InputError(f"variability: expected a gcims.Variability, got {variability!r}")
    sizes = CLASS_SIZES if class_sizes is None else dict(class_sizes)
    unknown = sorted(set(sizes) - set(SPECIES))
    if unknown:
        raise InputError(f"species: expected some of {sorted(SPECIES)}, got {unknown}")
    for name, value, least in (("n_retention", n_retention, 8), ("n_drift", n_drift, 8), ("n_batches", n_batches, 1)):
        if not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"{name}: expected a whole number of {least} or more, got {value!r}")
    if not sizes or any(not isinstance(size, int | np.integer) or size < 1 for size in sizes.values()):
        raise InputError(f"class_sizes: expected 1 record a species or more, as whole numbers, got {sizes}")
    if not isinstance(batch_skew, int | float) or not 0.0 <= batch_skew <= 10.0:
        raise InputError(f"batch_skew: expected 0 to 10, got {batch_skew!r}")

    retention_R = np.linspace(0.0, RETENTION_END_S, n_retention)
    drift_T = np.linspace(0.0, DRIFT_END_MS, n_drift)
    labels = [name for name, size in sizes.items() for _ in range(size)]
    batches = [b for k, size in enumerate(sizes.values()) for b in _deal(size, n_batches, k / len(sizes), batch_skew)]
    batch_effects = [_batch_effect(seed, b, variability) for b in range(n_batches)]

    values_NxRxT = np.empty((len(labels), n_retention, n_drift), np.float32)
    truths = []
    position = {name: 0 for name in sizes}
    for i, (label, batch) in enumerate(zip(labels, batches, strict=True)):
        rng = _stream(seed, 1, sorted(SPECIES).index(label), position[label])
        position[label] += 1
        run = _draw_run(rng, label, batch_effects[batch], variability)
        values_NxRxT[i] = _render(rng, run, retention_R, drift_T, variability.noise)
        truths.append(run)

    records = Records(
        values=values_NxRxT,
        slow=Axis("retention_time", "s", retention_R),
        fast=Axis("drift_time", "ms", drift_T),
        labels=np.asarray(labels),
        covariates={"batch": np.asarray([f"batch_{b + 1}" for b in batches])},
        names=np.asarray([f"culture_{i:04d}" for i in range(len(labels))]),
        attrs={"title": "Simulated GC-IMS records of bacterial cultures", "units": "counts", "seed": seed},
    )
    truth = Truth(
        compounds=tuple(c.name for c in COMPOUNDS),
        amounts_NxC=np.stack([t.amounts_C for t in truths]),
        retention_NxC=np.stack([t.retention_C for t in truths]),
        monomer_NxC=np.stack([_drift_times(t, _MONOMER_C) for t in truths]),
        dimer_NxC=np.stack([_drift_times(t, _DIMER_C) for t in truths]),
        rip_N=np.asarray([t.drift_scale * RIP_DRIFT_MS for t in truths]),
    )
    return records, truth


_MONOMER_C = np.array([c.monomer for c in COMPOUNDS])
_DIMER_C = np.array([c.dimer for c in COMPOUNDS])


def _deal(size: int, n_batches: int, centre: float, skew: float) -> np.ndarray:
    """The batch of each record of a class: in turn, or more often the nearer to the class's own place in the round of batches."""
    if not skew:
        return np.arange(size) % n_batches
    away_B = np.abs((np.arange(n_batches) / n_batches - centre + 0.5) % 1.0 - 0.5)  # 0 to 0.5
    share_B = np.exp(-4.0 * skew * away_B)
    return np.searchsorted(np.cumsum(share_B / share_B.sum())[:-1], (np.arange(size) + 0.5) / size)


class _Effect(NamedTuple):
    """Intensity and position differences of one batch, or of one run within it."""

    log_intensity_C: np.ndarray
    retention_knots: np.ndarray
    log_drift_scale: float


class _Run(NamedTuple):
    amounts_C: np.ndarray
    retention_C: np.ndarray
    drift_scale: float
    coupling: float
    gain_knots: np.ndarray


def _drift_times(run: _Run, relative_C: np.ndarray) -> np.ndarray:
    return RIP_DRIFT_MS * run.drift_scale * relative_C * (1.0 + run.coupling * run.retention_C / RETENTION_END_S)


def _stream(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(key))


def _draw_effect(rng: np.random.Generator, log_sd: float, variability: Variability) -> _Effect:
    """Batch and run effects have the same form; each carries half of the positional variance."""
    common = rng.normal() * np.sqrt(variability.common_share)
    own_C = rng.normal(size=len(COMPOUNDS)) * np.sqrt(1.0 - variability.common_share)
    return _Effect(
        log_intensity_C=log_sd * (common + own_C),
        retention_knots=rng.normal(size=3) * variability.retention_shift_sd / np.sqrt(2.0),
        log_drift_scale=rng.normal() * variability.drift_scale_sd / np.sqrt(2.0),
    )


def _batch_effect(seed: int, batch: int, variability: Variability) -> _Effect:
    return _draw_effect(_stream(seed, 0, batch), variability.batch_log_sd, variability)


def _draw_run(rng: np.random.Generator, species: str, batch: _Effect, variability: Variability) -> _Run:
    """Amounts and positions of one record: species profile × culture × batch × run."""
    run = _draw_effect(rng, variability.run_log_sd, variability)
    ratio_C = np.array([SPECIES[species].get(c.name, 1.0) for c in COMPOUNDS])
    biology_C = variability.biology_log_sd * rng.normal(size=len(COMPOUNDS))
    if np.isfinite(variability.tail):
        df = variability.tail
        biology_C *= np.sqrt((df - 2.0) / rng.chisquare(df, size=len(COMPOUNDS)))
    if variability.absent:
        ratio_C = np.where(rng.random(len(COMPOUNDS)) < variability.absent, 1.0, ratio_C)
    log_amounts_C = (
        np.log([MEDIUM[c.name] for c in COMPOUNDS])
        + variability.contrast * np.log(ratio_C)
        + biology_C
        + batch.log_intensity_C
        + run.log_intensity_C
    )
    nominal_C = retention_time(np.array([c.retention_index for c in COMPOUNDS]))
    shift_C = _retention_shift(nominal_C, batch.retention_knots + run.retention_knots)
    scale = np.exp(batch.log_drift_scale + run.log_drift_scale)
    # Drawn last, and only where asked for, so that records without coupling stay as they are.
    coupling = variability.coupling_sd * rng.normal() if variability.coupling_sd else 0.0
    gain_knots = variability.gain_log_sd * rng.normal(size=GAIN_KNOTS) if variability.gain_log_sd else np.zeros(0)
    return _Run(np.exp(log_amounts_C), nominal_C + shift_C, scale, coupling, gain_knots)


def retention_time(index: np.ndarray) -> np.ndarray:
    """Retention time in s of a retention index, log-linear between and beyond the 2-ketone ladder."""
    log_time = np.log(LADDER_TIME_S)
    inside = np.interp(index, LADDER_INDEX, log_time)
    low = log_time[0] + (index - LADDER_INDEX[0]) * (log_time[1] - log_time[0]) / (LADDER_INDEX[1] - LADDER_INDEX[0])
    high = log_time[-1] + (index - LADDER_INDEX[-1]) * (log_time[-1] - log_time[-2]) / (
        LADDER_INDEX[-1] - LADDER_INDEX[-2]
    )
    return np.exp(np.where(index < LADDER_INDEX[0], low, np.where(index > LADDER_INDEX[-1], high, inside)))


def _retention_shift(time_s: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Smooth shift in s: three standard-normal knots at 60, 200 and 280 s, scaled to the measured 0.6, 1.6 and 4.7 s.

    Beyond the last knot the shift stays at its value there: nothing was measured later.
    """
    return np.interp(time_s, [60.0, 200.0, 280.0], knots * np.array([0.6, 1.6, 4.7]))


def _render(
    rng: np.random.Generator, run: _Run, retention_R: np.ndarray, drift_T: np.ndarray, noise: float
) -> np.ndarray:
    """One R×T record in counts: charge fractions over retention times drift shapes, plus noise."""
    attachment_RxC = run.amounts_C * signal.elution(retention_R, run.retention_C, run.amounts_C)
    rip_R, monomer_RxC, dimer_RxC = signal.charge_fractions(attachment_RxC)

    rip_ms = RIP_DRIFT_MS * run.drift_scale
    monomer_CxT = signal.drift_peaks(drift_T, _drift_times(run, _MONOMER_C), fwhm_ms=0.100)
    dimer_CxT = signal.drift_peaks(drift_T, _drift_times(run, _DIMER_C), fwhm_ms=0.125)
    depleted_R = (1.0 - rip_R) / (1.0 - 0.08)
    baseline_R = BASELINE_COUNTS - (BASELINE_COUNTS - BASELINE_DEPLETED_COUNTS) * depleted_R
    record_RxT = (
        rip_R[:, None] * signal.rip_shape(drift_T, rip_ms)
        + monomer_RxC @ monomer_CxT
        + dimer_RxC @ dimer_CxT
        + baseline_R[:, None]
        + signal.gate_artefact(drift_T)
    )
    if run.gain_knots.size:
        record_RxT *= np.exp(np.interp(drift_T, np.linspace(0.0, DRIFT_END_MS, GAIN_KNOTS), run.gain_knots))
    if noise > 0.0:
        record_RxT += noise * signal.noise(rng, record_RxT.shape, drift_T[1] - drift_T[0])
    return record_RxT.astype(np.float32)
