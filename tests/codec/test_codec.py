import dataclasses

import jax
import numpy as np
import pytest
from conftest import TINY_CODEC, TINY_TRAIN
from scipy.stats import multivariate_normal

from gcims_jax import InputError, linalg
from gcims_jax.codec import double, joint, stages, train, whole
from gcims_jax.codec.losses import LossConfig
from gcims_jax.codec.perturb import PerturbConfig
from gcims_jax.codec.train import TrainConfig


def assert_trees_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_folds_share_compiled_code():
    x = np.random.default_rng(0).normal(size=(12, 9, 14)).astype(np.float32)
    jitted = (
        train.jitted_init,
        train.jitted_train_steps,
        train.jitted_look,
        stages.jitted_encode,
        stages.jitted_decode,
    )
    double.fit(jax.random.key(0), x, TINY_CODEC)
    traces = [f._cache_size() for f in jitted]
    double.fit(jax.random.key(1), x[:11], TINY_CODEC)
    assert [f._cache_size() for f in jitted] == traces


@pytest.mark.parametrize(("start", "stages_trained"), [("linear", {"joint"}), ("random", {"drift", "retention"})])
def test_codec_shapes_batches_and_determinism(start, stages_trained):
    config = dataclasses.replace(TINY_CODEC, start=start)
    x = np.random.default_rng(0).normal(size=(21, 9, 14)).astype(np.float32)
    fitted, curves = double.fit(jax.random.key(0), x, config)
    latents = double.encode(fitted, x, config)
    assert latents.shape == (21, 3, 3) and set(curves) == stages_trained
    decoded = double.decode(fitted, latents, config, (9, 14))
    assert decoded.shape == x.shape
    np.testing.assert_allclose(double.encode(fitted, x[:1], config)[0], latents[0], atol=1e-5)
    np.testing.assert_array_equal(double.reconstruct(fitted, x, config), decoded)
    again, _ = double.fit(jax.random.key(0), x, config)
    assert_trees_equal(fitted, again)


def moving_peaks(n, seed):
    """One peak per 9×14 record that lies anywhere: no linear codec of d = 3 holds that."""
    rng = np.random.default_rng(seed)
    across, along = rng.uniform(2.0, 11.0, (n, 1, 1)), rng.uniform(2.0, 6.0, (n, 1, 1))
    fast = np.exp(-0.5 * ((np.arange(14) - across) / 1.2) ** 2)
    slow = np.exp(-0.5 * ((np.arange(9)[:, None] - along) / 1.2) ** 2)
    return (slow * fast + 0.01 * rng.normal(size=(n, 9, 14))).astype(np.float32)


def linear_error(train_records, x, latent):
    """Of the better linear codec; PCA has at most half as many components as records."""
    two_sided = linalg.reconstruct_two_sided(linalg.two_sided_basis(train_records, latent), x)
    components = min(latent**2, len(train_records) // 2)
    principal = linalg.reconstruct_principal(linalg.principal_basis(train_records, components), x)
    return min(np.mean((two_sided - x) ** 2), np.mean((principal - x) ** 2))


@pytest.mark.parametrize("principal", [False, True])
def test_step_zero_is_the_linear_codec_and_so_is_the_codec_with_its_residual_off(principal):
    x = moving_peaks(40, 0)
    expected = (
        linalg.reconstruct_principal(linalg.principal_basis(x, 9), x)
        if principal
        else linalg.reconstruct_two_sided(linalg.two_sided_basis(x, 3), x)
    )
    fixed = joint.start(x, 3, (0.0, 1.0), principal=principal)
    models = double.models_of(TINY_CODEC, (9, 14))
    task = joint.RecordTask(models, TINY_CODEC.loss, TINY_CODEC.perturb, 0.0)
    at_start = joint.with_params(fixed.codec, task.init(jax.random.key(0)))
    np.testing.assert_allclose(double.reconstruct(at_start, x, TINY_CODEC), expected, atol=3e-6)
    moved = [jax.tree.map(lambda a: a + 0.1, stage.params) for stage in at_start[:2]]
    trained = joint.with_params(at_start, dict(zip(("drift", "retention"), moved, strict=True)))
    assert np.abs(double.reconstruct(trained, x, TINY_CODEC) - expected).max() > 0.01
    off = stages.set_residual(trained, on=False)
    np.testing.assert_allclose(double.reconstruct(off, x, TINY_CODEC), expected, atol=3e-6)


@pytest.mark.parametrize("principal", [False, True])
def test_the_codec_of_whole_records_has_the_same_linear_start(principal):
    x = moving_peaks(40, 0)
    fixed = joint.start(x, 3, (0.0, 1.0), principal=principal)
    pair = joint.with_params(fixed.codec, joint.RecordTask(
        double.models_of(TINY_CODEC, (9, 14)), TINY_CODEC.loss, TINY_CODEC.perturb, 0.0
    ).init(jax.random.key(0)))  # fmt: skip
    model = whole.RecordAutoencoder((9, 14), 3, TINY_CODEC.model)
    at_start = whole.Whole(whole.WholeTask(model).init(jax.random.key(0)), fixed)
    expected = double.reconstruct(pair, x, TINY_CODEC)
    np.testing.assert_allclose(whole.reconstruct_all(model, at_start, x), expected, atol=3e-6)


def test_the_codec_of_whole_records_trains_and_keeps_the_best():
    x = moving_peaks(40, 0)
    model, fitted, curves = whole.fit(jax.random.key(0), x, 3, TINY_CODEC.model, TINY_TRAIN)
    assert np.isfinite(curves.validation_loss_E).all()
    assert whole.reconstruct_all(model, fitted, x[:21]).shape == (21, 9, 14)


def test_the_better_linear_codec_is_the_start():
    rng = np.random.default_rng(0)
    entangled = np.tensordot(
        rng.normal(size=(60, 6)), rng.normal(size=(6, 9, 14)), 1
    )  # six numbers, full-rank pictures
    assert joint.prefers_principal(entangled.astype(np.float32), 10, 3)
    separable = rng.normal(size=(9, 3)) @ rng.normal(size=(24, 3, 3)) @ rng.normal(size=(3, 14))
    assert not joint.prefers_principal(separable.astype(np.float32), 20, 3)


def test_pca_leaves_the_training_records_an_error_to_learn_from():
    rng = np.random.default_rng(0)
    pictures = rng.normal(size=(6, 9, 14))
    noise = 0.5 * rng.normal(size=(30, 9, 14))
    x = (np.tensordot(rng.normal(size=(30, 6)), pictures, 1) + noise).astype(np.float32)
    codec_config = dataclasses.replace(TINY_CODEC, latent=6)  # 36 numbers for 30 records
    models = double.models_of(codec_config, (9, 14))
    fixed = joint.start(x, 6, (0.0, 1.0), principal=True)
    fitted = joint.with_params(
        fixed.codec,
        joint.RecordTask(models, codec_config.loss, codec_config.perturb, 0.0).init(jax.random.key(0)),
    )
    assert fixed.codec.principal_PxRxT.shape[0] == 15
    assert np.mean((double.reconstruct(fitted, x, codec_config) - x) ** 2) > 0.2 * np.var(noise)


def test_joint_training_beats_the_linear_codec_where_it_can():
    x, test = moving_peaks(120, 0), moving_peaks(60, 1)
    train_config = TrainConfig(steps=200, batch=16, evaluate_every=50, optimiser="muon", learning_rate=0.01)
    config = dataclasses.replace(TINY_CODEC, train=train_config)
    fitted, curves = double.fit(jax.random.key(0), x, config)
    assert double.residual_on(fitted)
    assert np.mean((double.reconstruct(fitted, test, config) - test) ** 2) < 0.8 * linear_error(x, test, 3)
    assert curves["joint"].validation_loss_E.min() < curves["joint"].validation_loss_E[0]


def test_joint_training_never_ends_worse_than_it_began_and_falls_back_on_the_linear_codec():
    x, test = moving_peaks(12, 0), moving_peaks(40, 1)
    wild = dataclasses.replace(TINY_CODEC.train, learning_rate=3.0, steps=6)
    config = dataclasses.replace(TINY_CODEC, train=wild)
    fitted, curves = double.fit(jax.random.key(0), x, config)
    losses = curves["joint"].validation_loss_E
    assert losses[1:].min() > losses[0]  # these steps only did harm
    assert not double.residual_on(fitted)
    error = np.mean((double.reconstruct(fitted, test, config) - test) ** 2)
    assert error == pytest.approx(linear_error(x, test, 3), rel=1e-4)


@pytest.mark.parametrize("learning_rate", [0.01, 3.0])
def test_the_codec_never_has_a_higher_error_on_validation_records_than_its_linear_start(learning_rate):
    x, n_held = moving_peaks(60, 0), 12
    config = TrainConfig(steps=40, batch=8, evaluate_every=5, optimiser="muon", learning_rate=learning_rate)
    models = double.models_of(TINY_CODEC, x.shape[1:])
    task = joint.RecordTask(models, TINY_CODEC.loss, TINY_CODEC.perturb, 0.0)
    fitted, curves = joint.fit(
        jax.random.key(0), x, n_held, task, config, units=(0.0, 1.0), batch_records=16, directory=None, title=None
    )
    held = x[:n_held]
    start = joint.linear_errors(x[n_held:], held, 3, joint.prefers_principal(x, n_held, 3)).mean()
    validation_E = curves["joint"].validation_loss_E * x[n_held:].var(axis=0).mean()
    assert validation_E[0] == pytest.approx(start, rel=1e-4)
    after = np.mean((double.reconstruct(fitted, held, TINY_CODEC) - held) ** 2)
    assert after <= start * (1.0 + 1e-4)
    if double.residual_on(fitted):
        assert after == pytest.approx(validation_E.min(), rel=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": LossConfig(weight="noise", multiscale=1.0)},
        {"loss": LossConfig(weight="prominence", derivative=1.0, linear=0.5)},
        {"perturb": PerturbConfig(shift=1, warp=0.01, intensity=0.1), "latent_noise": 0.1},
        {"kl": 0.01},
    ],
)
def test_every_loss_and_augmentation_trains(options):
    config = dataclasses.replace(TINY_CODEC, **options, model=dataclasses.replace(TINY_CODEC.model, dropout=0.1))
    fitted, curves = double.fit(jax.random.key(0), moving_peaks(20, 0), config, units=(0.0, 2.0))
    assert np.isfinite(curves["joint"].train_loss_E[1:]).all()
    assert np.isfinite(double.reconstruct(fitted, moving_peaks(3, 1), config)).all()


def test_a_variational_latent_is_nearer_to_independent_normals():
    x = moving_peaks(40, 0)
    train = dataclasses.replace(TINY_CODEC.train, steps=60)
    config = dataclasses.replace(TINY_CODEC, train=train, kl=3.0)
    task = joint.RecordTask(double.models_of(config, x.shape[1:]), config.loss, config.perturb, 0.0, config.kl)
    fixed = joint.start(x, 3, (0.0, 1.0))
    params, _ = joint.fit_task(jax.random.key(0), task, train, x[8:], x[:8], fixed=fixed, directory=None, title=None)
    before, after = (
        np.mean((double.encode(fitted, x, config) / np.asarray(fixed.spread_DxD)) ** 2)
        for fitted in (
            stages.set_residual(joint.with_params(fixed.codec, params), on=False),
            joint.with_params(fixed.codec, params),
        )
    )
    assert before == pytest.approx(1.0, rel=1e-3) and after < 0.5
    exact = multivariate_normal.logpdf  # the formula against draws of the posterior
    draws = 0.5 + np.exp(-1.0) * np.random.default_rng(0).normal(size=(200000, 1))
    by_hand = np.mean(exact(draws, 0.5, np.exp(-2.0)) - exact(draws, 0.0, 1.0))
    assert float(joint.divergence(np.full((1, 1, 1), 0.5), np.full((1, 1), -1.0))[0]) == pytest.approx(
        by_hand, abs=0.01
    )


def test_the_random_start_refuses_what_it_cannot_do():
    with pytest.raises(InputError, match=r"codec.start: expected 'linear' .* got 'random'"):
        dataclasses.replace(TINY_CODEC, start="random", loss=LossConfig(weight="noise"))
    with pytest.raises(InputError, match=r"codec.start: expected one of .*'linear'.*got 'pca'"):
        dataclasses.replace(TINY_CODEC, start="pca")


@pytest.mark.parametrize("start", ["linear", "random"])
def test_codec_takes_constant_records(start):
    config = dataclasses.replace(TINY_CODEC, start=start)
    fitted, _ = double.fit(jax.random.key(0), np.full((4, 9, 14), 0.5, np.float32), config)
    out = double.reconstruct(fitted, np.full((2, 9, 14), 0.5, np.float32), config)
    np.testing.assert_allclose(out, 0.5, atol=1e-3)


def test_impossible_codecs_are_refused():
    with pytest.raises(InputError, match=r"codec.latent: .*from 1 to 2.*2 × 14.*got 3"):
        double.fit(jax.random.key(0), np.zeros((4, 2, 14), np.float32), TINY_CODEC)
    with pytest.raises(InputError, match="at least 2"):
        double.fit(jax.random.key(0), np.zeros((1, 9, 14), np.float32), TINY_CODEC)
    for bad in ({"steps": 0}, {"batch": 0}, {"warmup": 1.0}, {"learning_rate": 0.0}):
        with pytest.raises(InputError, match=f"train.{next(iter(bad))}"):
            TrainConfig(**bad)
