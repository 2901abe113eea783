"""Synthetic records from records: ``fit`` and ``sample``, in the unit and with the labels of whoever asks."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from gcims_jax import options as option_rules
from gcims_jax import parts
from gcims_jax.errors import InputError, check_options, counted, suggest
from gcims_jax.evaluation.candidates import Candidate, on_grid
from gcims_jax.generators import GENERATORS, codecs, learn
from gcims_jax.generators.contract import Description
from gcims_jax.nuisances import find, words
from gcims_jax.nuisances.amounts import Amounts
from gcims_jax.nuisances.find import WITHIN, Found
from gcims_jax.parts import Learned
from gcims_jax.preprocessing import automatic, scale
from gcims_jax.records import Records
from gcims_jax.seeds import as_key

PREPROCESS = {
    "slow_range": option_rules.limits(),
    "fast_range": option_rules.limits(),
    "slow_level": option_rules.count(0, 20),
    "fast_level": option_rules.count(0, 20),
    "align": option_rules.number(0, 1e9),
    "wavelet": option_rules.kind(str, "the name of a wavelet, such as 'db3'"),
    "log": option_rules.truth(),
    "log_knee": option_rules.number(0, 1e9, above=True),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted generator, and the way back from what it draws to records.

    Attributes:
      generator: a key of ``GENERATORS``.
      learned: its state, and the records behind it.
      scaling: from compressed records to the [0, 1] scale.
      compression: crop and wavelet plan.
      limits: lowest and highest value measured.
      classes_K: labels, as they were given, in the order of the integer labels of the state.
      unit: of the values.
    """

    generator: str
    learned: Learned
    scaling: scale.Scaling
    compression: scale.Compression
    limits: tuple[float, float]
    classes_K: np.ndarray
    unit: str

    def describe(self) -> Description:
        """What the generator chose."""
        return GENERATORS[self.generator].describe(self.learned)

    def __repr__(self) -> str:
        records, classes = counted(len(self.learned.origin.identities), "record"), counted(len(self.classes_K), "class")
        return f"<{self.generator} of {records}, {classes}: {self.describe().text}>"


def fit(
    records: Records,
    generator: str = "tuned_warp",
    seed: Any = 0,
    *,
    preprocess: Mapping[str, Any] | None = None,
    **options: Any,
) -> Fitted:
    """Learns to make records like these.

    Arrays come as ``Records.from_arrays(X, y, groups)``, the one place where labels, groups and axes are checked.

    Args:
      records: training records; what is to test the result must not be among them, see ``train_test_split``.
      generator: a key of ``gcims_jax.generators.GENERATORS``. The default chooses how far peaks move from the records.
      seed: a whole number or a JAX key.
      preprocess: slow_range, fast_range, slow_level, fast_level, align, wavelet, log, log_knee; see
        ``preprocessing.automatic.for_grid``. None keeps all and halves each axis while it has twice 96 points.
      **options: of the generator.

    Returns:
      What ``sample`` takes.

    Raises:
      InputError: no records, an unknown generator or option (with the nearest name), records that the generator cannot work on.

    >>> import gcims_jax as gj, numpy as np
    >>> X = np.random.default_rng(0).normal(size=(12, 10, 20))
    >>> records = gj.Records.from_arrays(X, ["healthy", "ill"] * 6)
    >>> state = gj.fit(records, "mix", seed=0)
    >>> gj.sample(state, per_class={"ill": 3}, seed=1)
    <3 records of 10 × 20 points, 1 class>
    """
    check_records(records, "fit")
    if not isinstance(generator, str) or generator not in GENERATORS:
        raise InputError(f"generator: expected one of {', '.join(GENERATORS)}, got {generator!r}" + _remedy(generator))
    check_options(
        generator,
        [o for o in GENERATORS[generator].options if o not in ("directory", "title", "units", "logarithm")],
        options,
    )
    config = preparation(records, preprocess)
    compression = scale.make_compression(records.slow, records.fast, config)
    candidate = on_grid(Candidate(generator, generator, tuple(options.items())), compression)
    part = parts.from_records(records, scale.compress(compression, records.values))
    scaling = scale.fit(part, config)
    about = {
        "codec": codecs.default(compression.shape),
        "units": (scaling.low, scaling.high - scaling.low),
        "logarithm": int(config.log),
    }
    return Fitted(
        generator,
        learn(as_key(seed), generator, scale.apply_to(scaling, part), about, dict(candidate.options)),
        scaling,
        compression,
        scale.measured_limits(compression, records.values),
        records.classes,
        str(records.attrs.get("units", "1")),
    )


def sample(state: Fitted, per_class: int | Mapping[Any, int] = 50, seed: Any = 1) -> Records:
    """Synthetic records, in the unit of those that were learned from and within the range of their values.

    Args:
      state: from ``fit``.
      per_class: records of every class, or a count for each class that is wanted, by label.
      seed: a whole number or a JAX key; the same seed, the same records.

    Returns:
      Records class by class, with the labels that were given. Where an axis was halved, its last few points, fewer than two to
      the power of the halvings, may be missing.

    Raises:
      InputError: a label that was not there in training, counts that are not whole numbers, or none above 0.
    """
    if not isinstance(state, Fitted):
        raise InputError(f"sample: expected what fit returned, got {type(state).__name__}")
    known = state.classes_K.tolist()
    counts = per_class if isinstance(per_class, Mapping) else dict.fromkeys(known, per_class)
    for label, count in counts.items():
        if label not in known:
            raise InputError(
                f"per_class: expected labels among {known}, got {label!r}" + suggest(label, map(str, known))
            )
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 0:
            raise InputError(f"per_class: expected a whole number of 0 or more for {label!r}, got {count!r}")
    if not sum(counts.values()):
        raise InputError("per_class: expected a count above 0 for a class at least, got none")
    numbers_S = np.repeat(np.arange(len(known)), [counts.get(label, 0) for label in known])
    draws = GENERATORS[state.generator].sample(as_key(seed), state.learned, numbers_S)
    with threadpool_limits(1):  # products of one record
        values = scale.to_units(state.compression, state.scaling, draws.x_NxRxT, state.limits)
    return Records(
        values,
        state.compression.slow,
        state.compression.fast,
        state.classes_K[numbers_S],
        names=draws.names_N,
        attrs={
            "title": "Synthetic records",
            "units": state.unit,
            "generator": state.generator,
            "note": "Records that were learned from, and others of their groups, cannot test what is trained on these.",
        },
    )


@dataclasses.dataclass(frozen=True)
class FoundNuisances:
    """The random changes that records of a class have; printed, it is sentences.

    Attributes:
      found: sizes with intervals, on the [0, 1] scale and in shares of the axes.
      sentences: the same in words and in the units of the axes.
    """

    found: Found
    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.sentences)


def find_nuisances(
    records: Records, *, within: str = "class", preprocess: Mapping[str, Any] | None = None
) -> FoundNuisances:
    """Which random changes the records of a class have, and how large they are: shifts, gains, backgrounds.

    The generator "nuisances" makes records by doing to training records once more what is found here.

    Args:
      records: labelled records; a nuisance needs a dozen groups or more to show.
      within: "class", or "group" for what differs between measurements of one group of a class only.
      preprocess: see ``fit``.

    Raises:
      InputError: no records, or another word for ``within``.

    >>> import gcims_jax as gj, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> peak = np.exp(-0.5 * ((np.arange(40) - 20.0) / 3.0) ** 2)
    >>> X = np.exp(0.3 * rng.normal(size=(60, 1))) * (0.2 + peak) + 0.01 * rng.normal(size=(60, 40))
    >>> found = gj.find_nuisances(gj.Records.from_arrays(X, ["healthy", "ill"] * 30), preprocess={"log": False})
    >>> found.sentences[0].startswith("all amounts of a record together change by")
    True
    """
    check_records(records, "find_nuisances")
    if within not in WITHIN:
        raise InputError(f"find_nuisances.within: expected one of {', '.join(WITHIN)}, got {within!r}")
    config = preparation(records, preprocess)
    compression = scale.make_compression(records.slow, records.fast, config)
    part = parts.from_records(records, scale.compress(compression, records.values))
    scaling = scale.fit(part, config)
    amounts = Amounts(scaling.low, scaling.high - scaling.low, config.log)
    with threadpool_limits(1):  # many small products
        found = find.fit(scale.apply_to(scaling, part), amounts=amounts, within=within)
    return FoundNuisances(found, tuple(words.sentences(found, compression.slow, compression.fast)))


def preparation(records: Records, options: Mapping[str, Any] | None) -> scale.PreprocessConfig:
    """How records are prepared, from options by name.

    Raises:
      InputError: an unknown option, with the nearest name.
    """
    if not isinstance(options, Mapping | None):
        raise InputError(f"preprocess: expected options by name, as in {{'log': True}}, got {options!r}")
    return automatic.for_grid(records.slow, records.fast, **option_rules.read("preprocess", PREPROCESS, options or {}))


def check_records(records: Any, of: str) -> None:
    """Raises InputError unless these are records."""
    if not isinstance(records, Records):
        raise InputError(
            f"{of}: expected Records, got {type(records).__name__}; read them from a file with read, or make them of arrays with "
            "Records.from_arrays(X, y, groups)"
        )


def _remedy(generator: Any) -> str:
    """The nearest name; of a candidate of the command line, ``warp:size=2``, how its options are given here."""
    name, colon, rest = str(generator).partition(":")
    if not colon or name not in GENERATORS:
        return suggest(name, GENERATORS)
    return f"; give {name!r} and its options as arguments, {rest}, in scikit-learn as options=dict({rest})"
