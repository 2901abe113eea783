"""Records cut into the series that the two autoencoders see, and put together again.

The paper writes a record with drift time down the rows and retention time along the columns, so its "columns" are
drift series. Here a record is (retention, drift) as in gc-ims-tools: a drift series is one contiguous row. The cut
is the only place where this matters.
"""

import jax
import jax.numpy as jnp

from gcims_jax.errors import InputError

Array = jax.Array


def to_drift_series(x_NxRxT: Array) -> Array:
    """All drift series of all records, (N·R)×T: the series of one record follow each other."""
    n, r, t = x_NxRxT.shape
    return x_NxRxT.reshape(n * r, t)


def from_drift_series(series_MxT: Array, n_records: int) -> Array:
    """Inverse of ``to_drift_series``; the last dimension may also be a latent one: (N·R)×d to N×R×d."""
    m, t = series_MxT.shape
    return series_MxT.reshape(n_records, m // n_records, t)


def to_retention_series(z_NxRxD: Array) -> Array:
    """All retention series: one per record and latent component of the first stage, (N·d)×R."""
    n, r, d = z_NxRxD.shape
    return z_NxRxD.swapaxes(1, 2).reshape(n * d, r)


def from_retention_series(series_MxR: Array, n_records: int) -> Array:
    """Inverse of ``to_retention_series``: (N·d)×R to N×R×d."""
    m, r = series_MxR.shape
    return series_MxR.reshape(n_records, m // n_records, r).swapaxes(1, 2)


def undersample(key: Array, series_MxL: Array, threshold: float, kept_fraction: float) -> Array:
    """Thins out series that carry little: most rows of a record are baseline between peaks.

    Args:
      key: of the draw.
      series_MxL: M series of length L.
      threshold: a series is low-variance if its variance is below this fraction of the mean variance.
      kept_fraction: probability that a low-variance series is kept; every other series is kept.

    Returns:
      Indices of the kept series, in order; never empty.

    Raises:
      InputError: a negative threshold or a fraction outside [0, 1].
    """
    if threshold < 0.0:
        raise InputError(f"series.threshold: expected 0 or more, got {threshold}")
    if not 0.0 <= kept_fraction <= 1.0:
        raise InputError(f"series.kept_fraction: expected a number from 0 to 1, got {kept_fraction}")
    variance_M = jnp.var(series_MxL, axis=1)
    low_M = variance_M < threshold * jnp.mean(variance_M)
    kept_M = ~low_M | (jax.random.uniform(key, low_M.shape) < kept_fraction)
    return jnp.flatnonzero(kept_M | (jnp.arange(len(kept_M)) == jnp.argmax(variance_M)))
