"""Latent samplers: ``Sampler(fit, sample, log_density)`` triples of pure functions, and the one table of them.

``fit(part, **options) -> state`` takes a part whose values are training latents N×d×d, with integer labels and groups; the
state is a pytree. ``sample(key, state, labels_S) -> latents_SxDxD`` gives one draw for each requested label and is jittable.
Same key, same draw. ``options(name)`` tells which options a sampler takes;
``choose_held_out`` turns options to be chosen into numbers by latents that no codec learned from.
"""

import functools

from gcims_jax.samplers import copula, family, flow, gaussian_cholesky, gmm, matrix_normal, smote, vae
from gcims_jax.samplers.contract import Sampler
from gcims_jax.samplers.cross_fit import choose_held_out
from gcims_jax.samplers.shrinkage import at_edge

__all__ = ["SAMPLERS", "Sampler", "at_edge", "choose_held_out", "options"]

SAMPLERS: dict[str, Sampler] = {
    "gaussian_cholesky": Sampler(gaussian_cholesky.fit, gaussian_cholesky.sample, gaussian_cholesky.log_density),
    **{
        name: Sampler(fit, family.sample, family.log_density, functools.partial(family.rules, name))
        for name, fit in family.MEMBERS.items()
    },
    "matrix_normal": Sampler(matrix_normal.fit, matrix_normal.sample, matrix_normal.log_density),
    "gmm": Sampler(gmm.fit, gmm.sample),
    "copula": Sampler(copula.fit, copula.sample),
    "smote": Sampler(smote.fit, smote.sample),
    "vae": Sampler(vae.fit, vae.sample),
    "flow": Sampler(flow.fit, flow.sample),
}


def options(name: str) -> tuple[str, ...]:
    """Names of the options that a sampler's ``fit`` takes."""
    return tuple(SAMPLERS[name].options)
