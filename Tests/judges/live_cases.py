"""Cases that went wrong once, each made anew and small, with what is right beside it, and with siblings of its kind.

Every input is written here: by PyTorch, by hand as Keras's converter writes it, or byte by byte. Where values are the
point, onnxruntime or PyTorch says which. `RNNCONV_BINARY` names the binary; else that of the last build is taken.
"""

from __future__ import annotations

import argparse
import contextlib
import enum
import functools
import json
import logging
import math
import os
import pickle
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import types
import warnings
import xml.dom.minidom
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tool import binary, forced

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
# What must not reach a terminal: C0 but for line feed and tab, C1, and what turns the reading direction.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Wrong(Exception):
    """Something is not as it should be; the text says what."""


RNNCONV = binary()
problems: list[str] = []


@contextlib.contextmanager
def part(name: str) -> Iterator[None]:
    """One of a case's inputs: what is wrong with it does not keep the others from being tried."""
    try:
        yield
    except Exception as error:  # Whatever it is, the case is not right.
        text = str(error) if isinstance(error, Wrong) else f"{type(error).__name__}: {error}"
        problems.append(f"{name}: {text}")


def want(condition: object, reason: str) -> None:
    if not condition:
        raise Wrong(reason)


def says(text: str, *patterns: str) -> None:
    for pattern in patterns:
        want(
            re.search(pattern, text, re.IGNORECASE | re.MULTILINE), f"nothing says /{pattern}/ in: {text.strip()[:600]}"
        )


def rnnconv(*arguments: str | Path, code: int | tuple[int, ...] = 0, folder: Path | None = None) -> str:
    """What it prints; read as bytes, as Python would make a line feed of a carriage return."""
    command = [RNNCONV, *forced(*arguments)]
    run = subprocess.run(command, capture_output=True, check=False, timeout=300, cwd=folder)
    text = (run.stdout + run.stderr).decode("utf-8", "replace")
    if run.returncode not in (code if isinstance(code, tuple) else (code,)):
        raise Wrong(
            f"rnnconv {' '.join(map(str, arguments))}: exit {run.returncode}, not {code}: {text.strip()[-600:]}"
        )
    return text


class Graph:
    """An ONNX graph that is written node by node."""

    def __init__(self, producer: str = "", opset: int = 17, seed: int = 0) -> None:
        self.producer, self.opset = producer, opset
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.generator = np.random.default_rng(seed)
        self.count = 0

    def fresh(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def input(self, name: str, *dims: str | int, kind: int = TensorProto.FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, dims))
        return name

    def output(self, name: str, *dims: str | int | None, kind: int = TensorProto.FLOAT) -> str:
        self.outputs.append(helper.make_tensor_value_info(name, kind, dims))
        return name

    def weight(self, array: np.ndarray, name: str = "") -> str:
        name = name or self.fresh()
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(np.shape(array)), name))
        return name

    def random(self, *shape: int, scale: float = 0.5, kind: type = np.float32) -> str:
        return self.weight(self.generator.uniform(-scale, scale, shape).astype(kind))

    def ints(self, *values: int, kind: type = np.int64) -> str:
        return self.weight(np.array(values, kind))

    def add(self, operator: str, inputs: list[str], output: str = "", name: str = "", **attributes: object) -> str:
        output = output or self.fresh()
        self.nodes.append(helper.make_node(operator, inputs, [output], name=name, **attributes))
        return output

    def recurrent(self, operator: str, x: str, features: int, hidden: int, outputs: list[str] | None = None,
                  states: list[str] | None = None, bias: bool = True, kind: type = np.float32, name: str = "",
                  peepholes: bool = False, **attributes: object) -> list[str]:
        gates, sides = GATES[operator], 2 if attributes.get("direction") == "bidirectional" else 1
        inputs = [x, self.random(sides, gates * hidden, features, kind=kind),
                  self.random(sides, gates * hidden, hidden, kind=kind),
                  self.random(sides, 2 * gates * hidden, kind=kind) if bias else "", "", *(states or [])]
        if peepholes:
            inputs += [""] * (7 - len(inputs)) + [self.random(sides, 3 * hidden, kind=kind)]
        while inputs[-1] == "":
            inputs.pop()
        outputs = outputs or [self.fresh(), self.fresh()]
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=name, hidden_size=hidden, **attributes))
        return outputs

    def model(self, name: str = "g") -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, name, self.inputs, self.outputs, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8,
                                 producer_name=self.producer)

    def save(self, path: Path) -> Path:
        onnx.save(self.model(), path)
        return path


class Net(nn.Module):
    """A module of these parts, whose forward pass is a function of it."""

    def __init__(self, run: Callable, **parts: object) -> None:
        super().__init__()
        for name, part_ in parts.items():
            setattr(self, name, part_)
        self.run = run

    def forward(self, *inputs: torch.Tensor) -> object:
        return self.run(self, *inputs)


def export(path: Path, module: nn.Module, inputs: dict[str, torch.Tensor], outputs: list[str],
           axes: dict[str, dict[int, str]] | None = None, dynamo: bool = False, opset: int = 0) -> Path:
    """Exported by PyTorch, by either exporter; both talk a lot."""
    extra: dict[str, object] = {"dynamic_axes": axes}
    if dynamo:
        extra = {"verbose": False}
        if axes:  # One argument more deep, as `Net.forward` takes them as a tuple.
            extra["dynamic_shapes"] = (
                tuple({n: torch.export.Dim.DYNAMIC for n in axes.get(name, {})} for name in inputs),
            )
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            str(path),
            dynamo=dynamo,
            opset_version=opset or (20 if dynamo else 17),
            input_names=list(inputs),
            output_names=outputs,
            **extra,
        )
    return path


def reference(path: Path, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def same(got: dict[str, np.ndarray], expected: dict[str, np.ndarray], what: str, tolerance: float = 2e-5) -> None:
    want(sorted(got) == sorted(expected), f"{what}: outputs {sorted(got)}, not {sorted(expected)}")
    for name, value in expected.items():
        want(got[name].shape == value.shape, f"{what}: '{name}' has shape {got[name].shape}, not {value.shape}")
        off = np.abs(got[name].astype(np.float64) - value).max(initial=0)
        want(off <= tolerance, f"{what}: '{name}' is off by {off:.3g}")


def run(path: Path, feeds: dict[str, np.ndarray], *flags: str) -> dict[str, np.ndarray]:
    given, made = path.parent / "given.npz", path.parent / "made.npz"
    made.unlink(missing_ok=True)
    np.savez(given, **feeds)
    rnnconv("run", path, "--input", given, "-o", made, *flags)
    return dict(np.load(made))


def evaluated(path: Path, feeds: dict[str, np.ndarray]) -> None:
    same(
        run(path, feeds, "--engine", "evaluator"), reference(path, feeds), f"{path.name}, evaluator against onnxruntime"
    )


def imported(path: Path, *all_feeds: dict[str, np.ndarray], flags: list[str] | None = None) -> str:
    """It is imported, its import agrees with its own evaluator, both with onnxruntime; gives what `inspect` says."""
    text = rnnconv("inspect", path)
    flags = flags or []
    if "--allow-loss" in flags:
        says(rnnconv("verify", path, code=3), "lost", "--allow-loss")
    else:
        says(rnnconv("verify", path), "^verdict: (equal|identical)")
    for feeds in all_feeds:
        evaluated(path, feeds)
        same(
            run(path, feeds, "--engine", "forward", *flags),
            reference(path, feeds),
            f"{path.name}, forward against onnxruntime",
        )
    return text


def refused(path: Path, *patterns: str) -> str:
    text = rnnconv("inspect", path, code=4)
    says(text, *patterns)
    want("dynamo=False" not in text or "dynamo=False" in "".join(patterns), f"misplaced advice: {text.strip()}")
    return text


def later(path: Path, feeds: dict[str, np.ndarray], operator: str) -> None:
    """An operator that has no place yet: either it is imported and right, or the message names it."""
    run_ = subprocess.run([RNNCONV, "inspect", str(path)], capture_output=True, text=True, check=False, timeout=60)
    if run_.returncode == 0:
        imported(path, feeds)
        return
    refused(path, rf"\({operator}\)", "not supported")


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def checkpoint(path: Path, value: object, *, legacy: bool = False, protocol: int = 2) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=not legacy, pickle_protocol=protocol)
    return path


def computes(path: Path, module: nn.Module, x: torch.Tensor, *flags: str) -> None:
    """What the file computes is what PyTorch's module does."""
    with torch.no_grad():
        expected = module.eval()(x)
    names = ["output", "h_n", "c_n"]
    values = [expected] if torch.is_tensor(expected) else [expected[0], *(
        expected[1] if isinstance(expected[1], tuple) else [expected[1]])]
    same(
        run(path, {"input": x.numpy()}, *flags),
        {n: v.numpy() for n, v in zip(names, values, strict=False)},
        f"{path.name} against PyTorch",
    )


def lstm(path: Path, time_: str | int = "T", batch: str | int = "B", cell: str = "LSTM", seed: int = 0) -> Path:
    graph = Graph(seed=seed)
    graph.recurrent(cell, graph.input("X", time_, batch, 2), 2, 3, ["Y"])
    graph.output("Y", time_, 1, batch, 3)
    return graph.save(path)


def case_01_check_init_default_folder(folder: Path) -> None:
    for number, arguments in enumerate(([], ["."], ["./"], ["below"], ["below/"], ["./below/."])):
        with part("check --init " + " ".join(arguments)):
            top = folder / str(number)
            place = top / "below" if arguments and "below" in arguments[0] else top
            place.mkdir(parents=True)
            lstm(place / "model.onnx")
            says(rnnconv("check", "--init", *arguments, folder=top), "1 fixture")
            manifest = json.loads((place / "rnnconv.json").read_text())
            want("model.onnx" in json.dumps(manifest["fixtures"][0]["models"]), f"the manifest says {manifest}")
            rnnconv("check", *arguments, folder=top)
    with part("an empty folder"):
        (folder / "empty").mkdir()
        says(rnnconv("check", "--init", code=4, folder=folder / "empty"), r"\.: nothing found")


def case_02_verify_dynamic_against_static(folder: Path) -> None:
    sizes = {"dynamic": ("T", "B"), "static": (6, 2), "batch": ("T", 2), "time": (6, "B")}
    for cell in GATES:
        files = {name: lstm(folder / f"{cell}-{name}.onnx", *dims, cell=cell) for name, dims in sizes.items()}
        for left, right in [("static", "dynamic"), ("batch", "time"), ("batch", "static"), ("time", "dynamic")]:
            for pair in ((left, right), (right, left)):
                with part(f"{cell}, {' against '.join(pair)}"):
                    says(rnnconv("verify", *(files[name] for name in pair)), "^verdict: identical")
    with part("sizes that cannot both be met"):
        text = rnnconv("verify", files["static"], lstm(folder / "other.onnx", 5, 2, "LSTM"), code=(1, 2, 4))
        want("identical" not in text and "verdict: equal" not in text, f"equal: {text}")


def case_03_verify_shape_mismatch_is_not_a_verdict(folder: Path) -> None:
    for cell, direction in (("GRU", "forward"), ("LSTM", "bidirectional"), ("RNN", "reverse")):
        sides = 2 if direction == "bidirectional" else 1
        files = []
        for layout in (1, 0):
            graph = Graph(opset=14)
            more = {"layout": 1} if layout else {}
            graph.recurrent(cell, graph.input("X", "B", "T", 2), 2, 3, ["Y", "Y_h"], direction=direction, **more)
            graph.output("Y", *(["B", "T", sides, 3] if layout else [None] * 4))
            graph.output("Y_h", *(["B", sides, 3] if layout else [None] * 3))
            files.append(graph.save(folder / f"{cell}-{layout}.onnx"))
        with part(f"{cell} with its layout ignored"):
            says(rnnconv("verify", *files, code=1), "^verdict: different", "time and batch")
        with part(f"{cell}, as JSON"):
            report = json.loads(rnnconv("verify", *files, "--json", code=1))
            want(report["verdict"] == "different", f"verdict {report['verdict']}")
            says(json.dumps(report), "time and batch", "has shape")
    for cell in ("LSTM", "GRU"):
        files = []
        for folded in (False, True):
            graph = Graph()
            x = graph.input("X", "N", 3, 4)
            x = (
                graph.add("Reshape", [x, graph.ints(-1, 1, 4)])
                if folded
                else graph.add("Transpose", [x], perm=[1, 0, 2])
            )
            graph.add("Squeeze", [graph.recurrent(cell, x, 4, 5)[1], graph.ints(0)], graph.output("y", "M", 5))
            files.append(graph.save(folder / f"{cell}-folded-{folded}.onnx"))
        with part(f"{cell} with its batch folded into time"):
            text = rnnconv("verify", *files, code=1)
            says(text, "^verdict: different", "has shape")
            says(text, r"batch[^\n]*(fold|into (the )?time)|time and batch")
    with part("recorded outputs with time and batch exchanged"):
        path = lstm(folder / "model.onnx")
        x = normal(4, 3, 2)
        np.save(folder / "x.npy", x)
        np.save(folder / "y.npy", reference(path, {"X": x})["Y"].transpose(2, 1, 0, 3))
        says(rnnconv("verify", path, "--input", folder / "x.npy", "--expected", folder / "y.npy", code=1),
             "^verdict: different", "time and batch")


def case_05_verify_expected_for_evaluated_only_model(folder: Path) -> None:
    def both(net: Net, x: torch.Tensor) -> torch.Tensor:
        return net.fc(torch.cat([net.f(x)[0], net.b(x.flip(1))[0].flip(1)], -1))

    rnns = {"f": nn.RNN(3, 4, batch_first=True), "b": nn.RNN(3, 4, batch_first=True), "fc": nn.Linear(8, 2)}
    x = torch.randn(2, 6, 3)
    path = export(folder / "rnn.onnx", Net(both, **rnns), {"x": x}, ["y"], dynamo=True)
    np.save(folder / "x.npy", x.numpy())
    np.save(folder / "y.npy", reference(path, {"x": x.numpy()})["y"])
    given = ["--input", folder / "x.npy", "--runtime", "onnxruntime"]
    for expected in (f"{folder}/y.npy", f"y={folder}/y.npy"):
        with part(f"--expected {Path(expected).name}"):
            says(rnnconv("verify", path, *given, "--expected", expected, code=(0, 5)), "^verdict: (equal|inconclusive)")
    with part("a name that is none"):
        says(rnnconv("verify", path, *given, "--expected", f"q={folder}/y.npy", code=2), r"\by\b")
    with part("wrong outputs"):
        np.save(folder / "wrong.npy", np.load(folder / "y.npy") + 1)
        says(rnnconv("verify", path, *given, "--expected", folder / "wrong.npy", code=1), "^verdict: different")
    with part("two such files"):
        for inputs in ([], ["--input", folder / "x.npy"]):
            says(rnnconv("verify", path, path, *inputs), "^verdict: (identical|equal)")
    with part("two outputs, and one array without a name"):
        two = Net(lambda net, value: (both(net, value), net.f(value)[1]), **rnns)
        path = export(folder / "two.onnx", two, {"x": x}, ["y", "hn"], dynamo=True)
        says(rnnconv("verify", path, *given, "--expected", folder / "y.npy", code=2), r"\by\b", r"\bhn\b")


class Sentiment(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.fc = nn.GRU(4, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.rnn(x)[0][:, -1])


class Config:
    def __init__(self) -> None:
        self.hidden, self.lr = 5, 0.1


class Mode(enum.Enum):
    TRAIN = 1


class Level(enum.IntEnum):
    HIGH = 3


for kind_ in (Sentiment, Config, Mode, Level):
    kind_.__module__ = "__main__"
    setattr(sys.modules["__main__"], kind_.__name__, kind_)


def case_06_pickle_main_classes_refused(folder: Path) -> None:
    module, x = Sentiment(), torch.randn(2, 6, 4)
    for legacy in (False, True):
        for protocol in (2, 4):
            kind = f"{'legacy' if legacy else 'zip'}-{protocol}"
            with part(f"whole module, {kind}"):
                path = checkpoint(folder / f"whole-{kind}.pt", module, legacy=legacy, protocol=protocol)
                says(rnnconv("inspect", path, "--select", "last"), "GRU 4 → 5", "Dense 5 → 3")
                computes(path, module, x, "--select", "last")
            for name, beside in {"config": Config(), "enum": Mode.TRAIN, "IntEnum": Level.HIGH, "class": Config,
                                 "list": [Config(), {"a": Mode.TRAIN}]}.items():
                with part(f"state dict and {name}, {kind}"):
                    saved = {"state_dict": module.state_dict(), "extra": beside}
                    path = checkpoint(folder / f"{name}-{kind}.pt", saved, legacy=legacy, protocol=protocol)
                    says(rnnconv("inspect", path, "--batch-first", "--select", "last"), "GRU 4 → 5", "Dense 5 → 3")
                    says(rnnconv("inspect", path, "--tensors"), "rnn.weight_ih_l0", "fc.bias")
                    computes(path, module, x, "--batch-first", "--select", "last")
    with part("what runs code is refused as before"):
        class Evil:
            def __reduce__(self) -> tuple:
                return os.system, ("true",)

        path = checkpoint(folder / "evil.pt", {"state_dict": module.state_dict(), "extra": Evil()})
        says(rnnconv("inspect", path, code=4), "refused")


def case_07_checkpoint_pruned(folder: Path) -> None:
    def last(net: Net, ids: torch.Tensor) -> torch.Tensor:
        return net.fc(net.rnn(net.embedding(ids))[0][:, -1])

    ids = torch.randint(0, 11, (3, 7))
    flags = ["--batch-first", "--select", "last"]
    pruned = {
        "weights": ["rnn.weight_ih_l0", "rnn.weight_hh_l0", "fc.weight"],
        "one": ["rnn.weight_hh_l0"],
        "biases": ["rnn.bias_ih_l0", "rnn.bias_hh_l0", "fc.bias"],
        "embedding": ["embedding.weight", "rnn.weight_ih_l0"],
    }
    for name, parameters in pruned.items():
        for cell in ("LSTM", "GRU"):
            net = Net(
                last, embedding=nn.Embedding(11, 4), rnn=getattr(nn, cell)(4, 5, batch_first=True), fc=nn.Linear(5, 3)
            )
            for parameter in parameters:
                owner, _, leaf = parameter.partition(".")
                prune.random_unstructured(getattr(net, owner), leaf, 0.4)
            net(ids)  # Its hooks set the masked weights.
            for form in ("zip", "legacy", "safetensors"):
                with part(f"{cell}, {name}, {form}"):
                    path = folder / f"{cell}-{name}-{form}.{'safetensors' if form == 'safetensors' else 'pt'}"
                    if form == "safetensors":
                        save_file({k: v.contiguous() for k, v in net.state_dict().items()}, path)
                    else:
                        checkpoint(path, net.state_dict(), legacy=form == "legacy")
                    says(rnnconv("inspect", path, *flags), f"{cell} 4 → 5", "pruned")
                    says(rnnconv("inspect", path, "--tensors"), re.escape(parameters[0] + "_orig"), "_mask")
                    computes(path, net, ids, *flags)


def case_09_hf_pytorch_shard_index(folder: Path) -> None:
    def last(net: Net, ids: torch.Tensor) -> torch.Tensor:
        return net.fc(net.rnn(net.embedding(ids))[0][:, -1])

    net = Net(last, embedding=nn.Embedding(11, 4), fc=nn.Linear(10, 3),
              rnn=nn.LSTM(4, 5, num_layers=2, bidirectional=True, batch_first=True))
    state, ids = net.state_dict(), torch.randint(0, 11, (2, 6))
    flags = ["--batch-first", "--select", "last"]
    for count, legacy in ((2, False), (3, False), (2, True), (1, False)):
        place = folder / f"{count}-{legacy}"
        place.mkdir()
        names = sorted(state, key=lambda name: ("emb" not in name, "fc" in name, name))
        size = math.ceil(len(names) / count)
        where = {name: f"pytorch_model-{1 + i // size:05}-of-{count:05}.bin" for i, name in enumerate(names)}
        for shard in set(where.values()):
            checkpoint(place / shard, {n: state[n] for n in names if where[n] == shard}, legacy=legacy)
        index = place / "pytorch_model.bin.index.json"
        index.write_text(json.dumps({"metadata": {"total_size": 123}, "weight_map": where}))
        with part(f"{count} shards{', legacy' if legacy else ''}"):
            says(
                rnnconv("inspect", index, *flags),
                "LSTM 4 → 5, bidirectional",
                "LSTM 10 → 5, bidirectional",
                "Dense 10 → 3",
            )
            computes(index, net, ids, *flags)
    with part("a shard that is not there"):
        (place / next(iter(where.values()))).unlink()
        says(rnnconv("inspect", index, *flags, code=4), r"pytorch_model-00001-of-00001\.bin")
    with part("a shard outside the folder"):
        index.write_text(json.dumps({"weight_map": {"fc.weight": "../2-False/pytorch_model-00002-of-00002.bin"}}))
        rnnconv("inspect", index, *flags, code=4)


def case_11_run_drops_the_head_silently(folder: Path) -> None:
    x = torch.randn(2, 6, 4)
    np.save(folder / "x.npy", x.numpy())
    flags = ["--batch-first", "--select", "last"]
    left = {"bn": nn.BatchNorm1d(5), "conv": nn.Conv1d(5, 5, 3)}
    for name, layer in left.items():
        rnn, fc = nn.GRU(4, 5, batch_first=True), nn.Linear(5, 3)
        holder = Net(lambda net, value: net.fc(net.rnn(value)[0]), rnn=rnn, **{name: layer}, fc=fc)
        lost = [key for key in holder.state_dict() if key.startswith(name)]
        for legacy in (False, True):
            path = checkpoint(folder / f"{name}-{legacy}.pt", holder.state_dict(), legacy=legacy)
            for command in (["run", path, "--input", folder / "x.npy", "-o", folder / "y.npy"], ["verify", path],
                            ["convert", path, folder / "m.onnx"], ["gradient-flow", path]):
                with part(f"{name}, {'legacy' if legacy else 'zip'}, {command[0]}"):
                    says(rnnconv(*command, *flags, code=3), *(re.escape(key) for key in lost), "--allow-loss")
                    want(not (folder / "y.npy").exists() and not (folder / "m.onnx").exists(), "something was written")
        with part(f"{name}, run --allow-loss"):
            text = rnnconv("run", path, "--input", folder / "x.npy", "-o", folder / "y.npy", *flags, "--allow-loss")
            says(text, re.escape(lost[0]))
            with torch.no_grad():
                same({"y": np.load(folder / "y.npy")}, {"y": rnn(x)[0][:, -1].numpy()}, "the GRU's last step")
            (folder / "y.npy").unlink()


def tensordot(graph: Graph, x: str, rows: int, columns: int) -> str:
    """Keras's Dense on three axes, as tf2onnx writes it."""
    sizes = graph.add("Cast", [graph.add("Shape", [x])], to=TensorProto.INT32)
    flat = graph.add("MatMul", [graph.add("Reshape", [x, graph.ints(-1, rows)]), graph.random(rows, columns)])
    kept = graph.add("Gather", [sizes, graph.ints(0, 1, kind=np.int32)], axis=0)
    shape = graph.add("Concat", [kept, graph.ints(columns, kind=np.int32)], axis=0)
    full = graph.add("Reshape", [flat, graph.add("Cast", [shape], to=TensorProto.INT64)])
    return graph.add("Add", [full, graph.random(columns)])


def zeros(graph: Graph, x: str, hidden: int) -> str:
    """A zero state for [B, T, F], as tf2onnx writes it."""
    sizes = graph.add("Cast", [graph.add("Shape", [x])], to=TensorProto.INT32)
    batch = graph.add("Slice", [sizes, graph.ints(0), graph.ints(1), graph.ints(0)])
    shape = graph.add("Concat", [batch, graph.ints(hidden, kind=np.int32)], axis=0)
    whole = graph.add(
        "Expand", [graph.weight(np.array(0, np.float32)), graph.add("Cast", [shape], to=TensorProto.INT64)]
    )
    return graph.add("Unsqueeze", [whole, graph.ints(0)])


def keras_layer(graph: Graph, cell: str, x: str, features: int, hidden: int) -> str:
    """A Keras layer that returns sequences, [B, T, F] to [T, B, H]."""
    state = zeros(graph, x, hidden)
    more = {"linear_before_reset": 1} if cell == "GRU" else {}
    y = graph.recurrent(cell, graph.add("Transpose", [x], perm=[1, 0, 2]), features, hidden,
                        states=[state] * (2 if cell == "LSTM" else 1), **more)[0]
    return graph.add("Squeeze", [y, graph.ints(1)])


def case_12_onnx_dense_before_gru_called_a_weight(folder: Path) -> None:
    for cell, head in (("GRU", "Softmax"), ("LSTM", "Sigmoid"), ("RNN", "Identity")):
        for layers in (1, 2):
            with part(f"Keras, {layers} Dense before {cell}"):
                graph = Graph("tf2onnx", opset=15)
                x, features = graph.input("x", "unk__1", "unk__2", 3), 3
                for _ in range(layers):
                    x, features = graph.add("Relu", [tensordot(graph, x, features, 8)]), 8
                y = graph.add("Transpose", [keras_layer(graph, cell, x, features, 5)], perm=[1, 0, 2])
                graph.add(head, [tensordot(graph, y, 5, 4)], graph.output("dense_1", "unk__3", "unk__4", 4))
                text = imported(
                    graph.save(folder / f"keras-{cell}-{layers}.onnx"), {"x": normal(2, 6, 3)}, {"x": normal(1, 1, 3)}
                )
                says(text, "Dense 3 → 8", f"{cell} 8 → 5", "Dense 5 → 4", r"x F32 \[B, T, 3\]")
    sizes = {"x": {0: "b", 1: "t"}, "y": {0: "b"}}

    def view(net: Net, x: torch.Tensor) -> torch.Tensor:
        b, t, _ = x.shape
        flat = torch.relu(net.a(x.reshape(b * t, -1)))
        return net.f(net.r(flat.view(b, t, -1))[0][:, -1])

    def view_minus_one(net: Net, x: torch.Tensor) -> torch.Tensor:
        flat = torch.tanh(net.a(x.reshape(-1, 4)))
        return net.f(net.r(flat.reshape(x.shape[0], -1, 7))[0][:, -1])

    for name, forward in {"view": view, "view-minus-one": view_minus_one}.items():
        for cell in ("LSTM", "GRU"):
            with part(f"PyTorch, {name}, {cell}"):
                net = Net(forward, a=nn.Linear(4, 7), r=getattr(nn, cell)(7, 5, batch_first=True), f=nn.Linear(5, 2))
                path = export(folder / f"{name}-{cell}.onnx", net, {"x": torch.randn(2, 6, 4)}, ["y"], sizes)
                says(imported(path, {"x": normal(3, 5, 4)}), "Dense 4 → 7", f"{cell} 7 → 5", r"x F32 \[B, T, 4\]")
    with part("LayerNormalization"):
        net = Net(lambda net, x: net.f(net.m(net.r(net.n(x))[0])), n=nn.LayerNorm(4), m=nn.LayerNorm(5),
                  r=nn.GRU(4, 5, batch_first=True), f=nn.Linear(5, 2))
        path = export(folder / "norm.onnx", net, {"x": torch.randn(2, 6, 4)}, ["y"], sizes)
        later(path, {"x": normal(3, 5, 4)}, "LayerNormalization")
        evaluated(path, {"x": normal(3, 5, 4)})


def case_13_onnx_unbatched_input(folder: Path) -> None:
    for cell in ("LSTM", "GRU"):
        for options in ({}, {"bidirectional": True}, {"num_layers": 2}):
            for dynamo in (False, True):
                name = f"{cell} {options} {'dynamo' if dynamo else 'TorchScript'}"
                with part(name):
                    def flat(net: Net, x: torch.Tensor) -> tuple:
                        y, states = net.r(x)
                        return (y, *states) if isinstance(states, tuple) else (y, states)

                    net, x = Net(flat, r=getattr(nn, cell)(4, 5, **options)), torch.randn(6, 4)
                    outputs = ["y", "hn", "cn"] if cell == "LSTM" else ["y", "hn"]
                    axes = None if dynamo else {"x": {0: "t"}, "y": {0: "t"}}
                    path = export(
                        folder / f"{re.sub('[^a-zA-Z0-9]', '', name)}.onnx", net, {"x": x}, outputs, axes, dynamo
                    )
                    feeds = [{"x": x.numpy()}] + ([] if dynamo else [{"x": normal(9, 4)}, {"x": normal(1, 4)}])
                    says(imported(path, *feeds), f"{cell} 4 → 5", r"x F32 \[T(=6)?, 4\]")
    for cell, length, sides in (("LSTM", 5, 1), ("GRU", 8, 2)):
        with part(f"tagger, {cell}"):
            def tagger(net: Net, ids: torch.Tensor) -> torch.Tensor:
                seen = net.l(net.e(ids).view(len(ids), 1, -1))[0]
                return torch.log_softmax(net.t(seen.view(len(ids), -1)), 1)

            net = Net(
                tagger,
                e=nn.Embedding(9, 6),
                l=getattr(nn, cell)(6, 5, bidirectional=sides == 2),
                t=nn.Linear(5 * sides, 3),
            )
            ids = torch.randint(0, 9, (length,))
            path = export(folder / f"tagger-{cell}.onnx", net, {"ids": ids}, ["y"], {"ids": {0: "t"}, "y": {0: "t"}})
            says(imported(path, {"ids": ids.numpy()}), f"{cell} 6 → 5", "Embedding 9 × 6")


def case_15_onnx_static_features_concatenated(folder: Path) -> None:
    def first(net: Net, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return net.f(torch.cat([net.r(x)[0][:, -1], z], 1))

    def other_way(net: Net, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return net.f(torch.cat([z, net.r(x)[0][:, -1]], 1))

    def state(net: Net, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        states = net.r(x)[1]
        return net.f(torch.cat([(states[0] if isinstance(states, tuple) else states)[-1], z], 1))

    def linear(net: Net, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return net.f(torch.cat([net.r(x)[0][:, -1], torch.relu(net.l(z))], 1))

    def through(net: Net, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return net.f(torch.relu(torch.cat([net.r(x)[0][:, -1], z], 1)))

    ways = {
        "last step": first,
        "final state": state,
        "before": other_way,
        "Linear between": linear,
        "relu after": through,
    }
    for cell in ("LSTM", "GRU"):
        for name, forward in ways.items():
            for size in (3, 1):
                with part(f"{cell}, {name}, {size} features"):
                    net = Net(
                        forward,
                        r=getattr(nn, cell)(4, 5, batch_first=True),
                        l=nn.Linear(size, size),
                        f=nn.Linear(5 + size, 2),
                    )
                    path = export(folder / f"{cell}-{name.replace(' ', '-')}-{size}.onnx", net,
                                  {"x": torch.randn(2, 6, 4), "z": torch.randn(2, size)}, ["y"],
                                  {"x": {0: "b", 1: "t"}, "z": {0: "b"}, "y": {0: "b"}})
                    text = imported(path, {"x": normal(3, 5, 4), "z": normal(3, size, seed=1)})
                    says(text, rf"z F32 \[B, {size}\]", r"x F32 \[B, T, 4\]")


def case_17_onnx_packed_enforce_sorted_false(folder: Path) -> None:
    def packed(net: Net, x: torch.Tensor, lengths: torch.Tensor) -> tuple:
        sequence = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, states = net.rnn(sequence)
        return pad_packed_sequence(y, batch_first=True)[0], states[0] if isinstance(states, tuple) else states

    def by_hand(net: Net, x: torch.Tensor, lengths: torch.Tensor) -> tuple:
        sorted_, order = lengths.sort(0, descending=True)
        back = order.sort(0)[1]
        y, states = net.rnn(pack_padded_sequence(x[order], lengths[order], batch_first=True))
        hidden = states[0] if isinstance(states, tuple) else states
        return pad_packed_sequence(y, batch_first=True)[0][back], hidden[:, back]

    x, lengths = torch.randn(4, 6, 3), torch.tensor([3, 6, 1, 5])
    for name, forward in {"enforce_sorted=False": packed, "sorted by hand": by_hand}.items():
        for cell, options in (("LSTM", {"num_layers": 2}), ("GRU", {"num_layers": 2, "bidirectional": True})):
            with part(f"{name}, {cell}"):
                net = Net(forward, rnn=getattr(nn, cell)(3, 5, batch_first=True, **options))
                path = export(folder / f"{cell}-{name[:6]}.onnx", net, {"x": x, "l": lengths}, ["y", "hn"],
                              {"x": {0: "b", 1: "t"}, "l": {0: "b"}, "y": {0: "b", 1: "t"}, "hn": {1: "b"}})
                later(path, {"x": x.numpy(), "l": lengths.numpy()}, "TopK")


def case_18_onnx_repeat_vector_autoencoder(folder: Path) -> None:
    def last(net: Net, x: torch.Tensor) -> torch.Tensor:
        states = net.e(x)[1]
        return (states[0] if isinstance(states, tuple) else states)[-1]

    ways = {
        "expand": lambda net, x: last(net, x).unsqueeze(1).expand(-1, x.shape[1], -1),
        "repeat": lambda net, x: last(net, x).unsqueeze(1).repeat(1, x.shape[1], 1),
        "stack": lambda net, x: torch.stack([last(net, x)] * 6, 1),
        "cat": lambda net, x: torch.cat([last(net, x).unsqueeze(1)] * 3, 1),
        "repeat_interleave": lambda net, x: last(net, x).unsqueeze(1).repeat_interleave(6, 1)}
    for name, way in ways.items():
        for cell in ("LSTM", "GRU"):
            for dynamo in (False, True) if name == "expand" else (False,):
                with part(f"{name}, {cell}{', dynamo' if dynamo else ''}"):
                    net = Net(
                        lambda net, x, way=way: net.f(net.d(way(net, x))[0]),
                        e=getattr(nn, cell)(4, 5, batch_first=True),
                        d=getattr(nn, cell)(5, 5, batch_first=True),
                        f=nn.Linear(5, 4),
                    )
                    axes = {"x": {0: "b"}} if dynamo else {"x": {0: "b", 1: "t"}, "y": {0: "b"}}
                    path = export(
                        folder / f"{name}-{cell}-{dynamo}.onnx", net, {"x": torch.randn(2, 6, 4)}, ["y"], axes, dynamo
                    )
                    imported(path, {"x": normal(3, 6, 4)})
    for cell in ("LSTM", "GRU"):
        with part(f"Keras's RepeatVector, {cell}"):
            graph = Graph("tf2onnx", opset=15)
            y = keras_layer(graph, cell, graph.input("x", "unk__1", "unk__2", 3), 3, 4)
            end = graph.add("Slice", [y, graph.ints(-1), graph.ints(2**63 - 1), graph.ints(0)])
            one = graph.add("Unsqueeze", [graph.add("Squeeze", [end, graph.ints(0)]), graph.ints(1)])
            again = keras_layer(graph, cell, graph.add("Tile", [one, graph.ints(1, 5, 1)]), 4, 3)
            rows = graph.add("Reshape", [graph.add("Transpose", [again], perm=[1, 0, 2]), graph.ints(-1, 3)])
            dense = graph.add("Add", [graph.add("MatMul", [rows, graph.random(3, 2)]), graph.random(2)])
            graph.add("Reshape", [dense, graph.ints(-1, 5, 2)], graph.output("time_distributed", "unk__3", 5, 2))
            path = graph.save(folder / f"keras-{cell}.onnx")
            imported(path, {"x": normal(3, 6, 3)})


def case_19_onnx_squeeze_without_axes(folder: Path) -> None:
    def classifier(net: Net, ids: torch.Tensor) -> torch.Tensor:
        states = net.r(net.e(ids))[1]
        return torch.sigmoid(net.f((states[0] if isinstance(states, tuple) else states)[-1])).squeeze()

    for cell in ("LSTM", "GRU"):
        net = Net(classifier, e=nn.Embedding(11, 4), r=getattr(nn, cell)(4, 5, batch_first=True), f=nn.Linear(5, 1))
        ids = torch.randint(0, 11, (2, 3))
        path = export(folder / f"{cell}.onnx", net, {"x": ids}, ["y"], {"x": {0: "b", 1: "t"}})
        for rows in (1, 3):
            feeds = {"x": np.random.default_rng(rows).integers(0, 11, (rows, 3))}
            with part(f"{cell}, {rows} rows, evaluator"):
                evaluated(path, feeds)
            for flags in ([], ["--engine", "forward"]):
                with part(f"{cell}, {rows} rows, {' '.join(flags) or 'default engine'}"):
                    np.savez(folder / "x.npz", **feeds)
                    text = rnnconv(
                        "run", path, "--input", folder / "x.npz", "-o", folder / "y.npz", *flags, code=(0, 3)
                    )
                    if "lost" in text:  # The import leaves it out, and so says it.
                        says(text, "Squeeze", "axes", "batch")
                    else:
                        same(dict(np.load(folder / "y.npz")), reference(path, feeds), "run")
        for target in ("m.rnnw", "m.onnx"):
            with part(f"{cell}, convert to {target}"):
                says(rnnconv("convert", path, folder / target), "Squeeze", "without axes", "batch")
            for rows in (1, 3):
                with part(f"{cell}, {target}, {rows} rows"):
                    feeds = {"x": np.random.default_rng(rows).integers(0, 11, (rows, 3))}
                    np.savez(folder / "x.npz", **feeds)
                    rnnconv("run", folder / target, "--input", folder / "x.npz", "-o", folder / "y.npz", "--force")
                    same(dict(np.load(folder / "y.npz")), reference(path, feeds), "run")
        with part(f"{cell}, verify"):
            rnnconv("verify", path, folder / "m.onnx")
        with part(f"{cell}, both sizes fixed"):
            fixed = export(folder / f"{cell}-fixed.onnx", net, {"x": ids}, ["y"])
            imported(fixed, {"x": ids.numpy()})


def case_21_onnx_learned_initial_state(folder: Path) -> None:
    def expand(h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return h.expand(-1, x.shape[0], -1).contiguous()

    def repeat(h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return h.repeat(1, x.shape[0], 1)

    def forward(net: Net, x: torch.Tensor, way: Callable) -> torch.Tensor:
        states = way(net.h0, x)
        return net.f(net.r(x, (states, way(net.c0, x)) if isinstance(net.r, nn.LSTM) else states)[0])

    for cell, options, layers in (("GRU", {}, 1), ("LSTM", {}, 1), ("GRU", {"bidirectional": True}, 2),
                                  ("LSTM", {"num_layers": 2}, 2)):
        for name, way in {"expand": expand, "repeat": repeat}.items():
            for kind in ("open", "fixed", "dynamo"):
                with part(f"{cell} {options}, {name}, {kind}"):
                    net = Net(
                        functools.partial(forward, way=way),
                        r=getattr(nn, cell)(4, 5, batch_first=True, **options),
                        f=nn.Linear(10 if options.get("bidirectional") else 5, 2),
                        h0=nn.Parameter(torch.randn(layers, 1, 5)),
                        c0=nn.Parameter(torch.randn(layers, 1, 5)),
                    )
                    axes = {"x": {0: "b", 1: "t"}, "y": {0: "b", 1: "t"}} if kind == "open" else None
                    axes = {"x": {0: "b"}} if kind == "dynamo" else axes
                    place = folder / f"{cell}-{layers}-{name}-{kind}.onnx"
                    path = export(place, net, {"x": torch.randn(2, 6, 4)}, ["y"], axes, kind == "dynamo")
                    rows = 2 if kind == "fixed" else 3
                    says(imported(path, {"x": normal(rows, 6, 4)}), f"{cell} 4 → 5", "Constant")


def case_23_own_export_cannot_be_read_back(folder: Path) -> None:
    net = Net(lambda net, x: net.fc(net.rnn(x)[0]), rnn=nn.GRU(4, 5, batch_first=True), fc=nn.Linear(5, 3))
    path, x = checkpoint(folder / "gru-linear.pt", net.state_dict()), torch.randn(2, 6, 4)
    heads = {"gelu": torch.nn.functional.gelu, "silu": torch.nn.functional.silu, "mish": torch.nn.functional.mish,
             "relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "softmax": lambda v: v.softmax(-1), "log_softmax": lambda v: v.log_softmax(-1)}
    for head, function in heads.items():
        for opset in (9, 13, 17, 20, 24):
            with part(f"{head} at opset {opset}"):
                written, back = folder / f"{head}-{opset}.onnx", folder / f"{head}-{opset}.pt"
                flags = ["--head", head, "--batch-first"]
                rnnconv("convert", path, written, *flags, "--opset", str(opset))
                with torch.no_grad():
                    expected = function(net(x)).numpy()
                if opset < 24:  # What onnxruntime has kernels for at least.
                    same(
                        reference(written, {"input": x.numpy()}), {"output": expected}, f"{written.name} in onnxruntime"
                    )
                same(run(written, {"input": x.numpy()}), {"output": expected}, f"{written.name} against PyTorch")
                says(
                    rnnconv("inspect", written),
                    "GRU 4 → 5",
                    "Dense 5 → 3",
                    head.replace("_", "").replace("log", "log_?"),
                )
                rnnconv("convert", written, back)
                says(rnnconv("diff", path, written, *flags), "^verdict: same")
                loaded = torch.load(back, weights_only=True)
                for name, tensor in net.state_dict().items():
                    want(torch.equal(loaded[name], tensor), f"{back.name}: {name} has other numbers")
    for name in ("gelu", "silu", "mish"):
        for dynamo in (False, True):
            with part(f"PyTorch's own {name}{', dynamo' if dynamo else ''}"):
                own = Net(lambda net, x, f=heads[name]: f(net.fc(net.rnn(x)[0])), rnn=net.rnn, fc=net.fc)
                axes = {"x": {0: "b"}} if dynamo else {"x": {0: "b", 1: "t"}, "y": {0: "b", 1: "t"}}
                exported = export(
                    folder / f"own-{name}-{dynamo}.onnx", own, {"x": x}, ["y"], axes, dynamo, 18 if dynamo else 17
                )
                says(imported(exported, {"x": x.numpy()}), name)


def case_24_more_than_2gib_with_external_data(folder: Path) -> None:
    rows, width = 600_000, 1024
    graph = Graph()
    table = onnx.TensorProto(
        name="E", data_type=TensorProto.FLOAT, dims=[rows, width], data_location=TensorProto.EXTERNAL
    )
    for key, value in {"location": "w.bin", "offset": "0", "length": str(4 * rows * width)}.items():
        table.external_data.add(key=key, value=value)
    ids = graph.input("ids", "T", "B", kind=TensorProto.INT64)
    graph.recurrent("LSTM", graph.add("Gather", ["E", ids]), width, 1, ["Y", graph.output("h", 1, "B", 1)])
    model = graph.model()
    model.graph.initializer.append(table)
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    with open(folder / "w.bin", "wb") as file:
        file.truncate(4 * rows * width)
    says(
        rnnconv("convert", path, folder / "out.onnx", "--external-data", "out.bin"),
        "verified (equal|identical): the written file",
    )
    want((folder / "out.bin").stat().st_size >= 4 * rows * width, "out.bin is too small")
    with part("without external data"):
        says(rnnconv("convert", path, folder / "one.onnx", code=3), "2 GiB", "--external-data|external data")
        want(not (folder / "one.onnx").exists(), "something was written")


def half_graph(cell: str, features: int = 4, hidden: int = 5) -> Graph:
    """What float16 converters write with keep_io_types: casts at the graph's ends, weights and layers in float16."""
    graph = Graph("pytorch", opset=14)
    x = graph.add("Cast", [graph.input("x", "b", "t", features)], to=TensorProto.FLOAT16)
    h = graph.add("Cast", [graph.input("h", 1, "b", hidden)], to=TensorProto.FLOAT16)
    states = (
        [h, graph.add("Cast", [graph.input("c", 1, "b", hidden)], to=TensorProto.FLOAT16)] if cell == "LSTM" else [h]
    )
    more = {"linear_before_reset": 1} if cell == "GRU" else {}
    y, last = graph.recurrent(cell, graph.add("Transpose", [x], perm=[1, 0, 2]), features, hidden, states=states,
                              kind=np.float16, **more)
    y = graph.add("Transpose", [graph.add("Squeeze", [y, graph.ints(1)])], perm=[1, 0, 2])
    y = graph.add(
        "Add", [graph.add("MatMul", [y, graph.random(hidden, 3, kind=np.float16)]), graph.random(3, kind=np.float16)]
    )
    graph.add("Cast", [graph.add("Sigmoid", [y])], graph.output("y", "b", "t", 3), to=TensorProto.FLOAT)
    graph.add("Cast", [last], graph.output("hn", 1, "b", hidden), to=TensorProto.FLOAT)
    return graph


def case_25_fp16_keep_io_types_does_not_convert(folder: Path) -> None:
    for cell in GATES:
        path = half_graph(cell).save(folder / f"{cell}.onnx")
        with part(f"{cell}, verify"):
            says(rnnconv("verify", path), "^verdict: equal")
        for target in ("onnx", "rnnw"):
            with part(f"{cell}, convert to {target}"):
                written = folder / f"{cell}-out.{target}"
                says(rnnconv("convert", path, written), "rounded", "verified equal")
                feeds = {"x": normal(2, 6, 4), "h": normal(1, 2, 5, seed=1)} | (
                    {"c": normal(1, 2, 5, seed=2)} if cell == "LSTM" else {})
                same(run(written, feeds), run(path, feeds, "--engine", "evaluator"), "what was written", 0.01)


def case_27_diagnosis_activations_dropped(folder: Path) -> None:
    cases = {
        "relu in both directions": ("LSTM", "bidirectional", ["Relu"] * 3),
        "relu": ("LSTM", "forward", ["Relu"] * 3),
        "relu but for the gates": ("LSTM", "forward", ["Sigmoid", "Relu", "Relu"]),
        "GRU": ("GRU", "bidirectional", ["Relu", "Relu"]),
        "softsign": ("GRU", "reverse", ["HardSigmoid", "Softsign"]),
        "RNN": ("RNN", "bidirectional", ["Relu"]),
        "RNN, one role": ("RNN", "forward", ["Relu"]),
    }
    for name, (cell, direction, activations) in cases.items():
        with part(name):
            sides = 2 if direction == "bidirectional" else 1
            files = []
            for kept in (True, False):
                graph = Graph("tf2onnx", opset=15)
                x = graph.input("x", "unk__1", "unk__2", 3)
                state = zeros(graph, x, 4)
                state = graph.add("Concat", [state, state], axis=0) if sides == 2 else state
                more = {"activations": activations * sides} if kept else {}
                y = graph.recurrent(cell, graph.add("Transpose", [x], perm=[1, 0, 2]), 3, 4, direction=direction,
                                    states=[state] * (2 if cell == "LSTM" else 1), **more)[0]
                ends = [
                    graph.add(
                        "Squeeze",
                        [graph.add("Slice", [y, graph.ints(side), graph.ints(side + 1), graph.ints(1)]), graph.ints(1)],
                    )
                    for side in range(sides)
                ]
                both = graph.add("Concat", ends, axis=2)
                graph.add("Transpose", [both], graph.output("y", "unk__3", "unk__4", 4 * sides), perm=[1, 0, 2])
                files.append(graph.save(folder / f"{name.replace(' ', '-')}-{kept}.onnx"))
            text = rnnconv("verify", *files, code=1)
            if cell == "RNN":  # It has one role: a mistake of the catalogue's own, which names it more closely.
                says(text, r"certain: in \S*False\.onnx, (another activation|the activations are lost)")
            else:
                says(text, r"certain: in \S*False\.onnx, the activations are lost, the defaults taken")


def case_29_advice_dynamo_false_misplaced(folder: Path) -> None:
    for cell in ("LSTM", "GRU"):
        with part(f"a loop over nn.{cell}Cell"):
            def loop(net: Net, x: torch.Tensor) -> torch.Tensor:
                h = torch.zeros(x.shape[1], 5)
                c, outputs = h, []
                for step in range(6):
                    if isinstance(net.c, nn.LSTMCell):
                        h, c = net.c(x[step], (h, c))
                    else:
                        h = net.c(x[step], h)
                    outputs.append(h)
                return net.fc(torch.stack(outputs))

            net = Net(loop, c=getattr(nn, f"{cell}Cell")(4, 5), fc=nn.Linear(5, 2))
            path = export(
                folder / f"{cell}-loop.onnx", net, {"x": torch.randn(6, 2, 4)}, ["y"], {"x": {1: "b"}, "y": {1: "b"}}
            )
            # Rolled up again: there is nothing to advise.
            imported(path, {"x": normal(6, 3, 4)})
            told = rnnconv("convert", path, folder / f"{cell}-loop.rnnw", "--json")
            says(told, "6 steps of a recurrence that was written out one by one")
            want("step by step" not in told, f"misplaced advice: {told}")
    for steps in (4, 7):
        with part(f"Keras's unroll=True, {steps} steps"):
            graph = Graph("tf2onnx", opset=15)
            x = graph.add("Transpose", [graph.input("x", "unk__1", steps, 3)], perm=[1, 0, 2])
            kernel, recurrent, bias = graph.random(3, 16), graph.random(4, 16), graph.random(16)
            pieces = [graph.fresh() for _ in range(steps)]
            graph.nodes.append(helper.make_node("Split", [x, graph.ints(*[1] * steps)], pieces, axis=0))
            h = graph.add("Squeeze", [zeros(graph, "x", 4), graph.ints(0)])
            c = h
            for piece in pieces:
                row = graph.add("MatMul", [graph.add("Squeeze", [piece, graph.ints(0)]), kernel])
                z = graph.add("Add", [graph.add("Add", [row, graph.add("MatMul", [h, recurrent])]), bias])
                gates = [graph.fresh() for _ in range(4)]
                graph.nodes.append(helper.make_node("Split", [z, graph.ints(4, 4, 4, 4)], gates, axis=1))
                i, f, o = (graph.add("Sigmoid", [gates[n]]) for n in (0, 1, 3))
                c = graph.add("Add", [graph.add("Mul", [f, c]), graph.add("Mul", [i, graph.add("Tanh", [gates[2]])])])
                h = graph.add("Mul", [o, graph.add("Tanh", [c])])
            graph.add("Identity", [h], graph.output("lstm", "unk__2", 4))
            path = graph.save(folder / f"unroll-{steps}.onnx")
            imported(path, {"x": normal(3, steps, 3)})
            says(rnnconv("convert", path, folder / f"unroll-{steps}.rnnw", "--json"), f"{steps} steps of a recurrence")
    for cells in (("LSTM", "GRU"), ("GRU", "GRU"), ("LSTM", "LSTM")):
        with part(f"{' and '.join(cells)} joined along time"):
            a, b = (getattr(nn, cell)(4, 5, batch_first=True) for cell in cells)
            net = Net(lambda net, x: torch.cat([net.a(x)[0], net.b(x)[0]], 1), a=a, b=b)
            path = export(
                folder / f"{'-'.join(cells)}.onnx", net, {"x": torch.randn(2, 6, 4)}, ["y"], {"x": {0: "b", 1: "t"}}
            )
            text = refused(path, "along time", "no place")
            want("unroll" not in text and "step by step" not in text, f"misplaced advice: {text}")
            evaluated(path, {"x": normal(3, 6, 4)})
    with part("dynamo's nn.RNN of fixed sizes, whose first step is folded: that advice has its place"):
        path = export(
            folder / "rnn.onnx",
            Net(lambda net, x: net.r(x)[0], r=nn.RNN(4, 5)),
            {"x": torch.randn(6, 2, 4)},
            ["y"],
            dynamo=True,
        )
        says(rnnconv("inspect", path, code=4), "dynamo=False")


def case_31_hint_names_an_option_that_is_not_there(folder: Path) -> None:
    path = folder / "m.pt2"
    path.write_text("hello\n")
    np.save(folder / "x.npy", normal(2, 2, 2))
    for command in (
        ["inspect", path],
        ["verify", path],
        ["verify", lstm(folder / "good.onnx"), path],
        ["gradient-flow", path],
        ["run", path, "--input", folder / "x.npy", "-o", folder / "y.npy"],
        ["convert", path, folder / "o.onnx"],
        ["diff", path, path],
        ["import", path, "-o", folder / "o.rnnw"],
    ):
        with part(command[0]):
            text = rnnconv(*command, code=4)
            option = re.search(r"name it with (--[a-z-]+)", text)
            want(option, f"no hint: {text.strip()}")
            says(rnnconv(command[0], "--help"), rf"^\s*{option[1]} <.*ource|{option[1]} <from>")
            want("--format" not in text, f"it names --format: {text.strip()}")
    with part("the option does what the hint says"):
        says(rnnconv("inspect", path, "--from", "pytorch", code=4), "m.pt2")


def case_40_fp16_cast_around_gru(folder: Path) -> None:
    for cell in GATES:
        for direction in ("forward", "bidirectional"):
            with part(f"{cell}, {direction}"):
                graph = Graph()
                sides = 2 if direction == "bidirectional" else 1
                x = graph.add("Cast", [graph.input("x", "time", "batch", 6)], to=TensorProto.FLOAT16)
                more = {"linear_before_reset": 1} if cell == "GRU" else {}
                y = graph.recurrent(cell, x, 6, 8, bias=False, kind=np.float16, direction=direction, **more)[0]
                y = graph.add("Squeeze", [y, graph.ints(1)]) if sides == 1 else y
                dims = ["time", "batch", 8] if sides == 1 else ["time", 2, "batch", 8]
                graph.add("Cast", [y], graph.output("y", *dims), to=TensorProto.FLOAT)
                path = graph.save(folder / f"{cell}-{direction}.onnx")
                text = rnnconv("import", path, "-o", os.devnull)
                says(text, "rounded", "verified equal")
                want("import is wrong" not in text, text)
                says(rnnconv("verify", path), "^verdict: equal", "rounds to F16")
                rnnconv("import", path, "-o", folder / "m.rnnw")
                feeds = {"x": normal(5, 3, 6)}
                same(run(folder / "m.rnnw", feeds), run(path, feeds, "--engine", "evaluator"), "what was written", 0.02)


def case_41_slice_last_axis(folder: Path) -> None:
    feeds = {"x": normal(5, 1, 3), "state": normal(1, 1, 4, 2, seed=1)}
    for name in ("last axis", "all axes"):
        with part(f"states side by side, {name}"):
            graph = Graph(opset=13)
            x, state = graph.input("x", "time", 1, 3), graph.input("state", 1, 1, 4, 2)
            states = []
            for start in (0, 1):
                if name == "last axis":
                    cut = graph.add("Slice", [state, graph.ints(start), graph.ints(start + 1), graph.ints(3)])
                    states.append(graph.add("Squeeze", [cut, graph.ints(3)]))
                else:
                    whole = 2**63 - 1
                    cut = graph.add("Slice", [state, graph.ints(0, 0, 0, start), graph.ints(whole, 1, whole, start + 1),
                                              graph.ints(0, 1, 2, 3), graph.ints(1, 1, 1, 1)])
                    states.append(
                        graph.add("Unsqueeze", [graph.add("Squeeze", [cut, graph.ints(1, 3)]), graph.ints(0)])
                    )
            y = graph.recurrent("LSTM", x, 3, 4, states=states, bias=False)[0]
            graph.add("Squeeze", [y, graph.ints(1)], graph.output("y", "time", 1, 4))
            says(imported(graph.save(folder / f"{name.replace(' ', '-')}.onnx"), feeds), "LSTM 3 → 4", "Slice")
    for cell in GATES:
        with part(f"one of two features, {cell}"):
            graph = Graph()
            x = graph.add("Slice", [graph.input("x", "time", "batch", 2), graph.ints(1), graph.ints(2), graph.ints(2)])
            graph.recurrent(cell, x, 1, 4, [graph.output("y", "time", 1, "batch", 4)])
            says(imported(graph.save(folder / f"feature-{cell}.onnx"), {"x": normal(5, 3, 2)}), f"{cell} 1 → 4")
        with part(f"stacked states of two layers, {cell}"):
            graph = Graph()
            y, stack = graph.input("x", "time", "batch", 3), graph.input("state", 2, "batch", 4)
            more = graph.input("cells", 2, "batch", 4) if cell == "LSTM" else ""
            for layer in (0, 1):
                cuts = [graph.add("Slice", [value, graph.ints(layer), graph.ints(layer + 1), graph.ints(0)])
                        for value in (stack, more) if value]
                y = graph.recurrent(cell, y, 4 if layer else 3, 4, states=cuts)[0]
                y = graph.add("Squeeze", [y, graph.ints(1)], graph.output("y", "time", "batch", 4) if layer else "")
            some = {"x": normal(5, 3, 3), "state": normal(2, 3, 4, seed=1)} | (
                {"cells": normal(2, 3, 4, seed=2)} if cell == "LSTM" else {})
            imported(graph.save(folder / f"stacked-{cell}.onnx"), some)


def case_43_legacy_protocol_4(folder: Path) -> None:
    for cell in ("LSTM", "GRU"):
        module, x = getattr(nn, cell)(3, 4), torch.randn(5, 2, 3)
        for legacy in (True, False):
            for protocol in (1, 2, 3, 4, 5):
                with part(f"{cell}, {'legacy' if legacy else 'zip'}, protocol {protocol}"):
                    path = checkpoint(
                        folder / f"{cell}-{legacy}-{protocol}.pt", module.state_dict(), legacy=legacy, protocol=protocol
                    )
                    says(rnnconv("inspect", path), f"{cell} 3 → 4")
                    computes(path, module, x, "--no-batch-first")
                with part(f"{cell} module, {'legacy' if legacy else 'zip'}, protocol {protocol}"):
                    path = checkpoint(
                        folder / f"{cell}-m-{legacy}-{protocol}.pt", module, legacy=legacy, protocol=protocol
                    )
                    computes(path, module, x)
    with part("bytes after the end are no state dict"):
        path.write_bytes(pickle.dumps({"a": 1}, 4) + b"tail")
        rnnconv("inspect", path, code=4)


def case_45_checkpoint_with_enum(folder: Path) -> None:
    foreign = types.ModuleType("tasks_of_others")
    sys.modules[foreign.__name__] = foreign

    class ByGetattr(enum.Enum):
        ONE = 1

        def __reduce_ex__(self, protocol: int) -> tuple:
            return getattr, (self.__class__, self.name)

    class Sides(enum.Flag):
        LEFT, RIGHT = 1, 2

    kinds = {"by value": enum.Enum("Problem", "ONE TWO"), "by getattr": ByGetattr, "flag": Sides,
             "text": enum.StrEnum("Word", {"ONE": "one"}), "number": enum.IntEnum("Number", "ONE TWO")}
    for name, kind in kinds.items():
        kind.__module__, kind.__qualname__ = foreign.__name__, kind.__name__
        setattr(foreign, kind.__name__, kind)
        module, x, member = nn.LSTM(3, 4), torch.randn(5, 2, 3), next(iter(kind))
        if name == "flag":
            member = kind.LEFT | kind.RIGHT
        for legacy in (False, True):
            for protocol in (2, 4, 5):
                with part(f"{name}, {'legacy' if legacy else 'zip'}, protocol {protocol}"):
                    saved = {
                        "state_dict": module.state_dict(),
                        "others": {"specifications": {"problem": member, member: [member]}},
                    }
                    path = checkpoint(
                        folder / f"{kind.__name__}-{legacy}-{protocol}.ckpt", saved, legacy=legacy, protocol=protocol
                    )
                    for key in ([], ["--key", "state_dict"]):
                        says(rnnconv("inspect", path, *key), "LSTM 3 → 4")
                    computes(path, module, x, "--no-batch-first")
    del sys.modules[foreign.__name__]


def case_47_unbatched_peepholes(folder: Path) -> None:
    def layer(graph: Graph, cell: str, x: str, features: int, number: int, peepholes: bool) -> str:
        states = [graph.add("Unsqueeze", [graph.input(f"state_{number}_{kind}", 4), graph.ints(0, 1)])
                  for kind in (("hidden", "cell") if cell == "LSTM" else ("hidden",))]
        y, last = graph.recurrent(
            cell, graph.add("Unsqueeze", [x, graph.ints(1)]), features, 4, states=states, peepholes=peepholes
        )
        graph.add("Squeeze", [last, graph.ints(0, 1)], graph.output(f"last_{number}", 4))
        return graph.add("Squeeze", [y, graph.ints(1, 2)])

    def flipped(graph: Graph, x: str) -> str:
        return graph.add("Slice", [x, graph.ints(-1), graph.ints(-2**63), graph.ints(0), graph.ints(-1)])

    for cell, peepholes in (("RNN", False), ("GRU", False), ("LSTM", False), ("LSTM", True)):
        for axes in (False, True):
            name = f"{cell}{' with peepholes' if peepholes else ''}, last Squeeze {'with' if axes else 'without'} axes"
            with part(name):
                graph = Graph("converter", opset=18)
                x, features = graph.input("input", "input_dim_0", "input_dim_1"), 1
                for number in (1, 4):
                    ahead = layer(graph, cell, x, features, number, peepholes)
                    back = flipped(graph, layer(graph, cell, flipped(graph, x), features, number + 1, peepholes))
                    x, features = graph.add("Concat", [ahead, back], axis=1), 8
                dense = graph.add(
                    "Sigmoid", [graph.add("Add", [graph.add("MatMul", [x, graph.random(8, 1)]), graph.random(1)])]
                )
                graph.add("Squeeze", [dense, graph.ints(1)] if axes else [dense], graph.output("out", "output_dim_0"))
                path = graph.save(folder / f"{cell}-{peepholes}-{axes}.onnx")
                feeds = {
                    value.name: normal(7, 1) if value.name == "input" else normal(4, seed=n)
                    for n, value in enumerate(graph.inputs)
                }
                # Without axes it also drops a length of 1.
                text = imported(path, feeds)
                says(text, r"input F32 \[T, 1\]", f"{cell} 1 → 4", f"{cell} 8 → 4", r"out F32 \[T\]" if axes else r"out F32 \[T\?\]")
                feeds["input"] = normal(1, 1)
                evaluated(path, feeds)


def case_48_foreign_files_named(folder: Path) -> None:
    saved = b"\x08\x01\x12\x09\x0a\x07\x22\x05serve"
    layers = {"format": "layers-model", "generatedBy": "keras v2.4.0", "convertedBy": "TensorFlow.js Converter v3.0.0",
              "modelTopology": {"keras_version": "2.4.0", "model_config": {"class_name": "Sequential", "config": {}}},
              "weightsManifest": [{"paths": ["group1-shard1of1.bin"], "weights": []}]}
    graph_model = {"format": "graph-model", "generatedBy": "2.4.1", "convertedBy": "TensorFlow.js Converter v3.0.0",
                   "modelTopology": {"node": [], "versions": {"producer": 440}}, "weightsManifest": []}
    numbers = normal(100).tobytes()
    files: dict[str, tuple[bytes, str]] = {
        "ggml.bin": (b"lmgg" + np.array([512, 16000, 1, 128, 128, 4], np.int32).tobytes() + numbers, "ggml"),
        "ggmf.bin": (b"fmgg" + np.array([1, 32000, 128], np.int32).tobytes() + numbers, "ggml"),
        "ggjt.bin": (b"tjgg" + np.array([3, 32000, 128], np.int32).tobytes() + numbers, "ggml"),
        "three.gguf": (b"GGUF\x03" + bytes(19), "GGUF"),
        "two.gguf": (b"GGUF\x02" + bytes(19), "GGUF"),
        "no-extension": (b"GGUF\x03" + bytes(19), "GGUF"),
        "tfjs.json": (json.dumps(layers).encode(), r"TensorFlow\.js"),
        "graph.json": (json.dumps(graph_model).encode(), r"TensorFlow\.js"),
        "indented.json": (json.dumps(layers, indent=2).encode(), r"TensorFlow\.js"),
        "saved_model.pb": (saved, "SavedModel"),
        "model.tflite": (b"\x1c\0\0\0TFL3" + bytes(40), "LiteRT|TensorFlow Lite"),
        "lite.bin": (b"\x1c\0\0\0TFL3" + bytes(40), "LiteRT"),
        "keras.h5": (b"\x89HDF\r\n\x1a\n" + bytes(88), "HDF5|Keras"),
    }
    for name, (content, word) in files.items():
        with part(name):
            (folder / name).write_bytes(content)
            text = rnnconv("inspect", folder / name, code=4)
            says(text, word, "not read", "convert|write ONNX")
            rnnconv("convert", folder / name, folder / "out.rnnw", code=4)
    with part("a folder that holds a SavedModel"):
        (folder / "saved").mkdir()
        (folder / "saved" / "saved_model.pb").write_bytes(saved)
        says(rnnconv("inspect", folder / "saved", code=4), "SavedModel", "not read", "tf2onnx")
    with part("a .keras file"):
        with zipfile.ZipFile(folder / "model.keras", "w") as archive:
            archive.writestr("metadata.json", '{"keras_version": "3.0.0"}')
            archive.writestr("config.json", '{"class_name": "Sequential"}')
            archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n")
        says(rnnconv("inspect", folder / "model.keras", code=4), "Keras", "not read|convert|write ONNX")


def case_61_range_of_one_feature_hides_others(folder: Path) -> None:
    hidden, steps = 16, 200
    for cell in ("RNN", "LSTM", "GRU"):
        graph = Graph(seed=3)
        gates, made = GATES[cell], graph.generator
        recurrent = np.concatenate([made.normal(size=(hidden, hidden)) for _ in range(gates)])
        recurrent *= 4.6 * 4 ** (cell != "RNN") / np.abs(np.linalg.eigvals(recurrent[-hidden:])).max()
        weights = [graph.weight(made.normal(size=(1, gates * hidden, 3)).astype(np.float32)),
                   graph.weight(recurrent[None].astype(np.float32))]
        y, last = graph.fresh(), graph.fresh()
        graph.nodes.append(
            helper.make_node(cell, [graph.input("X", "T", "B", 3), *weights], [y, last], hidden_size=hidden)
        )
        product = graph.add(
            "MatMul", [graph.add("Squeeze", [y, graph.ints(1)]), graph.weight(np.eye(hidden, dtype=np.float32))]
        )
        bias = np.zeros(hidden, np.float32)
        bias[0] = 10
        graph.add("Add", [product, graph.weight(bias)], graph.output("Y", "T", "B", hidden))
        path = graph.save(folder / f"{cell}.onnx")
        x = made.normal(size=(steps, 1, 3)).astype(np.float32)
        right = reference(path, {"X": x})["Y"]
        chaos = np.abs(right - reference(path, {"X": x * np.float32(1 + 1e-6)})["Y"]).max() > 0.5
        wrong = {"garbage": right.copy(), "zeros": right.copy()}
        wrong["garbage"][30:, :, 1:] = made.uniform(-1, 1, (steps - 30, 1, hidden - 1))
        wrong["zeros"][30:, :, 1:] = 0
        np.save(folder / "x.npy", x)
        for name, values in {"right": right, **wrong}.items():
            with part(f"{cell}, {name}"):
                np.savez(folder / "y.npz", Y=values)
                codes = ((5,) if chaos else (0, 5)) if name == "right" else (1, 5)
                text = rnnconv("verify", path, "--input", folder / "x.npy", "--expected", folder / "y.npz",
                               "--runtime", "onnxruntime", code=codes)
                says(text, "^verdict: (inconclusive|different)" if name != "right" or chaos else "^verdict")
                want(name != "right" or "different" not in text, "the right outputs are called different")


def case_62_suspect_chooses_its_own_bound(folder: Path) -> None:
    for cell, large in (("RNN", 5e5), ("RNN", 3e6), ("GRU", 5e5), ("LSTM", 5e5)):
        with part(f"{cell}, biases of {large:g}"):
            hidden, made = 6, np.random.default_rng(7)
            rows = GATES[cell] * hidden
            w, r = (made.uniform(-0.5, 0.5, (1, rows, n)).astype(np.float32) for n in (4, hidden))
            bias = made.uniform(-0.09, 0.09, (1, 2 * rows)).astype(np.float32)
            moved = bias[:, :rows] + bias[:, rows:] + np.where(np.arange(rows) % 2, 0.15, -0.15)
            suspect = np.concatenate([np.full((1, rows), large), moved - large], 1).astype(np.float32)
            files = []
            for name, value in {"trusted": bias, "suspect": suspect}.items():
                graph = Graph()
                inputs = [graph.input("X", "T", "B", 4), *map(graph.weight, (w, r, value))]
                outputs = [graph.output("Y", "T", 1, "B", hidden), graph.output("Yh_0", 1, "B", hidden)]
                graph.nodes.append(helper.make_node(cell, inputs, outputs, name="rec0", hidden_size=hidden))
                files.append(graph.save(folder / f"{cell}-{name}.onnx"))
            for pair in (files, files[::-1]):
                says(rnnconv("verify", *pair, code=1), "^verdict: different")
            rnnconv("diff", *files, code=1)


def gru_file(path: Path, outputs: tuple[str, ...] = ("Y", "Yh_0"), bias: bool = True) -> Path:
    graph = Graph(seed=5)
    graph.recurrent(
        "GRU", graph.input("X", "T", "B", 3), 3, 5, ["Y", "Yh_0"], name="rec0", bias=bias, linear_before_reset=1
    )
    for name in outputs:
        graph.output(name, *(["T", 1, "B", 5] if name == "Y" else [1, "B", 5]))
    return graph.save(path)


def case_63_expected_arrays_ignored(folder: Path) -> None:
    two, one = gru_file(folder / "two.onnx"), gru_file(folder / "one.onnx", ("Y",))
    x = normal(6, 2, 3)
    np.savez(folder / "in.npz", X=x)
    right = reference(two, {"X": x})

    def verify(model: Path, code: int, **arrays: np.ndarray) -> str:
        np.savez(folder / "expected.npz", **arrays)
        return rnnconv("verify", model, "--input", folder / "in.npz", "--expected", folder / "expected.npz", code=code)

    none = np.zeros_like(right["Y"])
    with part("an output's name misspelt"):
        says(verify(two, 2, Y=right["Y"], Yh=np.full((1, 2, 5), 7, np.float32)), "Yh_0", '"Yh"')
    with part("the named one wrong, another right"):
        says(verify(one, 1, Y=none, other=right["Y"]), "^verdict: different")
    with part("the other order"):
        says(verify(one, 1, other=right["Y"], Y=none), "^verdict: different")
    with part("two that no output has"):
        verify(one, 2, a=none, b=right["Y"])
        verify(one, 2, a=right["Y"], b=none)
    with part("the named one right, another beside it"):
        np.savez(folder / "expected.npz", Y=right["Y"], other=none)
        text = rnnconv("verify", one, "--input", folder / "in.npz", "--expected", folder / "expected.npz", code=(0, 2))
        says(text, "other")
    with part("all right"):
        says(verify(two, 0, **right), "^verdict: equal")
    with part("one array of any name, for one output"):
        says(verify(one, 0, arr_0=right["Y"]), "^verdict: equal")


def case_64_trusted_file_blamed_and_damaged(folder: Path) -> None:
    for cell in GATES:
        for seed in range(4):
            for mistake in ("transposed", "flipped"):
                with part(f"{cell}, {mistake}, seed {seed}"):
                    made = np.random.default_rng(100 + seed)
                    gates, hidden = GATES[cell], 3
                    w, r, b = (
                        made.uniform(-0.5, 0.5, shape).astype(np.float32)
                        for shape in ((1, gates * hidden, 10), (1, gates * hidden, hidden), (1, 2 * gates * hidden))
                    )
                    other = np.stack([gate.T for gate in r[0].reshape(gates, hidden, hidden)]).reshape(r.shape)
                    other = other if mistake == "transposed" else r
                    off = w.copy()
                    off[0, seed % hidden, seed] += 1e-4
                    files = []
                    for name, kernel, recurrent in (("trusted", w, r), ("suspect", off, other)):
                        graph = Graph()
                        inputs = [graph.input("X", "T", "B", 10), *map(graph.weight, (kernel, recurrent, b))]
                        outputs = [graph.output("Y", "T", 1, "B", hidden), graph.output("Yh_0", 1, "B", hidden)]
                        turned = name == "suspect" and mistake == "flipped"
                        graph.nodes.append(helper.make_node(cell, inputs, outputs, name="rec0", hidden_size=hidden,
                                                            direction="forward" if turned else "reverse"))
                        files.append(graph.save(folder / f"{name}.onnx"))
                    fixed = folder / "fixed.onnx"
                    fixed.unlink(missing_ok=True)
                    for pair in (files, files[::-1]):
                        text = rnnconv("verify", *pair, "--write-fixed", fixed, code=(1, 2, 3, 4))
                        want(
                            not re.search(r"certain: in \S*trusted", text), f"the trusted file is blamed: {text[-400:]}"
                        )
                        if fixed.exists():
                            says(text, r"certain: in \S*suspect")
                            fixed.unlink()


def case_66_float16_outputs_called_wrong(folder: Path) -> None:
    for cell in GATES:
        for kind, dtype in ((TensorProto.FLOAT16, np.float16), (TensorProto.BFLOAT16, None)):
            name = f"{cell}-{'float16' if dtype else 'bfloat16'}"
            with part(name):
                graph = Graph()
                x = graph.add("Cast", [graph.input("X", "T", "B", 3, kind=kind)], to=TensorProto.FLOAT)
                more = {"linear_before_reset": 1} if cell == "GRU" else {}
                y = graph.recurrent(cell, x, 3, 4, bias=False, **more)[0]
                graph.add("Cast", [y], graph.output("Y", "T", 1, "B", 4, kind=kind), to=kind)
                path = graph.save(folder / f"{name}.onnx")
                says(rnnconv("verify", path), "^verdict: equal")
                text = rnnconv("convert", path, folder / f"{name}.rnnw")
                says(text, "verified equal")
                if dtype:
                    x = normal(5, 2, 3).astype(dtype)
                    np.savez(folder / "x.npz", X=x)
                    np.savez(folder / "y.npz", **reference(path, {"X": x}))
                    says(rnnconv("verify", path, "--input", folder / "x.npz", "--expected", folder / "y.npz",
                                 "--runtime", "onnxruntime"), "^verdict: equal")
                    same(run(path, {"X": x}, "--engine", "evaluator"), reference(path, {"X": x}), name, 1e-3)


def bounded(*arguments: str | Path, seconds: float = 5, memory: int = 2 << 30) -> tuple[int, str]:
    """A run that has to end in time (on a busy machine its own time counts), with 4 GiB of addresses at most."""
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        process = subprocess.Popen(
            [RNNCONV, *map(str, arguments)],
            stdout=output,
            stderr=output,
            preexec_fn=lambda: (
                resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)),
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
            ),
        )
        timer = threading.Timer(6 * seconds, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = code = os.waitstatus_to_exitcode(status)
        took = min(time.monotonic() - start, usage.ru_utime + usage.ru_stime)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    what = (f"rnnconv {' '.join(map(str, arguments))}: exit {code} after {took:.1f} s, {usage.ru_maxrss >> 10} MiB: "
            + text.strip()[-300:])
    want(code >= 0, what)
    want(took <= seconds and usage.ru_maxrss << 10 <= memory, what)
    return code, what


def case_67_evaluator_bombs(folder: Path) -> None:
    scalar = TensorProto.FLOAT

    def bomb(name: str, make: Callable[[Graph], str]) -> Path:
        graph = Graph()
        y = graph.recurrent("GRU", graph.input("X", "T", "B", 3), 3, 4, bias=False, linear_before_reset=1)[0]
        added = make(graph)
        graph.add("Add", [y, added] if added else [y, y], graph.output("Y", "T", 1, "B", 4))
        return graph.save(folder / f"{name}.onnx")

    def largest(graph: Graph, value: str) -> str:
        return graph.add("ReduceMax", [value], keepdims=0)

    def expanded(graph: Graph, *sizes: int) -> str:
        return graph.add("Expand", [graph.weight(np.array(0, np.float32)), graph.ints(*sizes)])

    def loop(graph: Graph, turns: int, size: int, operator: str, scan: bool = False) -> str:
        value = expanded(graph, size, size)
        info = helper.make_tensor_value_info
        inner = [helper.make_node("Identity", ["c"], ["co"]), helper.make_node(
            operator, ["s", "s"] if operator in ("MatMul", "Add") else ["s"], ["so"])]
        outs = [info("co", TensorProto.BOOL, []), info("so", scalar, [size, size])]
        if scan:
            inner.append(helper.make_node("Identity", ["so"], ["each"]))
            outs.append(info("each", scalar, [size, size]))
        body = helper.make_graph(inner, "body", [
            info("i", TensorProto.INT64, []), info("c", TensorProto.BOOL, []), info("s", scalar, [size, size])], outs)
        outputs = [graph.fresh(), graph.fresh()] if scan else [graph.fresh()]
        graph.nodes.append(helper.make_node("Loop", [
            graph.weight(np.array(turns, np.int64)), graph.weight(np.array(True)), value], outputs, body=body))
        return largest(graph, outputs[-1])

    def ranged(graph: Graph) -> str:
        ends = [graph.weight(np.array(value, np.float32)) for value in (0, 1e9, 1)]
        return largest(graph, graph.add("Range", ends))

    trusted = bomb("trusted", lambda graph: "")
    bombs = {
        "memory": lambda graph: largest(graph, graph.add("Abs", [expanded(graph, 1 << 30)])),
        "work": lambda graph: loop(graph, 1_000_000, 1000, "MatMul"),
        "range": ranged,
        "scan": lambda graph: loop(graph, 100_000, 1000, "Abs", scan=True),
        "turns": lambda graph: loop(graph, 1 << 62, 1, "Abs"),
        "adding": lambda graph: loop(graph, 1_000_000, 1000, "Add"),
        "outer": lambda graph: largest(
            graph, graph.add("Add", [expanded(graph, 40_000, 1), expanded(graph, 1, 40_000)])
        ),
        "product": lambda graph: largest(
            graph, graph.add("MatMul", [expanded(graph, 5000, 5000), expanded(graph, 5000, 5000)])
        ),
        "tile": lambda graph: largest(graph, graph.add("Tile", [expanded(graph, 1000, 1000), graph.ints(40, 40)])),
        "constant": lambda graph: largest(graph, graph.add("ConstantOfShape", [graph.ints(1 << 15, 1 << 15)])),
    }
    np.save(folder / "x.npy", normal(4, 2, 3))
    for name, make in bombs.items():
        path = bomb(name, make)
        for arguments in (["verify", trusted, path], ["run", path, "--input", folder / "x.npy", "-o", folder / "y.npy",
                                                      "--engine", "evaluator"], ["inspect", path]):
            with part(f"{name}, {arguments[0]}"):
                code, what = bounded(*arguments)
                # Looking at it may end well, as nothing is evaluated; so may a product that ends in time.
                want(code == 4 or (code == 0 and (arguments[0] == "inspect" or name == "product")), what)
    with part("a limit that is set lower"):
        want(bounded("verify", trusted, folder / "work.onnx", "--limit", "evaluation-steps=10")[0] == 4, "not exit 4")


def narrow_file(path: Path, cell: str, kind: type, opset: int = 17) -> Path:
    graph = Graph(opset=opset)
    rows = GATES[cell] * 4
    weights = [graph.add("Cast", [graph.random(1, *shape, kind=kind)], to=TensorProto.FLOAT)
               for shape in ((rows, 3), (rows, 4), (2 * rows,))]
    more = {"linear_before_reset": 1} if cell == "GRU" else {}
    outputs = [graph.output("Y", "T", 1, "B", 4), graph.output("Yh_0", 1, "B", 4)]
    graph.nodes.append(
        helper.make_node(cell, [graph.input("X", "T", "B", 3), *weights], outputs, name="rec0", hidden_size=4, **more)
    )
    return graph.save(path)


def case_69_bfloat16_cast_below_opset_13(folder: Path) -> None:
    x = {"X": normal(5, 2, 3)}
    for kind in (ml_dtypes.bfloat16, np.float16):
        for cell in GATES:
            path = narrow_file(folder / f"{cell}-{kind.__name__}.onnx", cell, kind)
            for opset in (7, 9, 11, 12, 13, 17):
                with part(f"{cell}, {kind.__name__}, opset {opset}"):
                    written = folder / "out.onnx"
                    written.unlink(missing_ok=True)
                    text = rnnconv("convert", path, written, "--opset", str(opset), code=(0, 3))
                    if not written.exists():
                        says(text, "opset 13" if kind is ml_dtypes.bfloat16 else "cannot|lost")
                        want(opset < 13, f"opset {opset} can say it: {text}")
                        continue
                    same(reference(written, x), reference(path, x), "what onnxruntime makes of it")
    with part("such a file is refused on reading too"):
        path = narrow_file(folder / "old.onnx", "GRU", ml_dtypes.bfloat16, opset=12)
        text = rnnconv("inspect", path, code=(0, 4))
        want("error" in text, "Cast from bfloat16 at opset 12 is read")


def case_70_own_export_not_importable_half_embedding(folder: Path) -> None:
    for cell, options in (("GRU", {}), ("LSTM", {"bidirectional": True}), ("LSTM", {"num_layers": 2})):
        for kind in (torch.float16, torch.bfloat16):
            with part(f"{cell} {options} {kind}"):
                holder = Net(
                    lambda net, ids: net.rec(net.emb(ids))[0],
                    emb=nn.Embedding(9, 4),
                    rec=getattr(nn, cell)(4, 5, **options),
                )
                state = {name: tensor.to(kind) for name, tensor in holder.state_dict().items()}
                name = f"{cell}-{len(options)}-{str(kind)[6:]}-{''.join(options)}"
                path = checkpoint(folder / f"{name}.pt", state)
                written, again, last = (folder / f"{name}{end}" for end in (".onnx", ".rnnw", "-2.onnx"))
                says(
                    rnnconv("convert", path, written, "--no-batch-first", "--modules", "emb,rec"),
                    "verified (equal|identical)",
                )
                says(rnnconv("convert", written, again), "verified (equal|identical)")
                says(rnnconv("convert", again, last), "verified (equal|identical)")
                says(rnnconv("verify", written, last), "^verdict: (equal|identical)")
                ids = {"input": np.random.default_rng(1).integers(0, 9, (6, 2))}
                same(run(again, ids), reference(written, ids), "what onnxruntime makes of it")


def case_71_projection_exported_twice(folder: Path) -> None:
    for options in ({"bidirectional": True}, {}, {"num_layers": 2}, {"num_layers": 2, "bidirectional": True}):
        module, x = nn.LSTM(3, 5, proj_size=2, **options), torch.randn(6, 2, 3)
        path = checkpoint(folder / f"{'-'.join(options) or 'plain'}.pt", module.state_dict())
        for opset in (13, 17, 20):
            with part(f"{options}, opset {opset}"):
                previous = path
                for number in (1, 2, 3):
                    following = folder / f"{path.stem}+{number}-{opset}.onnx"
                    layout = ["--no-batch-first"] if number == 1 else []
                    text = rnnconv("convert", previous, following, "--opset", str(opset), *layout)
                    says(text, "verified (equal|identical)")
                    previous = following
                rnnconv("convert", previous, folder / "last.rnnw")
                rnnconv("convert", folder / "last.rnnw", folder / "back.pt")
                loaded = torch.load(folder / "back.pt", weights_only=True)
                for name, tensor in module.state_dict().items():
                    want(torch.equal(loaded[name], tensor), f"{name} has other numbers")
                with torch.no_grad():
                    expected = module(x)[0].numpy()
                got = reference(previous, {"input": x.numpy()})
                same({"output": got["output"]}, {"output": expected}, "what onnxruntime makes of it")


EVIL = ("Y\x1b]0;pwned\x07\x1b[2J\x1b[1;32mverdict: identical\x1b[0m\n::error file=x::injected\r::add-mask::a\x9b31m"
        "\u202egnp\u2066x\u200f\x7f")


def evil_file(path: Path, seed: int) -> Path:
    graph = Graph("prod\x1b[5m\n::error::p", seed=seed)
    graph.recurrent(
        "GRU",
        graph.input("X", "T\x1b[31m", "B", 3),
        3,
        4,
        [EVIL],
        name="rec\x1b[31m\n::warning::layer",
        bias=False,
        linear_before_reset=1,
    )
    graph.output(EVIL, "T\x1b[31m", 1, "B", 4)
    model = graph.model("graph\x1b[31m<script>")
    model.doc_string = "doc\x1b[31m\n::stop-commands::q"
    model.metadata_props.add(key="k\x1b[31m\n::error::meta", value="v<script>alert(1)</script>\x1b]8;;http://evil\x07")
    onnx.save(model, path)
    return path


def tame(text: str, commands: tuple[str, ...] = ()) -> None:
    found = CONTROLS.search(text)
    want(
        not found,
        f"printed raw: U+{ord(found[0]):04X} in {text[max(0, found.start() - 40) : found.end() + 40]!r}"
        if found
        else "",
    )
    for line in re.split("[\r\n\x85\u2028\u2029]", text):
        said = line.strip().startswith("::") and not line.startswith(commands or "\0")
        want(not said and "::add-mask::" not in line[:1], f"a line that a runner takes for a command: {line[:120]!r}")
    want(not re.search(r"^verdict: identical", text, re.MULTILINE), "the verdict is made up")


def case_72_terminal_and_workflow_commands(folder: Path) -> None:
    a, b = evil_file(folder / "evil-a.onnx", 1), evil_file(folder / "evil-b.onnx", 2)
    np.save(folder / "x.npy", normal(4, 2, 3))
    np.savez(folder / "evil.npz", **{"q": normal(4, 1, 2, 4)})
    manifest = {"rnnconv_check": 1, "fixtures": [
        {"name": "fix\x1b[31m\n::error::ture", "models": [a.name, b.name]}, {"name": "one", "models": [a.name]}]}
    (folder / "rnnconv.json").write_text(json.dumps(manifest))
    x = folder / "x.npy"
    any_code = (0, 1, 2, 3, 4, 5)
    commands: list[list[str | Path]] = [
        ["verify", a, b],
        ["verify", a],
        ["verify", a, "--power"],
        ["verify", a, b, "--json"],
        ["inspect", a],
        ["inspect", a, "--json"],
        ["inspect", a, "--tensors"],
        ["diff", a, b],
        ["diff", a, b, "--json"],
        ["convert", a, folder / "o.rnnw"],
        ["convert", a, folder / "o.pt"],
        ["gradient-flow", a],
        ["gradient-flow", a, "--json"],
        ["run", a, "--input", x, "-o", folder / "y.npz"],
        ["run", a, "--input", x, "-o", folder / "y.npz", "--output-name", "q"],
        ["run", a, "--input", f"q={x}", "-o", folder / "y.npz"],
        ["run", a, "--input", x, "-o", folder / "y.npy", "--engine", "evaluator"],
        ["verify", a, "--input", x, "--expected", folder / "evil.npz"],
        ["verify", a, "--input", x, "--expected", f"q\x1b[2J={x}"],
        ["inspect", folder / "no\x1b[2J\n::error::such.onnx"],
        ["inspect", a, "--from", "q\x1b[2J"],
        ["verify", a, b, "--evidence", folder / "e.json"],
        ["verify", lstm(folder / "l.onnx"), a],
    ]
    commands += [
        ["check", folder, "--format", kind, "-v"] for kind in ("text", "json", "markdown", "junit", "tap", "sarif")
    ]
    for command in commands:
        with part(
            " ".join(str(word).replace(str(folder) + "/", "") for word in command).encode("unicode_escape").decode()
        ):
            tame(rnnconv(*command, code=any_code))
    with part("check --format github"):
        text = rnnconv("check", folder, "--format", "github", "-v", code=any_code)
        tame(text, ("::error", "::notice", "::warning", "::group", "::endgroup"))
        want(
            not re.search(
                r"^::(error file=x::injected|error::|add-mask|stop-commands|warning::layer)", text, re.MULTILINE
            ),
            f"an injected command: {text}",
        )
    for name in ("rnnw",):
        with part(f"what was written to .{name}"):
            tame(rnnconv("inspect", folder / f"o.{name}"))
    with part("names in JSON are the file's"):
        report = json.loads(rnnconv("verify", a, b, "--json", code=1))
        want(report["outputs"][0]["name"] == EVIL, f"the name is {report['outputs'][0]['name']!r}")


def case_73_check_follows_links_out_of_the_folder(folder: Path) -> None:
    repo, outside = folder / "repo", folder / "outside"
    repo.mkdir()
    outside.mkdir()
    gru_file(outside / "secret.onnx")
    gru_file(repo / "m.onnx")
    x = normal(4, 2, 3)
    np.savez(repo / "x.npz", X=x)
    np.savez(outside / "x.npz", X=x)
    np.savez(outside / "y.npz", **reference(repo / "m.onnx", {"X": x}))
    links = {
        "ln.onnx": "../outside/secret.onnx",
        "abs.onnx": str(outside / "secret.onnx"),
        "chain.onnx": "ln.onnx",
        "sub": "../outside",
        "in.onnx": "m.onnx",
        "y.npz": "../outside/written.npz",
        "y2.npz": str(outside / "written.npz"),
        "z.onnx": "/dev/zero",
        "x2.npz": "../outside/x.npz",
        "e.npz": "../outside/y.npz",
        "r.onnx": "/dev/urandom",
        "up.onnx": "../repo/m.onnx",
    }
    for name, target in links.items():
        (repo / name).symlink_to(target)
    fixtures = {name: {"models": [model]} for name, model in {
        "read": "ln.onnx", "absolute": "abs.onnx", "chain": "chain.onnx", "below": "sub/secret.onnx", "zero": "z.onnx",
        "random": "r.onnx", "inside": "in.onnx", "around": "up.onnx"}.items()}
    fixtures["inputs"] = {"models": ["m.onnx"], "inputs": ["x2.npz"]}
    fixtures["expected"] = {"models": ["m.onnx"], "inputs": ["x.npz"], "expected": ["e.npz"]}
    for name, target in {"write": "y.npz", "write absolute": "y2.npz", "write below": "sub/new.npz"}.items():
        fixtures[name] = {"models": ["m.onnx"], "inputs": ["x.npz"], "expected": [target]}
    (repo / "rnnconv.json").write_text(json.dumps({
        "rnnconv_check": 1, "fixtures": [{"name": name, **value} for name, value in fixtures.items()]}))
    for name in ("read", "absolute", "chain", "below", "inputs", "expected"):
        with part(name):
            says(rnnconv("check", repo, "--only", name, code=1), "leads out of|outside", f"FAIL  {name}")
    for name in ("zero", "random"):
        with part(f"endless: {name}"):
            code, what = bounded("check", repo, "--only", name, "--jobs", "1", seconds=10)
            want(code == 1 and re.search("leads out of|outside|not a regular file", what), what)
    for name in ("inside", "around"):
        with part(f"a link that stays: {name}"):
            rnnconv("check", repo, "--only", name)
    for precious in (False, True):
        for name in ("write", "write absolute", "write below", "expected"):
            with part(f"--update, {name}, {'over a file' if precious else 'a new file'}"):
                for target in ("written.npz", "new.npz"):
                    if precious:
                        (outside / target).write_bytes(b"precious")
                before = {path.name: path.read_bytes() for path in outside.iterdir()}
                rnnconv("check", repo, "--only", name, "--update", code=(0, 1, 2, 4))
                after = {path.name: path.read_bytes() for path in outside.iterdir()}
                want(
                    before == after,
                    f"written outside: {sorted(set(after) - set(before)) or 'a file has other content'}",
                )


def case_77_nothing_compared_is_equal(folder: Path) -> None:
    a, b = gru_file(folder / "a.onnx"), gru_file(folder / "b.onnx", bias=False)
    shapes = {"no rows": (4, 0, 3), "no steps": (0, 2, 3), "neither": (0, 0, 3)}
    for name, shape in shapes.items():
        np.savez(folder / "x.npz", X=np.zeros(shape, np.float32))
        for pair in ((a, b), (b, a)):
            with part(f"{name}, {pair[0].stem} against {pair[1].stem}"):
                text = rnnconv("verify", *pair, "--input", folder / "x.npz", code=(0, 1, 2, 5))
                want(not re.search("^verdict: (equal|identical)", text, re.MULTILINE), f"equal: {text}")
        with part(f"{name}, --expected with empty arrays"):
            steps, rows, _ = shape
            np.savez(
                folder / "y.npz", Y=np.zeros((steps, 1, rows, 5), np.float32), Yh_0=np.zeros((1, rows, 5), np.float32)
            )
            text = rnnconv(
                "verify", a, "--input", folder / "x.npz", "--expected", folder / "y.npz", code=(0, 1, 2, 4, 5)
            )
            want(
                steps == 0 and rows or not re.search("^verdict: (equal|identical)", text, re.MULTILINE),
                f"equal: {text}",
            )
    with part("empty arrays for inputs that are not"):
        np.savez(folder / "x.npz", X=normal(4, 2, 3))
        np.savez(folder / "y.npz", Y=np.zeros((4, 1, 0, 5), np.float32), Yh_0=np.zeros((1, 0, 5), np.float32))
        rnnconv("verify", a, "--input", folder / "x.npz", "--expected", folder / "y.npz", code=(1, 2))
    with part("without inputs"):
        says(rnnconv("verify", a, b, code=1), "^verdict: different")


def case_79_svg_with_control_characters(folder: Path) -> None:
    markup = "Y\"><script>alert(1)</script>'`</title></style></svg><svg/onload=alert(3)>x=\"]]>--><!--"
    forbidden = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
    for number, end in enumerate(("\x08\ufffe", "\x01\x1b\x7f", "\uffff", "\u202e", "\U0001f600", "&amp;<&")):
        with part(f"a name that ends with {end!r}"):
            graph = Graph(markup)
            outputs = [graph.output(markup + end if number else "Y", "T<b>", 1, "B", 4)]
            graph.recurrent("GRU", graph.input("X", "T<b>", "B", 3), 3, 4, outputs, name=f"l{end}{markup}", bias=False)
            path = folder / f"{number}.onnx"
            model = graph.model(markup)
            onnx.save(model, path)
            svg, html, junit = folder / f"{number}.svg", folder / f"{number}.html", folder / f"{number}.xml"
            rnnconv("gradient-flow", path, "--svg", svg)
            picture = xml.dom.minidom.parse(str(svg))
            want(not picture.getElementsByTagName("script"), "the picture holds a script")
            want(not forbidden.search(svg.read_text("utf-8")), "the picture holds a character that XML forbids")
            rnnconv("verify", path, gru_file(folder / "other.onnx"), "--report", html, code=(0, 1, 2, 4))
            rnnconv("verify", path, "--report", html)
            want(not forbidden.search(html.read_text("utf-8")), "the page holds a character that XML forbids")
            want("<script>alert" not in html.read_text("utf-8"), "the page holds the name's script")
            (folder / "rnnconv.json").write_text(json.dumps({"rnnconv_check": 1, "fixtures": [
                {"name": f"n{end}{markup}", "models": [path.name, "other.onnx"]}]}))
            rnnconv("check", folder, "--junit", junit, code=(0, 1, 4, 5))
            if junit.exists():
                xml.dom.minidom.parse(str(junit))


CASES = {name.split("_")[1]: function for name, function in list(globals().items()) if name.startswith("case_")}
LARGE = {"24"}  # It takes 2.5 GB of memory, and as much of the disk for what is written.


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NN", choices=sorted(CASES), help="only these cases")
    parser.add_argument("--large", action="store_true", help="also the case of 2.4 GB")
    arguments = parser.parse_args()
    chosen = arguments.only or [number for number in CASES if arguments.large or number not in LARGE]
    wrong = 0
    for number in chosen:
        function = CASES[number]
        name = " ".join(function.__name__.split("_")[2:])
        problems.clear()
        torch.manual_seed(int(number))
        folder = Path(tempfile.mkdtemp(prefix=f"case-{number}-"))
        try:
            with part("case"):
                function(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        wrong += bool(problems)
        print(
            f"{number} {name}: {'WRONG: ' if problems else 'right'}"
            + "\n    ".join([""] * (len(problems) > 1) + problems),
            flush=True,
        )
    if wrong:
        raise SystemExit(f"{wrong} of {len(chosen)} cases are wrong")
    print(f"{len(chosen)} cases are right")


if __name__ == "__main__":
    main()
