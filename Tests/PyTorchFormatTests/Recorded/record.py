"""Record tensors of every type, of odd shapes and strides, as torch 2.13.0 saves them in both of its formats.

`python record.py` writes zoo.pt, zoo-legacy.pt and zoo.npz (the same values as dense arrays; bfloat16 as its bits).
"""

from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
TYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
         torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool]


def main() -> None:
    torch.manual_seed(11)
    zoo: dict[str, torch.Tensor] = {}
    for dtype in TYPES:
        name = str(dtype).removeprefix("torch.")
        size = torch.empty((), dtype=dtype).element_size()
        raw = torch.randint(0, 256, (4 * 6 * size,), dtype=torch.uint8)
        base = (raw % 2).bool().reshape(4, 6) if dtype == torch.bool else raw.view(dtype).reshape(4, 6)
        zoo[f"{name}.dense"] = base
        zoo[f"{name}.transposed"] = base.t()
        zoo[f"{name}.window"] = base[1:3, 2:5]
        zoo[f"{name}.every_second"] = base[:, ::2]
        zoo[f"{name}.expanded"] = base[:1].expand(3, 6)
        zoo[f"{name}.scalar"] = base[2, 3]
        zoo[f"{name}.empty"] = base[:, :0]
        zoo[f"{name}.three"] = base.reshape(2, 2, 6).permute(2, 0, 1)
    zoo["parameter"] = torch.nn.Parameter(torch.arange(4.0))
    zoo["complex"] = torch.ones(2, dtype=torch.complex64)
    zoo["float8"] = torch.ones(2).to(torch.float8_e4m3fn)
    torch.save(zoo, HERE / "zoo.pt")
    torch.save(zoo, HERE / "zoo-legacy.pt", _use_new_zipfile_serialization=False)
    arrays = {}
    for name, tensor in zoo.items():
        if name in ("complex", "float8"):
            continue
        dense = tensor.detach().contiguous()
        arrays[name] = (dense.view(torch.int16) if tensor.dtype == torch.bfloat16 else dense).numpy()
    np.savez(HERE / "zoo.npz", **arrays)


if __name__ == "__main__":
    main()
