"""How fast is this device, and how much of it do codecs, draws and registration use? One table and one JSON file.

python -m benchmarks.accelerator

Codecs are those of the quickstart, trained together as ``train.ensemble`` does, on all devices. Rates exclude compiling, which
has a column of its own. The share is of the rate of a large matrix multiply in the same precision, measured here too. ``--tiny``
runs everything in seconds, to see that it runs; its figures mean nothing.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.samplers import latents, seconds
from gcims_jax import parts
from gcims_jax.codec import double, ensemble, joint, stacked
from gcims_jax.codec.double import CodecConfig
from gcims_jax.codec.model import ModelConfig
from gcims_jax.codec.plans import Training
from gcims_jax.codec.train import TrainConfig
from gcims_jax.errors import InputError
from gcims_jax.phase import registration
from gcims_jax.phase.registration import RegistrationConfig
from gcims_jax.samplers import SAMPLERS

# As the quickstart has it: 176 training records, of which 18 are held out.
CODEC = CodecConfig(
    model=ModelConfig(patch=32), train=TrainConfig(batch=4, optimiser="muon", learning_rate=2e-2, weight_decay=0.03)
)
TINY_CODEC = CodecConfig(latent=2, model=ModelConfig(patch=8, width=4, depth=0, heads=1), train=TrainConfig(batch=2))


class Sizes(NamedTuple):
    """What is measured.

    Attributes:
      codec: networks and batch.
      records, shape: of the training set.
      members: numbers of codecs trained together.
      steps: timed at once.
      matmul: side of the matrices.
      latent, draws: of the samplers.
      registered: records that are registered.
      registration: how.
    """

    codec: CodecConfig
    records: int
    shape: tuple[int, int]
    members: tuple[int, ...]
    steps: int
    matmul: int
    latent: int
    draws: int
    registered: int
    registration: RegistrationConfig


FULL = Sizes(CODEC, 176, (103, 104), (1, 5, 25, 100), 10, 4096, 16, 100_000, 220, RegistrationConfig())
TINY = Sizes(TINY_CODEC, 8, (8, 8), (2,), 1, 64, 2, 12, 2, RegistrationConfig(2, 2, smoothing=(0.06,), iterations=1))


def main(argv: list[str] | None = None) -> None:
    """Prints the table, row after row, and writes the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="only to see that it runs")
    parser.add_argument("--members", type=int, nargs="+", help="numbers of codecs trained together; default 1 5 25 100")
    parser.add_argument("--output", type=Path, default=Path("accelerator.json"), help="where the same figures go")
    options = parser.parse_args(argv)
    sizes = TINY if options.tiny else FULL
    # A CPU reaches its rate at a smaller size already.
    side = min(sizes.matmul, 1024) if jax.default_backend() == "cpu" else sizes.matmul
    sizes = sizes._replace(members=tuple(options.members or sizes.members), matmul=side)

    device = jax.devices()[0]
    about = {
        "device": f"{jax.device_count()} × {device.device_kind} ({device.platform})",
        "jax": jax.__version__,
        "tiny": options.tiny,
    }
    print(
        f"{about['device']}, JAX {jax.__version__}\n\n| what | rate | unit | notes | compiling, s | peak memory, GiB |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    rows: list[dict[str, Any]] = []

    def row(what: str, rate: float, unit: str, compiling: float | None = None, **notes: Any) -> None:
        rows.append({"what": what, "rate": rate, "unit": unit, "compiling": compiling, "peak": _peak(), **notes})
        words = ", ".join(
            f"{k.replace('_', ' ')} {v:.3g}" if isinstance(v, float) else f"{v}" for k, v in notes.items()
        )
        compiled = "" if compiling is None else f"{compiling:.1f}"
        print(f"| {what} | {rate:.3g} | {unit} | {words} | {compiled} | {_peak():.2f} |", flush=True)

    peak = _matmul(sizes.matmul, jnp.float32)
    row(f"matrix multiply, {sizes.matmul}³, f32", peak / 1e9, "GFLOP/s")
    row(f"matrix multiply, {sizes.matmul}³, bf16", _matmul(sizes.matmul, jnp.bfloat16) / 1e9, "GFLOP/s")
    _codecs(sizes, peak * jax.device_count(), row)
    _draws(sizes, row)
    _registration(sizes, row)
    options.output.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")
    print(f"\n{options.output}")


def _peak() -> float:
    """Most memory so far in GiB: of the device, or of this process where the device does not say."""
    stats = jax.devices()[0].memory_stats() or {}
    return stats.get("peak_bytes_in_use", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024) / 2**30


def _matmul(size: int, dtype: Any) -> float:
    """Operations per second of one large matrix multiply."""
    a = jnp.ones((size, size), dtype)
    multiply = jax.jit(lambda a: a @ a)
    return 2.0 * size**3 / seconds(lambda: multiply(a).block_until_ready())


def _codecs(sizes: Sizes, peak: float, row: Callable[..., None]) -> None:
    """Steps of codecs trained together; the first number of members is what the others are compared with."""
    config, (r, t) = sizes.codec, sizes.shape
    x_NxRxT = np.random.default_rng(0).random((sizes.records, r, t), np.float32)
    task = joint.RecordTask(double.models_of(config, sizes.shape), config.loss, config.perturb, 0.0)
    held = max(1, sizes.records // 10)
    fixed = joint.start(x_NxRxT[held:], config.latent, (0.0, 1.0), 0)
    # As counted by the compiler for one step of one codec; the optimiser is not among it.
    gradient = jax.jit(jax.grad(lambda p, x: task.losses(p, fixed, x, jax.random.key(0)).mean()))
    batch = x_NxRxT[: config.train.batch]
    flops = gradient.lower(jax.eval_shape(task.init, jax.random.key(0)), batch).compile().cost_analysis()["flops"]
    alone = None
    for members in sizes.members:
        trainings = [
            Training("joint", "codec", key, task, x_NxRxT[held:], x_NxRxT[:held], fixed)
            for key in jax.random.split(jax.random.key(0), members)
        ]
        mesh = stacked.mesh_of(members)
        data = stacked.stack(trainings, -members % mesh.size)
        try:
            each = stacked.check_memory(task, config.train, data, members, mesh)
        except InputError as error:
            print(f"| {members} codecs | | | {error} | | |", flush=True)
            break
        place = stacked.placer(mesh)
        keys, fixed_M, examples, validation = jax.tree.map(place, data)
        begin, _, advance = ensemble.compiled(mesh, task, config.train)
        start = time.perf_counter()
        state, step_keys = begin(keys)
        active = place(np.ones(len(step_keys), bool))
        arguments = (step_keys, fixed_M, examples, validation, active)
        run = advance.lower(sizes.steps, state, *arguments).compile()
        compiling = time.perf_counter() - start
        reserved = run.memory_analysis()
        state = jax.block_until_ready(run(state, *arguments))
        start = time.perf_counter()
        jax.block_until_ready(run(state, *arguments))
        rate = members * sizes.steps / (time.perf_counter() - start)
        alone = alone or rate
        row(
            f"codecs, {members} together",
            rate,
            "steps/s",
            compiling,
            series_per_s=rate * config.train.batch * r,
            GFLOP_per_s=rate * flops / 1e9,
            share_of_matrix_multiply=rate * flops / peak,
            times_one_by_one=rate / alone,
            reckoned_MiB_each=each / 2**20,
            compiler_MiB_each=(reserved.temp_size_in_bytes + reserved.argument_size_in_bytes) / 2**20 / members,
        )


def _draws(sizes: Sizes, row: Callable[..., None]) -> None:
    """Draws of latents against the normals that they are made of, and against a full covariance."""
    part, size = parts.from_arrays(*latents(sizes.latent, 20)), sizes.latent**2
    labels_S = jnp.asarray(np.arange(sizes.draws) % 6)
    key = jax.random.key(0)
    state = SAMPLERS["rda"].fit(part, ridge=0.1, alpha=0.5)
    mean, covariance = jnp.zeros(size), jnp.eye(size) + 0.1
    runs = {
        "normals alone": jax.jit(lambda key: jax.random.normal(key, (sizes.draws, size))),
        "draws, rda": jax.jit(lambda key: SAMPLERS["rda"].sample(key, state, labels_S)),
        "jax.random.multivariate_normal": jax.jit(
            lambda key: jax.random.multivariate_normal(key, mean, covariance, (sizes.draws,))
        ),
    }
    floor = None
    for name, run in runs.items():
        start = time.perf_counter()
        compiled = run.lower(key).compile()
        compiling = time.perf_counter() - start
        took = seconds(lambda c=compiled: jax.block_until_ready(c(key)))
        floor = floor or took
        rate = sizes.draws / took
        row(
            f"{name}, P = {size}",
            rate,
            "draws/s",
            compiling,
            GB_per_s=4 * size * rate / 1e9,
            times_normals=took / floor,
        )


def _registration(sizes: Sizes, row: Callable[..., None]) -> None:
    """Records brought into step with their template."""
    r, t = sizes.shape
    rng = np.random.default_rng(0)
    slow, fast = np.linspace(0, 1, r)[:, None], np.linspace(0, 1, t)
    at_Nx2 = 0.5 + 0.03 * rng.normal(size=(sizes.registered, 2))
    x_NxRxT = np.stack([np.exp(-(((slow - a) / 0.1) ** 2) - ((fast - b) / 0.1) ** 2) for a, b in at_Nx2])
    part = parts.from_arrays(x_NxRxT.astype(np.float32), np.zeros(sizes.registered, int))
    times = []
    for _ in range(2):
        start = time.perf_counter()
        jax.block_until_ready(registration.fit(part, sizes.registration))
        times.append(time.perf_counter() - start)
    row(f"registration, {r} × {t}", sizes.registered / times[1], "records/s", times[0] - times[1])


if __name__ == "__main__":
    main()
