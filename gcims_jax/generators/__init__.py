"""Generators of records: latent draws decoded, changed copies, interpolation. One table."""

from gcims_jax.generators import controls, latent, phase_amplitude, warps
from gcims_jax.generators.contract import FitCodec, FittedCodec, Generator
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
    "reconstruction": latent.reconstruction,
    **{f"latent_{name}": latent.latent(name) for name in SAMPLERS},
}

__all__ = ["GENERATORS", "FitCodec", "FittedCodec", "Generator"]
