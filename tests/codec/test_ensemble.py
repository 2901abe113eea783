"""Codecs that are trained together are those that are trained one by one: on one device, on many, on many hosts."""

import dataclasses
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import made_trainings
import numpy as np
import pytest
from conftest import TINY_CODEC
from made_trainings import CONFIG, SIZES, Line, one_by_one, trainings
from test_codec import moving_peaks, part_of

from gcims_jax import InputError, hosts
from gcims_jax.codec import double, ensemble, joint, stacked, stages
from gcims_jax.codec.ensemble import minimise_all
from gcims_jax.codec.model import ModelConfig
from gcims_jax.codec.train import TrainConfig, TrainingDiverged

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def alone():
    return one_by_one()


def assert_same(found, wanted):
    for (params, curves), (other_params, other_curves) in zip(found, wanted, strict=True):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), params, other_params)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), curves, other_curves)


def test_members_of_any_size_end_as_alone_and_where_they_would(alone):
    ends = [curves.steps_E[-1] for _, curves in alone]
    assert len(set(ends)) > 1 and max(ends) == CONFIG.steps  # some stop early
    assert_same(minimise_all(trainings(), CONFIG), alone)


class Killed(Exception):
    pass


def test_goes_on_from_its_checkpoints_and_so_does_one_by_one(alone, tmp_path, monkeypatch):
    folders = [tmp_path / str(i) for i in range(len(SIZES))]
    real, saves = ensemble._Saver.save, []

    def killed(self, *arguments):
        real(self, *arguments)
        saves.append(1)
        if len(saves) == 2:
            raise Killed

    monkeypatch.setattr(ensemble._Saver, "save", killed)
    with pytest.raises(Killed):
        minimise_all(trainings(), CONFIG, directories=folders)
    monkeypatch.undo()
    kept = {path.name for folder in folders for path in folder.iterdir()}
    assert kept == {"3", "6"}  # steps: some have ended, the others were killed
    assert_same(minimise_all(trainings(), CONFIG, directories=folders), alone)
    assert_same(one_by_one(folders), alone)  # finished, each in the place that it has alone


def test_a_member_that_diverges_is_named():
    members = trainings()
    members[2] = members[2]._replace(rows_Mx=np.full_like(members[2].rows_Mx, np.nan))
    with pytest.raises(TrainingDiverged, match=r"member 3: the loss is not finite after step 3"):
        minimise_all(members, CONFIG)


def test_more_members_than_the_memory_holds_are_refused_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr(stacked, "free_bytes", lambda mesh: (6_000, 1))
    monkeypatch.setattr(ensemble, "compiled", lambda *arguments: pytest.fail("went on"))
    with pytest.raises(InputError, match=r"got 5 of 0\.0 MiB each, 0\.0 GiB; [1-4] fit, or set train\.ensemble=off"):
        minimise_all(trainings(), CONFIG)


def test_memory_is_that_of_states_records_and_a_step():
    def needed(rows=32, batch=4):
        config, row = dataclasses.replace(CONFIG, batch=batch), jax.ShapeDtypeStruct((4,), np.float32)
        return stacked.member_bytes(Line(), config, jax.ShapeDtypeStruct((), np.float32), rows, 8, row)

    looks, matrix = 1 + 4, 4 * 4 * 4
    # Weights, best weights, two moments; two curves; steps done, in Adam and in its schedule too, and the best loss.
    state = 4 * matrix + 2 * 4 * looks + 4 * 4
    step = needed() - 2 * state - 4 - (32 + 8) * 16
    assert 4 * 16 <= step <= 12 * 4 * 16  # rows of a batch, and what their gradient needs
    assert needed(rows=64) - needed() == 32 * 16 and step < needed(batch=8) - needed() + step <= 2 * step


def test_principal_components_of_zeros_before_the_first_change_nothing():
    x = moving_peaks(20, 0)
    tucker, mixed, most = (joint.start(x, 3, (0.0, 1.0), k) for k in (0, 1, 2))
    assert tucker.codec.principal_PxRxT is None
    models = double.models_of(TINY_CODEC, (9, 14))
    for own, alike in zip((tucker, mixed, most), stacked._alike([tucker, mixed, most]), strict=True):
        assert alike.codec.principal_PxRxT.shape == most.codec.principal_PxRxT.shape
        for codec in (own.codec, alike.codec):
            latents = stages.encode(models, codec, jnp.asarray(x))
            if codec is own.codec:
                wanted = latents, stages.decode(models, codec, latents)
        np.testing.assert_allclose(latents, wanted[0], atol=1e-5)
        np.testing.assert_allclose(stages.decode(models, codec, latents), wanted[1], atol=1e-5)


def test_trained_together_where_it_pays():
    on, off, auto = (TrainConfig(ensemble=word) for word in ("on", "off", "auto"))
    assert ensemble.wanted(on) and not ensemble.wanted(off)
    assert ensemble.wanted(auto) == (jax.default_backend() != "cpu")
    with pytest.raises(InputError, match=r"train\.ensemble: expected one of"):
        TrainConfig(ensemble="maybe")


def test_a_run_of_several_processes_is_described_whole():
    assert not hosts.start() and not hosts.several() and hosts.is_first()
    with pytest.raises(InputError, match="--coordinator: expected host:port"):
        hosts.start(processes=2)
    with pytest.raises(InputError, match="--coordinator: expected host:port, for example"):
        hosts.start("10.0.0.1")
    with pytest.raises(InputError, match="--process: expected 0 to 1 of 2 processes, got 2"):
        hosts.start("10.0.0.1:1234", 2, 2)


def launch(file, *options, devices=1):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(Path(made_trainings.__file__)), str(file), *map(str, options)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def results_of(file, *processes):
    for process in processes:
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0, out
    kept = np.load(file)
    count = 4  # the matrix and the three curves
    return kept, [[kept[f"{i}_{j}"] for j in range(count)] for i in range(len(SIZES))]


def assert_leaves(leaves, wanted):
    for own, pair in zip(leaves, wanted, strict=True):
        for a, b in zip(own, jax.tree.leaves(pair), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_four_devices_give_the_figures_of_one_and_never_wait_for_each_other(alone, tmp_path):
    file = tmp_path / "found.npz"
    kept, leaves = results_of(file, launch(file, devices=4))
    assert kept["devices"] == 4 and len(kept["moved"]) == 0
    assert_leaves(leaves, alone)


def test_two_hosts_give_the_figures_of_one_and_one_of_them_writes(alone, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    folders = [tmp_path / str(i) for i in range(2)]
    for folder in folders:
        folder.mkdir()
    both = [launch(folders[i] / "found.npz", address, 2, i) for i in range(2)]
    kept, leaves = results_of(folders[0] / "found.npz", *both)
    assert kept["devices"] == 2 and "others in process 1 than in process 0: config;" in str(kept["refused"])
    assert_leaves(leaves, alone)
    assert len(list(folders[0].glob("member_*"))) == len(SIZES) and not list(folders[1].iterdir())


@pytest.mark.slow
# A variational latent keeps its transformers, so that something is compared.
@pytest.mark.parametrize("options", [{"kl": 0.1}, {"start": "random"}], ids=["linear", "random"])
def test_codecs_of_several_parts_are_those_that_are_fitted_alone(options):
    fast = TrainConfig(steps=6, batch=8, evaluate_every=3, learning_rate=0.01, validation_series=16)
    shallow = ModelConfig(patch=4, width=8, depth=0, heads=1)
    config = dataclasses.replace(TINY_CODEC, train=fast, model=shallow, **options)
    keys = list(jax.random.split(jax.random.key(0), 2))
    members = [part_of(moving_peaks(n, seed)) for seed, n in enumerate((20, 24))]
    together = ensemble.fit_all(keys, members, config)
    for key, part, (codec, curves) in zip(keys, members, together, strict=True):
        other, others = double.fit(key, part, config)
        assert double.residual_on(other) and curves.keys() == others.keys()
        for name, one in curves.items():
            np.testing.assert_allclose(one.validation_loss_E, others[name].validation_loss_E, rtol=2e-4)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4), codec, other)
