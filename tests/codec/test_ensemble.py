"""Codecs that are trained together are those that are trained one by one."""

import dataclasses

import jax
import numpy as np
import pytest
from conftest import TINY_CODEC
from test_codec import moving_peaks, part_of

from gcims_jax import InputError
from gcims_jax.codec import double, ensemble, train
from gcims_jax.codec.train import TrainConfig, TrainingDiverged

# A variational latent keeps its transformers, so that something is compared.
CONFIG = dataclasses.replace(
    TINY_CODEC, kl=0.1, train=TrainConfig(steps=7, batch=8, evaluate_every=3, optimiser="muon", learning_rate=0.01)
)
KEYS = list(jax.random.split(jax.random.key(0), 3))
PARTS = [part_of(moving_peaks(n, seed)) for seed, n in enumerate((24, 31, 40))]


def assert_same(found, wanted):
    (codec, curves), (other, others) = found, wanted
    assert curves.keys() == others.keys()
    for name, one in curves.items():
        np.testing.assert_array_equal(one.steps_E, others[name].steps_E)
        np.testing.assert_allclose(one.validation_loss_E, others[name].validation_loss_E, rtol=2e-4)
        np.testing.assert_allclose(one.train_loss_E[1:], others[name].train_loss_E[1:], rtol=2e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4), codec, other)


@pytest.fixture(scope="module")
def alone():
    return [double.fit(key, part, CONFIG) for key, part in zip(KEYS, PARTS, strict=True)]


def test_members_are_the_codecs_that_are_fitted_alone_whatever_their_numbers_of_records(alone):
    together = ensemble.fit_all(KEYS, PARTS, CONFIG)
    for found, wanted in zip(together, alone, strict=True):
        assert double.residual_on(wanted[0])
        assert_same(found, wanted)
