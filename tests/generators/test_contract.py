"""One contract for every generator of records: parts go in, parts come out, nothing leaks and nothing is forgotten."""

import functools

import jax
import numpy as np
import pytest

from gcims_jax import InputError, parts
from gcims_jax.generators import GENERATORS, Description, Tucker
from gcims_jax.parts import Learned, Part

LABELS = np.repeat([0, 1, 2], [7, 4, 1])
RNG = np.random.default_rng(0)
RECORDS = (RNG.normal(0.0, 0.02, (12, 16, 24)) + LABELS[:, None, None] / 4).astype(np.float32)
RECORDS[:, 6:9, 10:14] += 0.5
PART = parts.from_arrays(RECORDS, LABELS)
WANTED = np.array([2, 0, 0, 1, 2, 0, 1])
OPTIONS = {"latent_vae": {"steps": 5}, "latent_flow": {"steps": 5}}
COPIES = ("duplicate", "tuned_warp", "nuisances")  # the others where nothing is worth it, as here
NAMES = sorted(GENERATORS)


def options_of(name):
    codec = {"codec": Tucker(3)} if "codec" in GENERATORS[name].options else {}
    return {**codec, **OPTIONS.get(name, {})}


@functools.cache
def fitted(name):
    return GENERATORS[name].fit(jax.random.key(0), PART, **options_of(name))


def drawn(name, seed=1):
    return GENERATORS[name].sample(jax.random.key(seed), fitted(name), WANTED)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_learned_and_what_is_drawn_carry_the_records_behind_them(name):
    assert isinstance(fitted(name), Learned) and fitted(name).origin == PART.origin
    x = drawn(name)
    assert isinstance(x, Part) and x.origin == PART.origin
    assert not set(x.identities_N.tolist()) & PART.origin.identities


@pytest.mark.parametrize("name", NAMES)
def test_one_finite_record_for_each_label_in_order(name):
    x = drawn(name)
    np.testing.assert_array_equal(x.labels_N, WANTED)
    assert x.x_NxRxT.shape == (7, 16, 24) and x.x_NxRxT.dtype == np.float32 and np.all(np.isfinite(x.x_NxRxT))
    means = [x.x_NxRxT[k == WANTED].mean() for k in range(3)]
    assert means[0] < means[1] < means[2]  # each label gets records of its class


@pytest.mark.parametrize("name", NAMES)
def test_same_key_same_records_another_key_others(name):
    np.testing.assert_array_equal(drawn(name).x_NxRxT, drawn(name).x_NxRxT)
    if name not in (*COPIES, "reconstruction", "phase_amplitude"):
        assert not np.array_equal(drawn(name).x_NxRxT[1:], drawn(name, seed=2).x_NxRxT[1:])


@pytest.mark.parametrize("name", NAMES)
def test_a_draw_is_pure(name):
    """The same inside jit and for many keys at once; a label that was not there is not a number there."""
    draw, state = GENERATORS[name].draw, fitted(name).value
    inside = jax.jit(lambda key, labels_S: draw(key, state, labels_S))
    np.testing.assert_allclose(inside(jax.random.key(1), WANTED), drawn(name).x_NxRxT, atol=1e-5)
    strange_S = np.where(np.arange(7) == 3, 5, WANTED)
    unknown_S = np.isnan(inside(jax.random.key(1), strange_S)).all(axis=(1, 2))
    assert unknown_S.tolist() == [False, False, False, True, False, False, False]
    many = jax.vmap(lambda key: draw(key, state, WANTED))(jax.random.split(jax.random.key(1), 2))
    np.testing.assert_allclose(many[1], draw(jax.random.split(jax.random.key(1), 2)[1], state, WANTED), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_records_outside_the_part_have_no_say(name):
    outside = RNG.normal(5.0, 3.0, (3, 16, 24)).astype(np.float32)
    everything = parts.from_arrays(np.concatenate([RECORDS, outside]), np.append(LABELS, [0, 1, 2]))
    learned = GENERATORS[name].fit(jax.random.key(0), everything.take(range(12)), **options_of(name))
    assert learned.origin == PART.origin
    again = GENERATORS[name].sample(jax.random.key(1), learned, WANTED)
    np.testing.assert_array_equal(again.x_NxRxT, drawn(name).x_NxRxT)


@pytest.mark.parametrize("name", ["duplicate", "noise", "warp", "latent_rda"])
def test_what_learns_from_drawn_records_has_those_behind_them_too(name):
    part = parts.join(PART.take([0, 1, 7, 8, 11]), drawn("duplicate"))
    assert GENERATORS[name].fit(jax.random.key(0), part, **options_of(name)).origin == PART.origin


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_known_is_refused(name):
    generator = GENERATORS[name]
    with pytest.raises(
        InputError, match="labels to draw: expected labels of the training records, got 5 as well; they are 0, 1"
    ):
        generator.sample(jax.random.key(1), fitted(name), np.array([0, 5]))
    with pytest.raises(InputError, match=r"labels to draw: expected one for each record .*got shape \(\)"):
        generator.draw(jax.random.key(1), fitted(name).value, 0)
    for bare in (RECORDS, (RECORDS, LABELS), None):
        with pytest.raises(InputError, match="expected a Part.*from_arrays"):
            generator.fit(jax.random.key(0), bare)
    with pytest.raises(InputError, match="got a part without any"):
        generator.fit(jax.random.key(0), PART.take(np.zeros(0, int)))
    with pytest.raises(InputError, match="expected options .*got 'wrong_thing'; leave it out"):
        generator.fit(jax.random.key(0), PART, wrong_thing=1)
    for option in generator.options:
        with pytest.raises(InputError, match=f"got '{option}_'; did you mean '{option}'?"):
            generator.fit(jax.random.key(0), PART, **{f"{option}_": 1})


@pytest.mark.parametrize("name", NAMES)
def test_every_generator_says_what_it_chose(name):
    said = GENERATORS[name].describe(fitted(name))
    assert isinstance(said, Description) and said.text and "\n" not in said.text and len(said.text) < 100
    assert said.changes or name in (*COPIES, "phase_amplitude")
    copies = all(np.any(np.all(x == RECORDS, axis=(1, 2))) for x in drawn(name).x_NxRxT)
    assert copies == (not said.changes)


def test_defaults_are_told_and_taken():
    assert GENERATORS["noise"].options == {"size": 0.5}
    explicit = GENERATORS["noise"].fit(jax.random.key(0), PART, **GENERATORS["noise"].options)
    again = GENERATORS["noise"].sample(jax.random.key(1), explicit, WANTED)
    np.testing.assert_array_equal(again.x_NxRxT, drawn("noise").x_NxRxT)
    rda = GENERATORS["latent_rda"].options
    assert rda["codec"] == Tucker() and rda["cross_fit"] == 3 and rda["ridge"] == "likelihood" and "sampler" not in rda
    assert {"sampler", "alpha", "neighbours", "components", "steps"} <= set(GENERATORS["double_autoencoder"].options)


VALUES = ("x", float("nan"), -1.0, 0.0, 0.5, 1e300, [1])
CHOSEN = {"phase_amplitude": {"phase": 1.0, "amplitude": 0.5, "stiffness": 0.3}}  # costs no trials


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_refused_in_one_message_or_does_what_it_says(name, monkeypatch):
    generator = GENERATORS[name]
    for option in generator.options:
        for value in VALUES:
            try:
                generator.read(name, {option: value})
            except InputError as error:
                message = str(error)
                assert message.startswith(f"{name}.{option}: expected ") and message.endswith(f", got {value!r}")
                with pytest.raises(InputError, match=f"generator.{option}: expected"), monkeypatch.context() as patch:
                    patch.setattr(parts, "learn", None)  # nothing learns before it is refused
                    generator.fit(jax.random.key(0), PART, **{option: value})
            else:
                learned = generator.fit(
                    jax.random.key(0), PART, **{**options_of(name), **CHOSEN.get(name, {}), option: value}
                )
                x = generator.sample(jax.random.key(1), learned, WANTED)
                assert np.all(np.isfinite(x.x_NxRxT))
