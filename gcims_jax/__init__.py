"""Synthetic GC-IMS records and other labelled 2D spectra, and an honest answer whether they help a classifier.

>>> import gcims_jax as gj
>>> records = gj.simulate(n_retention=24, n_drift=40, class_sizes={"Escherichia coli": 6, "Klebsiella pneumoniae": 6})
>>> state = gj.fit(records, "warp", seed=0)
>>> gj.sample(state, per_class=5, seed=1)
<10 records of 24 retention time [s] × 40 drift time [ms] points, 2 classes>

``gj.read`` and ``gj.write`` know the files, ``gj.Records.from_arrays(X, y, groups)`` makes records of arrays, and
``gj.evaluate(records)`` tells whether synthetic ones help.

A record is one measurement: values on a slow axis (retention time) and a fast axis (drift time), with a label. A group is what
records of one physical sample, batch or day share; it is never split. A generator makes synthetic records from those that it has
learned from. A candidate is a generator with its options, under test. A dose is how many synthetic records are added. A fold
is a split into records to learn from and records to test with.

Arrays that cross a function's border carry their dimensions in the name (``x_NxRxT``, ``latents_NxDxD``):

  N  records (real)
  S  synthetic records (draws)
  R  points on the slow axis: retention time (GC)
  T  points on the fast axis: drift time (IMS)
  d  latent dimension of one series; a record's latent matrix is d×d, P = d²  (D in array names)
  K  classes
  F  members of an ensemble (folds × repeats × seeds) trained together
  J  folds of a protocol, over all repeats
  M  series;  L  points of a series (or of an axis before compression);  B  series in a batch
  C  compounds of the simulator;  E  looks at the validation series in training
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcims_jax.answer import Answer, evaluate
    from gcims_jax.codec.double import CodecConfig
    from gcims_jax.errors import InputError
    from gcims_jax.evaluation.splits import train_test_split
    from gcims_jax.generators.codecs import Tucker
    from gcims_jax.io import read, write
    from gcims_jax.records import Axis, Records
    from gcims_jax.simulation import simulate
    from gcims_jax.synthesis import find_nuisances, fit, sample

__version__ = "0.1.0"
__all__ = [
    "Answer", "Axis", "CodecConfig", "InputError", "Records", "Tucker", "evaluate", "find_nuisances", "fit", "read", "sample",
    "simulate", "train_test_split", "write",
]  # fmt: skip

# Where each name lives. They are imported when they are first used, so that importing the package costs nothing (PEP 562).
_HOMES = {
    "Answer": "answer",
    "Axis": "records",
    "CodecConfig": "codec.double",
    "InputError": "errors",
    "Records": "records",
    "Tucker": "generators.codecs",
    "evaluate": "answer",
    "find_nuisances": "synthesis",
    "fit": "synthesis",
    "read": "io",
    "sample": "synthesis",
    "simulate": "simulation",
    "train_test_split": "evaluation.splits",
    "write": "io",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        from gcims_jax.errors import suggest

        raise AttributeError(f"module 'gcims_jax' has no attribute {name!r}" + suggest(name, _HOMES))
    value = getattr(importlib.import_module(f"gcims_jax.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
