"""The paper's recipe: each autoencoder is trained by itself, from random weights, on series."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax.batches import in_batches
from gcims_jax.codec import series, stages
from gcims_jax.codec.holdout import Sides
from gcims_jax.codec.model import ModelConfig, SeriesAutoencoder
from gcims_jax.codec.plans import Plan, Training
from gcims_jax.codec.stages import Codec, Stage
from gcims_jax.codec.train import Curves, TrainConfig

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class SeriesTask:
    """Mean squared error of standardised series."""

    model: SeriesAutoencoder
    quantum: ClassVar[int] = 4096

    def init(self, key: Array) -> Any:
        return self.model.init(key, jnp.zeros((1, self.model.length)))

    def losses(self, params: Any, fixed: None, series_BxL: Array, key: Array | None) -> Array:
        rngs = {} if key is None else {"dropout": key}
        return jnp.mean((self.model.apply(params, series_BxL, key is None, rngs=rngs) - series_BxL) ** 2, axis=1)


def fit_plan(
    key: Array,
    sides: Sides,
    latent: int,
    model: ModelConfig,
    train: TrainConfig,
    *,
    threshold: float,
    kept_fraction: float,
    batch_records: int,
) -> Plan[tuple[Codec, dict[str, Curves]]]:
    """Trains both stages, the second on the latents of the first.

    Where the paper is silent, each stage standardises its series with statistics of its training part.

    Args:
      key: of everything random.
      sides: training records on the [0, 1] scale, and those held out for validation.
      latent: d.
      model, train: sizes and optimisation of each stage.
      threshold, kept_fraction: see ``series.undersample``; drift series of the first stage only.
      batch_records: records encoded at once.

    Yields:
      The trainings of both stages, "drift" and "retention".

    Returns:
      The codec and the training curves of each stage, in units of the variance of its series.
    """
    thin_key, drift_key, retention_key, look_key = jax.random.split(key, 4)
    n_held = len(sides.held)
    x_NxRxT = np.concatenate([sides.held.x_NxRxT, sides.rest.x_NxRxT])

    # Arrays whose sizes differ between folds are cut on the host: on the device each size would be compiled anew.
    def fit_stage(
        name: str, key: Array, cut: Callable[[Any], Any], a_NxRxM: np.ndarray, kept: np.ndarray | None
    ) -> Plan[tuple[Stage, SeriesAutoencoder, Curves]]:
        mean = a_NxRxM[n_held:].mean(axis=0)
        scale = stages.spread(a_NxRxM[n_held:] - mean)
        held = cut((a_NxRxM[:n_held] - mean) / scale)
        rest = cut((a_NxRxM[n_held:] - mean) / scale)
        looks_V = np.asarray(jax.random.randint(look_key, (train.validation_series,), 0, len(held)))
        length = rest.shape[1]
        task = SeriesTask(SeriesAutoencoder(length, latent, model))
        thinned = rest if kept is None else rest[kept]
        params, curves = yield Training(name, f"{name} series", key, task, thinned, held[looks_V])
        no_path = jnp.zeros((length, latent), jnp.float32)
        one = jnp.float32(1.0)
        return Stage(params, no_path, jnp.asarray(mean), jnp.float32(scale), one), task.model, curves

    drift_series = series.to_drift_series(x_NxRxT[n_held:])
    kept = np.asarray(series.undersample(thin_key, drift_series, threshold, kept_fraction))
    drift, drift_model, drift_curves = yield from fit_stage("drift", drift_key, series.to_drift_series, x_NxRxT, kept)
    z_NxRxD = in_batches(functools.partial(stages.jitted_encode_drift, drift_model, drift), batch_records, x_NxRxT)
    retention, _, retention_curves = yield from fit_stage(
        "retention", retention_key, series.to_retention_series, z_NxRxD, None
    )
    return Codec(drift, retention), {"drift": drift_curves, "retention": retention_curves}
