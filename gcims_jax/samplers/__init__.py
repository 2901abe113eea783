"""Latent samplers: ``Sampler(fit, sample, log_density)`` triples of pure functions, and the one table of them.

``fit(latents_NxDxD, labels_N, **options) -> state`` takes training latents with integer labels; the state is a
pytree. ``sample(key, state, labels_S) -> latents_SxDxD`` gives one draw for each requested label and is jittable.
Same key, same draw. ``options(name)`` tells which options a sampler takes.
"""

import inspect

from gcims_jax.samplers import copula, family, flow, gaussian_cholesky, gmm, matrix_normal, smote, vae
from gcims_jax.samplers.contract import Sampler

SAMPLERS: dict[str, Sampler] = {
    "gaussian_cholesky": Sampler(gaussian_cholesky.fit, gaussian_cholesky.sample, gaussian_cholesky.log_density),
    "gaussian": Sampler(family.fit_gaussian, family.sample, family.log_density),
    "pooled": Sampler(family.fit_pooled, family.sample, family.log_density),
    "rda": Sampler(family.fit_rda, family.sample, family.log_density),
    "borrowed": Sampler(family.fit_borrowed, family.sample, family.log_density),
    "kde": Sampler(family.fit_kde, family.sample, family.log_density),
    "matrix_normal": Sampler(matrix_normal.fit, matrix_normal.sample, matrix_normal.log_density),
    "gmm": Sampler(gmm.fit, gmm.sample),
    "copula": Sampler(copula.fit, copula.sample),
    "smote": Sampler(smote.fit, smote.sample),
    "vae": Sampler(vae.fit, vae.sample),
    "flow": Sampler(flow.fit, flow.sample),
}


def options(name: str) -> tuple[str, ...]:
    """Names of the options that a sampler's ``fit`` takes."""
    parameters = inspect.signature(SAMPLERS[name].fit).parameters.values()
    return tuple(p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)
