"""The double autoencoder: a record becomes a d×d latent matrix, and a latent matrix a record.

Stage 1 encodes every drift series (R×T to R×d), stage 2 every retention series of the result (R×d to d×d);
arXiv 2502.13183. Two ways of training: ``linear`` starts at the best linear codec and trains both stages together on
records (``joint``), ``random`` is the paper's, one stage after the other on series (``stagewise``).
"""

import dataclasses
import functools
from pathlib import Path

import jax
import numpy as np

from gcims_jax.batches import in_batches
from gcims_jax.codec import holdout, joint, linear, plans, stages, stagewise
from gcims_jax.codec.losses import LossConfig
from gcims_jax.codec.model import ModelConfig, SeriesAutoencoder
from gcims_jax.codec.perturb import PerturbConfig
from gcims_jax.codec.plans import Plan
from gcims_jax.codec.stages import Codec, Models
from gcims_jax.codec.train import Curves, TrainConfig
from gcims_jax.errors import InputError
from gcims_jax.parts import Part

Array = jax.Array

STARTS = ("linear", "random")


@dataclasses.dataclass(frozen=True)
class CodecConfig:
    """Latent size, networks and training.

    Attributes:
      latent: d; the latent matrix is d×d.
      start: "linear", or "random" as published.
      model: sizes of the two autoencoders.
      train: optimisation; of both stages together, or with a random start of each.
      loss, perturb, latent_noise, kl: of the linear start, see ``joint.RecordTask``; the random start has none of them.
      threshold, kept_fraction: see ``series.undersample``; drift series of a random start only.
      batch_records: records encoded or decoded at once; bounds memory.
    """

    latent: int = 16
    start: str = "linear"
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    loss: LossConfig = LossConfig()
    perturb: PerturbConfig = PerturbConfig()
    latent_noise: float = 0.0
    kl: float = 0.0
    threshold: float = 0.1
    kept_fraction: float = 0.2
    batch_records: int = 16

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            raise InputError(f"codec.start: expected one of {list(STARTS)}, got {self.start!r}")
        for name in ("latent_noise", "kl"):
            if not getattr(self, name) >= 0.0:
                raise InputError(f"codec.{name}: expected 0 or more, got {getattr(self, name)}")
        if self.start == "random" and (self.loss != LossConfig() or self.perturb != PerturbConfig() or self.kl):
            raise InputError(
                "codec.start: expected 'linear' for a loss, perturb or kl other than the default, got 'random', "
                "which trains on series; set codec.start=linear or leave loss, perturb and kl as they are"
            )


def fit(
    key: Array,
    part: Part,
    config: CodecConfig,
    *,
    units: tuple[float, float] = (0.0, 1.0),
    directory: Path | None = None,
    title: str | None = None,
) -> tuple[Codec, dict[str, Curves]]:
    """Trains the codec on training records.

    Args:
      key: of everything random.
      part: training records on the [0, 1] scale; some of their groups are held out for validation.
      config: sizes and optimisation.
      units: low and span of the logarithmic scale (``scale.Scaling``), for ``loss.linear`` only.
      directory: checkpoints, continued from where there are any; None keeps none.
      title: prefix of the progress bars; None shows none.

    Returns:
      The codec and its training curves by name: "joint", or "drift" and "retention" with a random start.

    Raises:
      InputError: d larger than a series, fewer than two groups.
      TrainingDiverged: a loss is no longer finite.
    """
    return plans.follow(fit_plan(key, part, config, units=units), config.train, directory=directory, title=title)


def fit_plan(
    key: Array, part: Part, config: CodecConfig, *, units: tuple[float, float] = (0.0, 1.0)
) -> Plan[tuple[Codec, dict[str, Curves]]]:
    """The trainings of ``fit``, for whoever does them together with others; arguments and result are those of ``fit``."""
    part = _checked(part, config)
    split_key, fit_key = jax.random.split(key)
    sides = holdout.split(split_key, part, config.train.validation_fraction)
    if config.start == "random":
        return stagewise.fit_plan(
            fit_key,
            sides,
            config.latent,
            config.model,
            config.train,
            threshold=config.threshold,
            kept_fraction=config.kept_fraction,
            batch_records=config.batch_records,
        )
    models = models_of(config, part.x_NxRxT.shape[1:])
    return joint.fit_plan(
        fit_key,
        sides,
        linear.choose(_choice_key(key), part, config.latent),
        joint.RecordTask(models, config.loss, config.perturb, config.latent_noise, config.kl),
        units=units,
        batch_records=config.batch_records,
    )


def fit_linear(key: Array, part: Part, config: CodecConfig) -> Codec:
    """The linear codec alone, of all records of a part: what ``fit`` starts from, and gives back where transformers do not pay.

    It takes a second and no training, so it can be fitted again on each side of an inner split.

    Args:
      key: of the groups that are held out to choose by; the same key as that of ``fit`` chooses the same.
      part: records on the [0, 1] scale.
      config: latent size.

    Raises:
      InputError: d larger than a series, fewer than two groups.
    """
    return linear.fit(_choice_key(key), _checked(part, config), config.latent)


def encode(codec: Codec, x_NxRxT: np.ndarray, config: CodecConfig) -> np.ndarray:
    """Latent matrices N×d×d of records on the [0, 1] scale."""
    models = models_of(config, x_NxRxT.shape[1:])
    return in_batches(functools.partial(stages.jitted_encode, models, codec), config.batch_records, x_NxRxT)


def decode(codec: Codec, latents_SxDxD: np.ndarray, config: CodecConfig, shape: tuple[int, int]) -> np.ndarray:
    """Records S×R×T on the [0, 1] scale of latent matrices; ``shape`` is (R, T)."""
    models = models_of(config, shape)
    return in_batches(functools.partial(stages.jitted_decode, models, codec), config.batch_records, latents_SxDxD)


def reconstruct(codec: Codec, x_NxRxT: np.ndarray, config: CodecConfig) -> np.ndarray:
    """Records through both autoencoders and back."""
    return decode(codec, encode(codec, x_NxRxT, config), config, x_NxRxT.shape[1:])


def residual_on(codec: Codec) -> bool:
    """Whether the transformers are in use; off where validation preferred the linear codec."""
    return codec.drift.params is not None


def describe(codec: Codec, config: CodecConfig) -> str:
    """What the codec is, in a sentence for a page."""
    latent, (r, t) = codec.drift.linear_LxD.shape[1], codec.drift.mean.shape
    if config.start == "random":
        return f"Pair of transformers, {latent} × {latent} numbers a record of {r} × {t}, trained from random weights as published."
    core = int(np.count_nonzero(np.any(np.asarray(codec.retention.linear_LxD), axis=0)))
    principal_PxRxT = np.zeros((0, 1, 1)) if codec.principal_PxRxT is None else np.asarray(codec.principal_PxRxT)
    components = int(np.count_nonzero(np.any(principal_PxRxT, axis=(1, 2))))
    if not core:
        path = f"{components} principal components of whole records"
    else:
        path = f"Tucker-2, {core} × {latent} numbers a record"
        if components:
            path += f", and {components} principal components of what that leaves of whole records"
    if residual_on(codec):
        return f"Linear codec ({path}) and transformers, which improve records that they had not seen."
    return (
        f"Linear codec ({path}): the transformers did not improve records that they had not seen by more than chance, "
        "so they are off."
    )


def check_latent(latent: int, shape: tuple[int, int]) -> None:
    """Raises InputError unless 1 ≤ d ≤ min(R, T)."""
    if not isinstance(latent, int | np.integer) or not 1 <= latent <= min(shape):
        raise InputError(
            f"codec.latent: expected a dimension d from 1 to {min(shape)}, the shorter side of the preprocessed records "
            f"({shape[0]} × {shape[1]}), got {latent!r}"
        )


def models_of(config: CodecConfig, shape: tuple[int, int]) -> Models:
    """The networks of both stages for records of this shape."""
    r, t = shape
    residual = config.start == "linear"
    return Models(
        SeriesAutoencoder(t, config.latent, config.model, residual),
        SeriesAutoencoder(r, config.latent, config.model, residual),
    )


def _checked(part: Part, config: CodecConfig) -> Part:
    """The part in single precision, if the codec can be fitted to it."""
    check_latent(config.latent, part.x_NxRxT.shape[1:])
    return part.with_values(np.asarray(part.x_NxRxT, np.float32))


def _choice_key(key: Array) -> Array:
    return jax.random.fold_in(key, 2)
