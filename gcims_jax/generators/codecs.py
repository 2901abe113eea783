"""Codecs as values: which codec a generator uses is an option of it, fitted here and nowhere else.

``Tucker`` is linear and free; ``CodecConfig`` is the double autoencoder of transformers. Fitting is a pure function, so that
all who ask for the same codec of the same records share one.
"""

import collections
import dataclasses
import hashlib
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from gcims_jax import linalg
from gcims_jax.codec import double, ensemble
from gcims_jax.codec.double import CodecConfig
from gcims_jax.codec.stages import Codec
from gcims_jax.codec.train import Curves
from gcims_jax.errors import InputError
from gcims_jax.generators.contract import check_part
from gcims_jax.options import Rule, kind, read
from gcims_jax.parts import Learned, Part

Array = jax.Array

KEPT = 16  # codecs: more than a fold, its inner splits and what they choose by need


@dataclasses.dataclass(frozen=True)
class Tucker:
    """The best linear codec to a d×d latent, see ``linalg.two_sided_basis``.

    Attributes:
      latent: d.
    """

    latent: int = 16


CodecOption = Tucker | CodecConfig
# Options of whatever takes a codec.
RULES: dict[str, Rule] = {
    "codec": kind(CodecOption, "Tucker(latent) or the CodecConfig of transformers, both of generators.codecs"),
    "directory": kind(Path, "a folder as a Path"),
    "title": kind(str, "text"),
    "units": kind(tuple, "the low and high end of the scale in the input's unit"),
}


def check_axes(shape: tuple[int, int]) -> None:
    """Raises InputError for single series, which have no d×d latent."""
    if min(shape) < 2:
        raise InputError(
            f"codec: expected records with two axes, to bring to a d×d latent, got {shape[0]} × {shape[1]} points; for single "
            "series take a generator without a codec, such as tuned_warp, mix or raw_smote"
        )


def default(shape: tuple[int, int]) -> Tucker:
    """The codec where nobody names one: linear, d = 16 or the shorter axis of records of this shape."""
    return Tucker(min(Tucker().latent, *shape))


class FittedCodec(NamedTuple):
    """A codec that has learned.

    Attributes:
      encode: ``encode(x_NxRxT) -> latents_NxDxD``.
      decode: ``decode(latents_SxDxD) -> x_SxRxT`` float32. Both are pure and can be used inside ``jax.jit``; another shape
        is an InputError.
      curves: of training, by name; none where nothing was trained.
      residual_on: whether transformers are in use.
      text: what it is, in a few words.
    """

    encode: Callable[[np.ndarray], np.ndarray]
    decode: Callable[[np.ndarray], np.ndarray]
    curves: Mapping[str, Curves]
    residual_on: bool
    text: str


class _Memo:
    """What was worked out lately, by name; who asks for what another thread is working out waits for it."""

    def __init__(self, size: int) -> None:
        self._size, self._lock = size, threading.Lock()
        self._kept: collections.OrderedDict[Hashable, Future] = collections.OrderedDict()

    def get(self, name: Hashable, work_out: Callable[[], Any]) -> Any:
        with self._lock:
            mine = name not in self._kept
            result = self._kept.setdefault(name, Future())
            self._kept.move_to_end(name)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        if mine:
            try:
                result.set_result(work_out())
            except BaseException as error:
                with self._lock:
                    self._kept.pop(name, None)  # the next one tries again
                result.set_exception(error)
        return result.result()


_MEMO = _Memo(KEPT)


def fit(
    key: Array,
    part: Part,
    config: CodecOption,
    *,
    directory: Path | None = None,
    title: str | None = None,
    units: tuple[float, float] = (0.0, 1.0),
) -> Learned:
    """A codec of training records.

    Args:
      key: of everything random.
      part: training records on the [0, 1] scale.
      config: which codec.
      directory: checkpoints, see ``double.fit``; none are written for a codec that is known already.
      title: prefix of the progress bars; None shows none.
      units: low and span of the logarithmic scale, for a loss in linear units only.

    Returns:
      A ``FittedCodec`` and the origin of the part.

    Raises:
      InputError: not a part, an unknown codec, d larger than a series.
    """
    part = _checked(part, config)
    if isinstance(config, Tucker):
        return _remember(key, part, config, (), lambda: _fit_tucker(part, config.latent))
    return _remember(key, part, config, units, lambda: _fit_double(key, part, config, directory, title, units))


def fit_all(
    keys: Sequence[Array],
    parts: Sequence[Part],
    config: CodecConfig,
    *,
    directories: Sequence[Path],
    title: str | None = None,
    units: Sequence[tuple[float, float]],
) -> None:
    """Trains the codecs that ``fit`` will be asked for, all of them together, see ``ensemble.fit_all``.

    ``fit`` then knows the last ``KEPT`` of them, and finds the others finished in their directories.

    Args:
      keys, parts, directories, units: see ``fit``, one a codec.
      config, title: see there.

    Raises:
      InputError: see ``fit``, or more codecs than the memory holds.
    """
    parts = [_checked(part, config) for part in parts]
    found = ensemble.fit_all(keys, parts, config, units=units, directories=directories, title=title)
    for key, part, more, (codec, curves) in zip(keys, parts, units, found, strict=True):
        _remember(key, part, config, more, lambda c=codec, p=part, h=curves: _fitted(c, p, config, h))


def fit_linear(key: Array, part: Part, config: CodecOption) -> Learned:
    """The linear codec that a codec starts at, which costs no training: PCA of whole records or Tucker-2.

    Args and Raises: see ``fit``.
    """
    part = _checked(part, config)
    if isinstance(config, Tucker):
        return fit(key, part, config)
    return _remember(key, part, config, "linear", lambda: _fit_start(key, part, config))


def encode(codec: Learned, part: Part) -> Part:
    """Latent matrices of records; behind them are those of the codec too."""
    return _in_other_form(codec, part, codec.value.encode(part.x_NxRxT))


def reconstruct(codec: Learned, part: Part) -> Part:
    """Records through the codec and back; behind them are those of the codec too."""
    return _in_other_form(codec, part, codec.value.decode(codec.value.encode(part.x_NxRxT)))


def _in_other_form(codec: Learned, part: Part, values: np.ndarray) -> Part:
    return part.seen_through(codec.origin, values)


def _checked(part: Part, config: CodecOption) -> Part:
    check_part(part)
    read("generator", RULES, {"codec": config})
    check_axes(part.x_NxRxT.shape[1:])
    double.check_latent(config.latent, part.x_NxRxT.shape[1:])
    return part.with_values(np.ascontiguousarray(part.x_NxRxT, np.float32))


def _remember(key: Array, part: Part, config: CodecOption, more: Any, work_out: Callable[[], FittedCodec]) -> Learned:
    """Codecs are told apart by all that they depend on; checkpoints and titles are no part of that."""
    digest = hashlib.sha256(np.asarray(jax.random.key_data(key)).tobytes())
    for column in (part.x_NxRxT, part.labels_N, part.groups_N, part.identities_N):
        digest.update(f"{column.shape} {column.dtype}".encode() + np.ascontiguousarray(column).tobytes())
    return Learned(_MEMO.get((config, more, digest.hexdigest()), work_out), part.origin)


def _fit_tucker(part: Part, latent: int) -> FittedCodec:
    basis = linalg.two_sided_basis(part.x_NxRxT, latent)
    return _checking(
        part.x_NxRxT.shape[1:],
        latent,
        lambda x_NxRxT: basis.slow_RxD.T @ (x_NxRxT - basis.mean_RxT) @ basis.fast_TxD,
        lambda e_NxDxD: (basis.mean_RxT + basis.slow_RxD @ e_NxDxD @ basis.fast_TxD.T).astype(np.float32),
        {},
        False,
        f"linear, both axes, d = {latent}",
    )


def _fit_double(
    key: Array,
    part: Part,
    config: CodecConfig,
    directory: Path | None,
    title: str | None,
    units: tuple[float, float],
) -> FittedCodec:
    fitted, curves = double.fit(key, part, config, units=units, directory=directory, title=title)
    return _fitted(fitted, part, config, curves)


def _fit_start(key: Array, part: Part, config: CodecConfig) -> FittedCodec:
    """What ``double.fit`` starts from under the same key; a random start is judged by it as well."""
    linear = dataclasses.replace(config, start="linear")
    return _fitted(double.fit_linear(key, part, linear), part, linear, {})


def _fitted(codec: Codec, part: Part, config: CodecConfig, curves: dict[str, Curves]) -> FittedCodec:
    shape = part.x_NxRxT.shape[1:]  # not the records: a codec that is kept must not keep them
    return _checking(
        shape,
        config.latent,
        lambda x_NxRxT: double.encode(codec, x_NxRxT, config),
        lambda e_NxDxD: double.decode(codec, e_NxDxD, config, shape),
        curves,
        double.residual_on(codec),
        double.describe(codec, config),
    )


def _checking(
    shape: tuple[int, int],
    latent: int,
    encode: Callable[[np.ndarray], np.ndarray],
    decode: Callable[[np.ndarray], np.ndarray],
    *about: Any,
) -> FittedCodec:
    """A codec that says which shape it expects; shapes are known inside ``jax.jit`` too."""

    def checked(what: str, shape: tuple[int, int], values_Nx: np.ndarray) -> np.ndarray:
        if np.ndim(values_Nx) != 3 or np.shape(values_Nx)[1:] != shape:
            raise InputError(
                f"{what}: expected shape (N, {shape[0]}, {shape[1]}) as in fit, got {np.shape(values_Nx)}"
                + ("; one alone is x[None]" if np.shape(values_Nx) == shape else "")
            )
        return values_Nx

    return FittedCodec(
        lambda x_NxRxT: encode(checked("encode", shape, x_NxRxT)),
        lambda e_NxDxD: decode(checked("decode", (latent, latent), e_NxDxD)),
        *about,
    )
