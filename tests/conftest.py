"""Small data and a small method that every test module can use."""

import os
import tempfile
from pathlib import Path

# Compiling dominates these tests. Compile quickly rather than well: without the emitters of fused loops, in one piece,
# it takes a third of the time. Share what is compiled, however small, with the other workers and the runs they start.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    + " --xla_cpu_multi_thread_eigen=false"  # a worker a core: more threads would only wait for each other
)
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", tempfile.mkdtemp(prefix="gcims_jax_tests_"))
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"

import jax
import numpy as np
import pytest
from hypothesis import settings

from experiments.method import Method
from gcims_jax.codec.double import CodecConfig
from gcims_jax.codec.model import ModelConfig
from gcims_jax.codec.train import TrainConfig
from gcims_jax.evaluation.classify import ClassifierConfig
from gcims_jax.phase import registration
from gcims_jax.records import Axis, Records

# Registrations run for longer than they compile: one level up they are four times as fast.
registration._register_batch = jax.jit(
    registration._register_batch.__wrapped__,
    static_argnums=0,
    compiler_options={"xla_backend_optimization_level": 1},
)

# The same examples every time, so that a test that passed still passes; HYPOTHESIS_PROFILE=search, or
# --hypothesis-profile=search, looks for new ones.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("search", derandomize=False, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


def pytest_collection_modifyitems(items):
    """Files with slow tests first, or one worker would still be at such a file long after the others are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

TINY_TRAIN = TrainConfig(steps=6, batch=8, evaluate_every=3, validation_series=16)
TINY_CODEC = CodecConfig(latent=3, model=ModelConfig(patch=4, width=8, depth=1, heads=2), train=TINY_TRAIN)
TINY_METHOD = Method(codec=TINY_CODEC, classifier=ClassifierConfig(components=5, trees=10))


def make_records(counts=(12, 8), r=9, t=14, seed=0, groups=None) -> Records:
    """Noise around one peak per class; easy to tell apart."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([f"class_{k}" for k in range(len(counts))], counts)
    values = rng.normal(0.0, 1.0, (len(labels), r, t)).astype(np.float32)
    for k in range(len(counts)):
        values[labels == f"class_{k}", 2 + k, 3 + 2 * k] += 30.0
    return Records(values, Axis("retention_time", "s", np.arange(r) * 0.5), Axis("drift_time", "ms", np.arange(t) * 0.1),
                   labels, groups=groups)  # fmt: skip


@pytest.fixture
def records() -> Records:
    return make_records()
