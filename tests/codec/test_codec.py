import dataclasses

import jax
import numpy as np
import pytest
from conftest import TINY_CODEC, TINY_TRAIN
from scipy.stats import multivariate_normal

from gcims_jax import InputError, linalg, parts
from gcims_jax.codec import double, holdout, joint, linear, plans, stages, train, whole
from gcims_jax.codec.losses import LossConfig
from gcims_jax.codec.perturb import PerturbConfig
from gcims_jax.codec.train import TrainConfig, minimise


def assert_trees_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def part_of(x, groups=None):
    return parts.from_arrays(x, np.zeros(len(x), int), groups)


def test_folds_share_compiled_code():
    rng = np.random.default_rng(0)
    separable = rng.normal(size=(9, 3)) @ rng.normal(size=(24, 3, 3)) @ rng.normal(size=(3, 14))
    x = (separable + 0.1 * rng.normal(size=separable.shape)).astype(np.float32)
    jitted = (
        train.jitted_init,
        train.jitted_train_steps,
        train.jitted_look,
        stages.jitted_encode,
        stages.jitted_decode,
    )
    double.fit(jax.random.key(0), part_of(x), TINY_CODEC)
    traces = [f._cache_size() for f in jitted]
    double.fit(jax.random.key(1), part_of(x[:23]), TINY_CODEC)
    assert [f._cache_size() for f in jitted] == traces


@pytest.mark.parametrize(("start", "stages_trained"), [("linear", {"joint"}), ("random", {"drift", "retention"})])
def test_codec_shapes_batches_and_determinism(start, stages_trained):
    config = dataclasses.replace(TINY_CODEC, start=start)
    x = np.random.default_rng(0).normal(size=(21, 9, 14)).astype(np.float32)
    fitted, curves = double.fit(jax.random.key(0), part_of(x), config)
    latents = double.encode(fitted, x, config)
    assert latents.shape == (21, 3, 3) and set(curves) == stages_trained
    decoded = double.decode(fitted, latents, config, (9, 14))
    assert decoded.shape == x.shape
    np.testing.assert_allclose(double.encode(fitted, x[:1], config)[0], latents[0], atol=1e-5)
    np.testing.assert_array_equal(double.reconstruct(fitted, x, config), decoded)
    again, _ = double.fit(jax.random.key(0), part_of(x), config)
    assert_trees_equal(fitted, again)


def moving_peaks(n, seed):
    """One peak per 9×14 record that lies anywhere: no linear codec of d = 3 holds that."""
    rng = np.random.default_rng(seed)
    across, along = rng.uniform(2.0, 11.0, (n, 1, 1)), rng.uniform(2.0, 6.0, (n, 1, 1))
    fast = np.exp(-0.5 * ((np.arange(14) - across) / 1.2) ** 2)
    slow = np.exp(-0.5 * ((np.arange(9)[:, None] - along) / 1.2) ** 2)
    return (slow * fast + 0.01 * rng.normal(size=(n, 9, 14))).astype(np.float32)


def reconstruct_linear(train_records, x, latent, columns):
    """Tucker-2 on fewer slow components and PCA of what it leaves, the long way round."""
    basis = linalg.two_sided_basis(train_records, latent)
    basis = basis._replace(slow_RxD=basis.slow_RxD[:, : latent - columns])
    left, left_x = (a - linalg.reconstruct_two_sided(basis, a) for a in (train_records, x))
    principal = linalg.principal_basis(left, columns * latent)
    return x - left_x + linalg.reconstruct_principal(principal, left_x)


@pytest.mark.parametrize("columns", [0, 1, 2, 3])
def test_step_zero_is_the_linear_codec_and_so_is_the_codec_without_transformers(columns):
    x, test = moving_peaks(40, 0), moving_peaks(10, 1)
    expected = reconstruct_linear(x, test, 3, columns)
    if columns == 0:
        tucker = linalg.reconstruct_two_sided(linalg.two_sided_basis(x, 3), test)
        np.testing.assert_allclose(expected, tucker, atol=3e-6)
    if columns == 3:
        pca = linalg.reconstruct_principal(linalg.principal_basis(x, 9), test)
        np.testing.assert_allclose(expected, pca, atol=3e-6)
    fixed = joint.start(x, 3, (0.0, 1.0), columns)
    models = double.models_of(TINY_CODEC, (9, 14))
    task = joint.RecordTask(models, TINY_CODEC.loss, TINY_CODEC.perturb, 0.0)
    at_start = joint.with_params(fixed.codec, task.init(jax.random.key(0)))
    np.testing.assert_allclose(double.reconstruct(at_start, test, TINY_CODEC), expected, atol=3e-6)
    moved = [jax.tree.map(lambda a: a + 0.1, stage.params) for stage in at_start[:2]]
    trained = joint.with_params(at_start, dict(zip(("drift", "retention"), moved, strict=True)))
    assert np.abs(double.reconstruct(trained, test, TINY_CODEC) - expected).max() > 0.01
    off = joint.with_params(trained, {"drift": None, "retention": None})
    np.testing.assert_allclose(double.reconstruct(off, test, TINY_CODEC), expected, atol=3e-6)
    latents, made = linear.start(x, 3, columns).latents_NxDxD, double.encode(off, x, TINY_CODEC)
    np.testing.assert_allclose(latents, made, atol=1e-4)
    errors = linear.linear_errors(x, test, 3, [0, columns])
    np.testing.assert_allclose(errors[1], np.mean((expected - test) ** 2, axis=(1, 2)), rtol=1e-3)


@pytest.mark.parametrize("columns", [0, 2, 3])
def test_the_codec_of_whole_records_has_the_same_linear_start(columns):
    x = moving_peaks(40, 0)
    fixed = joint.start(x, 3, (0.0, 1.0), columns)
    model = whole.RecordAutoencoder((9, 14), 3, TINY_CODEC.model)
    at_start = whole.Whole(whole.WholeTask(model).init(jax.random.key(0)), fixed)
    expected = double.reconstruct(fixed.codec, x, TINY_CODEC)
    np.testing.assert_allclose(whole.reconstruct_all(model, at_start, x), expected, atol=3e-6)


def test_the_codec_of_whole_records_trains_and_keeps_the_best():
    x = moving_peaks(40, 0)
    model, fitted, curves = whole.fit(jax.random.key(0), part_of(x), 3, TINY_CODEC.model, TINY_TRAIN)
    assert np.isfinite(curves.validation_loss_E).all()
    assert whole.reconstruct_all(model, fitted, x[:21]).shape == (21, 9, 14)


def test_columns_of_components_follow_the_records():
    rng = np.random.default_rng(0)
    pictures = np.tensordot(
        rng.normal(size=(60, 9)), rng.normal(size=(9, 9, 14)), 1
    )  # nine numbers, full-rank pictures
    assert linear.choose(jax.random.key(0), part_of(pictures.astype(np.float32)), 3).columns == 3
    separable = rng.normal(size=(9, 3)) @ rng.normal(size=(60, 3, 3)) @ rng.normal(size=(3, 14))
    noisy = (separable + 0.01 * rng.normal(size=separable.shape)).astype(np.float32)
    assert linear.choose(jax.random.key(0), part_of(noisy), 3).columns == 0


def test_no_more_columns_than_there_are_components():
    x = moving_peaks(6, 0)
    assert linear.candidates(6, 9) == [0, 1] and linear.candidates(1, 9) == [0]
    codec = linear.start(x, 9, 9).codec
    assert np.count_nonzero(np.any(codec.principal_PxRxT, axis=(1, 2))) == 5
    np.testing.assert_allclose(double.reconstruct(codec, x, dataclasses.replace(TINY_CODEC, latent=9)), x, atol=1e-5)


def test_no_linear_codec_is_worse_than_its_parts_and_exact_records_are_no_trouble():
    rng = np.random.default_rng(0)
    low = (rng.normal(size=(9, 2)) @ rng.normal(size=(20, 2, 2)) @ rng.normal(size=(2, 14))).astype(np.float32)
    for columns in range(4):
        out = double.reconstruct(linear.start(low[:12], 3, min(columns, 1)).codec, low, TINY_CODEC)
        np.testing.assert_allclose(out, low, atol=1e-4)  # what is left is rounding, and no component
    x, test = moving_peaks(12, 0), moving_peaks(30, 1)
    principal = linalg.reconstruct_principal(linalg.principal_basis(x, 11), test)
    both = linear.linear_errors(x, test, 6, [2])[0]
    assert np.all(both <= np.mean((principal - test) ** 2, axis=(1, 2)) * (1.0 + 1e-4))


@pytest.mark.parametrize("sizes", [[1] * 40, [3] * 12, [1, 2, 3, 4, 30], [5, 5], [30, 1]])
def test_whole_groups_are_held_out(sizes):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    part = part_of(moving_peaks(len(groups), 0), groups)
    rest, held = holdout.split(jax.random.key(0), part, 0.1)
    assert not set(rest.groups_N) & set(held.groups_N) and len(rest) + len(held) == len(part)
    least = 1 if sizes == [30, 1] else 0.1 * len(part)  # the large group is passed over
    assert round(least) <= len(held) <= len(part) / 2
    assert len(set(held.groups_N)) >= (2 if len(sizes) >= 4 else 1)
    again = holdout.split(jax.random.key(0), part, 0.1)
    np.testing.assert_array_equal(again.held.identities_N, held.identities_N)
    assert sorted([*rest.identities_N, *held.identities_N]) == sorted(part.identities_N)


def test_replicates_do_not_make_a_standard_error_smaller():
    gains = np.random.default_rng(0).normal(size=12)
    alone = holdout.standard_error(gains, np.arange(12))
    assert alone == pytest.approx(gains.std(ddof=1) / np.sqrt(12))
    tripled = holdout.standard_error(np.repeat(gains, 3), np.repeat(np.arange(12), 3))
    assert tripled == pytest.approx(alone)


def test_the_linear_codec_alone_is_what_fit_falls_back_on():
    x = moving_peaks(12, 0)
    wild = dataclasses.replace(TINY_CODEC, train=dataclasses.replace(TINY_TRAIN, learning_rate=3.0))
    fitted, _ = double.fit(jax.random.key(0), part_of(x), wild)
    alone = double.fit_linear(jax.random.key(0), part_of(x), wild)
    assert not double.residual_on(fitted) and not double.residual_on(alone)
    np.testing.assert_allclose(double.reconstruct(fitted, x, wild), double.reconstruct(alone, x, wild), atol=1e-5)


def test_the_codec_says_what_it_is():
    x = moving_peaks(40, 0)
    said = [double.describe(linear.start(x, 3, columns).codec, TINY_CODEC) for columns in (0, 1, 3)]
    assert "Tucker-2, 3 × 3 numbers a record" in said[0]
    assert "Tucker-2, 2 × 3 numbers a record, and 3 principal components" in said[1]
    assert "9 principal components of whole records" in said[2]
    assert all("did not improve" in text for text in said)
    task = joint.RecordTask(double.models_of(TINY_CODEC, (9, 14)), TINY_CODEC.loss, TINY_CODEC.perturb, 0.0)
    on = joint.with_params(linear.start(x, 3, 0).codec, task.init(jax.random.key(0)))
    assert "and transformers, which improve" in double.describe(on, TINY_CODEC)


def test_joint_training_beats_the_linear_codec_where_it_can():
    x, test = moving_peaks(120, 0), moving_peaks(60, 1)
    train_config = TrainConfig(steps=200, batch=16, evaluate_every=50, optimiser="muon", learning_rate=0.01)
    config = dataclasses.replace(TINY_CODEC, train=train_config)
    fitted, curves = double.fit(jax.random.key(0), part_of(x), config)
    assert double.residual_on(fitted)
    alone = double.fit_linear(jax.random.key(0), part_of(x), config)
    errors = [np.mean((double.reconstruct(codec, test, config) - test) ** 2) for codec in (fitted, alone)]
    assert errors[0] < 0.8 * errors[1]
    assert curves["joint"].validation_loss_E.min() < curves["joint"].validation_loss_E[0]


def test_joint_training_never_ends_worse_than_it_began_and_falls_back_on_the_linear_codec():
    sides = holdout.split(jax.random.key(1), part_of(moving_peaks(20, 0)), 0.2)
    task = joint.RecordTask(double.models_of(TINY_CODEC, (9, 14)), TINY_CODEC.loss, TINY_CODEC.perturb, 0.0)
    wild = dataclasses.replace(TINY_CODEC.train, learning_rate=3.0, steps=6)
    for left in (1.0, 0.0):  # the second leaves nothing to learn from
        fitted, curves = plans.follow(
            joint.fit_plan(jax.random.key(0), sides, linear.Choice(1, left), task, units=(0.0, 1.0), batch_records=16),
            wild,
        )
        losses = curves["joint"].validation_loss_E
        assert losses[1:].min() > losses[0] if left else len(losses) == 1
        assert not double.residual_on(fitted)
        alone = linear.start(parts.join(sides.held, sides.rest).x_NxRxT, 3, 1).codec
        np.testing.assert_array_equal(alone.retention.linear_LxD, fitted.retention.linear_LxD)


@pytest.mark.parametrize("learning_rate", [0.01, 3.0])
def test_the_codec_never_has_a_higher_error_on_validation_records_than_its_linear_start(learning_rate):
    sides = holdout.split(jax.random.key(1), part_of(moving_peaks(60, 0)), 0.2)
    config = TrainConfig(steps=40, batch=8, evaluate_every=5, optimiser="muon", learning_rate=learning_rate)
    task = joint.RecordTask(double.models_of(TINY_CODEC, (9, 14)), TINY_CODEC.loss, TINY_CODEC.perturb, 0.0)
    fitted, curves = plans.follow(
        joint.fit_plan(jax.random.key(0), sides, linear.Choice(1, 1.0), task, units=(0.0, 1.0), batch_records=16),
        config,
    )
    rest, held = (side.x_NxRxT for side in sides)
    start = linear.linear_errors(rest, held, 3, [1]).mean()
    validation_E = curves["joint"].validation_loss_E * rest.var(axis=0).mean()
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
    fitted, curves = double.fit(jax.random.key(0), part_of(moving_peaks(20, 0)), config, units=(0.0, 2.0))
    assert np.isfinite(curves["joint"].train_loss_E[1:]).all()
    assert np.isfinite(double.reconstruct(fitted, moving_peaks(3, 1), config)).all()


def test_a_variational_latent_is_nearer_to_independent_normals():
    x = moving_peaks(40, 0)
    train = dataclasses.replace(TINY_CODEC.train, steps=60)
    config = dataclasses.replace(TINY_CODEC, train=train, kl=3.0)
    task = joint.RecordTask(double.models_of(config, x.shape[1:]), config.loss, config.perturb, 0.0, config.kl)
    fixed = joint.start(x, 3, (0.0, 1.0), 1)
    params, _ = minimise(jax.random.key(0), task, train, x[8:], x[:8], fixed=fixed, directory=None, title=None)
    before, after = (
        np.mean((double.encode(fitted, x, config) / np.asarray(fixed.spread_DxD)) ** 2)
        for fitted in (
            fixed.codec,
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
    constant = np.full((4, 9, 14), 0.5, np.float32)
    fitted, _ = double.fit(jax.random.key(0), part_of(constant, range(4)), config)
    out = double.reconstruct(fitted, np.full((2, 9, 14), 0.5, np.float32), config)
    np.testing.assert_allclose(out, 0.5, atol=1e-3)


def test_impossible_codecs_are_refused():
    with pytest.raises(InputError, match=r"codec.latent: .*from 1 to 2.*2 × 14.*got 3"):
        double.fit(jax.random.key(0), part_of(np.zeros((4, 2, 14), np.float32)), TINY_CODEC)
    with pytest.raises(InputError, match="at least 2 groups .* got 1 in 4 records"):
        double.fit(jax.random.key(0), part_of(np.zeros((4, 9, 14), np.float32)), TINY_CODEC)
    for bad in ({"steps": 0}, {"batch": 0}, {"warmup": 1.0}, {"learning_rate": 0.0}):
        with pytest.raises(InputError, match=f"train.{next(iter(bad))}"):
            TrainConfig(**bad)
