"""The work directory: one configuration's run, written atomically, resumable."""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

import gcims_jax
from gcims_jax.errors import InputError

try:
    import fcntl
except ImportError:  # Windows has none; runs there must not share a directory
    fcntl = None

PACKAGES = (
    "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy", "PyWavelets", "scikit-learn", "imbalanced-learn",
    "xarray",
)  # fmt: skip

# Where the wheel puts this folder and the recipes, below the package itself.
INSTALLED_BELOW = ("_experiments", "_configs")

# Parts of an identity in the words of who reads the message.
WORDS = {
    "data.values": "the records' values",
    "data.axes": "the records' axes",
    "data.labels": "the labels",
    "data.groups": "the groups",
    "data.names": "the records' names",
    "data.folds": "the folds",
    "data.shape": "the number of records or points",
    "software.code": "this package's own code",
}

_held: dict[tuple[int, int], int] = {}  # open lock files by device and inode, until the process ends


def claim(workdir: Path, identity: dict[str, Any], about: dict[str, Any]) -> None:
    """Takes a new or empty directory, or one that holds a run of the same identity, for this process until it ends.

    Args:
      workdir: the directory; made where it is missing.
      identity: what must agree for a run to be continued, in parts: "config"; "data", a hash of each thing that
        ``WORDS`` names; "software", versions by name and "code", from ``code_version``.
      about: device and so on; written beside the identity, not compared.

    Raises:
      InputError: another process' directory, another run's, or files that are no run. Nothing of a run is written then.
    """
    identity = json.loads(to_json(identity))
    _check(workdir, identity)
    workdir.mkdir(parents=True, exist_ok=True)
    _lock(workdir)
    _check(workdir, identity)  # another one may have begun since
    if not (workdir / "config.json").exists():
        write_text(workdir / "config.json", to_json({**identity, **about}))


def _check(workdir: Path, identity: dict[str, Any]) -> None:
    path = workdir / "config.json"
    if path.exists():
        there = json.loads(path.read_text())
        differing = _in_words(_differences({k: there.get(k) for k in identity}, identity))
        if differing:
            raise InputError(
                f"{workdir}: expected a run of the same options, data and versions, found one that differs in "
                f"{'; '.join(differing)}; choose another --workdir, or delete this one to start over"
            )
    elif workdir.exists() and (not workdir.is_dir() or any(not p.name.startswith(".") for p in workdir.iterdir())):
        raise InputError(
            f"{workdir}: expected a new directory or an earlier run's, found files without config.json; "
            "choose another --workdir"
        )


def _lock(workdir: Path) -> None:
    """Locks the directory; the operating system lets go of it when the process ends, however it ends."""
    if fcntl is None:
        return
    path = workdir / ".lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    place = os.fstat(lock).st_dev, os.fstat(lock).st_ino
    if place in _held:
        os.close(lock)
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise InputError(
            f"{workdir}: expected one run at a time, found it in use by process {path.read_text().strip() or '?'}; "
            "wait for that run to end, or choose another --workdir"
        ) from error
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    _held[place] = lock


def code_version() -> str:
    """Hash of the source files of package and experiments, 16 digits; the same wherever and however they were installed."""
    digest = hashlib.sha256()
    for root in (Path(gcims_jax.__file__).parent, Path(__file__).parent):
        for path in sorted(root.rglob("*.py"), key=lambda p: p.relative_to(root).as_posix()):
            if path.relative_to(root).parts[0] in INSTALLED_BELOW:
                continue
            # Lengths go along, or what moves from the end of a file to the head of the next would not count.
            for text in (path.relative_to(root).as_posix().encode(), path.read_bytes().replace(b"\r\n", b"\n")):
                digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()[:16]


def about_software() -> dict[str, Any]:
    """Package versions and the git revision of this code, None where it is not a checkout."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    clone = Path(__file__).parents[1]
    command = ["git", "-C", str(clone), "describe", "--always", "--dirty", "--exclude=*"]
    revision = None
    if (clone / ".git").exists():  # else a repository around site-packages would answer
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            revision = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return {"versions": versions, "git_revision": revision}


def write_text(path: Path, text: str) -> None:
    """Replaces a file as a whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text)
    temporary.replace(path)


def to_json(value: Any) -> str:
    """JSON text of nested dicts, sequences, numpy arrays and numbers; NaN becomes null."""
    return json.dumps(_plain(value), indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _differences(there: Any, here: Any, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """The leaves in which two nested dicts differ, by dotted name, there and here."""
    if not isinstance(there, dict) and not isinstance(here, dict):
        return {} if there == here else {prefix: (there, here)}
    there, here = (side if isinstance(side, dict) else {} for side in (there, here))
    return {
        name: pair
        for key in {**there, **here}
        for name, pair in _differences(there.get(key), here.get(key), f"{prefix}.{key}" if prefix else key).items()
    }


def _in_words(differences: dict[str, tuple[Any, Any]]) -> list[str]:
    """One phrase for data, options and versions each, with the first few of them."""
    found: dict[str, list[str]] = {}
    for name, (there, here) in sorted(differences.items()):
        kind, _, rest = name.partition(".")
        hidden = name in WORDS and name != "data.shape"  # a hash says nothing
        change = "" if hidden else f" {_short(there)} → {_short(here)}"
        found.setdefault(kind, []).append(WORDS.get(name, rest or name) + change)
    heads = {"config": "options: ", "software": "versions of code or libraries: "}
    return [heads.get(kind, "") + _list(phrases) for kind, phrases in sorted(found.items())]


def _list(phrases: list[str], most: int = 5) -> str:
    more = [f"{len(phrases) - most} more"] if len(phrases) > most else []
    return ", ".join(phrases[:most] + more)


def _short(value: Any, most: int = 40) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= most else text[: most - 1] + "…"
