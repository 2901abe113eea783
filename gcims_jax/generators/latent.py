"""Draws in a codec's latent space, decoded: the paper's generator, with any of the samplers."""

from typing import Any, NamedTuple

import jax
import numpy as np

from gcims_jax.generators.contract import FitCodec, FittedCodec, Generator, Pool, check_labels, numpy_rng, pick
from gcims_jax.samplers import SAMPLERS

Array = jax.Array


class Latent(NamedTuple):
    """A codec and what a sampler has learned of its latents.

    Attributes:
      codec: of records.
      sampler_state: class statistics.
      labels_N: training labels.
    """

    codec: FittedCodec
    sampler_state: Any
    labels_N: np.ndarray


def latent(sampler: str) -> Generator:
    """The generator of one sampler; its options are the sampler's."""

    def fit(key: Array, x_NxRxT: np.ndarray, labels_N: np.ndarray, *, fit_codec: FitCodec, **options: Any) -> Latent:
        codec = fit_codec(key, x_NxRxT)
        return Latent(codec, SAMPLERS[sampler].fit(codec.encode(x_NxRxT), labels_N, **options), np.asarray(labels_N))

    def sample(key: Array, state: Latent, labels_S: np.ndarray) -> np.ndarray:
        labels_S = check_labels(state.labels_N, labels_S)
        return state.codec.decode(np.asarray(SAMPLERS[sampler].sample(key, state.sampler_state, labels_S)))

    return Generator(fit, sample)


def _fit_reconstruction(
    key: Array, x_NxRxT: np.ndarray, labels_N: np.ndarray, *, fit_codec: FitCodec, **options: Any
) -> Pool:
    codec = fit_codec(key, x_NxRxT)
    return Pool(np.asarray(codec.decode(codec.encode(x_NxRxT)), np.float32), np.asarray(labels_N), {})


def _repeat(key: Array, state: Pool, labels_S: np.ndarray) -> np.ndarray:
    return state.x_NxRxT[pick(numpy_rng(key), state.labels_N, labels_S)]


# Training records through the codec, repeated: what the codec alone does to a classifier.
reconstruction = Generator(_fit_reconstruction, _repeat)
