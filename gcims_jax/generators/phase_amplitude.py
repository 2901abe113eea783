"""Where peaks lie and how high they are, learned apart from training records and drawn together.

Registration (``registration``) splits each training record into a warp, its phase, and what is left once it is undone, its
amplitude (Tucker, Wu & Srivastava 2013, doi:10.1016/j.csda.2012.12.001). Both vary around a record of the class as they vary
within classes, pooled over all of them: the smoothed bootstrap of the sampler family (``samplers.family``),

    warp = phase · (√(1-λ) Σ ε_n w p_n + √λ σ η),     latent = latent of the record + amplitude · Σ ε'_n w c_n,

with p_n and c_n the deviations of all warps and latents from their class mean, w² = 1/(N-K), and λ = P/(P + N - K) by which
the covariance of the P warp parameters is shrunk towards independent ones. A drawn record is a training record plus what
the codec makes of the change of its latent, so that it keeps what the codec cannot hold, read at warped places.

With ``centre="class"`` both vary around the means of the class instead: a Gaussian of records in step, put to drawn places.
Such draws know no training record by heart, which helps classifiers that overfit; draws around records keep all detail.

How far draws go, and how stiff warps are, is chosen inside the training part, by how well a classifier of copies of some of
its records tells the class of the others (``ridge``); records of one sample are all among these or none. Around records,
where warps do not pay nothing is warped, and where amplitudes add nothing they stay.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from gcims_jax.batches import for_each
from gcims_jax.generators import codecs
from gcims_jax.generators.codecs import CodecOption, FittedCodec, Tucker
from gcims_jax.generators.contract import Description, make, numpy_rng, pick, take
from gcims_jax.generators.groups import pays, split_groups
from gcims_jax.generators.ridge import Scores, class_scores, judge
from gcims_jax.options import Rule, count, number, word
from gcims_jax.parts import Part
from gcims_jax.phase import registration
from gcims_jax.phase.registration import RegistrationConfig

Array = jax.Array

STIFFNESS = (0.3, 0.03)
SIZES = (0.5, 1.0, 1.5, 2.0)
AMPLITUDES = (0.3, 0.6, 1.0)
SPLITS = 3  # of the training part, to choose sizes by
COPIES = 4  # of each class, in multiples of the largest, to try a size with
THRESHOLD = (
    2.0  # standard errors of groups by which something has to pay; the best of many is taken, so one is not enough
)
CENTRES = ("record", "class")


class Sizes(NamedTuple):
    """How far draws go; 1 is as far as training records lie from their class.

    Attributes:
      stiffness: of the registration.
      phase: of the warps of both axes, which were learned together.
      amplitude: of the latents.
    """

    stiffness: float
    phase: float
    amplitude: float


class Separated(NamedTuple):
    """Training records, split into phase and amplitude.

    Attributes:
      config: of the registration.
      x_NxRxT, labels_N: the records.
      registered: their warps to the templates of their classes.
      phase_NxP: warps less their class mean; 0 where a record is left out of the statistics.
      phase_spread_P: σ of the independent part.
      shrinkage: λ.
      latents_NxDxD: of the registered records.
      amplitude_NxDxD: latents less their class mean.
      degrees: N - K, of the records that count.
      codec: of registered records.
    """

    config: RegistrationConfig
    x_NxRxT: np.ndarray
    labels_N: np.ndarray
    registered: registration.Registered
    phase_NxP: np.ndarray
    phase_spread_P: np.ndarray
    shrinkage: float
    latents_NxDxD: np.ndarray
    amplitude_NxDxD: np.ndarray
    degrees: int
    codec: FittedCodec


class PhaseAmplitude(NamedTuple):
    """Fitted state.

    Attributes:
      separated: training records.
      sizes: of draws.
      joint: whether a draw takes phase and amplitude from the same records.
      centre: what draws vary around, one of ``CENTRES``.
    """

    separated: Separated
    sizes: Sizes
    joint: bool
    centre: str


def fit(
    key: Array,
    part: Part,
    *,
    codec: CodecOption = Tucker(),
    phase: float | str = "choose",
    amplitude: float | str = "choose",
    stiffness: float | str = "choose",
    joint: int = 0,
    centre: str = "record",
    anchor: float | None = None,
    leave_out: int = 0,
) -> PhaseAmplitude:
    """Registers training records, learns how phase and amplitude vary, and chooses how far draws go.

    Args:
      key: of the codec and of all that is tried.
      part: training records on the [0, 1] scale.
      codec: of registered records.
      phase, amplitude: sizes, 0 for none, or "choose".
      stiffness: of the registration, or "choose".
      joint: 1 draws phase and amplitude from the same records, so that what goes together stays together.
      centre: what draws vary around, one of ``CENTRES``. Around the class, "choose" takes all of the amplitude.
      anchor: share of the fast axis that no warp moves, the reactant ion peak; None stretches around its origin.
      leave_out: 1 leaves records whose warp is at its bound out of what is learned of phase.

    Raises:
      InputError: axes too short for the knots of the warps.
    """
    part = part.with_values(np.asarray(part.x_NxRxT, np.float32))
    phases = (phase,) if phase != "choose" else SIZES
    stiffnesses = STIFFNESS if any(phases) else STIFFNESS[:1]
    if stiffness != "choose":
        stiffnesses = (stiffness,)
    amplitudes = (amplitude,) if amplitude != "choose" else AMPLITUDES
    base = RegistrationConfig() if anchor is None else RegistrationConfig(anchor=anchor, anchored=True)
    registration.check_shape(part.x_NxRxT.shape[1:], base)
    codec_key, choice_key = jax.random.split(key)

    @functools.lru_cache(maxsize=len(STIFFNESS) * (SPLITS + 1))
    def separated(stiffness: float, split: int) -> Separated:
        learn = part.take(np.flatnonzero(split_N != split))
        return _separate(codec_key, learn, base, stiffness, codec, bool(leave_out))

    split_N = split_groups(numpy_rng(choice_key), part.labels_N, part.groups_N, SPLITS)

    @functools.cache
    def scores(sizes: Sizes) -> Scores:
        without = functools.partial(separated, sizes.stiffness)
        return _scores(choice_key, without, sizes, centre, part, split_N)

    still = Sizes(stiffnesses[0], 0.0, 0.0)
    moving = [Sizes(*sizes, 0.0) for sizes in itertools.product(stiffnesses, phases)]
    if centre == "class":
        # Class means alone are one record each, so it is no question whether they vary.
        moving = [sizes._replace(amplitude=amplitudes[-1]) for sizes in moving]
        best = _likeliest(scores, moving)
    else:
        best = _likeliest(scores, moving)
        if phase == "choose" and not _pays(scores, moving, still):
            best = still
        larger = [best._replace(amplitude=size) for size in amplitudes]
        if amplitude != "choose" or _pays(scores, larger, best):
            best = _likeliest(scores, larger)
    return PhaseAmplitude(separated(best.stiffness, -1), best, bool(joint), centre)


def _pays(scores: Callable[[Sizes], Scores], candidates: list[Sizes], without: Sizes) -> bool:
    """Whether the candidate of the least squared error is better than doing without by ``THRESHOLD`` standard errors."""
    gain_CxG = np.stack([scores(without).squared_G - scores(sizes).squared_G for sizes in candidates])
    return pays(gain_CxG[np.argmax(gain_CxG.mean(axis=1))], THRESHOLD)


def _likeliest(scores: Callable[[Sizes], Scores], candidates: list[Sizes]) -> Sizes:
    """The candidate by which the classes of held-out records are most likely."""
    if len(candidates) == 1:
        return candidates[0]
    return max(candidates, key=lambda sizes: float(scores(sizes).likelihood_G.mean()))


def _scores(
    key: Array,
    separated_without: Callable[[int], Separated],
    sizes: Sizes,
    centre: str,
    part: Part,
    split_N: np.ndarray,
) -> Scores:
    """How well what was learned without its split tells the class of each record, if the class was there."""
    x_NxRxT, labels_N = part.x_NxRxT, part.labels_N
    classes_K = np.unique(labels_N)
    scores_NxK = np.full((len(labels_N), len(classes_K)), np.nan)
    for split in np.unique(split_N):
        known = set(labels_N[split_N != split].tolist())
        held = np.flatnonzero((split_N == split) & np.array([label in known for label in labels_N.tolist()]))
        if not len(held):
            continue
        separated = separated_without(int(split))
        known_K, counts_K = np.unique(separated.labels_N, return_counts=True)
        labels_C = np.repeat(known_K, COPIES * counts_K.max())
        # Interpolation smooths noise, which helps whatever moves; so every size, none too, moves by half a point more.
        jitter = 0.5 if centre == "record" else 0.0
        state = PhaseAmplitude(separated, sizes, False, centre)
        copies_CxRxT = sample(jax.random.fold_in(key, int(split)), state, labels_C, jitter)
        scores_NxK[held] = class_scores(x_NxRxT[held], copies_CxRxT, labels_C, classes_K)
    return judge(scores_NxK, labels_N, part.groups_N, classes_K)


def _separate(
    key: Array, part: Part, base: RegistrationConfig, stiffness: float, codec: CodecOption, leave_out: bool
) -> Separated:
    """Registers training records and learns how warps and latents vary within classes."""
    x_NxRxT, labels_N = part.x_NxRxT, part.labels_N
    config = dataclasses.replace(base, stiffness=stiffness)
    registered = registration.fit(part, config).labelled
    counts_N = ~registered.at_bound_N if leave_out else np.ones(len(labels_N), bool)
    phase_NxP, degrees = _within(np.asarray(registered.theta_NxP, np.float64), labels_N, counts_N)
    unit_P = registration.spread(config)
    # As large in their own units as what was learned, on average.
    share = np.sqrt(np.sum((phase_NxP / unit_P) ** 2) / max(degrees, 1) / len(unit_P))
    aligned_NxRxT = registration.apply(registered.theta_NxP, x_NxRxT, config)
    fitted = codecs.fit(key, part.with_values(aligned_NxRxT), codec).value
    latents_NxDxD = np.asarray(fitted.encode(aligned_NxRxT))
    amplitude_NxDxD, _ = _within(latents_NxDxD, labels_N, np.ones(len(labels_N), bool))
    shrinkage = len(unit_P) / (len(unit_P) + degrees)
    return Separated(
        config, x_NxRxT, labels_N, registered, phase_NxP, share * unit_P, shrinkage, latents_NxDxD, amplitude_NxDxD,
        degrees, fitted,
    )  # fmt: skip


def _within(a_Nx: np.ndarray, labels_N: np.ndarray, counts_N: np.ndarray) -> tuple[np.ndarray, int]:
    """Deviations from class means, 0 of rows that do not count, and the degrees of freedom that are left."""
    result_Nx, degrees = np.zeros_like(a_Nx), 0
    for label in np.unique(labels_N[counts_N]):
        own = (labels_N == label) & counts_N
        result_Nx[own] = a_Nx[own] - a_Nx[own].mean(axis=0)
        degrees += int(own.sum()) - 1
    return result_Nx, degrees


def sample(key: Array, state: PhaseAmplitude, labels_S: np.ndarray, jitter: float = 0.0) -> np.ndarray:
    """Records of the labels, phase and amplitude drawn anew.

    ``jitter``: standard deviation in points of a further shift of both axes, of draws around records.
    """
    separated, sizes = state.separated, state.sizes
    pick_key, phase_key, free_key, amplitude_key, jitter_key = jax.random.split(key, 5)
    picked_S = pick(pick_key, separated.labels_N, labels_S)
    x_SxRxT = take(separated.x_NxRxT, picked_S)
    if state.centre == "record" and not separated.degrees and not jitter:
        return x_SxRxT
    weight = np.float32(1.0 / np.sqrt(max(separated.degrees, 1)))
    normal_SxN = weight * _normal(phase_key, picked_S, len(separated.labels_N))
    theta_SxP = _draw_phase(free_key, separated, sizes, normal_SxN)
    if not state.joint:
        normal_SxN = weight * _normal(amplitude_key, picked_S, normal_SxN.shape[1])
    change_SxDxD = sizes.amplitude * _combine(normal_SxN, separated.amplitude_NxDxD)
    theta_NxP, latents_NxDxD = separated.registered.theta_NxP, separated.latents_NxDxD
    if state.centre == "class":
        # A Gaussian of amplitude around the class mean, put to places from a Gaussian of phase around that of the class.
        theta_NxP, latents_NxDxD = (_class_means(a_Nx, separated.labels_N) for a_Nx in (theta_NxP, latents_NxDxD))
        theta_SxP = theta_SxP + take(theta_NxP, picked_S)
        drawn_SxRxT = separated.codec.decode(take(latents_NxDxD, picked_S) + change_SxDxD)
        return registration.undo(theta_SxP, drawn_SxRxT, separated.config)
    if jitter:
        per_point = jitter / (np.array(x_SxRxT.shape[1:], np.float32) - 1)
        at_2xP = np.eye(theta_SxP.shape[1], dtype=np.float32)[[0, 2 + separated.config.slow_knots]]
        theta_SxP = theta_SxP + (per_point * _normal(jitter_key, picked_S, 2)) @ at_2xP
    if sizes.amplitude > 0.0:
        latents_SxDxD = take(latents_NxDxD, picked_S)
        change_SxRxT = separated.codec.decode(latents_SxDxD + change_SxDxD) - separated.codec.decode(latents_SxDxD)
        # The change happened to the record in step; it goes where the record's own peaks are.
        x_SxRxT = x_SxRxT + registration.undo(take(theta_NxP, picked_S), change_SxRxT, separated.config)
    return registration.apply(theta_SxP, x_SxRxT, separated.config)


def _draw_phase(key: Array, separated: Separated, sizes: Sizes, normal_SxN: np.ndarray) -> np.ndarray:
    """Warps around none, S×P."""
    learned_SxP = normal_SxN @ separated.phase_NxP.astype(np.float32)
    free_SxP = separated.phase_spread_P.astype(np.float32) * _normal(key, normal_SxN[:, 0], learned_SxP.shape[1])
    known, unknown = (np.float32(np.sqrt(share)) for share in (1.0 - separated.shrinkage, separated.shrinkage))
    return sizes.phase * (known * learned_SxP + unknown * free_SxP)


def _combine(weight_SxN: np.ndarray, a_NxDxD: np.ndarray) -> np.ndarray:
    """Sums of all rows by weights, S×D×D."""
    return (weight_SxN @ a_NxDxD.reshape(len(a_NxDxD), -1)).reshape(-1, *a_NxDxD.shape[1:])


def _class_means(a_Nx: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """For each record the mean of its class."""
    means_Nx = np.empty_like(a_Nx)
    for label in np.unique(labels_N):
        means_Nx[labels_N == label] = np.asarray(a_Nx)[labels_N == label].mean(axis=0)
    return means_Nx


def _normal(key: Array, rows_S: np.ndarray, count: int) -> np.ndarray:
    """Standard normal numbers, so many for each row; more are drawn, so that nothing is compiled for a second count."""
    return for_each(key, _normal_of(-(-count // 128) * 128), rows_S)[:, :count]


@functools.cache  # the same object, compiled once
def _normal_of(count: int) -> Callable[[Array, Array], Array]:
    return lambda key, row: jax.random.normal(key, (count,))


def _describe(state: PhaseAmplitude) -> Description:
    sizes = state.sizes
    text = f"phase {sizes.phase:g}, amplitude {sizes.amplitude:g}, stiffness {sizes.stiffness:g}"
    if state.centre == "class":
        return Description(True, text + ", around class means")
    if state.separated.degrees and (sizes.phase or sizes.amplitude):
        return Description(True, text)
    return Description(False, "neither phase nor amplitude: plain copies")


_SIZE = number(0, 100, "choose")
RULES: dict[str, Rule] = {
    "codec": codecs.RULES["codec"],
    "phase": _SIZE,
    "amplitude": _SIZE,
    "stiffness": number(0, 1000, "choose", above=True),
    "joint": count(0, 1),
    "centre": word(CENTRES),
    "anchor": number(0, 1),
    "leave_out": count(0, 1),
}
phase_amplitude = make(fit, sample, _describe, RULES)
