"""Files per second and peak memory of the ingest against gc-ims-tools doing the same steps.

    python -m benchmarks.ingest --peer PYTHON

Writes 60 .mea files of 4000×3000 int16, then each side reads them, crops, keeps the level-3 db3 wavelet approximation
of both axes and stores the result in one file: ours by ``python -m experiments.ingest``, gc-ims-tools 0.1.10 by its
``Dataset`` in the order read, crop, wavelet, store, and once more with ``sequential=True``, which compresses each file
as it is read and crops afterwards. ``PYTHON`` is an interpreter that has gc-ims-tools, by default this one; where it
has none, its rows are missing and the table says so. Memory is the sum over a side's processes of their unshared and
proportional shared memory (PSS), sampled every 20 ms in a run of its own; seconds are of whole processes, imports
included, files cached.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from gcims_jax import io
from gcims_jax.records import Axis, Records

SLOW_RANGE, FAST_RANGE = (60.0, 1200.0), (8.0, 15.0)
PEER = """
import ims, os, sys
folder, output, sequential = sys.argv[1], sys.argv[2], sys.argv[3] == "sequential"
if sequential:
    data = ims.Dataset.read_mea(folder, subfolders=True, sequential=True, direction="both", wavelet="db3", level=3)
else:
    data = ims.Dataset.read_mea(folder, subfolders=True)
data.cut_rt({slow[0]}, {slow[1]}).cut_dt({fast[0]}, {fast[1]})
if not sequential:
    data.wavecompr(direction="both", wavelet="db3", level=3)
os.mkdir(output)
data.to_hdf5(name="peer", path=output)
"""


def main() -> None:
    """Prints one Markdown table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--shape", type=int, nargs=2, default=(4000, 3000), help="retention and drift points")
    parser.add_argument("--peer", default=sys.executable, help="interpreter that has gc-ims-tools")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ingest_benchmark_") as name:
        folder = Path(name)
        write_files(folder / "in", arguments.files, *arguments.shape)
        for path in (folder / "in").rglob("*.mea"):
            path.read_bytes()  # into the cache
        compare(folder, arguments)


def compare(folder: Path, arguments: argparse.Namespace) -> None:
    """Measures all sides on the files in ``folder / "in"``."""
    rows = {}
    ranges = {"slow": SLOW_RANGE, "fast": FAST_RANGE}
    options = [f"--{which}-range={low:g}:{high:g}" for which, (low, high) in ranges.items()]
    options += ["--slow-level=3", "--fast-level=3"]
    for kind in ("threads", "processes"):
        output = folder / f"{kind}.zarr"
        command = [sys.executable, "-m", "experiments.ingest", "--input", str(folder / "in"), "--output", str(output)]
        extra = ["--workers=2", *(["--processes"] if kind == "processes" else [])]
        rows[f"gcims_jax, 2 {kind}"] = measure([*command, *options, *extra], output)
        print(f"stored: {io.read(output).shape}")
    version = "import importlib.metadata as m; print(m.version('gc-ims-tools'))"
    found = subprocess.run([arguments.peer, "-c", version], capture_output=True, text=True)
    if found.returncode:
        print("gc-ims-tools: not installed for --peer, no comparison")
    else:
        for mode in ("whole", "sequential"):
            output = folder / mode
            script = PEER.format(slow=SLOW_RANGE, fast=FAST_RANGE)
            command = [arguments.peer, "-c", script, str(folder / "in"), str(output), mode]
            rows[f"gc-ims-tools {found.stdout.strip()}, {mode}"] = measure(command, output)
    print("\n| | seconds | files/s | peak memory MiB |\n|---|---|---|---|")
    for name, (seconds, peak) in rows.items():
        print(f"| {name} | {seconds:.1f} | {arguments.files / seconds:.2f} | {peak / 2**20:.0f} |")
    for name, (seconds, peak) in rows.items():
        for ours, (our_seconds, our_peak) in rows.items():
            if name.startswith("gc-ims-tools") and not ours.startswith("gc-ims-tools"):
                print(
                    f"{ours} against {name}: {seconds / our_seconds:.2f} × the files per second, {our_peak / peak:.2f} × the memory"
                )


def write_files(folder: Path, files: int, rows: int, columns: int) -> None:
    """Files of noise around a reactant ion peak and some analytes, 150 kHz and 0.33 s a row, in three classes."""
    rng = np.random.default_rng(0)
    slow = Axis("retention_time", "s", np.arange(rows) * 0.33)
    fast = Axis("drift_time", "ms", np.arange(columns) / 150.0)
    rip_T = 4336.0 * np.exp(-0.5 * ((fast.values - 7.74) / 0.046) ** 2)
    noise_RxT = rng.normal(98.0, 2.3, (rows, columns)).astype(np.float32)
    for i in range(files):
        values_RxT = np.roll(noise_RxT, (37 * i, 11 * i), (0, 1)) + rip_T.astype(np.float32)
        for at_s, at_ms in rng.uniform((70.0, 8.5), (slow.values[-1], 14.0), (20, 2)):
            elution_R = np.exp(-0.5 * ((slow.values - at_s) / 2.5) ** 2)
            values_RxT += np.outer(1500.0 * elution_R, np.exp(-0.5 * ((fast.values - at_ms) / 0.045) ** 2)).astype(
                np.float32
            )
        path = folder / f"class_{i % 3}" / f"sample_{i // 3}" / f"run_{i:03d}.mea"
        path.parent.mkdir(parents=True, exist_ok=True)
        io.write(Records(values_RxT[None], slow, fast, labels=["?"]), path)


def measure(command: list[str], output: Path) -> tuple[float, int]:
    """Seconds of a command, and in a second run peak bytes of it and the processes that it starts.

    Two runs, because the kernel stops a process for milliseconds to add up its memory.
    """
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} failed:\n{done.stderr[-2000:]}")
    shutil.rmtree(output)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(proportional_bytes, family(process.pid))))
        time.sleep(0.02)
    return seconds, peak


def family(pid: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parent = int(Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:  # ended meanwhile
                continue
            children.setdefault(parent, []).append(int(entry))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting.extend(children.get(found[-1], []))
    return found


def proportional_bytes(pid: int) -> int:
    """Proportional set size of a process; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
