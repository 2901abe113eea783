"""Time and memory of drawing latent matrices: the family against its floor, the Cholesky factors and other libraries.

    python -m benchmarks.samplers

For every P = d² and N records a class (6 classes, 1000 draws): the floor is drawing the standard normals alone, S×P of
them. Ratios compare with it within the run; each time is the best of several. ``torch`` and ``numpy`` draw each class
in turn from a ready factor or covariance. What would need more than ``--memory`` GiB is skipped and says so. On an accelerator
the same table also gives the bandwidth of the draws that are written.
"""

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax import parts
from gcims_jax.samplers import SAMPLERS, family

CLASSES, DRAWS = 6, 1000


def seconds(run: Callable[[], Any], repeats: int = 7, budget: float = 3.0) -> float:
    """Best wall time of a call after one that compiles; fewer repeats where one takes long."""
    run()
    best, spent = np.inf, 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        took = time.perf_counter() - start
        best, spent = min(best, took), spent + took
        if spent > budget:
            break
    return best


def latents(d: int, per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """Random latents of six classes with a decaying spectrum."""
    rng = np.random.default_rng(0)
    labels_N = np.repeat(np.arange(CLASSES), per_class)
    rows_NxP = rng.normal(size=(len(labels_N), d * d)).astype(np.float32) / np.sqrt(1.0 + np.arange(d * d))
    return (rows_NxP + labels_N[:, None]).reshape(-1, d, d).astype(np.float32), labels_N


def main() -> None:
    """Prints one Markdown table and the fit times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latents", type=int, nargs="+", default=[16, 32, 64, 128], help="values of d")
    parser.add_argument("--records", type=int, nargs="+", default=[20, 50, 200], help="records of a class")
    parser.add_argument("--memory", type=float, default=2.0, help="GiB that one method may take")
    parser.add_argument("--peers", type=int, default=1024, help="largest P at which numpy and torch draw")
    arguments = parser.parse_args()
    device = jax.devices()[0]
    print(f"JAX {jax.__version__} on {device.platform} ({device.device_kind}); {CLASSES} classes, {DRAWS} draws\n")
    columns = [
        "P",
        "N a class",
        "normals ms",
        "gaussian",
        "pooled",
        "kde",
        "gaussian_cholesky",
        "jax mvn",
        "numpy",
        "torch",
    ]
    columns += ["fit gaussian ms", "fit with choice ms", "fit cholesky ms", "state MiB", "GB/s"]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for d in arguments.latents:
        for per_class in arguments.records:
            print("| " + " | ".join(row(d, per_class, arguments)) + " |", flush=True)
    print(f"\npeak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def row(d: int, per_class: int, arguments: argparse.Namespace) -> list[str]:
    """One line: P, N, the floor, ratios to it, fit times and the memory of the family's state."""
    size = d * d
    part = parts.from_arrays(*latents(d, per_class))
    labels_S = jnp.asarray(np.arange(DRAWS) % CLASSES)
    key = jax.random.key(0)
    normals = jax.jit(lambda key: jax.random.normal(key, (DRAWS, size)))
    floor = seconds(lambda: normals(key).block_until_ready())
    # Factors in float32, float64 work of one class, as the sampler's own check counts them.
    factors_fit = (4 * CLASSES + 32) * size**2 / 2**30 <= arguments.memory

    def draw(name: str, **options: Any) -> tuple[float, float, Any]:
        start = time.perf_counter()
        state = jax.block_until_ready(SAMPLERS[name].fit(part, **options))
        fitted = time.perf_counter() - start
        return seconds(lambda: SAMPLERS[name].sample(key, state, labels_S).block_until_ready()), fitted, state

    gaussian, fit_seconds, state = draw("gaussian", ridge=0.1)
    pooled, _, _ = draw("pooled", ridge=0.1)
    kde, _, _ = draw("kde", ridge=0.1, bandwidth=0.5)
    start = time.perf_counter()
    family.fit_gaussian(part)
    choice_seconds = time.perf_counter() - start
    times = {"gaussian": gaussian, "pooled": pooled, "kde": kde}
    cholesky_fit = np.nan
    if factors_fit:
        times["gaussian_cholesky"], cholesky_fit, factors = draw("gaussian_cholesky", ridge=0.1)
        covariance_KxPxP = factors.lower_KxPxP @ jnp.swapaxes(factors.lower_KxPxP, 1, 2)
        if size <= arguments.peers:
            times |= peers(np.asarray(factors.mean_KxDxD).reshape(CLASSES, size), np.asarray(covariance_KxPxP), factors)
    ratios = [
        f"{times[name] / floor:.2f}" if name in times else "–"
        for name in ("gaussian", "pooled", "kde", "gaussian_cholesky", "jax mvn", "numpy", "torch")
    ]
    memory = sum(leaf.nbytes for leaf in jax.tree.leaves(state)) / 2**20
    fits = [f"{1000 * fit_seconds:.0f}", f"{1000 * choice_seconds:.0f}"]
    fits += [
        f"{1000 * cholesky_fit:.0f}" if factors_fit else f"needs {4 * CLASSES * size**2 / 2**30:.1f} GiB of factors"
    ]
    bandwidth = 4 * DRAWS * size / gaussian / 1e9
    return [str(size), str(per_class), f"{1000 * floor:.1f}", *ratios, *fits, f"{memory:.1f}", f"{bandwidth:.2f}"]


def peers(mean_KxP: np.ndarray, covariance_KxPxP: np.ndarray, factors: Any) -> dict[str, float]:
    """Times of the same draws by other libraries, class by class."""
    per_class, size = DRAWS // CLASSES, mean_KxP.shape[1]
    key = jax.random.key(0)
    jax_mvn = jax.jit(
        lambda key: [
            jax.random.multivariate_normal(jax.random.fold_in(key, k), mean_KxP[k], covariance_KxPxP[k], (per_class,))
            for k in range(CLASSES)
        ]
    )
    rng = np.random.default_rng(0)
    times = {
        "jax mvn": seconds(lambda: jax.block_until_ready(jax_mvn(key))),
        "numpy": seconds(
            lambda: [
                rng.multivariate_normal(mean_KxP[k], covariance_KxPxP[k], per_class, method="cholesky")
                for k in range(CLASSES)
            ]
        ),
    }
    try:
        import torch
    except ImportError:
        return times
    lower_KxPxP = torch.from_numpy(np.array(factors.lower_KxPxP)) + 1e-6 * torch.eye(size)
    normals = [
        torch.distributions.MultivariateNormal(torch.from_numpy(mean_KxP[k].copy()), scale_tril=lower_KxPxP[k])
        for k in range(CLASSES)
    ]
    times["torch"] = seconds(lambda: [normal.sample((per_class,)) for normal in normals])
    return times


if __name__ == "__main__":
    main()
