"""The benchmark of a device runs as it stands, in small."""

import json

from benchmarks import accelerator


def test_one_table_and_the_same_figures_as_json(tmp_path, capsys):
    file = tmp_path / "accelerator.json"
    accelerator.main(["--tiny", "--output", str(file)])
    kept = json.loads(file.read_text())
    whats = [row["what"] for row in kept["rows"]]
    printed = capsys.readouterr().out
    assert all(f"| {what} |" in printed for what in whats) and kept["tiny"]
    assert all(row["rate"] > 0 and row["peak"] > 0 for row in kept["rows"])
    codecs = [row for row in kept["rows"] if row["what"].startswith("codecs")]
    assert [row["what"] for row in codecs] == ["codecs, 2 together"]
    assert codecs[0]["times_one_by_one"] == 1.0 and 0 < codecs[0]["share_of_matrix_multiply"] < 1
    assert {"normals alone, P = 4", "jax.random.multivariate_normal, P = 4"} <= set(whats)
    assert whats[-1] == "registration, 8 × 8"
