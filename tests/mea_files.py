"""Writes what a G.A.S. instrument writes, in small."""

import gzip
from pathlib import Path

import numpy as np


def write_mea(path: Path, counts_RxT, *, step_s=0.39, rate_khz=150):
    """A .mea file, gzipped where its name ends in .gz; the row time is (averages + 1) × trigger repetition."""
    counts_RxT = np.asarray(counts_RxT)
    header = "\n".join(
        [
            "Chunk averages                 = 0",
            f"Chunk sample count             = {counts_RxT.shape[1]}",
            f"Chunk sample rate              = {rate_khz} [kHz]",
            f"Chunk trigger repetition       = {round(1000 * step_s)} [ms]",
            f"Chunks count                   =  {counts_RxT.shape[0]}",
            'Machine type                   = "FlavourSpec®"',
            'Timestamp                      = "2026-01-02T03:04:05"',
        ]
    )
    data = header.encode("windows-1252") + b"\n\0" + np.rint(counts_RxT).astype("<i2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_set(folder: Path, records, *, samples=False) -> Path:
    """A folder of .mea files, ``Class/file`` or ``Class/Sample/file``, of records that begin at 0 on both axes."""
    step_s = records.slow.values[1] - records.slow.values[0]
    rate_khz = round(1.0 / (records.fast.values[1] - records.fast.values[0]))
    for i, (label, name) in enumerate(zip(records.labels, records.names, strict=True)):
        sample = [f"sample_{i % 3}"] if samples else []
        write_mea(folder.joinpath(label, *sample, f"{name}.mea"), records.values[i], step_s=step_s, rate_khz=rate_khz)
    return folder
