"""Draws in latent space: whatever is chosen is chosen on groups that neither codec nor sampler has learned from."""

import jax
import numpy as np
import pytest
from conftest import TINY_CODEC

from gcims_jax import InputError, parts, samplers
from gcims_jax.evaluation import guard
from gcims_jax.generators import GENERATORS, Tucker, double_autoencoder
from gcims_jax.generators.double_autoencoder import held_out_latents
from gcims_jax.samplers.shrinkage import Selection

KEY = jax.random.key(0)
LABELS = np.repeat([0, 1], [18, 12])
GROUPS = np.repeat([f"s{i}" for i in range(10)], 3)
RECORDS = np.float32(
    0.1 * np.random.default_rng(0).normal(size=(30, 9, 14)) + LABELS[:, None, None] * np.linspace(0, 1, 14)
)
PART = parts.from_arrays(RECORDS, LABELS, GROUPS)
CHOICE = {"alpha": 0.6, "ridge": 0.3, "bandwidth": 0.5}
FIXED = {"alpha": 0.5, "ridge": 0.2, "cross_fit": 0, "codec": Tucker(3)}


@pytest.fixture
def stand_in(monkeypatch):
    """Chooses ``CHOICE`` whatever the latents."""

    def choose_held_out(name, pairs, **options):
        assert pairs and all(held.x_NxRxT.shape[1:] == learn.x_NxRxT.shape[1:] for learn, held in pairs)
        selection = Selection(np.zeros(1), np.zeros(1), np.zeros(1), np.zeros((1, 1, 1)))
        return {n: CHOICE[n] if v == "likelihood" else v for n, v in options.items()}, selection

    monkeypatch.setattr(samplers, "choose_held_out", choose_held_out, raising=False)


def test_latents_to_choose_by_are_of_groups_that_the_codec_has_not_seen():
    pairs = held_out_latents(KEY, PART, Tucker(3), 3)
    assert len(pairs) == 3
    assert sorted(np.concatenate([held.identities_N for _, held in pairs])) == sorted(PART.identities_N)
    for learn, held in pairs:
        assert not set(learn.groups_N) & set(held.groups_N) and learn.x_NxRxT.shape[1:] == (3, 3)
        assert set(learn.labels_N) == {0, 1}
        changed = RECORDS.copy()
        changed[np.isin(GROUPS, held.groups_N)] += 1.0
        other = held_out_latents(KEY, parts.from_arrays(changed, LABELS, GROUPS), Tucker(3), 3)
        assert any(np.array_equal(learn.x_NxRxT, again.x_NxRxT) for again, _ in other)


def test_nothing_is_held_out_of_classes_that_are_not_there_to_learn_from():
    lonely = parts.from_arrays(RECORDS, LABELS, np.repeat(["a", "b"], [18, 12]))  # one group a class
    assert not held_out_latents(KEY, lonely, Tucker(3), 3)
    learned = GENERATORS["latent_rda"].fit(KEY, lonely, codec=Tucker(3))
    assert not learned.value.held_out and learned.value.selection is not None
    assert GENERATORS["latent_rda"].describe(learned).text.endswith("chosen on training latents")


@pytest.mark.parametrize("codec", [Tucker(3), TINY_CODEC])
def test_what_was_chosen_on_held_out_latents_is_used_and_said(codec, stand_in):
    generator = GENERATORS["double_autoencoder"]
    learned = generator.fit(KEY, PART, codec=codec)
    state = learned.value
    assert state.sampler == "rda" and state.held_out and state.options["ridge"] == 0.3 and state.options["alpha"] == 0.6
    np.testing.assert_allclose(state.sampler_state.ridge_K, 0.3)
    assert generator.describe(learned).text == "λ 0.3, α 0.6, chosen on held-out groups"
    x = generator.sample(jax.random.key(1), learned, np.array([1, 0]))
    assert x.x_NxRxT.shape == (2, 9, 14) and x.origin == PART.origin


def test_held_out_likelihood_chooses_by_samples_not_by_their_measurements():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(10, 9, 14))
    thrice = np.float32(np.repeat(samples, 3, axis=0) + 0.01 * rng.normal(size=(30, 9, 14)))
    grouped, alone = (parts.from_arrays(thrice, LABELS, groups) for groups in (GROUPS, None))
    honest, fooled = (GENERATORS["latent_rda"].fit(KEY, part, codec=Tucker(3)).value for part in (grouped, alone))
    assert honest.held_out and fooled.held_out
    assert honest.options["ridge"] > fooled.options["ridge"]


def test_synthetic_records_among_those_to_learn_from_leave_nothing_to_hold_out():
    learned = GENERATORS["noise"].fit(KEY, PART)
    both = parts.join(PART, GENERATORS["noise"].sample(KEY, learned, LABELS))
    assert not held_out_latents(KEY, both, Tucker(3), 3)


def test_what_is_given_is_not_chosen(monkeypatch):
    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr(samplers, "choose_held_out", never, raising=False)
    learned = GENERATORS["latent_rda"].fit(KEY, PART, **{**FIXED, "cross_fit": 3})
    assert learned.value.selection is None
    assert GENERATORS["latent_rda"].describe(learned).text == "λ 0.2, α 0.5"
    itself = GENERATORS["latent_rda"].fit(KEY, PART, codec=Tucker(3), cross_fit=0).value
    assert itself.selection is not None and not itself.held_out
    assert GENERATORS["latent_smote"].fit(KEY, PART, codec=Tucker(3)).value.selection is None


def test_short_names_are_the_same_generator():
    drawn = []
    for name, more in (("double_autoencoder", {"sampler": "rda"}), ("latent_rda", {})):
        learned = GENERATORS[name].fit(KEY, PART, **FIXED, **more)
        drawn.append(GENERATORS[name].sample(KEY, learned, LABELS).x_NxRxT)
    np.testing.assert_array_equal(*drawn)


def test_records_through_the_codec_keep_who_they_are_and_tell_what_it_has_seen():
    train, test = PART.take(range(15)), PART.take(range(15, 30))
    learned = GENERATORS["latent_pooled"].fit(KEY, train, codec=Tucker(3), cross_fit=0)
    assert double_autoencoder.encode(learned, test).x_NxRxT.shape == (15, 3, 3)
    rebuilt = double_autoencoder.reconstruct(learned, test)
    np.testing.assert_array_equal(rebuilt.groups_N, test.groups_N)
    np.testing.assert_array_equal(rebuilt.identities_N, test.identities_N)
    assert rebuilt.x_NxRxT.shape == test.x_NxRxT.shape and not np.array_equal(rebuilt.x_NxRxT, test.x_NxRxT)
    assert rebuilt.origin.groups == train.origin.groups | test.origin.groups
    for some in (rebuilt, rebuilt.take([0, 1])):  # they know of the training records of the codec
        with pytest.raises(guard.LeakError):
            guard.check_unseen(train, some)


def test_reconstruction_gives_each_record_once_in_turn():
    generator = GENERATORS["reconstruction"]
    learned = generator.fit(KEY, PART, codec=Tucker(3))
    x = generator.sample(jax.random.key(1), learned, LABELS).x_NxRxT
    np.testing.assert_allclose(x.sum(axis=0), learned.value.x_NxRxT.sum(axis=0), rtol=1e-4)
    assert "d = 3" in generator.describe(learned).text


def test_bad_options_are_refused():
    fit = GENERATORS["double_autoencoder"].fit
    with pytest.raises(InputError, match="components: expected nothing, since sampler 'rda' takes alpha, ridge, got 3"):
        fit(KEY, PART, components=3)
    with pytest.raises(InputError, match="sampler: expected one of .*got 'normal'"):
        fit(KEY, PART, sampler="normal")
    for wrong in (1, -2, 2.5, "three"):
        with pytest.raises(InputError, match="cross_fit: expected a whole number from 2 to 100 or 0, got"):
            fit(KEY, PART, cross_fit=wrong)
    with pytest.raises(InputError, match="got 'components'"):
        GENERATORS["latent_rda"].fit(KEY, PART, components=3)
