"""Run the trained examples of fixtures/forms in PyTorch again, with the weights that lie there, and compare with what
was recorded: token sequences equal, numbers to a few units in the last place."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2] / "fixtures"
sys.path.insert(0, str(ROOT))
from train_examples import EXAMPLES  # noqa: E402

ALLOWED_ULPS = 8


def arrays(folder: Path, name: str) -> dict[str, np.ndarray]:
    if (folder / f"{name}.safetensors").exists():
        return load_file(folder / f"{name}.safetensors")
    with np.load(folder / f"{name}.npz") as archive:
        return {key: archive[key] for key in archive.files}


def main() -> None:
    problems = []
    for name, (kind, *_) in EXAMPLES.items():
        folder = ROOT / "forms" / name
        model = kind()
        model.load_state_dict({key: torch.tensor(value) for key, value in arrays(folder, "weights").items()})
        with torch.no_grad():
            found = model.run(**{key: torch.tensor(value) for key, value in arrays(folder, "inputs").items()})
        for key, before in arrays(folder, "outputs").items():
            after = found[key].numpy()
            if before.shape != after.shape:
                problems.append(f"{name}, {key}: {before.shape} recorded, {after.shape} now")
            elif before.dtype.kind != "f":
                problems += [f"{name}, {key}: other tokens"] if not np.array_equal(before, after) else []
            else:
                scale = max(1.0, float(np.abs(before).max())) * float(np.finfo(before.dtype).eps)
                ulps = float(np.abs(before.astype(float) - after).max()) / scale
                problems += [f"{name}, {key}: {ulps:.1f} units in the last place apart"] if ulps > ALLOWED_ULPS else []
    if problems:
        raise SystemExit("\n".join(problems))
    print(f"{len(EXAMPLES)} examples give what was recorded")


if __name__ == "__main__":
    main()
