"""The linear start: both stages begin as the best linear codec and are trained together, end to end, on records.

Tucker-2 of the centred records gives the linear paths, or PCA of whole records does where that reconstructs held-out
records better, so step 0 is the linear codec. The transformers correct it and start at zero. What is minimised is the
error of the record itself, through both encoders and both decoders.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax import linalg
from gcims_jax.batches import in_batches
from gcims_jax.codec import losses, perturb, stages
from gcims_jax.codec.losses import LossConfig
from gcims_jax.codec.perturb import PerturbConfig
from gcims_jax.codec.stages import Codec, Models, Stage
from gcims_jax.codec.train import Curves, TrainConfig
from gcims_jax.codec.train import fit as fit_task

Array = jax.Array

# Where the learned noise of the latents starts: a tenth of their spread.
LOG_NOISE = -2.3


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


def fit(
    key: Array,
    x_NxRxT: np.ndarray,
    n_held: int,
    task: RecordTask,
    train: TrainConfig,
    *,
    units: tuple[float, float],
    batch_records: int,
    directory: Path | None,
    title: str | None,
) -> tuple[Codec, dict[str, Curves]]:
    """Starts at the better of Tucker-2 and PCA and trains both stages together.

    The residual stays on only where it beats the linear codec on the held-out records by more than the standard
    error of the difference, and by more than the linear codec would gain from the held-out records themselves;
    otherwise the result is the linear codec of all training records.

    Args:
      key: of everything random.
      x_NxRxT: training records on the [0, 1] scale, in random order.
      n_held: that many of them, the first, are held out for validation.
      task: networks and loss.
      train: optimisation.
      units: low and span of the logarithmic scale, for a loss in linear units.
      batch_records: records encoded or decoded at once.
      directory: checkpoints; None keeps none.
      title: prefix of the progress bar; None shows none.

    Returns:
      The codec and its training curves, losses in units of the variance around the mean record.
    """
    latent = task.models.drift.latent
    held_NxRxT, rest_NxRxT = x_NxRxT[:n_held], x_NxRxT[n_held:]
    principal = prefers_principal(x_NxRxT, n_held, latent)
    fixed = start(rest_NxRxT, latent, units, principal=principal)
    # What so many more records are worth to the linear codec, from what so many fewer cost it.
    fewer, all_of_them = (
        linear_errors(part, held_NxRxT, latent, principal).mean() if len(part) else 0.0
        for part in (rest_NxRxT[n_held:], rest_NxRxT)
    )
    refit_gain = float(fewer - all_of_them) / float(fixed.variance)
    params, curves = fit_task(
        key,
        task,
        train,
        rest_NxRxT,
        held_NxRxT,
        fixed=fixed,
        directory=directory and directory / "joint",
        title=title and f"{title} codec",
    )
    codec = with_params(fixed.codec, params)
    # A variational latent gives up some error for a smooth latent space, so error is not what to judge it by.
    if not task.kl and not _earns_its_place(task, fixed, codec, held_NxRxT, batch_records, refit_gain):
        codec = stages.set_residual(
            with_params(start(x_NxRxT, latent, units, principal=principal).codec, params), on=False
        )
    return codec, {"joint": curves}


def start(train_NxRxT: np.ndarray, latent: int, units: tuple[float, float], *, principal: bool = False) -> Fixed:
    """Tucker-2, or PCA, as a codec, and all else that training needs to know about the training records."""
    basis = linalg.two_sided_basis(train_NxRxT, latent)
    centred_NxRxT = train_NxRxT - basis.mean_RxT
    scale = stages.spread(centred_NxRxT)
    z_NxRxD = centred_NxRxT / scale @ basis.fast_TxD
    z_scale = stages.spread(z_NxRxD)
    # Stage 2 sees d×R series, so its latents are the transpose of Uᵀ·x·V.
    e_NxDxD = np.swapaxes(z_NxRxD / z_scale, 1, 2) @ basis.slow_RxD
    slow_RxD, principal_PxRxT = basis.slow_RxD, None
    if principal:
        components_PxF = linalg.principal_basis(train_NxRxT, _components(len(train_NxRxT), latent)).components_PxF
        scores_NxP = centred_NxRxT.reshape(len(train_NxRxT), -1) @ components_PxF.T / (scale * z_scale)
        flat = np.pad(scores_NxP, ((0, 0), (0, latent**2 - scores_NxP.shape[1])))
        e_NxDxD, slow_RxD = flat.reshape(e_NxDxD.shape), np.zeros_like(slow_RxD)
        principal_PxRxT = components_PxF.reshape(-1, *train_NxRxT.shape[1:])
    one, zeros_RxD = jnp.float32(1.0), np.zeros(z_NxRxD.shape[1:], np.float32)
    drift = Stage(None, basis.fast_TxD, basis.mean_RxT, scale, z_scale, one)
    retention = Stage(None, slow_RxD, zeros_RxD, z_scale, stages.spread(e_NxDxD), one)
    return Fixed(
        codec=jax.tree.map(jnp.asarray, Codec(drift, retention, principal_PxRxT)),
        spread_DxD=jnp.asarray(e_NxDxD.std(axis=0)),
        noise_RxT=jnp.asarray(losses.local_noise(train_NxRxT)),
        variance=jnp.float32(scale**2),
        units=jnp.asarray(units, jnp.float32),
    )


def prefers_principal(x_NxRxT: np.ndarray, n_held: int, latent: int) -> bool:
    """Whether PCA reconstructs the held-out records, the first ``n_held``, better than Tucker-2 of the same size."""
    held, rest = x_NxRxT[:n_held], x_NxRxT[n_held:]
    errors = [linear_errors(rest, held, latent, principal).mean() for principal in (False, True)]
    return bool(errors[1] < errors[0])


def linear_errors(train_NxRxT: np.ndarray, x_NxRxT: np.ndarray, latent: int, principal: bool) -> np.ndarray:
    """Mean squared error of each record through Tucker-2 or PCA."""
    if principal:
        basis = linalg.principal_basis(train_NxRxT, _components(len(train_NxRxT), latent))
        out_NxRxT = linalg.reconstruct_principal(basis, x_NxRxT)
    else:
        out_NxRxT = linalg.reconstruct_two_sided(linalg.two_sided_basis(train_NxRxT, latent), x_NxRxT)
    return np.mean((out_NxRxT - x_NxRxT) ** 2, axis=(1, 2))


def _components(n: int, latent: int) -> int:
    """Principal components of n records: at most half as many, in steps of 16 so that folds share compiled code.

    Components beyond that hold the noise of the training records themselves: these then have no error left to learn
    from, and latents unlike those of other records.
    """
    half = max(1, n // 2)
    return min(latent**2, half if half <= 16 else half // 16 * 16)


def _earns_its_place(
    task: RecordTask, fixed: Fixed, codec: Codec, held_VxRxT: np.ndarray, batch_records: int, refit_gain: float
) -> bool:
    """Whether the residual lowers the loss of held-out records by more than ``refit_gain`` and its standard error."""

    def held_losses(codec: Codec) -> np.ndarray:
        e_VxDxD = in_batches(functools.partial(stages.jitted_encode, task.models, codec), batch_records, held_VxRxT)
        out_VxRxT = in_batches(functools.partial(stages.jitted_decode, task.models, codec), batch_records, e_VxDxD)
        pair_VxRx2T = np.concatenate([out_VxRxT, held_VxRxT], axis=2)

        def losses_of(pair_BxRx2T: Array) -> Array:
            out_BxRxT, x_BxRxT = np.split(pair_BxRx2T, 2, axis=2)
            return losses.jitted_record_losses(
                task.loss, out_BxRxT, x_BxRxT, fixed.noise_RxT, fixed.variance, fixed.units
            )

        return in_batches(losses_of, batch_records, pair_VxRx2T)

    gain_V = held_losses(stages.set_residual(codec, on=False)) - held_losses(codec)
    error = gain_V.std(ddof=1) / np.sqrt(len(gain_V)) if len(gain_V) > 1 else 0.0
    return bool(gain_V.mean() > max(error, refit_gain))
