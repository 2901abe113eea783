import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import TINY_TRAIN

from gcims_jax.codec import train
from gcims_jax.codec.model import ModelConfig, SeriesAutoencoder
from gcims_jax.codec.stagewise import SeriesTask
from gcims_jax.codec.train import TrainConfig, TrainingDiverged

MODEL = SeriesAutoencoder(length=14, latent=3, config=ModelConfig(patch=4, width=8, depth=1, heads=2))
TASK = SeriesTask(MODEL)


def series(m=40, length=14, seed=0):
    basis = np.random.default_rng(99).normal(size=(3, length))
    return (np.random.default_rng(seed).normal(size=(m, 3)) @ basis).astype(np.float32)


def assert_trees_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.parametrize("length", [1, 4, 7, 16])
def test_any_series_length(length):
    model = SeriesAutoencoder(length, 2, ModelConfig(patch=4, width=8, depth=1, heads=2))
    x = jnp.ones((5, length))
    params = model.init(jax.random.key(0), x)
    assert model.apply(params, x, method="encode").shape == (5, 2)
    assert model.apply(params, x).shape == (5, length)


def test_padding_is_zeros_at_the_end_and_is_dropped():
    x = jnp.asarray(series())  # 14 points fill 3.5 patches of 4
    padded = jnp.pad(x, ((0, 0), (0, 2)))
    whole = SeriesAutoencoder(length=16, latent=3, config=MODEL.config)
    params = MODEL.init(jax.random.key(0), x)
    np.testing.assert_array_equal(MODEL.apply(params, x, method="encode"), whole.apply(params, padded, method="encode"))
    np.testing.assert_array_equal(MODEL.apply(params, x), whole.apply(params, padded)[:, :14])


def test_jit_equals_eager():
    x = jnp.asarray(series())
    params = MODEL.init(jax.random.key(0), x)
    np.testing.assert_allclose(jax.jit(MODEL.apply)(params, x), MODEL.apply(params, x), atol=1e-5)


def test_training_lowers_the_loss_and_keeps_the_best_state():
    config = TrainConfig(steps=60, batch=16, evaluate_every=10, validation_series=16, learning_rate=1e-2)
    x, held = series(64), series(16, seed=1)
    params, curves = train.minimise(jax.random.key(0), TASK, config, x, held)
    assert curves.validation_loss_E[-1] < 0.5 * curves.validation_loss_E[0]
    best = float(np.mean((np.asarray(MODEL.apply(params, held)) - held) ** 2))
    assert best == pytest.approx(curves.validation_loss_E.min(), rel=1e-4)
    np.testing.assert_array_equal(curves.steps_E, [0, 10, 20, 30, 40, 50, 60])


def test_same_key_same_weights_and_other_key_other_weights():
    a, _ = train.minimise(jax.random.key(0), TASK, TINY_TRAIN, series(), series(8))
    b, _ = train.minimise(jax.random.key(0), TASK, TINY_TRAIN, series(), series(8))
    c, _ = train.minimise(jax.random.key(1), TASK, TINY_TRAIN, series(), series(8))
    assert_trees_equal(a, b)
    assert not np.array_equal(jax.tree.leaves(a)[-1], jax.tree.leaves(c)[-1])


def test_resumes_bit_for_bit(tmp_path, monkeypatch):
    config = TrainConfig(steps=9, batch=8, evaluate_every=3, validation_series=8, checkpoint_seconds=0.0)
    straight, curves = train.minimise(jax.random.key(0), TASK, config, series(), series(8))
    real = train.jitted_train_steps
    calls = []

    def killed_at_third(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(train, "jitted_train_steps", killed_at_third)
    with pytest.raises(KeyboardInterrupt):
        train.minimise(jax.random.key(0), TASK, config, series(), series(8), directory=tmp_path)
    monkeypatch.setattr(train, "jitted_train_steps", real)
    resumed, resumed_curves = train.minimise(jax.random.key(0), TASK, config, series(), series(8), directory=tmp_path)
    assert_trees_equal(straight, resumed)
    assert_trees_equal(curves, resumed_curves)


def test_divergence_is_an_error_and_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    config = TrainConfig(steps=9, batch=8, evaluate_every=3, validation_series=8, checkpoint_seconds=0.0)
    real = train.jitted_train_steps

    def poisoned(task, config, n, state, *rest):
        state = real(task, config, n, state, *rest)
        bad = state.train_loss_E.at[2].set(jnp.nan)
        return state._replace(train_loss_E=bad) if int(state.step) == 6 else state

    monkeypatch.setattr(train, "jitted_train_steps", poisoned)
    with pytest.raises(TrainingDiverged, match=r"not finite after step 6.*learning_rate"):
        train.minimise(jax.random.key(0), TASK, config, series(), series(8), directory=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["3"]


def test_padding_rows_are_never_drawn_and_never_counted():
    x = series(40)
    poisoned = train.Examples(jnp.concatenate([x, jnp.full((24, 14), jnp.nan)]), jnp.int32(40))
    state = train.init(jax.random.key(0), TASK, TINY_TRAIN)
    after = train.train_steps(TASK, TINY_TRAIN, 3, state, jax.random.key(1), None, poisoned)
    assert np.isfinite(after.train_loss_E[1])
    looked = train.look(TASK, TINY_TRAIN, after, None, poisoned)
    expected = jnp.mean((MODEL.apply(after.params, x) - x) ** 2)
    np.testing.assert_allclose(looked.validation_loss_E[1], expected, rtol=1e-5)


def test_an_ensemble_axis_can_be_vmapped():
    keys = jax.random.split(jax.random.key(0), 2)
    examples = train.Examples(jnp.stack([series(40, seed=1), series(40, seed=2)]), jnp.array([40, 33]))
    held = train.Examples(jnp.stack([series(8, seed=3), series(8, seed=4)]), jnp.array([8, 5]))
    states = jax.vmap(lambda key: train.init(key, TASK, TINY_TRAIN))(keys)

    @jax.jit
    def steps(state, key, examples, held):
        state = train.train_steps(TASK, TINY_TRAIN, 3, state, key, None, examples)
        return train.look(TASK, TINY_TRAIN, state, None, held)

    together = jax.vmap(steps)(states, keys, examples, held)
    for i in range(2):
        alone = steps(*jax.tree.map(lambda a, i=i: a[i], (states, keys, examples, held)))
        np.testing.assert_allclose(together.validation_loss_E[i, 1], alone.validation_loss_E[1], rtol=1e-4)


def test_patience_stops_early_and_keeps_the_best():
    config = TrainConfig(steps=60, batch=8, evaluate_every=3, validation_series=8, learning_rate=1.0, patience=2)
    _, curves = train.minimise(jax.random.key(0), TASK, config, series(), series(8, seed=1))
    looks = len(curves.validation_loss_E)
    assert looks < 21 and looks - 1 - np.argmin(curves.validation_loss_E) == 2


def test_training_that_gained_nothing_is_given_up_in_time():
    x, held = series(), series(8, seed=1)
    config = TrainConfig(steps=60, batch=8, evaluate_every=3, validation_series=8, learning_rate=1e3, give_up=0.5)
    _, hopeless = train.minimise(jax.random.key(0), TASK, config, x, held)
    assert len(hopeless.validation_loss_E) == 1 + 30 // 3 and np.argmin(hopeless.validation_loss_E) == 0
    _, gaining = train.minimise(jax.random.key(0), TASK, dataclasses.replace(config, learning_rate=1e-3), x, held)
    assert len(gaining.validation_loss_E) == 1 + 60 // 3
