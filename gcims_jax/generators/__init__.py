"""Generators of records: latent draws decoded, changed copies, interpolation. One table.

Every entry takes a ``Part`` and gives a ``Part``: ``fit(key, part, **options) -> Learned`` and ``sample(key, learned,
labels_S)``, whose records carry the origin of all that the generator has learned from.
"""

from collections.abc import Mapping
from typing import Any

import jax

from gcims_jax.errors import InputError, suggest
from gcims_jax.generators import controls, double_autoencoder, nuisances, phase_amplitude, warps
from gcims_jax.generators.codecs import FittedCodec, Tucker
from gcims_jax.generators.contract import Description, Generator
from gcims_jax.parts import Learned, Part
from gcims_jax.samplers import SAMPLERS

GENERATORS: dict[str, Generator] = {
    "duplicate": controls.duplicate,
    "noise": controls.noise,
    "shift": controls.shift,
    "scale": controls.scale,
    "mask": controls.mask,
    "mix": controls.mix,
    "warp": warps.warp,
    "tuned_warp": warps.tuned_warp,
    "phase_amplitude": phase_amplitude.phase_amplitude,
    "nuisances": nuisances.nuisances,
    "raw_smote": controls.raw_smote,
    "raw_bootstrap": controls.raw_bootstrap,
    "reconstruction": double_autoencoder.reconstruction,
    "double_autoencoder": double_autoencoder.double_autoencoder,
    **{f"latent_{name}": double_autoencoder.latent(name) for name in SAMPLERS},
}

__all__ = ["GENERATORS", "Description", "FittedCodec", "Generator", "Tucker", "learn"]


def learn(key: jax.Array, name: str, part: Part, about: Mapping[str, Any], options: Mapping[str, Any]) -> Learned:
    """A generator of the table, fitted.

    Args:
      key: of everything random.
      name: a key of ``GENERATORS``.
      part: training records on the [0, 1] scale.
      about: options that whoever fits sets for those that have them, and leaves out for others.
      options: what the user says; stands above ``about``.

    Raises:
      InputError: an unknown name or option, with the nearest.
    """
    if name not in GENERATORS:
        raise InputError(
            f"generator: expected one of {', '.join(GENERATORS)}, got {name!r}" + suggest(name, GENERATORS)
        )
    known = GENERATORS[name].options
    given = {option: value for option, value in about.items() if option in known}
    return GENERATORS[name].fit(key, part, **{**given, **options})
