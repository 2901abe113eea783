"""Draws in a codec's latent space, decoded: the paper's generator (arXiv 2502.13183), with any codec and any sampler.

How much a sampler shrinks, pools and smooths is chosen on latents of groups that neither it nor the codec has learned from:
the latents of a codec's own training records lie closer together than those of others. For that the linear start of the
codec is fitted without a split of the groups, so that a choice costs no training.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from gcims_jax import samplers
from gcims_jax.batches import traced
from gcims_jax.generators import codecs
from gcims_jax.generators.codecs import CodecOption, FittedCodec, Tucker
from gcims_jax.generators.contract import (
    Description,
    Generator,
    Pool,
    check_labels,
    make,
    numpy_rng,
    pick,
    take,
)
from gcims_jax.generators.groups import split_groups
from gcims_jax.options import Rules, count, none, word
from gcims_jax.parts import Learned, Part
from gcims_jax.samplers import SAMPLERS

Array = jax.Array

LIKELIHOOD = "likelihood"  # options with this value are chosen
SYMBOLS = {"ridge": "λ", "alpha": "α", "bandwidth": "h"}


class DoubleAutoencoder(NamedTuple):
    """Fitted state.

    Attributes:
      codec: of records.
      sampler: its name.
      sampler_state: what it has learned of the latents of the training records.
      options: of the sampler, all of them; numbers where they were chosen on held-out groups.
      selection: what was tried and how likely it made held-out latents; None where nothing was chosen.
      held_out: whether it was chosen on latents that the codec did not learn from.
      labels_N: training labels.
    """

    codec: FittedCodec
    sampler: str
    sampler_state: Any
    options: Mapping[str, Any]
    selection: Any
    held_out: bool
    labels_N: np.ndarray


def fit(
    key: Array,
    part: Part,
    *,
    codec: CodecOption = Tucker(),
    sampler: str = "rda",
    cross_fit: int = 3,
    directory: Path | None = None,
    title: str | None = None,
    units: tuple[float, float] = (0.0, 1.0),
    **options: Any,
) -> DoubleAutoencoder:
    """Fits codec and sampler to training records.

    Args:
      key: of the codec, and of the splits that options are chosen on.
      part: training records on the [0, 1] scale.
      codec: which codec.
      sampler: a key of ``SAMPLERS``.
      cross_fit: splits of the groups that options are chosen on; 0 leaves the choice to the sampler, on the latents of
        the training records.
      directory, title, units: of the codec, see ``codecs.fit``.
      **options: of the sampler.

    Raises:
      InputError: a latent larger than the records.
    """
    options, selection = {**SAMPLERS[sampler].options, **options}, None
    fitted = codecs.fit(key, part, codec, directory=directory, title=title, units=units)
    if cross_fit and LIKELIHOOD in options.values():
        pairs = held_out_latents(jax.random.fold_in(key, 1), part, codec, cross_fit)
        options, selection = _choose(sampler, pairs, options)
    state = _fit_sampler(sampler, codecs.encode(fitted, part), options)
    chosen = getattr(state, "selection", None) if selection is None else selection
    return DoubleAutoencoder(fitted.value, sampler, state, options, chosen, selection is not None, part.labels_N)


def sample(key: Array, state: DoubleAutoencoder, labels_S: np.ndarray) -> np.ndarray:
    """Records of the labels, drawn as latents and decoded; pure, so it can be used inside ``jax.jit`` and ``jax.vmap``."""
    labels_S = check_labels(state.labels_N, labels_S)
    latents_SxDxD = SAMPLERS[state.sampler].sample(key, state.sampler_state, labels_S)
    if traced(latents_SxDxD):
        return state.codec.decode(latents_SxDxD)
    return np.asarray(state.codec.decode(np.asarray(latents_SxDxD)), np.float32)


def encode(learned: Learned, part: Part) -> Part:
    """Latents of records by the codec of a fitted generator; behind them are the records of both."""
    return codecs.encode(Learned(learned.value.codec, learned.origin), part)


def reconstruct(learned: Learned, part: Part) -> Part:
    """Records through the codec of a fitted generator and back; behind them are the records of both."""
    return codecs.reconstruct(Learned(learned.value.codec, learned.origin), part)


def held_out_latents(key: Array, part: Part, codec: CodecOption, splits: int) -> list[tuple[Part, Part]]:
    """Latents to learn from and latents of other groups, by a linear codec that has seen the first only.

    Records of a class that is not among those to learn from are left out. There may be fewer pairs than splits: none where no
    class has two records to learn from, or where synthetic records are among them, which have all real ones behind them.
    """
    rng = numpy_rng(key)
    split_N = split_groups(rng, part.labels_N, part.groups_N, splits)
    pairs = []
    for split in range(splits):
        learn = part.take(np.flatnonzero(split_N != split))
        known_K, counts_K = np.unique(learn.labels_N, return_counts=True)
        held = part.take(np.flatnonzero((split_N == split) & np.isin(part.labels_N, known_K)))
        apart = not any(ours & theirs for ours, theirs in zip(learn.origin, held.origin, strict=True))
        enough = counts_K.max(initial=0) > 1 and len(np.unique(learn.groups_N)) > 1
        if len(held) and apart and enough:
            linear = codecs.fit_linear(jax.random.fold_in(key, split), learn, codec)
            # Held latents keep their own origin: by it samplers see that they are held out.
            pairs.append(tuple(one.with_values(linear.value.encode(one.x_NxRxT)) for one in (learn, held)))
    return pairs


def _choose(sampler: str, pairs: list[tuple[Part, Part]], options: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Options with numbers in place of ``LIKELIHOOD``, and what was tried; as they were where there are no pairs."""
    if not pairs:
        return options, None
    chosen, selection = samplers.choose_held_out(sampler, pairs, **options)
    return {**options, **chosen}, selection


def _fit_sampler(sampler: str, latents: Part, options: Mapping[str, Any]) -> Any:
    return SAMPLERS[sampler].fit(latents, **options)


def _describe(state: DoubleAutoencoder) -> Description:
    """Numbers that were chosen, or given; ``gmm of latents`` where there are none."""
    texts = []
    for name, symbol in SYMBOLS.items():
        if name in state.options:
            used_K = np.unique(np.asarray(getattr(state.sampler_state, f"{name}_K", state.options[name])))
            texts.append(
                f"{symbol} " + (f"{used_K[0]:.2g}" if len(used_K) == 1 else f"{used_K[0]:.2g} to {used_K[-1]:.2g}")
            )
    if state.selection is not None:
        texts.append("chosen on held-out groups" if state.held_out else "chosen on training latents")
    return Description(True, ", ".join(texts) or f"{state.sampler} of latents")


_COMMON = {
    name: p.default for name, p in inspect.signature(fit).parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY
}
_OF_SAMPLERS = dict.fromkeys(name for sampler in SAMPLERS for name in SAMPLERS[sampler].options)
_RULES = {**codecs.RULES, "cross_fit": count(2, 100, 0)}


def _rules(given: Mapping[str, Any]) -> Rules:
    """Those of the sampler that is given, or of the default; what only other samplers take is refused."""
    sampler = given.get("sampler")
    sampler = sampler if isinstance(sampler, str) and sampler in SAMPLERS else _COMMON["sampler"]
    own = SAMPLERS[sampler].rules(given)
    others = none(f"nothing, since sampler {sampler!r} takes {', '.join(own)}")
    return {**_RULES, "sampler": word(SAMPLERS), **dict.fromkeys(_OF_SAMPLERS, others), **own}


def latent(sampler: str) -> Generator:
    """The generator with one sampler, under its short name; its options are this sampler's."""

    def fit_one(key: Array, part: Part, **options: Any) -> DoubleAutoencoder:
        return fit(key, part, sampler=sampler, **options)

    common = {name: value for name, value in _COMMON.items() if name != "sampler"}

    def rules(given: Mapping[str, Any]) -> Rules:
        return {**_RULES, **SAMPLERS[sampler].rules(given)}

    return make(fit_one, sample, _describe, rules, {**common, **SAMPLERS[sampler].options})


def _fit_reconstruction(
    key: Array,
    part: Part,
    *,
    codec: CodecOption = Tucker(),
    directory: Path | None = None,
    title: str | None = None,
    units: tuple[float, float] = (0.0, 1.0),
) -> Pool:
    fitted = codecs.fit(key, part, codec, directory=directory, title=title, units=units)
    x_NxRxT = np.asarray(codecs.reconstruct(fitted, part).x_NxRxT, np.float32)
    return Pool(x_NxRxT, part.labels_N, {"codec": fitted.value.text})


def _repeat(key: Array, state: Pool, labels_S: np.ndarray) -> np.ndarray:
    return take(state.x_NxRxT, pick(key, state.labels_N, labels_S))


def _describe_reconstruction(state: Pool) -> Description:
    return Description(True, f"copies through the codec: {state.options['codec']}")


double_autoencoder = make(fit, sample, _describe, _rules, {**_COMMON, **_OF_SAMPLERS})
# Training records through the codec, each once in turn: what the codec alone does to a classifier.
reconstruction = make(_fit_reconstruction, _repeat, _describe_reconstruction, codecs.RULES)
