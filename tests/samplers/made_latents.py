"""Latents of classes that the tests of all samplers share."""

import numpy as np

from gcims_jax.parts import from_arrays
from gcims_jax.samplers import SAMPLERS


def fit(name, x, labels, groups=None, **options):
    return SAMPLERS[name].fit(from_arrays(x, labels, groups), **options)


def latents(counts=(30, 12), d=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    mixing = rng.normal(size=(d * d, d * d)) * 0.5
    flat = rng.normal(size=(len(labels), d * d)) @ mixing + 5.0 * labels[:, None]
    return flat.reshape(-1, d, d).astype(np.float32), labels
