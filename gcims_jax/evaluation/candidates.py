"""What is compared: training sets made of real, reconstructed and synthetic records, and how many of the latter."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from gcims_jax.errors import InputError, suggest
from gcims_jax.generators import GENERATORS, codecs
from gcims_jax.options import from_text
from gcims_jax.phase import registration
from gcims_jax.preprocessing.scale import Compression

REAL = ("original", "reconstructed", "none")
INTERNAL = ("codec", "directory", "title", "units", "logarithm")  # options that a run sets


class Dose(NamedTuple):
    """How many synthetic records.

    Attributes:
      ratio: per training record; balanced, beyond the largest class.
      balanced: whether all classes are brought to one size, 1 + ratio times the largest.
    """

    ratio: float
    balanced: bool

    @property
    def mode(self) -> str:
        """``balanced`` or ``proportional``; – where nothing is added."""
        return "–" if not self.ratio else "balanced" if self.balanced else "proportional"


NO_DOSE = Dose(0.0, False)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A training set under test.

    Attributes:
      name: how tables call it.
      generator: a key of ``GENERATORS``; "" adds nothing.
      options: of the generator, (name, value) pairs.
      real: what stands for the real training records, one of ``REAL``: they themselves, their reconstructions by the codec
        of the generator, or nothing.
      class_weights: the classifier counts every class the same.
      votes: size of the hand-set warps of the test records over whose copies the classifier's votes are averaged; 0 asks
        for the records alone.
    """

    name: str
    generator: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    real: str = "original"
    class_weights: bool = False
    votes: float = 0.0

    def __post_init__(self) -> None:
        if (self.generator or not self.name) and self.generator not in GENERATORS:
            raise InputError(
                f"study.candidates: expected some of {', '.join(GENERATORS)}, got {self.generator!r}"
                + suggest(self.generator, GENERATORS)
            )

    @property
    def is_plain(self) -> bool:
        """Whether nothing new is made: plain training, weights, votes and copies are what a generator has to beat."""
        return self.generator in ("", COPIES.generator) and self.real == "original"


PLAIN = Candidate("none")
WEIGHTED = Candidate("class_weights", class_weights=True)
COPIES = Candidate("duplicate", "duplicate")


def parse_candidate(text: str) -> Candidate:
    """``none``, ``class_weights``, ``votes:size=1``, or a generator with options as in ``warp:size=2``."""
    if text in (PLAIN.name, WEIGHTED.name):
        return PLAIN if text == PLAIN.name else WEIGHTED
    generator, _, rest = text.partition(":")
    options: list[tuple[str, Any]] = []
    for pair in filter(None, rest.split(",")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"study.candidates: expected options as name=value after the colon, got {text!r}")
        options.append((name, from_text(value)))
    if generator == "votes":
        size = dict(options).get("size", 1.0)
        if len(options) > 1 or not isinstance(size, float) or not size > 0.0:
            raise InputError(f"study.candidates: expected votes or votes:size=NUMBER above 0, got {text!r}")
        return Candidate(text, votes=size)
    candidate = Candidate(text, generator)
    known = [option for option in GENERATORS[generator].options if option not in INTERNAL]
    if wrong := [name for name, _ in options if name not in known]:
        raise InputError(
            f"study.candidates: {generator} expects only {', '.join(known) or 'no options'}, got {wrong[0]!r} in {text!r}"
            + suggest(wrong[0], known)
        )
    read = GENERATORS[generator].read(f"study.candidates: {text}: {generator}", dict(options))
    return dataclasses.replace(candidate, options=tuple(read.items()))


def on_grid(candidate: Candidate, compression: Compression) -> Candidate:
    """The candidate for records of a grid; where drift times count from the reactant ion peak, its warps leave that alone.

    Raises:
      InputError: a grid that it cannot work on.
    """
    if candidate.generator and "codec" in GENERATORS[candidate.generator].options:
        codecs.check_axes(compression.shape)
    if candidate.generator != "phase_amplitude":
        return candidate
    registration.check_shape(compression.shape, registration.RegistrationConfig())
    axis = compression.fast
    if axis.name == "relative_drift_time" and "anchor" not in dict(candidate.options):
        anchor = float((1.0 - axis.values[0]) / (axis.values[-1] - axis.values[0]))
        return dataclasses.replace(candidate, options=(*candidate.options, ("anchor", anchor)))
    return candidate


def synthetic_labels(labels_N: np.ndarray, dose: Dose) -> np.ndarray:
    """Labels to draw: every class ``ratio`` times its training size, at least one record.

    Balanced, every class gets what it lacks to 1 + ratio times the largest.
    """
    classes_K, counts_K = np.unique(labels_N, return_counts=True)
    wanted_K = (1.0 + dose.ratio) * counts_K.max() - counts_K if dose.balanced else dose.ratio * counts_K
    return np.repeat(classes_K, np.maximum(1, np.round(wanted_K)).astype(int))
