"""Open 512 MiB of weights with rnnconv, PyTorch (`mmap=True`) and safetensors, side by side.

rnnconv has to map the file: until the weights are used its memory may grow by less than 5 % of the file, else this fails.
Times are printed side by side and judged by nobody: a busy machine would fail them. `rnnconv-bench` measures in its own process, as the peers are measured in this
one; files are in the disk cache for all. docs/pytorch.md records a run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

BENCH = Path(os.environ.get("RNNCONV_BINARY", ".build-tests/release/rnnconv")).with_name("rnnconv-bench")


def weights(megabytes: float) -> dict[str, torch.Tensor]:
    """One LSTM layer, I = H: two matrices of 4·H·H."""
    size = int((megabytes * 2**20 / 32) ** 0.5)
    return {"weight_ih_l0": torch.rand(4 * size, size), "weight_hh_l0": torch.rand(4 * size, size)}


def opened(path: Path, runs: int) -> dict[str, float]:
    run = subprocess.run([BENCH, "open", path, "--runs", str(runs)], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise SystemExit(f"{BENCH} open {path}: {run.returncode}\n{run.stderr}")
    return json.loads(run.stdout)


def quickest(load: Callable[[], object], runs: int) -> float:
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        kept = load()
        best = min(best, time.perf_counter() - start)
        del kept
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=512)
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    state, problems = weights(arguments.megabytes), []
    with tempfile.TemporaryDirectory() as folder:
        for ending, save, peer, load in (
            ("pt", torch.save, "torch.load(mmap=True)", lambda path: torch.load(path, weights_only=True, mmap=True)),
            ("safetensors", save_file, "safetensors' load_file", load_file),
        ):
            path = Path(folder) / f"large.{ending}"
            save(state, path)
            path.read_bytes()
            theirs = quickest(lambda: load(path), arguments.runs)
            ours = opened(path, arguments.runs)
            share = ours["grownBytes"] / ours["fileBytes"]
            print(f".{ending}, {ours['fileBytes'] / 2**20:.0f} MiB: rnnconv {1e3 * ours['seconds']:.2f} ms, "
                  f"{peer} {1e3 * theirs:.2f} ms, ratio {ours['seconds'] / theirs:.2f}; memory grows by "
                  f"{ours['grownBytes'] / 2**20:.1f} MiB ({100 * share:.2f} % of the file), "
                  f"in use by {ours['grownBytesInUse'] / 2**20:.0f} MiB")
            if not share < 0.05:
                problems.append(f".{ending}: memory grows by {100 * share:.1f} % of the file before the weights are used")
            if not ours["grownBytesInUse"] >= ours["fileBytes"] / 2:
                problems.append(f".{ending}: the weights were not used, or memory is not what was measured")
            path.unlink()
    if problems:
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
