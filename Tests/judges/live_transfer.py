"""Train on, export once: PyTorch against `rnnconv convert new.pt new.onnx --like export.onnx`.

Random networks around a recurrence are exported with one set of weights, by both exporters; other weights go into the export without
Python. What onnxruntime makes of the result has to be what PyTorch makes of the module, and every byte of the file that is no
weight has to be the export's. Modules with convolutions also go through an architecture of their own. `RNNCONV_BINARY` names the binary.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import re
import subprocess
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tool import binary, forced

RNNCONV = binary()


def rnnconv(*arguments: str | Path, code: int | tuple[int, ...] = 0) -> str:
    run = subprocess.run([RNNCONV, *forced(*arguments)], capture_output=True, text=True, check=False)
    if run.returncode not in (code if isinstance(code, tuple) else (code,)):
        raise SystemExit(f"rnnconv {' '.join(map(str, arguments))}: {run.returncode}, not {code}\n{run.stdout}{run.stderr}")
    return run.stdout + run.stderr


class Network(nn.Module):
    """Convolutions with norms, a recurrence of some layers, a head."""

    def __init__(self, choice: random.Random) -> None:
        super().__init__()
        self.inputs = choice.choice([3, 5, 8])
        features = self.inputs
        self.convolutions = nn.Sequential()
        for _ in range(choice.choice([0, 0, 1, 2])):
            channels = choice.choice([4, features, 6])
            kernel = choice.choice([1, 3])
            self.convolutions.append(nn.Conv1d(features, channels, kernel, padding=kernel // 2, bias=choice.random() < 0.7))
            if choice.random() < 0.6:
                self.convolutions.append(nn.BatchNorm1d(channels))
            self.convolutions.append(nn.ReLU())
            features = channels
        self.before = nn.LayerNorm(features) if choice.random() < 0.4 else nn.Identity()
        self.hidden = choice.choice([4, features, 6])
        cell = choice.choice([nn.LSTM, nn.GRU, nn.RNN])
        self.rnn = cell(features, self.hidden, num_layers=choice.choice([1, 2, 3]), bidirectional=choice.random() < 0.5,
                        bias=choice.random() < 0.8, batch_first=True)
        width = self.hidden * (2 if self.rnn.bidirectional else 1)
        self.head = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, choice.choice([2, width]), bias=choice.random() < 0.7))
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.convolutions(x.transpose(1, 2)).transpose(1, 2)
        return self.head(self.rnn(self.before(y))[0])


def shaken(module: nn.Module, choice: random.Random) -> nn.Module:
    """The same with other weights, as after training; statistics of norms too."""
    other = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(choice.randrange(1 << 30))
    with torch.no_grad():
        for name, tensor in other.state_dict().items():
            if tensor.dtype.is_floating_point:
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.copy_(noise + 0.5 if name.endswith("running_var") else noise * 0.8 - 0.4)
    return other


def export(module: nn.Module, x: torch.Tensor, path: Path, exporter: str, opset: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if exporter == "dynamo":
            torch.onnx.export(module, (x,), str(path), dynamo=True, external_data=False, verbose=False, opset_version=max(opset, 18),
                              input_names=["x"], output_names=["y"])
        else:
            torch.onnx.export(module, (x,), str(path), dynamo=False, opset_version=opset, input_names=["x"], output_names=["y"],
                              dynamic_axes={"x": {0: "batch"}} if exporter == "open" else None)


def outputs(path: Path, x: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def stripped(path: Path) -> bytes:
    """The file with zeros for weights."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.data_type in (1, 11) and tensor.raw_data:
            tensor.raw_data = bytes(len(tensor.raw_data))
    return model.SerializeToString(deterministic=True)


def scrambled(source: Path, target: Path) -> None:
    """The same graph without a name that says anything."""
    model = onnx.load(source)
    names = {t.name: f"w{i}" for i, t in enumerate(model.graph.initializer)}
    for tensor in model.graph.initializer:
        tensor.name = names[tensor.name]
    for i, node in enumerate(model.graph.node):
        node.name = f"n{i}"
        del node.metadata_props[:]
        for k, name in enumerate(node.input):
            node.input[k] = names.get(name, name)
    onnx.save(model, target)


def transferred(choice: random.Random, folder: Path, exporter: str) -> str:
    torch.manual_seed(choice.randrange(1 << 30))
    module = shaken(Network(choice), choice)
    x = torch.randn(2, 9, module.inputs)
    export(module, x, folder / "export.onnx", exporter, choice.choice([11, 14, 17]))
    new = shaken(module, choice)
    prefix = choice.choice(["", "", "model."])
    weights = {prefix + name: tensor for name, tensor in new.state_dict().items()}
    path = folder / choice.choice(["new.pt", "new.safetensors"])
    (save_file if path.suffix == ".safetensors" else torch.save)(weights, path)
    if exporter == "dynamo" and isinstance(module.rnn, nn.RNN):
        # It writes every step out, and what becomes of the weights has no name: said, not guessed.
        said = rnnconv("convert", path, folder / "new.onnx", "--like", folder / "export.onnx", code=(3, 4))
        assert "have no place" in said or "may be" in said, said
        return "written out: refused"
    said = rnnconv("convert", path, folder / "new.onnx", "--like", folder / "export.onnx")
    with torch.no_grad():
        want = new(x).numpy()
        old = module(x).numpy()
    got = outputs(folder / "new.onnx", x.numpy())
    worst = np.abs(got - want).max()
    assert worst < 2e-5, f"{exporter}: {worst} away\n{module}\n{said}"
    assert np.abs(old - want).max() > 1e-3, "the weights did not matter"
    assert stripped(folder / "new.onnx") == stripped(folder / "export.onnx"), f"{exporter}: more than weights has changed\n{said}"
    assert "kept" not in said, f"{module}\n{said}"
    # Every recurrent layer is proven.
    proven = re.search(r"verified (\d+) module", said)
    assert proven and int(proven[1]) >= module.rnn.num_layers + 2, f"{exporter}\n{module}\n{said}"
    rnnconv("convert", path, folder / "new.rnnw", "--like", folder / "export.onnx", code=(0, 4))
    # Where no name says anything, values do, and where they do not, that is said; nothing is guessed.
    scrambled(folder / "export.onnx", folder / "nameless.onnx")
    torch.save(module.state_dict(), folder / "old.pt")
    by_values = rnnconv("convert", folder / "old.pt", folder / "same.onnx", "--like", folder / "nameless.onnx", code=(0, 3, 4))
    if (folder / "same.onnx").exists():
        assert np.array_equal(outputs(folder / "same.onnx", x.numpy()), outputs(folder / "nameless.onnx", x.numpy())) or \
            np.abs(outputs(folder / "same.onnx", x.numpy()) - old).max() < 2e-5, by_values
    guess = rnnconv("convert", path, folder / "guess.onnx", "--like", folder / "nameless.onnx", code=(0, 3, 4))
    if (folder / "guess.onnx").exists():
        assert np.abs(outputs(folder / "guess.onnx", x.numpy()) - want).max() < 2e-5, f"a wrong guess\n{module}\n{guess}"
        return "told by shapes"
    assert "may be" in guess or "have no place" in guess, f"{module}\n{guess}"
    return "refused"


class Chain(nn.Module):
    """A chain that an architecture tells: spectrogram [B, T, F], conv2d with norm and pool, conv1d along time, LSTM, head."""

    def __init__(self, choice: random.Random) -> None:
        super().__init__()
        self.frames = choice.choice([6, 8])
        self.image = nn.Conv2d(1, 3, (3, 3), stride=(1, choice.choice([1, 2])), padding=(1, 1), bias=choice.random() < 0.5)
        self.bn = nn.BatchNorm2d(3, eps=choice.choice([1e-5, 1e-3]))
        places = (self.frames - 1) // self.image.stride[1] + 1
        self.pool = choice.choice([nn.MaxPool2d, nn.AvgPool2d])((2, 1), stride=(choice.choice([1, 2]), 1), padding=(1, 0))
        features = 3 * places
        groups = choice.choice([1, 3])
        self.along = nn.Conv1d(features, 6, 3, padding=choice.choice([0, 2]), dilation=choice.choice([1, 2]), groups=groups)
        self.norm = nn.BatchNorm1d(6, affine=choice.random() < 0.7)
        self.rnn = nn.LSTM(6, 4, batch_first=True)
        self.fc = nn.Linear(4, 3)
        self.places = places
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.pool(torch.relu(self.bn(self.image(x.unsqueeze(1)))))
        y = y.permute(0, 2, 1, 3).flatten(2)
        y = self.norm(self.along(y.transpose(1, 2))).transpose(1, 2)
        return self.fc(self.rnn(y)[0])

    def architecture(self) -> dict:
        pool = self.pool
        pair = lambda v: list(v) if isinstance(v, tuple) else [v, v]
        return {"batch_first": True, "steps": [
            {"conv": "image", "axes": [None, self.frames], "stride": list(self.image.stride), "padding": list(self.image.padding)},
            {"batch_norm": "bn", "eps": repr(self.bn.eps)}, {"activation": "relu"},
            {"pool": "max" if isinstance(pool, nn.MaxPool2d) else "padded_mean", "axes": [None, self.places],
             "kernel": pair(pool.kernel_size), "stride": pair(pool.stride), "padding": pair(pool.padding)},
            {"conv": "along", "padding": list(self.along.padding), "dilation": list(self.along.dilation), "groups": self.along.groups},
            {"batch_norm": "norm"}, {"recurrent": "rnn", "mode": "LSTM"}, {"linear": "fc"}]}


def architectural(choice: random.Random, folder: Path) -> None:
    torch.manual_seed(choice.randrange(1 << 30))
    module = shaken(Chain(choice), choice)
    x = torch.randn(2, 12, module.frames)
    with torch.no_grad():
        y = module(x)
    np.savez(folder / "x.npz", input=x.numpy())
    np.savez(folder / "y.npz", output=y.numpy())
    (folder / "model.json").write_text(json.dumps(module.architecture()))
    path = folder / choice.choice(["m.pt", "m.safetensors"])
    (save_file if path.suffix == ".safetensors" else torch.save)(module.state_dict(), path)
    data = ["--input", folder / "x.npz", "--expected", folder / "y.npz", "--runtime", "pytorch"]
    says = ["--architecture", folder / "model.json"]
    rnnconv("verify", path, *data, *says)
    rnnconv("verify", path, *says)
    for target in ("onnx", "rnnw", "pt", "safetensors"):
        made = folder / f"made.{target}"
        rnnconv("convert", path, made, *says)
        rnnconv("verify", made, *data)
    got = onnxruntime.InferenceSession(str(folder / "made.onnx")).run(None, {"input": x.numpy()})[0]
    assert np.abs(got - y.numpy()).max() < 2e-5, np.abs(got - y.numpy()).max()
    # Through every format and back, it is the module's own state dict again.
    rnnconv("convert", folder / "made.rnnw", folder / "back.pt")
    for back in ("made.pt", "back.pt", "made.safetensors"):
        loaded = load_file(folder / back) if back.endswith("safetensors") else torch.load(folder / back, weights_only=True)
        fresh = Chain.__new__(Chain)
        fresh = copy.deepcopy(module)
        if not module.norm.affine:
            # γ = 1 and β = 0 are written out.
            fresh.norm = nn.BatchNorm1d(6)
        fresh.load_state_dict(loaded, strict=True)
        with torch.no_grad():
            assert torch.equal(fresh.eval()(x), y) or (fresh(x) - y).abs().max() < 1e-6, back
        for name, tensor in module.state_dict().items():
            if tensor.dtype.is_floating_point:
                assert torch.equal(loaded[name], tensor), f"{back}: {name} has other bits"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--exporters", default="fixed,open,dynamo")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    choice = random.Random(arguments.seed)
    for exporter in arguments.exporters.split(","):
        counts: dict[str, int] = {}
        for _ in range(arguments.networks):
            with tempfile.TemporaryDirectory() as folder:
                found = transferred(choice, Path(folder), exporter)
                counts[found] = counts.get(found, 0) + 1
        print(f"{arguments.networks} networks, {exporter}: new weights in old exports equal to torch; without any name: {counts}")
    for _ in range(arguments.networks):
        with tempfile.TemporaryDirectory() as folder:
            architectural(choice, Path(folder))
    print(f"{arguments.networks} networks by an architecture: equal to torch in every format, weights bit for bit")


if __name__ == "__main__":
    main()
