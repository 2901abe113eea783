"""How long does the codec train? Against the paper's recipe in JAX and the same networks in PyTorch, one run, ratios.

python -m benchmarks.training

Trains on one fold of the quickstart's simulated records and takes a few minutes. PyTorch 2 is optional (``pip install
torch``); its rows are left out where it is missing. Times exclude compiling, which has a row of its own, and looks at
held-out records.
"""

import argparse
import dataclasses
import importlib.util
import time

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import training_torch
from configs import quickstart
from experiments import reconstruction, settings
from gcims_jax import linalg
from gcims_jax.codec import double, joint, stages, train
from gcims_jax.codec import linear as linear_codec
from gcims_jax.codec.double import CodecConfig
from gcims_jax.parts import Part
from gcims_jax.preprocessing import scale

TARGETS = (1.0, 0.9)
PAPER_STEPS = (100, 400, 1600)  # each is compiled anew


def main() -> None:
    """Prints tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ensembles", type=int, nargs="*", default=[1, 5, 25], help="members trained together")
    parser.add_argument("--budget", type=float, default=120.0, help="seconds that each slow rival may take")
    parser.add_argument("--latent", type=int, default=16, help="d; from 32 on the codec starts at Tucker-2, not at PCA")
    parser.add_argument("--only-ensembles", action="store_true", help="leaves out the race to Tucker-2's error")
    options = parser.parse_args()

    recipe = quickstart.get_config()
    recipe.codec.latent = options.latent
    setup = settings.prepare(recipe)
    compressed_NxRxT = scale.compress(setup.compression, setup.records.values)
    data = reconstruction.data_of(setup, reconstruction.splits(setup)[0], compressed_NxRxT, None)
    train_NxRxT, test_MxRxT = data.train.x_NxRxT, data.test.x_NxRxT
    config = setup.method.codec
    start = time.perf_counter()
    basis = linalg.two_sided_basis(train_NxRxT, config.latent)
    linear_seconds = time.perf_counter() - start
    linear = float(np.mean((linalg.reconstruct_two_sided(basis, test_MxRxT) - test_MxRxT) ** 2))
    n, r, t = train_NxRxT.shape
    print(f"{settings.describe_device()}; {n} training records of {r} × {t}, d = {config.latent}; ", end="")
    print(f"Tucker-2: error {linear:.3g} in {linear_seconds:.2f} s\n")

    if not options.only_ensembles:
        _race(config, data.train, test_MxRxT, linear, options.budget)
    _throughput(config, train_NxRxT, options.ensembles)


def _race(config: CodecConfig, part: Part, test_MxRxT: np.ndarray, linear: float, budget: float) -> None:
    """Seconds to Tucker-2's error, each row printed when it is there, so that what is cut off leaves what it measured."""
    print(
        "| trained | compiling, s | s to Tucker-2's error | s to 0.9 of it | times ours, to the lowest that ours reaches | ended at | after, s |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    ours = _this_codec(config, part, test_MxRxT, linear)
    _print_row("this codec", ours, ours)
    if importlib.util.find_spec("torch"):
        for compiled in (False, True):
            row = training_torch.train(
                config.model, config.latent, part.x_NxRxT, test_MxRxT,
                [target * linear for target in TARGETS], config.train.batch, budget, compiled=compiled,
            )  # fmt: skip
            _print_row(f"PyTorch, plain, {'compiled' if compiled else 'eager'}", row, ours)
    _print_row("paper's recipe, JAX", _paper(config, part, test_MxRxT, linear, budget), ours)
    print()


def _this_codec(config: CodecConfig, part: Part, test_MxRxT: np.ndarray, linear: float) -> dict:
    train_NxRxT = part.x_NxRxT
    task = joint.RecordTask(double.models_of(config, train_NxRxT.shape[1:]), config.loss, config.perturb, 0.0)
    begin = time.perf_counter()
    columns = linear_codec.choose(jax.random.key(0), part, config.latent).columns
    fixed = joint.start(train_NxRxT, config.latent, (0.0, 1.0), columns)
    spent = time.perf_counter() - begin
    every = 10
    state, examples, compile_seconds = _ready(task, config.train, fixed, train_NxRxT, every)
    key, reached = jax.random.key(1), {}

    def note() -> float:
        error = _error(config, joint.with_params(fixed.codec, state.params), test_MxRxT)
        for target in TARGETS:
            # Step 0 is the linear codec to rounding, so equal errors count as reached.
            if error <= target * linear * (1.0 + 1e-4):
                reached.setdefault(target, spent)
        return error

    error = note()
    while int(state.step) < config.train.steps:
        begin = time.perf_counter()
        state = train.jitted_train_steps(task, config.train, every, state, key, fixed, examples)
        jax.block_until_ready(state.params)
        spent += time.perf_counter() - begin
        error = note()
    return {"reached": reached, "compile": compile_seconds, "end": spent, "error": error / linear}


def _ready(
    task: train.Task, config: train.TrainConfig, fixed: object, rows: np.ndarray, every: int
) -> tuple[train.TrainState, train.Examples, float]:
    """A fresh state with everything compiled, and the seconds that compiling took."""
    begin = time.perf_counter()
    state = train.jitted_init(jax.random.key(0), task, config)
    examples = train.pad(rows, task.quantum)
    warm = train.jitted_train_steps(task, config, every, state, jax.random.key(1), fixed, examples)
    jax.block_until_ready(warm.params)
    return state, examples, time.perf_counter() - begin


def _paper(config: CodecConfig, part: Part, test_MxRxT: np.ndarray, linear: float, budget: float) -> dict:
    """Stage after stage from random weights; each number of steps is a training of its own, for its schedule ends there."""
    paper = reconstruction.paper_codec(config)
    reached, error, spent, compile_seconds = {}, np.nan, 0.0, 0.0
    for steps in PAPER_STEPS:
        short = dataclasses.replace(paper, train=dataclasses.replace(paper.train, steps=steps))
        begin = time.perf_counter()
        double.fit(jax.random.key(0), part, short)
        first = time.perf_counter() - begin
        begin = time.perf_counter()
        fitted, _ = double.fit(jax.random.key(0), part, short)
        spent = time.perf_counter() - begin
        compile_seconds = compile_seconds or first - spent
        error = float(np.mean((double.reconstruct(fitted, test_MxRxT, short) - test_MxRxT) ** 2))
        for target in TARGETS:
            if error <= target * linear:
                reached.setdefault(target, spent)
        if set(TARGETS) <= set(reached) or 2.0 * spent > budget:
            break
    return {"reached": reached, "compile": compile_seconds, "end": spent, "error": error / linear}


def _error(config: CodecConfig, fitted: stages.Codec, x_NxRxT: np.ndarray) -> float:
    return float(np.mean((double.reconstruct(fitted, x_NxRxT, config) - x_NxRxT) ** 2))


def _print_row(name: str, row: dict, ours: dict) -> None:
    cells = [f"{row['reached'][t]:.2f}" if t in row["reached"] else "never" for t in TARGETS]
    # The seconds of a rival that never gets there are a bound.
    lowest = min(ours["reached"])
    slower = row["reached"].get(lowest, row["end"]) / ours["reached"][lowest]
    factor = f"{'' if lowest in row['reached'] else '> '}{slower:.1f}"
    print(
        f"| {name} | {row['compile']:.1f} | {cells[0]} | {cells[1]} | {factor} | {row['error']:.2f} of Tucker-2's "
        f"| {row['end']:.1f} |",
        flush=True,
    )


def _throughput(config: CodecConfig, train_NxRxT: np.ndarray, ensembles: list[int]) -> None:
    """Series per second and share of the matrix-multiply rate, members of an ensemble trained together."""
    rates = {name: _matmul_rate(dtype) for name, dtype in (("f32", jnp.float32), ("bf16", jnp.bfloat16))}
    print("Matrix multiply, 1024³: " + ", ".join(f"{name} {rate / 1e9:.0f} GFLOP/s" for name, rate in rates.items()))
    shape = train_NxRxT.shape[1:]
    task = joint.RecordTask(double.models_of(config, shape), config.loss, config.perturb, 0.0)
    fixed = joint.start(train_NxRxT, config.latent, (0.0, 1.0), 0)
    examples = train.pad(train_NxRxT, task.quantum)
    steps = 5

    def steps_of(state: train.TrainState, key: jax.Array) -> train.TrainState:
        return train.train_steps(task, config.train, steps, state, key, fixed, examples)

    single = jax.jit(jax.grad(lambda p, x: task.losses(p, fixed, x, jax.random.key(0)).mean())).lower(
        task.init(jax.random.key(0)), train_NxRxT[: config.train.batch]
    )
    flops = single.compile().cost_analysis()["flops"]
    print(
        "\n| members | steps/s, all together | drift series/s | share of the f32 rate | times one by one | compiling, s |"
    )
    print("|---|---|---|---|---|---|")
    alone = None
    for members in ensembles:
        keys = jax.random.split(jax.random.key(0), members)
        try:
            begin = time.perf_counter()
            states = jax.jit(jax.vmap(lambda key: train.init(key, task, config.train)))(keys)
            compiled = jax.jit(jax.vmap(steps_of)).lower(states, keys).compile()
            compiling = time.perf_counter() - begin
            states = jax.block_until_ready(compiled(states, keys))
            begin = time.perf_counter()
            jax.block_until_ready(compiled(states, keys))
        except jax.errors.JaxRuntimeError as error:
            print(f"| {members} | out of memory: {str(error).splitlines()[0][:60]} | | | | |")
            break
        rate = members * steps / (time.perf_counter() - begin)
        alone = alone or rate / members
        series = rate * config.train.batch * shape[0]
        share = rate * flops / rates["f32"]
        print(f"| {members} | {rate:.1f} | {series:.0f} | {100 * share:.0f} % | {rate / alone:.2f} | {compiling:.1f} |")


def _matmul_rate(dtype: object, size: int = 1024, repeats: int = 8) -> float:
    """Operations per second of one large matrix multiply, the best of several."""
    a = jnp.ones((size, size), dtype)
    multiply = jax.jit(lambda a: a @ a)
    multiply(a).block_until_ready()
    best = np.inf
    for _ in range(repeats):
        begin = time.perf_counter()
        multiply(a).block_until_ready()
        best = min(best, time.perf_counter() - begin)
    return 2.0 * size**3 / best


if __name__ == "__main__":
    main()
