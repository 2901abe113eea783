"""The work directory: one configuration's run, written atomically, resumable."""

import importlib.metadata
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from gcims_jax.errors import InputError

PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "numpy", "scipy", "PyWavelets", "scikit-learn", "xarray")


def claim(workdir: Path, identity: dict[str, Any], about: dict[str, Any]) -> None:
    """Takes a new or empty directory, or one that holds a run of the same identity.

    Args:
      workdir: the directory; made where it is missing.
      identity: configuration and data; what must agree for a run to be continued.
      about: versions, device and so on; written beside the identity, not compared.

    Raises:
      InputError: another configuration's run, or files that are no run. Nothing is written then.
    """
    path = workdir / "config.json"
    identity = json.loads(to_json(identity))
    if path.exists():
        there = json.loads(path.read_text())
        differing = sorted(_differences({k: there.get(k) for k in identity}, identity))
        if differing:
            raise InputError(
                f"{workdir}: expected a run of this configuration, found one that differs in {', '.join(differing[:5])}; "
                "choose another --workdir, or delete this one to start over"
            )
        return
    if workdir.exists() and (not workdir.is_dir() or any(not p.name.startswith(".") for p in workdir.iterdir())):
        raise InputError(
            f"{workdir}: expected a new directory or an earlier run's, found files without config.json; "
            "choose another --workdir"
        )
    workdir.mkdir(parents=True, exist_ok=True)
    write_text(path, to_json({**identity, **about}))


def about_software() -> dict[str, Any]:
    """Package versions and the git revision of this code, None where it is not a checkout."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        revision = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        revision = None
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


def _differences(there: Any, here: Any, prefix: str = "") -> list[str]:
    """Dotted names of the leaves in which two nested dicts differ."""
    if not isinstance(there, dict) or not isinstance(here, dict):
        return [] if there == here else [prefix]
    return [
        name
        for key in {**there, **here}
        for name in _differences(there.get(key), here.get(key), f"{prefix}.{key}" if prefix else key)
    ]
