"""The linear start: both stages begin as the best linear codec and are trained together, end to end, on records.

Step 0 is the linear codec (``linear``). The transformers correct it and start at zero. What is minimised is the error of
the record itself, through both encoders and both decoders.
"""

import dataclasses
import functools
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax import parts
from gcims_jax.batches import in_batches
from gcims_jax.codec import holdout, linear, losses, perturb, stages
from gcims_jax.codec.holdout import Sides
from gcims_jax.codec.linear import Choice
from gcims_jax.codec.losses import LossConfig
from gcims_jax.codec.perturb import PerturbConfig
from gcims_jax.codec.plans import Plan, Training
from gcims_jax.codec.stages import Codec, Models
from gcims_jax.codec.train import Curves

Array = jax.Array

# Where the learned noise of the latents starts: a tenth of their spread.
LOG_NOISE = -2.3
# Least ``Choice.left`` with which transformers are tried, a trade of error for time: at 0.52 they gained nothing on simulated
# records (d = 16) and 3 % on spoken digits (d = 8); at 0.24, nothing on spoken digits (d = 16). One split each.
LEARNABLE = 0.6


class Fixed(NamedTuple):
    """Arrays that a step needs and training does not change, a pytree.

    Attributes:
      codec: linear paths, means and scales; its ``params`` are empty.
      spread_DxD: standard deviation of each training latent.
      noise_RxT: of each point, see ``losses.local_noise``.
      variance: of the training records around their mean, scalar.
      units: low and span of the logarithmic scale.
    """

    codec: Codec
    spread_DxD: Array
    noise_RxT: Array
    variance: Array
    units: Array


@dataclasses.dataclass(frozen=True)
class RecordTask:
    """Loss of records on the [0, 1] scale through the whole codec.

    Attributes:
      models: both networks.
      loss, perturb: see there.
      latent_noise: standard deviation of noise that a training step adds to each latent, in units of its spread.
      kl: β, weight of the divergence of the latents from independent normals of the linear codec's spread, per latent
        (β-VAE, Higgins et al. 2017); the noise of each latent is then learned and takes the place of ``latent_noise``.
    """

    models: Models
    loss: LossConfig
    perturb: PerturbConfig
    latent_noise: float
    kl: float = 0.0
    quantum: ClassVar[int] = 32

    def init(self, key: Array) -> Any:
        drift_key, retention_key = jax.random.split(key)
        drift, retention = self.models
        params = {
            "drift": drift.init(drift_key, jnp.zeros((1, drift.length))),
            "retention": retention.init(retention_key, jnp.zeros((1, retention.length))),
        }
        if self.kl:
            params["log_noise_DxD"] = jnp.full((drift.latent, drift.latent), LOG_NOISE)
        return params

    def losses(self, params: Any, fixed: Fixed, x_BxRxT: Array, key: Array | None) -> Array:
        codec = with_params(fixed.codec, params)
        if key is None:
            e_BxDxD = stages.encode(self.models, codec, x_BxRxT)
            decoded_BxDxD, decode_key = e_BxDxD, None
        else:
            perturb_key, encode_key, noise_key, decode_key = jax.random.split(key, 4)
            x_BxRxT = perturb.draw(perturb_key, self.perturb, x_BxRxT)
            e_BxDxD = stages.encode(self.models, codec, x_BxRxT, encode_key)
            noise = jnp.exp(params["log_noise_DxD"]) if self.kl else self.latent_noise
            decoded_BxDxD = e_BxDxD + noise * fixed.spread_DxD * jax.random.normal(noise_key, e_BxDxD.shape)
        out_BxRxT = stages.decode(self.models, codec, decoded_BxDxD, decode_key)
        losses_B = losses.record_losses(self.loss, out_BxRxT, x_BxRxT, fixed.noise_RxT, fixed.variance, fixed.units)
        if self.kl:
            means_BxDxD = e_BxDxD / (fixed.spread_DxD + 1e-9)  # constant records have no spread
            losses_B += self.kl * divergence(means_BxDxD, params["log_noise_DxD"])
        return losses_B


def divergence(means_BxDxD: Array, log_noise_DxD: Array) -> Array:
    """Kullback–Leibler divergence of normals with these means and deviations from the standard normal, per latent."""
    per_latent = 0.5 * (means_BxDxD**2 + jnp.exp(2.0 * log_noise_DxD) - 1.0) - log_noise_DxD
    return per_latent.mean(axis=(1, 2))


def with_params(codec: Codec, params: Any) -> Codec:
    """The codec with these transformers."""
    return codec._replace(
        drift=codec.drift._replace(params=params["drift"]),
        retention=codec.retention._replace(params=params["retention"]),
    )


def fit_plan(
    key: Array,
    sides: Sides,
    choice: Choice,
    task: RecordTask,
    *,
    units: tuple[float, float],
    batch_records: int,
) -> Plan[tuple[Codec, dict[str, Curves]]]:
    """Starts at the linear codec and trains both stages together.

    The transformers stay on only where they beat the linear codec on the held-out records by more than the standard
    error of the difference, counting groups, and by more than the linear codec would gain from the held-out records
    themselves; otherwise the result is the linear codec of all training records. They are not even tried where that codec
    leaves too little of the training records to learn from; the curves then have one look.

    Args:
      key: of everything random.
      sides: training records on the [0, 1] scale, and those held out for validation.
      choice: of the linear codec.
      task: networks and loss.
      units: low and span of the logarithmic scale, for a loss in linear units.
      batch_records: records encoded or decoded at once.

    Yields:
      The training, "joint", if there is to be one.

    Returns:
      The codec and its training curves, losses in units of the variance around the mean record.
    """
    latent, columns = task.models.drift.latent, choice.columns
    rest_NxRxT, held_NxRxT = sides.rest.x_NxRxT, sides.held.x_NxRxT
    fixed = start(rest_NxRxT, latent, units, columns)
    whole = linear.start(parts.join(sides.held, sides.rest).x_NxRxT, latent, columns).codec
    if not task.kl and choice.left < LEARNABLE:
        losses_V = _held_losses(task, fixed, fixed.codec, held_NxRxT, batch_records)
        blank = np.full(1, np.nan, np.float32)
        return whole, {"joint": Curves(np.zeros(1, int), blank, np.mean(losses_V, keepdims=True))}
    params, curves = yield Training("joint", "codec", key, task, rest_NxRxT, held_NxRxT, fixed)
    codec = with_params(fixed.codec, params)
    # A variational latent gives up some error for a smooth latent space, so error is not what to judge it by.
    if not task.kl and not _earns_its_place(task, fixed, codec, sides, columns, batch_records):
        codec = whole
    return codec, {"joint": curves}


def start(train_NxRxT: np.ndarray, latent: int, units: tuple[float, float], columns: int) -> Fixed:
    """The linear codec, and all else that training needs to know about the training records."""
    codec, latents_NxDxD = linear.start(train_NxRxT, latent, columns)
    return Fixed(
        codec=codec,
        spread_DxD=jnp.asarray(latents_NxDxD.std(axis=0)),
        noise_RxT=jnp.asarray(losses.local_noise(train_NxRxT)),
        variance=jnp.float32(codec.drift.scale**2),
        units=jnp.asarray(units, jnp.float32),
    )


def _earns_its_place(
    task: RecordTask, fixed: Fixed, codec: Codec, sides: Sides, columns: int, batch_records: int
) -> bool:
    """Whether the transformers lower the loss of held-out records by more than chance, and more records, would."""
    held = sides.held
    before_V, after_V = (_held_losses(task, fixed, one, held.x_NxRxT, batch_records) for one in (fixed.codec, codec))
    gain_V = before_V - after_V
    error = holdout.standard_error(gain_V, held.groups_N)
    return bool(gain_V.mean() > max(error, _gain_of_more(sides, columns, task.models.drift.latent, fixed.variance)))


def _held_losses(
    task: RecordTask, fixed: Fixed, codec: Codec, held_VxRxT: np.ndarray, batch_records: int
) -> np.ndarray:
    """Loss of each held-out record."""
    e_VxDxD = in_batches(functools.partial(stages.jitted_encode, task.models, codec), batch_records, held_VxRxT)
    out_VxRxT = in_batches(functools.partial(stages.jitted_decode, task.models, codec), batch_records, e_VxDxD)
    pair_VxRx2T = np.concatenate([out_VxRxT, held_VxRxT], axis=2)

    def losses_of(pair_BxRx2T: Array) -> Array:
        out_BxRxT, x_BxRxT = np.split(pair_BxRx2T, 2, axis=2)
        return losses.jitted_record_losses(task.loss, out_BxRxT, x_BxRxT, fixed.noise_RxT, fixed.variance, fixed.units)

    return in_batches(losses_of, batch_records, pair_VxRx2T)


def _gain_of_more(sides: Sides, columns: int, latent: int, variance: Array) -> float:
    """What the held-out records would be worth to the linear codec, from what as many fewer cost it."""
    # The last records are of other groups than the first.
    fewer_NxRxT, rest_NxRxT = sides.rest.x_NxRxT[len(sides.held) :], sides.rest.x_NxRxT
    fewer, all_of_them = (
        linear.linear_errors(train_NxRxT, sides.held.x_NxRxT, latent, [columns]).mean() if len(train_NxRxT) else 0.0
        for train_NxRxT in (fewer_NxRxT, rest_NxRxT)
    )
    return float(fewer - all_of_them) / float(variance)
