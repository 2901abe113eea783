"""Codecs are pure functions of records, kept for those who ask again; records behind them go along."""

import dataclasses
import threading
import time

import jax
import numpy as np
import pytest
from conftest import TINY_CODEC, make_records

from gcims_jax import InputError, linalg, parts
from gcims_jax.codec import double
from gcims_jax.generators import codecs
from gcims_jax.generators.codecs import Tucker

KEY = jax.random.key(0)
RECORDS = make_records()
PART = parts.from_records(RECORDS, RECORDS.values / 30.0)
TRAIN, TEST = PART.take(range(0, 20, 2)), PART.take(range(1, 20, 2))


def test_tucker_is_the_two_sided_basis():
    codec = codecs.fit(KEY, TRAIN, Tucker(3))
    assert codec.origin == TRAIN.origin and not codec.value.residual_on and not codec.value.curves
    wanted = linalg.reconstruct_two_sided(linalg.two_sided_basis(TRAIN.x_NxRxT, 3), TEST.x_NxRxT)
    out = codecs.reconstruct(codec, TEST)
    np.testing.assert_allclose(out.x_NxRxT, wanted, atol=1e-6)
    np.testing.assert_array_equal(out.identities_N, TEST.identities_N)
    np.testing.assert_array_equal(out.groups_N, TEST.groups_N)
    assert out.origin.identities == TRAIN.origin.identities | TEST.origin.identities
    assert codecs.encode(codec, TEST).x_NxRxT.shape == (10, 3, 3)


def test_transformers_are_the_double_autoencoder(tmp_path):
    config = dataclasses.replace(TINY_CODEC, start="random")  # trains whatever the records
    codec = codecs.fit(KEY, TRAIN, config, directory=tmp_path)
    fitted, curves = double.fit(KEY, TRAIN, config)
    assert codec.value.curves.keys() == curves.keys() and codec.value.residual_on == double.residual_on(fitted)
    wanted = double.reconstruct(fitted, TEST.x_NxRxT, config)
    np.testing.assert_allclose(codecs.reconstruct(codec, TEST).x_NxRxT, wanted, atol=1e-5)
    assert list(tmp_path.iterdir())


def test_the_linear_start_is_what_the_transformers_start_at():
    rng = np.random.default_rng(0)
    modes = rng.normal(size=(4, 10, 12))
    entangled = np.float32(np.tensordot(rng.normal(size=(40, 4)), modes, 1) + 0.01 * rng.normal(size=(40, 10, 12)))
    part = parts.from_arrays(entangled, np.zeros(40, int))
    config = dataclasses.replace(TINY_CODEC, latent=3)
    linear = codecs.fit_linear(KEY, part, config)
    start = double.reconstruct(double.fit_linear(KEY, part, config), entangled, config)
    np.testing.assert_allclose(codecs.reconstruct(linear, part).x_NxRxT, start, atol=1e-5)
    tucker = linalg.reconstruct_two_sided(linalg.two_sided_basis(entangled, 3), entangled)
    assert np.mean((start - entangled) ** 2) < np.mean((tucker - entangled) ** 2)


def test_the_same_codec_is_fitted_once_and_another_anew(monkeypatch):
    monkeypatch.setattr(codecs, "_MEMO", codecs._Memo(4))
    first = codecs.fit(KEY, TRAIN, Tucker(3)).value
    assert codecs.fit(KEY, TRAIN.take(range(10)), Tucker(3)).value is first
    regrouped = dataclasses.replace(TRAIN, groups_N=np.array(["a"] * 5 + ["b"] * 5))
    others = (KEY, TEST, Tucker(3)), (KEY, TRAIN, Tucker(2)), (KEY, regrouped, Tucker(3))
    assert all(codecs.fit(*other).value is not first for other in others)
    assert codecs.fit(KEY, TRAIN, Tucker(3)).value is first
    for latent in (1, 4, 5, 6):
        codecs.fit(KEY, TRAIN, Tucker(latent))
    assert codecs.fit(KEY, TRAIN, Tucker(3)).value is not first  # the oldest are let go


def test_threads_that_ask_for_the_same_wait_for_one(monkeypatch):
    calls, real = [], codecs._fit_tucker

    def slow(part, latent):
        calls.append(latent)
        time.sleep(0.1)
        return real(part, latent)

    monkeypatch.setattr(codecs, "_MEMO", codecs._Memo(4))
    monkeypatch.setattr(codecs, "_fit_tucker", slow)
    found = []
    threads = [threading.Thread(target=lambda: found.append(codecs.fit(KEY, TRAIN, Tucker(3)).value)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [3] and len({id(codec) for codec in found}) == 1


def test_what_failed_is_tried_again(monkeypatch):
    memo = codecs._Memo(2)
    with pytest.raises(ZeroDivisionError):
        memo.get("a", lambda: 1 / 0)
    assert memo.get("a", lambda: 1) == 1


@pytest.mark.parametrize("codec", [Tucker(3), TINY_CODEC], ids=["tucker", "transformers"])
def test_other_shapes_are_refused_inside_jit_too(codec):
    fitted = codecs.fit(KEY, TRAIN, codec).value
    x_NxRxT = TRAIN.x_NxRxT
    with pytest.raises(
        InputError, match=r"encode: expected shape \(N, 9, 14\) as in fit, got \(9, 14\); one alone is x\[None\]"
    ):
        fitted.encode(x_NxRxT[0])
    with pytest.raises(InputError, match=r"encode: expected shape \(N, 9, 14\) as in fit, got \(10, 9, 13\)"):
        jax.jit(fitted.encode)(x_NxRxT[:, :, :-1])
    d = codec.latent
    with pytest.raises(InputError, match=rf"decode: expected shape \(N, {d}, {d}\) as in fit"):
        jax.jit(fitted.decode)(np.zeros((2, d + 1, d)))


def test_bad_codecs_are_refused():
    with pytest.raises(InputError, match=r"codec: expected Tucker\(latent\).*got 'tucker'"):
        codecs.fit(KEY, TRAIN, "tucker")
    with pytest.raises(InputError, match="codec.latent: expected a dimension d from 1 to 9"):
        codecs.fit(KEY, TRAIN, Tucker())
    with pytest.raises(InputError, match="expected a Part.*got ndarray"):
        codecs.fit(KEY, TRAIN.x_NxRxT, Tucker(3))
