"""Generators of records: latent draws decoded, changed copies, interpolation. One table.

Every entry takes a ``Part`` and gives a ``Part``: ``fit(key, part, **options) -> Learned`` and ``sample(key, learned,
labels_S)``, whose records carry the origin of all that the generator has learned from.
"""

from gcims_jax.generators import controls, double_autoencoder, phase_amplitude, warps
from gcims_jax.generators.codecs import FittedCodec, Tucker
from gcims_jax.generators.contract import Description, Generator
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
    "raw_smote": controls.raw_smote,
    "raw_bootstrap": controls.raw_bootstrap,
    "reconstruction": double_autoencoder.reconstruction,
    "double_autoencoder": double_autoencoder.double_autoencoder,
    **{f"latent_{name}": double_autoencoder.latent(name) for name in SAMPLERS},
}

__all__ = ["GENERATORS", "Description", "FittedCodec", "Generator", "Tucker"]
