"""Open 512 MiB of weights with rnnconv, PyTorch (`mmap=True`) and safetensors, side by side.

rnnconv has to map the file: its memory may grow by less than 5 % of the file over that for a small one, and the whole
process, start-up included, may take no longer than the peer's call alone. docs/pytorch.md records a run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

BINARY = os.environ.get("RNNCONV_BINARY", ".build-tests/release/rnnconv")


def state(megabytes: float) -> dict[str, torch.Tensor]:
    """One LSTM layer, I = H: two matrices of 4·H·H."""
    size = int((megabytes * 2**20 / 32) ** 0.5)
    return {"weight_ih_l0": torch.rand(4 * size, size), "weight_hh_l0": torch.rand(4 * size, size)}


def inspect(path: Path) -> tuple[float, int]:
    """Seconds of the process from start to end, and the most memory that it had, in bytes."""
    start = time.perf_counter()
    with open(os.devnull, "w") as nothing:
        child = os.posix_spawn(BINARY, [BINARY, "inspect", "--tensors", str(path)], os.environ,
                               file_actions=[(os.POSIX_SPAWN_DUP2, nothing.fileno(), 1)])
        _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        raise SystemExit(f"rnnconv inspect --tensors {path}: {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss * 1024


def timed(load: Callable[[], object]) -> float:
    start = time.perf_counter()
    kept = load()
    seconds = time.perf_counter() - start
    del kept
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=512)
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, problems = Path(name), []
        large, small = state(arguments.megabytes), state(0.1)
        for ending, save, peer, load in (
            ("pt", torch.save, "torch mmap=True", lambda path: torch.load(path, weights_only=True, mmap=True)),
            ("safetensors", save_file, "safetensors load_file", load_file),
        ):
            path, other = folder / f"large.{ending}", folder / f"small.{ending}"
            save(large, path)
            save(small, other)
            path.read_bytes()  # a warm cache for everybody
            ours, theirs, memory = [], [], []
            base = min(inspect(other)[1] for _ in range(3))
            for _ in range(arguments.runs):
                seconds, most = inspect(path)
                ours.append(seconds)
                memory.append(most - base)
                theirs.append(timed(lambda: load(path)))
            share = max(memory) / path.stat().st_size
            print(f".{ending}, {path.stat().st_size / 2**20:.0f} MiB: rnnconv {1e3 * min(ours):.1f} ms (whole process), "
                  f"{peer} {1e3 * min(theirs):.1f} ms (the call), ratio {min(ours) / min(theirs):.2f}; "
                  f"memory over that for a small file {max(memory) / 2**20:.2f} MiB, {100 * share:.2f} % of the file")
            if not share < 0.05:
                problems.append(f".{ending}: memory grows by {100 * share:.1f} % of the file")
            if not min(ours) <= min(theirs):
                problems.append(f".{ending}: slower than {peer}")
            path.unlink()
        if problems:
            raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
