"""Draws, densities and codecs inside ``jax.jit`` and ``jax.vmap``, and over devices."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import TINY_CODEC, make_records

import gcims_jax as gj
from gcims_jax import parts
from gcims_jax.errors import InputError
from gcims_jax.generators import GENERATORS
from gcims_jax.samplers import SAMPLERS

LABELS = jnp.asarray([1, 0, 1])
DENSITIES = [name for name, sampler in SAMPLERS.items() if sampler.log_density is not None]


@pytest.fixture(scope="module", params=[gj.Tucker(3), TINY_CODEC], ids=["tucker", "transformers"])
def state(request):
    fitted = gj.fit(make_records((12, 8)), "latent_gaussian", codec=request.param, ridge=0.3)
    return fitted.learned.value


def test_a_generator_draws_the_same_records_inside_jit(state):
    draw = GENERATORS["latent_gaussian"].draw
    inside = jax.jit(lambda key, labels_S: draw(key, state, labels_S))
    np.testing.assert_allclose(
        inside(jax.random.key(3), LABELS), draw(jax.random.key(3), state, np.asarray(LABELS)), atol=1e-5
    )
    assert np.isnan(inside(jax.random.key(3), jnp.asarray([1, 7]))[1]).all()
    as_list = jax.jit(lambda key, labels: draw(key, state, labels))(jax.random.key(3), LABELS.tolist())
    np.testing.assert_array_equal(as_list, inside(jax.random.key(3), LABELS))
    with pytest.raises(InputError, match="labels"):
        draw(jax.random.key(3), state, np.asarray([1, 7]))


def test_a_generator_draws_for_many_keys_at_once(state):
    draw, keys = GENERATORS["latent_gaussian"].draw, jax.random.split(jax.random.key(0), 4)
    many_4xSxRxT = jax.vmap(lambda key: draw(key, state, LABELS))(keys)
    np.testing.assert_allclose(many_4xSxRxT[2], draw(keys[2], state, np.asarray(LABELS)), atol=1e-5)


TWO_DEVICES = """
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from gcims_jax import parts
from gcims_jax.generators import GENERATORS

labels_N = np.repeat([0, 1], 8)
part = parts.from_arrays(np.random.default_rng(0).normal(size=(16, 8, 12)).astype(np.float32), labels_N)
over = NamedSharding(jax.make_mesh((2,), ("draws",), axis_types=(AxisType.Auto,)), PartitionSpec("draws"))
state, draw = GENERATORS["scale"].fit(jax.random.key(0), part).value, GENERATORS["scale"].draw
sharded = jax.jit(lambda key, labels_S: draw(key, state, labels_S), out_shardings=over)
x_SxRxT = sharded(jax.random.key(1), jax.device_put(labels_N, over))
np.testing.assert_allclose(x_SxRxT, draw(jax.random.key(1), state, labels_N), atol=1e-5)
print(len(x_SxRxT.sharding.device_set), "devices")
"""


def test_draws_are_shared_among_devices():
    env = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES], env=env, cwd=root, capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "2 devices\n", done.stderr


def test_a_codec_is_pure(state):
    x_NxRxT = np.random.default_rng(0).uniform(size=(5, 9, 14)).astype(np.float32)
    latents_NxDxD = jax.jit(state.codec.encode)(x_NxRxT)
    np.testing.assert_allclose(latents_NxDxD, state.codec.encode(x_NxRxT), atol=1e-4)
    np.testing.assert_allclose(
        jax.jit(state.codec.decode)(latents_NxDxD), state.codec.decode(np.asarray(latents_NxDxD)), atol=1e-4
    )
    slope = jax.grad(lambda x: jnp.sum(state.codec.encode(x) ** 2))(jnp.asarray(x_NxRxT))
    assert np.isfinite(slope).all() and np.abs(slope).max() > 0.0


@pytest.fixture(scope="module")
def latents():
    rng = np.random.default_rng(1)
    x_NxDxD = rng.normal(size=(14, 3, 3))
    return parts.from_arrays(x_NxDxD, np.tile([2, 5], 7)), rng.normal(size=(6, 3, 3)), np.tile([5, 2, 2], 2)


@pytest.mark.parametrize("name", DENSITIES)
def test_a_density_is_the_same_inside_jit(name, latents):
    part, new_MxDxD, labels_M = latents
    state, log_density = SAMPLERS[name].fit(part, ridge=0.4), SAMPLERS[name].log_density
    inside = jax.jit(log_density)
    np.testing.assert_allclose(inside(state, new_MxDxD, labels_M), log_density(state, new_MxDxD, labels_M), rtol=1e-4)
    strange_M = np.where(np.arange(6) == 4, 9, labels_M)
    assert np.isnan(inside(state, new_MxDxD, strange_M)).tolist() == [False, False, False, False, True, False]
    with pytest.raises(InputError, match=r"got \[9\]"):
        log_density(state, new_MxDxD, strange_M)
    slope = jax.grad(lambda x: jnp.sum(inside(state, x, labels_M)))(jnp.asarray(new_MxDxD))
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("name", sorted(set(SAMPLERS) - {"vae", "flow"}))
def test_draws_of_labels_that_were_not_there_are_not_numbers_inside_jit(name, latents):
    part = latents[0]
    state = SAMPLERS[name].fit(part)
    draws = jax.jit(SAMPLERS[name].sample)(jax.random.key(0), state, jnp.asarray([2, 3, 5]))
    assert np.isnan(draws).all(axis=(1, 2)).tolist() == [False, True, False]
