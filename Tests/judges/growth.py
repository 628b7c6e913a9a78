"""Growth for real: whatever a file can make long costs rnnconv at most 2.5 times as much where it is twice as long.

Each case writes an input of size n (nodes, layers, tensors, keys, fixtures, time steps, ...) and runs a command on it.
n doubles until a run is long enough to tell; then n and 2n are measured, less what starting the process takes: once
where the times are as linear as can be, else the best of three each. Processor time is judged, of the process and its
workers, since others use the machine too; and since they slow it down as well, what is over and far from quadratic is
measured in pairs, of which the median counts. Over: a factor above 2.5, or a run of a minute. Quadratic is 4, n log n
about 2.1. A case starts with as many as show what grows, where that is hidden at first by what is linear.

python Tests/judges/growth.py [--only NAME ...] [--jobs 2]   (a name that ends with * for all that begin so)
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import os
import pickle
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import safetensors.numpy
import torch
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from tool import binary, forced

BINARY = binary()
FACTOR, TIMEOUT = 2.5, 60
# Factors that need no second look, and one that no noise explains.
PLAIN, CERTAIN = (1.7, 2.2), 3.5
# Seconds of a run that is long enough to tell, how often it is measured, and how often where that does not settle it.
LONG, TIMES, PAIRS = 0.2, 3, 7

Writer = Callable[[Path, int], None]


@dataclass(frozen=True)
class Case:
    """`command` runs in the folder that `write` filled; `fresh` are files that have to go before it."""

    name: str
    write: Writer
    command: str
    start: int = 1024
    most: int = 1 << 24
    code: int = 0
    fresh: tuple[str, ...] = ()


# ONNX.


ONE = np.full(64, 0.25, np.float32).tobytes()
CELL = [helper.make_attribute("hidden_size", 1)]


def floats(name: str, *shape: int) -> TensorProto:
    return TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, raw_data=ONE[: 4 * math.prod(shape)])


def integers(name: str, *values: int) -> TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


@functools.cache
def plain(key: str, value: int | str | tuple[int, ...]) -> onnx.AttributeProto:
    return helper.make_attribute(key, value)


def node(operation: str, inputs: Iterable[str], outputs: Iterable[str], name: str = "", **attributes) -> NodeProto:
    made = [plain(key, value) if isinstance(value, (int, str, tuple)) else helper.make_attribute(key, value)
            for key, value in attributes.items()]
    return NodeProto(op_type=operation, input=inputs, output=outputs, name=name, attribute=made)


def cell(source: str, target: str, number: int | str = "", state: str = "") -> NodeProto:
    inputs = [source, f"W{number}", f"R{number}"] + (["", "", state] if state else [])
    return NodeProto(op_type="LSTM", input=inputs, output=[target], attribute=CELL, name=f"lstm{number}")


def weights(number: int | str = "") -> list[TensorProto]:
    return [floats(f"W{number}", 1, 4, 1), floats(f"R{number}", 1, 4, 1)]


@functools.cache
def tensor_type(kind: int, shape: tuple[int | str, ...]) -> onnx.TypeProto:
    return helper.make_tensor_type_proto(kind, shape)


def info(name: str, *shape: int | str, kind: int = TensorProto.FLOAT) -> ValueInfoProto:
    return ValueInfoProto(name=name, type=tensor_type(kind, shape))


X, Y, PLAIN_Y = info("x", "T", "B", 1), info("y", "T", 1, "B", 1), info("y", "T", "B", 1)


def onnx_file(path: Path, nodes: list[NodeProto], tensors: list[TensorProto], inputs=(X,), outputs=(Y,), values=(),
              metadata: dict[str, str] | None = None) -> None:
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors, value_info=values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


def sequence(folder: Path, steps: int = 4, rows: int = 1, features: int = 1) -> None:
    values = np.random.default_rng(1).normal(0, 1, (steps, rows, features)).astype(np.float32)
    np.save(folder / "x.npy", values)


@functools.cache
def chain(operation: str, same: bool = False, backwards: bool = False, **attributes) -> Writer:
    """An LSTM behind n nodes, one reading the other."""

    def write(folder: Path, n: int) -> None:
        nodes = [node(operation, [f"v{i}" if i else "x"], [f"v{i + 1}"], "node" if same else f"node{i}", **attributes)
                 for i in range(n)]
        nodes.append(cell(f"v{n}", "y"))
        onnx_file(folder / "m.onnx", nodes[::-1] if backwards else nodes, weights())
        sequence(folder)

    return write


def transposes(folder: Path, n: int) -> None:
    chain("Transpose", perm=(1, 0, 2))(folder, 2 * n)


def unread_initializers(folder: Path, n: int) -> None:
    onnx_file(folder / "m.onnx", [cell("x", "y")], weights() + [floats(f"unread{i}", 2) for i in range(n)])


FIRST = [integers("n0", 0), integers("n1", 1), integers("axis", 2)]


def first_feature(source: str, target: str) -> list[NodeProto]:
    """An LSTM of the first feature alone, by the tensors FIRST."""
    return [node("Slice", [source, "n0", "n1", "axis"], ["first"]), cell("first", target)]


def constants(folder: Path, n: int) -> None:
    """n Adds, each of an initializer."""
    nodes = [cell("x", "v0")] + [node("Add", [f"v{i}", f"c{i}"], [f"v{i + 1}"], f"add{i}") for i in range(n)]
    nodes.append(node("Identity", [f"v{n}"], ["y"]))
    onnx_file(folder / "m.onnx", nodes, weights() + [floats(f"c{i}", 1) for i in range(n)])


def folded(folder: Path, n: int) -> None:
    """A constant that n nodes compute."""
    nodes = [node("Mul", [f"c{i}", "c0"], [f"c{i + 1}"]) for i in range(n)]
    nodes += [cell("x", "h"), node("Add", ["h", f"c{n}"], ["y"])]
    onnx_file(folder / "m.onnx", nodes, [*weights(), floats("c0", 1)])


def constant_nodes(folder: Path, n: int) -> None:
    value = floats("", 1)
    nodes = [node("Constant", [], [f"c{i}"], value=value) for i in range(n)] + [cell("x", "v0")]
    nodes += [node("Mul", [f"v{i}", f"c{i}"], [f"v{i + 1}"]) for i in range(n)] + [node("Identity", [f"v{n}"], ["y"])]
    onnx_file(folder / "m.onnx", nodes, weights())


def shapes(folder: Path, n: int) -> None:
    """n sizes of the input, each taken, and made to a shape."""
    nodes, last = [cell("x", "h"), node("Shape", ["x"], ["s"])], "h"
    for i in range(n):
        nodes += [node("Gather", ["s", "one"], [f"g{i}"]), node("Concat", ["minus", f"g{i}", "one"], [f"d{i}"], axis=0),
                  node("Reshape", [last, f"d{i}"], [f"r{i}"])]
        last = f"r{i}"
    nodes.append(node("Identity", [last], ["y"]))
    tensors = [*weights(), integers("one", 1), integers("minus", -1)]
    onnx_file(folder / "m.onnx", nodes, tensors, outputs=[PLAIN_Y])


def graph_inputs(folder: Path, n: int) -> None:
    """n inputs without a recurrent operator, added up."""
    nodes = [node("Relu", [f"x{i}"], [f"r{i}"]) for i in range(n)]
    nodes += [node("Add", [f"a{i}" if i else "r0", f"r{i + 1}"], [f"a{i + 1}"]) for i in range(n - 1)]
    onnx_file(folder / "m.onnx", nodes, [], [info(f"x{i}", "B", 1) for i in range(n)], [info(f"a{n - 1}", "B", 1)])
    np.savez(folder / "x.npz", **{f"x{i}": np.ones((1, 1), np.float32) for i in range(n)})


def states(folder: Path, n: int) -> None:
    """A stack of n LSTMs, the initial state of each an input."""
    stack(folder / "m.onnx", n, states=True)
    inputs = {f"h{i}": np.zeros((1, 1, 1), np.float32) for i in range(n)}
    np.savez(folder / "x.npz", x=np.ones((2, 1, 1), np.float32), **inputs)


def bound(folder: Path, n: int) -> None:
    """n inputs that hold weights."""
    nodes = [cell("x", "v0")] + [node("Add", [f"v{i}", f"c{i}"], [f"v{i + 1}"]) for i in range(n)]
    nodes.append(node("Identity", [f"v{n}"], ["y"]))
    onnx_file(folder / "m.onnx", nodes, weights(), [X] + [info(f"c{i}", 1) for i in range(n)])


def one_value_outputs(folder: Path, n: int) -> None:
    nodes = [cell("x", "h")] + [node("Identity", ["h"], [f"y{i}"]) for i in range(n)]
    onnx_file(folder / "m.onnx", nodes, weights(), outputs=[info(f"y{i}", "T", 1, "B", 1) for i in range(n)])


def outputs(folder: Path, n: int) -> None:
    nodes = [cell("x", "h")] + [node("Tanh", ["h"], [f"y{i}"]) for i in range(n)]
    onnx_file(folder / "m.onnx", nodes, weights(), outputs=[info(f"y{i}", "T", 1, "B", 1) for i in range(n)])
    sequence(folder)


def stack(path: Path, n: int, states: bool = False) -> None:
    nodes, tensors = [], [integers("axes", 1)]
    for i in range(n):
        nodes.append(cell(f"s{i}" if i else "x", f"y{i}" if i + 1 < n else "y", i, f"h{i}" if states else ""))
        tensors += weights(i)
        if i + 1 < n:
            nodes.append(node("Squeeze", [f"y{i}", "axes"], [f"s{i + 1}"]))
    inputs = [X] + ([info(f"h{i}", 1, "B", 1) for i in range(n)] if states else [])
    onnx_file(path, nodes, tensors, inputs)


def onnx_stack(folder: Path, n: int) -> None:
    stack(folder / "m.onnx", n)
    sequence(folder)


def zero_states(folder: Path, n: int) -> None:
    """A stack of n LSTMs, each with an initial state that is computed from the input's shape, as exporters do."""
    nodes, tensors = [], [integers("axes", 1), integers("zero", 0), integers("one", 1), floats("value", 1)]
    for i in range(n):
        nodes += [node("Shape", ["x"], [f"shape{i}"]), node("Gather", [f"shape{i}", "one"], [f"b{i}"], axis=0),
                  node("Concat", ["one", f"b{i}", "one"], [f"d{i}"], axis=0),
                  node("Expand", ["value", f"d{i}"], [f"h{i}"]),
                  cell(f"s{i}" if i else "x", f"y{i}" if i + 1 < n else "y", i, f"h{i}")]
        tensors += weights(i)
        if i + 1 < n:
            nodes.append(node("Squeeze", [f"y{i}", "axes"], [f"s{i + 1}"]))
    onnx_file(folder / "m.onnx", nodes, tensors)


def concat(folder: Path, n: int) -> None:
    nodes = [cell("x", "h")] + [node("Tanh", ["h"], [f"p{i}"]) for i in range(n)]
    nodes.append(node("Concat", [f"p{i}" for i in range(n)], ["y"], axis=-1))
    onnx_file(folder / "m.onnx", nodes, weights(), outputs=[info("y", "T", 1, "B", n)])
    sequence(folder)


def split(folder: Path, n: int) -> None:
    """n features cut apart and put together again; only the pieces at odd places pass something."""
    nodes = [node("Relu", ["x"], ["r"]), node("Split", ["r", "sizes"], [f"p{i}" for i in range(n)], axis=2)]
    nodes += [node("Tanh", [f"p{i}"], [f"q{i}"]) for i in range(1, n, 2)]
    nodes += [node("Concat", [f"{'pq'[i % 2]}{i}" for i in range(n)], ["h"], axis=2), *first_feature("h", "y")]
    onnx_file(folder / "m.onnx", nodes, [*FIRST, *weights(), integers("sizes", *[1] * n)], [info("x", "T", "B", n)])


def rejoined(folder: Path, n: int) -> None:
    """n features cut apart and put together as they were."""
    nodes = [node("Relu", ["x"], ["r"])]
    nodes += [node("Slice", ["r", f"n{i}", f"n{i + 1}", "axis"], [f"p{i}"]) for i in range(n)]
    nodes += [node("Concat", [f"p{i}" for i in range(n)], ["h"], axis=2), *first_feature("h", "y")]
    tensors = [*FIRST, *weights(), *(integers(f"n{i}", i) for i in range(2, n + 1))]
    onnx_file(folder / "m.onnx", nodes, tensors, [info("x", "T", "B", n)])


def dead(folder: Path, n: int) -> None:
    """n layers that no output needs."""
    nodes = [cell("x", "y")] + [node("Tanh", [f"d{i}" if i else "y"], [f"d{i + 1}"]) for i in range(n)]
    onnx_file(folder / "m.onnx", nodes, weights())


def swish(folder: Path, n: int) -> None:
    nodes = [cell("x", "v0")]
    for i in range(n):
        nodes += [node("Sigmoid", [f"v{i}"], [f"s{i}"]), node("Mul", [f"v{i}", f"s{i}"], [f"v{i + 1}"])]
    nodes.append(node("Identity", [f"v{n}"], ["y"]))
    onnx_file(folder / "m.onnx", nodes, weights())


def about(folder: Path, n: int) -> None:
    """n entries each of metadata and of what the graph says of its values."""
    onnx_file(folder / "m.onnx", [cell("x", "y")], weights(), metadata={f"key{i}": f"value {i}" for i in range(n)},
              values=[info(f"v{i}", "T", 2) for i in range(n)])


def typed(folder: Path, n: int) -> None:
    """n numbers in float_data."""
    bias = TensorProto(name="c", data_type=TensorProto.FLOAT, dims=[n], float_data=itertools.repeat(0.5, n))
    nodes = [node("Add", ["x", "c"], ["a"]), *first_feature("a", "y")]
    onnx_file(folder / "m.onnx", nodes, [*FIRST, *weights(), bias], [info("x", "T", "B", n)])


def documented(folder: Path, n: int) -> None:
    """Names of n bytes."""
    onnx_file(folder / "m.onnx", [node("Tanh", ["x"], ["v"], "\n\u00e9" * (n // 3)), cell("v", "y")], weights())


def external(folder: Path, n: int) -> None:
    """n tensors in one file beside the model."""
    constants(folder, n)
    model = onnx.load(folder / "m.onnx")
    data = bytearray()
    for tensor in model.graph.initializer:
        raw, tensor.data_location = tensor.raw_data, TensorProto.EXTERNAL
        tensor.ClearField("raw_data")
        for key, value in (("location", "w.bin"), ("offset", str(len(data))), ("length", str(len(raw)))):
            tensor.external_data.add(key=key, value=value)
        data += raw
    (folder / "w.bin").write_bytes(data)
    (folder / "m.onnx").write_bytes(model.SerializeToString())


def ifs(folder: Path, n: int) -> None:
    """n Ifs in a row, which read values of the outer graph."""
    nodes = []
    for i in range(n):
        source, target = f"v{i}" if i else "x", f"v{i + 1}" if i + 1 < n else "y"
        branches = [helper.make_graph([node(operation, [source], [made])], "b", [], [info(made, "T", "B", 1)])
                    for operation, made in (("Relu", f"r{i}"), ("Neg", f"n{i}"))]
        nodes.append(node("If", ["flag"], [target], then_branch=branches[0], else_branch=branches[1]))
    flag = numpy_helper.from_array(np.array(True), "flag")
    onnx_file(folder / "m.onnx", nodes, [flag], outputs=[PLAIN_Y])
    sequence(folder)


def nested(folder: Path, n: int) -> None:
    """32 Ifs in one another, n nodes in all."""
    depth = 32
    graph = None
    for level in range(depth, 0, -1):
        names = [f"v{level - 1}_{n // depth}" if level > 1 else "x"]
        names += [f"v{level}_{i}" for i in range(1, n // depth + 1)]
        nodes = [node("Relu", [left], [right]) for left, right in zip(names, names[1:])]
        if graph is not None:
            made = info(f"e{level}", "T", "B", 1)
            other = helper.make_graph([node("Neg", [names[-1]], [made.name])], "e", [], [made])
            nodes.append(node("If", ["flag"], [f"o{level}"], then_branch=graph, else_branch=other))
        else:
            nodes.append(node("Neg", [names[-1]], [f"o{level}"]))
        graph = helper.make_graph(nodes, "b", [], [info(f"o{level}", "T", "B", 1)])
    onnx_file(folder / "m.onnx", list(graph.node), [numpy_helper.from_array(np.array(True), "flag")],
              outputs=[info("o1", "T", "B", 1)])
    sequence(folder)


def loop(folder: Path, n: int) -> None:
    """n turns of a Loop that collects a value from each."""
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"]), node("Neg", ["v"], ["w"]), node("Identity", ["w"], ["each"])], "b",
        [info("i", kind=TensorProto.INT64), info("go", kind=TensorProto.BOOL), info("v", "T", "B", 1)],
        [info("on", kind=TensorProto.BOOL), info("w", "T", "B", 1), info("each", "T", "B", 1)])
    onnx_file(folder / "m.onnx", [node("Loop", ["turns", "", "x"], ["last", "y"], body=body)],
              [numpy_helper.from_array(np.array(n, np.int64), "turns")], outputs=[info("y", n, "T", "B", 1)])
    sequence(folder)


def loop_body(folder: Path, n: int) -> None:
    """A Loop of two turns over n nodes, and as many values that it carries."""
    count = n // 4
    nodes = [node("Identity", ["go"], ["on"])] + [node("Neg", [f"v{i}"], [f"w{i}"]) for i in range(count)]
    carried, made = ([info(f"{letter}{i}", "T", "B", 1) for i in range(count)] for letter in "vw")
    body = helper.make_graph(
        nodes, "b", [info("i", kind=TensorProto.INT64), info("go", kind=TensorProto.BOOL), *carried],
        [info("on", kind=TensorProto.BOOL), *made])
    outer = [node("Loop", ["turns", "", *["x"] * count], [f"y{i}" for i in range(count)], body=body)]
    onnx_file(folder / "m.onnx", outer, [numpy_helper.from_array(np.array(2, np.int64), "turns")],
              outputs=[info(f"y{i}", "T", "B", 1) for i in range(count)])
    sequence(folder)


def scan(folder: Path, n: int) -> None:
    """A Scan over n steps."""
    body = helper.make_graph([node("Add", ["s", "e"], ["t"]), node("Identity", ["t"], ["o"])], "b",
                             [info("s", "B", 1), info("e", "B", 1)], [info("t", "B", 1), info("o", "B", 1)])
    onnx_file(folder / "m.onnx", [node("Scan", ["h", "x"], ["last", "y"], body=body, num_scan_inputs=1)],
              [], [X, info("h", "B", 1)], [PLAIN_Y])
    np.savez(folder / "x.npz", x=np.ones((n, 1, 1), np.float32), h=np.zeros((1, 1), np.float32))


@functools.cache
def long_input(hidden: int = 2, rows: int = 1, direction: str = "forward") -> Writer:
    """One LSTM, and n time steps for it."""

    def write(folder: Path, n: int) -> None:
        generator = np.random.default_rng(1)
        directions = 2 if direction == "bidirectional" else 1
        arrays = {name: generator.normal(0, 0.5, (directions, 4 * hidden, width)).astype(np.float32)
                  for name, width in (("W", 1), ("R", hidden))}
        tensors = [numpy_helper.from_array(value, name) for name, value in arrays.items()]
        lstm = node("LSTM", ["x", "W", "R"], ["y"], hidden_size=hidden, direction=direction)
        onnx_file(folder / "m.onnx", [lstm], tensors, outputs=[info("y", "T", directions, "B", hidden)])
        sequence(folder, n, rows)

    return write


def wide_batch(folder: Path, n: int) -> None:
    long_input()(folder, 4)
    sequence(folder, 4, n)


def pb(folder: Path, n: int) -> None:
    long_input(1)(folder, n)
    values = np.load(folder / "x.npy").ravel().tolist()
    (folder / "x.pb").write_bytes(
        TensorProto(name="x", data_type=TensorProto.FLOAT, dims=[n, 1, 1], float_data=values).SerializeToString())


# .rnnw, by its document.


def rnnw_file(path: Path, layers: list[dict], tensors: dict[str, np.ndarray], outputs: list[dict], features: int = 1,
              metadata: dict[str, str] | None = None) -> None:
    entries, data = [], bytearray()
    for name, value in tensors.items():
        data += bytes(-len(data) % 64)
        raw = value.astype("<f4").tobytes()
        entries.append({"name": name, "dtype": "F32", "shape": list(value.shape), "codec": "raw", "offset": len(data),
                        "length": len(raw), "crc32": zlib.crc32(raw)})
        data += raw
    header = {"name": "g", "inputs": [port("x", "x", features)], "outputs": outputs, "layers": layers,
              "metadata": metadata or {}, "tensors": entries}
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    start = -(-(32 + len(text)) // 64) * 64
    front = b"\x89RNN\r\n\x1a\n" + struct.pack("<IIQI", 1, 0, start, len(text))
    path.write_bytes(front + struct.pack("<I", zlib.crc32(front + text)) + text + bytes(start - 32 - len(text)) + data)


def port(name: str, value: str, features: int = 1) -> dict:
    """A sequence."""
    axes = [{"factors": ["time"]}, {"factors": ["batch"]},
            {"factors": [{"count": features, "stride": 1}] if features > 1 else []}]
    return {"name": name, "value": value, "dtype": "F32", "kind": "sequence", "features": features, "axes": axes}


def rnnw_cells(path: Path, n: int, scale: float = 0.25, first: str = "LSTM", extra: int = 0) -> None:
    """A stack of n LSTMs, behind `extra` activations."""
    layers = [activation(f"front{i}", f"f{i - 1}" if i else "x", f"f{i}") for i in range(extra)]
    tensors: dict[str, np.ndarray] = {}
    last = f"f{extra - 1}" if extra else "x"
    functions = {f"{name}Activation": {"kind": kind}
                 for name, kind in (("gate", "sigmoid"), ("candidate", "tanh"), ("output", "tanh"))}
    weight = np.array([[0.5], [0.25], [-0.5], [1]]) * scale
    for i in range(n):
        names = {role: f"l{i}.forward.{role}" for role in ("inputWeight", "recurrentWeight")}
        layers.append({"name": f"l{i}", "operation": "LSTM", "inputs": [last], "outputs": [f"v{i}"], "attributes": {
            "direction": "forward", "inputSize": 1, "hiddenSize": 1, "inputForget": False,
            "directions": [names | functions]}})
        tensors |= {name: weight for name in names.values()}
        last = f"v{i}"
    rnnw_file(path, layers, tensors, [port("y", last)])


def activation(name: str, source: str, target: str, kind: str = "tanh") -> dict:
    return {"name": name, "operation": "Activation", "attributes": {"activation": {"kind": kind}},
            "inputs": [source], "outputs": [target]}


def rnnw_stack(folder: Path, n: int) -> None:
    rnnw_cells(folder / "m.rnnw", n)
    sequence(folder)


def two_stacks(folder: Path, n: int) -> None:
    rnnw_cells(folder / "m.rnnw", n)
    rnnw_cells(folder / "same.rnnw", n)
    rnnw_cells(folder / "other.rnnw", n, scale=0.3)
    rnnw_cells(folder / "longer.rnnw", n, extra=2)


def planted(folder: Path, n: int) -> None:
    """Two stacks that differ in one layer, whose rows are in another order."""
    rnnw_cells(folder / "m.rnnw", n)
    data = bytearray((folder / "m.rnnw").read_bytes())
    header = json.loads(data[32:32 + struct.unpack_from("<I", data, 24)[0]])
    tensors = {}
    start = struct.unpack_from("<Q", data, 16)[0]
    for entry in header["tensors"]:
        at = start + entry["offset"]
        tensors[entry["name"]] = np.frombuffer(data[at:at + entry["length"]], "<f4").reshape(entry["shape"])
    name = header["tensors"][n // 2 * 2]["name"]
    tensors[name] = tensors[name][[1, 0, 2, 3]]
    rnnw_file(folder / "other.rnnw", header["layers"], tensors, header["outputs"])


def rnnw_activations(folder: Path, n: int) -> None:
    layers = [activation("a", f"v{i - 1}" if i else "x", f"v{i}") for i in range(n)]
    rnnw_file(folder / "m.rnnw", layers, {}, [port("y", f"v{n - 1}")])


def rnnw_metadata(folder: Path, n: int) -> None:
    metadata = {f"key{i:08}": f"value {i}" for i in range(n)}
    rnnw_file(folder / "m.rnnw", [activation("a", "x", "v")], {}, [port("y", "v")], metadata=metadata)


def rnnw_outputs(folder: Path, n: int) -> None:
    """n outputs of one value, and n of one layer each."""
    layers = [activation(f"a{i}", f"v{i - 1}" if i else "x", f"v{i}") for i in range(n)]
    ports = [port(f"y{i}", f"v{i}") for i in range(n)] + [port(f"z{i}", "v0") for i in range(n)]
    rnnw_file(folder / "m.rnnw", layers, {}, ports)


def arrangements(folder: Path, n: int) -> None:
    """n outputs of one value, each with 32 axes, all but three of them of size 1: no two alike."""
    ports = []
    for i, places in enumerate(itertools.islice(itertools.permutations(range(32), 3), n)):
        made = port(f"y{i}", "v", 2)
        axes = [{"factors": []} for _ in range(32)]
        for place, axis in zip(places, made["axes"]):
            axes[place] = axis
        ports.append(made | {"axes": axes})
    rnnw_file(folder / "m.rnnw", [activation("a", "x", "v")], {}, ports, 2)


def rnnw_concat(folder: Path, n: int) -> None:
    parts = [f"p{i}" for i in range(n)]
    layers = [{"name": part, "operation": "Slice", "attributes": {"start": n - 1 - i, "count": 1}, "inputs": ["x"],
               "outputs": [part]} for i, part in enumerate(parts)]
    layers.append({"name": "c", "operation": "Concat", "attributes": {}, "inputs": parts, "outputs": ["y"]})
    rnnw_file(folder / "m.rnnw", layers, {}, [port("y", "y", n)], n)


# State dicts.


def lstm(prefix: str, layer: int = 0, width: int = 1, hidden: int = 1) -> dict[str, np.ndarray]:
    value = np.full((4 * hidden, max(width, hidden)), 0.25, np.float32)
    return {f"{prefix}weight_ih_l{layer}": value[:, :width].copy(),
            f"{prefix}weight_hh_l{layer}": value[:, :hidden].copy()}


def modules(n: int, width: int = 1) -> dict[str, np.ndarray]:
    return {name: value for i in range(n) for name, value in lstm(f"m{i:07}.", width=width).items()}


def layers_of_one(n: int) -> dict[str, np.ndarray]:
    return {name: value for i in range(n) for name, value in lstm("lstm.", i).items()}


def unrelated(n: int) -> dict[str, np.ndarray]:
    value = np.ones(1, np.float32)
    return lstm("lstm.") | {f"z{i:07}.gamma": value for i in range(n)}


def linears(n: int) -> dict[str, np.ndarray]:
    value = np.ones((3, 5), np.float32)
    return lstm("lstm.") | {f"z{i:07}.weight": value for i in range(n)}


def normed(n: int) -> dict[str, np.ndarray]:
    """Linears under weight norm."""
    parts = {"weight_g": np.ones((3, 1), np.float32), "weight_v": np.ones((3, 5), np.float32)}
    return lstm("lstm.") | {f"z{i:07}.{name}": value for i in range(n) for name, value in parts.items()}


@functools.cache
def state(kind: str, tensors: Callable[[int], dict[str, np.ndarray]]) -> Writer:
    def write(folder: Path, n: int) -> None:
        made = tensors(n)
        if kind == "safetensors":
            safetensors.numpy.save_file(made, folder / "m.safetensors")
        elif kind == "npz":
            np.savez(folder / "m.npz", **made)
        else:
            torch.save({name: torch.from_numpy(value) for name, value in made.items()}, folder / "m.pt",
                       _use_new_zipfile_serialization=kind == "pt")

    return write


def shared(folder: Path, n: int) -> None:
    """n views of one storage."""
    whole = torch.ones(n)
    tensors = {name: torch.from_numpy(value) for name, value in lstm("lstm.").items()}
    torch.save(tensors | {f"z{i:07}.gamma": whole[i:i + 1] for i in range(n)}, folder / "m.pt")


def safetensors_metadata(folder: Path, n: int) -> None:
    metadata = {f"key{i}": f"value {i}" for i in range(n)}
    safetensors.numpy.save_file(lstm("lstm."), folder / "m.safetensors", metadata=metadata)


def sharded(count: Callable[[int], int]) -> Writer:
    """n tensors in shards."""

    def write(folder: Path, n: int) -> None:
        names, shards = list(modules(n)), count(n)
        value = np.full((4, 1), 0.25, np.float32)
        files = {f"m-{i:05}.safetensors": names[i::shards] for i in range(shards)}
        for file, members in files.items():
            safetensors.numpy.save_file({name: value for name in members}, folder / file)
        where = {name: file for file, members in files.items() for name in members}
        index = {"metadata": {"total_size": 16 * len(names)}, "weight_map": where}
        (folder / "m.safetensors.index.json").write_text(json.dumps(index))

    return write


def checkpoint(**parts: Callable[[int], object]) -> Writer:
    def write(folder: Path, n: int) -> None:
        tensors = {name: torch.from_numpy(value) for name, value in lstm("lstm.").items()}
        torch.save({"state": tensors} | {name: make(n) for name, make in parts.items()}, folder / "m.pt")

    return write


def dicts(n: int) -> list[object]:
    """Dictionaries, 32 in one another."""
    made = []
    for i in range(n // 32):
        value: object = i
        for level in range(32):
            value = {f"k{i}_{level}": value}
        made.append(value)
    return made


def pickled_modules(folder: Path, n: int) -> None:
    torch.save(torch.nn.Sequential(*[torch.nn.LSTM(1, 1) for _ in range(n)]), folder / "m.pt")


def quantized(folder: Path, n: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.ao.quantization.quantize_dynamic(torch.nn.LSTM(1, 1, n), {torch.nn.LSTM}, dtype=torch.qint8)
    torch.save(made.state_dict(), folder / "m.pt")


def plain_pickle(folder: Path, n: int) -> None:
    made = lstm("lstm.") | {f"z{i:07}.gamma": np.full(1, i, np.float32) for i in range(n)}
    (folder / "m.pt").write_bytes(pickle.dumps(made, protocol=2))


# JSON: descriptions and manifests.


def description(folder: Path, layers: list[dict], outputs: list[str], **more) -> None:
    made = {"rnnconv_description": 1, "matrices": "out,in", "inputs": [{"name": "x", "shape": ["time", "batch", 1]}],
            "layers": layers, "outputs": [{"name": name} for name in outputs]}
    (folder / "m.model.json").write_text(json.dumps(made | more))
    sequence(folder)


RNN = {"layer": "RNN", "name": "h", "input": "x", "weights": {"W": [[0.5]], "R": [[0.25]]}}


def described_layers(folder: Path, n: int) -> None:
    layers = [RNN | {"name": f"h{i}", "input": f"h{i - 1}" if i else "x"} for i in range(n)]
    description(folder, layers, [f"h{n - 1}"])


def described_metadata(folder: Path, n: int) -> None:
    description(folder, [RNN], ["h"], metadata={f"key{i}": f"value {i}" for i in range(n)})


def described_comment(folder: Path, n: int) -> None:
    """An object of n keys, and a list of as many texts with escapes."""
    comment = {f"key{i}": i for i in range(n)}
    description(folder, [RNN], ["h"], comment=[comment, [f"\n{i}\"é" for i in range(n)], "é\n" * n])


def described_numbers(folder: Path, n: int) -> None:
    table = {"layer": "Embedding", "name": "e", "input": "i", "table": [[0.125] for _ in range(n)]}
    tokens = [{"name": "i", "type": "I64", "shape": ["time", "batch"]}]
    description(folder, [table, RNN | {"input": "e"}], ["h"], inputs=tokens)


def described_names(folder: Path, n: int) -> None:
    """n layers with arrays of one file, and as many outputs."""
    layers = [{"layer": "Dense", "name": f"d{i}", "input": f"d{i - 1}" if i else "x", "weight": f"w{i}"}
              for i in range(n)]
    description(folder, layers, [f"d{i}" for i in range(n)], weights="w.safetensors")
    safetensors.numpy.save_file({f"w{i}": np.ones((1, 1), np.float32) for i in range(n)}, folder / "w.safetensors")


def generate(body: int, steps: int) -> dict:
    layers = [RNN | {"name": "b", "input": "f", "h0": "s", "last_h": "t"}] + [
        {"layer": "Activation", "name": f"a{i}", "input": f"a{i - 1}" if i else "b", "function": "tanh"}
        for i in range(body)]
    return {"layer": "Generate", "name": "loop", "max_steps": steps, "body": layers,
            "feedback": [{"name": "f", "start": "last", "next": f"a{body - 1}"}],
            "states": [{"name": "s", "start": "last", "next": "t"}],
            "collect": [{"value": f"a{body - 1}", "output": "out"}]}


def generated(folder: Path, layers: int, steps: int) -> None:
    last = {"layer": "Select", "name": "last", "input": "h", "step": "last"}
    description(folder, [RNN, last, generate(layers, steps)], ["out"])


def generated_body(folder: Path, n: int) -> None:
    generated(folder, n, 3)


def generated_steps(folder: Path, n: int) -> None:
    generated(folder, 1, n)


def manifest(folder: Path, fixtures: list[dict], **more) -> None:
    (folder / "rnnconv.json").write_text(json.dumps({"rnnconv_check": 1, "fixtures": fixtures} | more, indent=1))


def real(folder: Path) -> dict:
    onnx_stack(folder, 1)
    return {"name": "real", "models": [{"path": "m.onnx", "fingerprint": None}], "suite": "quick"}


def skipped(folder: Path, n: int) -> None:
    """n fixtures that are skipped, and one real one at the end."""
    fixtures = [{"name": f"fixture/{i}", "models": [f"m{i}.onnx", f"m{i}.rnnw"], "skip": "because"} for i in range(n)]
    manifest(folder, [*fixtures, real(folder)])


def one_line(folder: Path, n: int) -> None:
    """The same in one line."""
    skipped(folder, n)
    text = json.loads((folder / "rnnconv.json").read_text())
    (folder / "rnnconv.json").write_text(json.dumps(text))


def commented(folder: Path, n: int) -> None:
    manifest(folder, [real(folder)], comment={f"key{i}": i for i in range(n)})


def refused(folder: Path, n: int) -> None:
    (folder / "bad.onnx").write_bytes(b"no model")
    manifest(folder, [{"name": f"fixture/{i}", "models": ["bad.onnx"], "refused": {"code": 4}} for i in range(n)])


def failing(folder: Path, n: int) -> None:
    (folder / "bad.onnx").write_bytes(b"no model")
    manifest(folder, [{"name": f"fixture/{i}", "models": ["bad.onnx"]} for i in range(n)])


@functools.cache
def models_found(folders: bool) -> Writer:
    def write(folder: Path, n: int) -> None:
        stack(folder / "m.onnx", 1)
        data = (folder / "m.onnx").read_bytes()
        (folder / "m.onnx").unlink()
        for i in range(n):
            place = folder / f"f{i}" if folders else folder
            place.mkdir(exist_ok=True)
            (place / f"m{i}.onnx").write_bytes(data)

    return write


def changed(folder: Path, n: int) -> None:
    """A repository with n models that git does not know yet; their fixtures are skipped."""
    git = ["git", "-C", folder, "-c", "init.defaultBranch=main", "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "m"]):
        subprocess.run([*git, *command], check=True)
    for i in range(n):
        (folder / f"f{i}").mkdir()
        (folder / f"f{i}/m.onnx").touch()
    manifest(folder, [{"name": f"fixture/{i}", "models": [f"f{i}/m.onnx"], "skip": "because"} for i in range(n)])


# What rnnconv wrote itself.


@functools.cache
def after(write: Writer, command: str) -> Writer:
    def written(folder: Path, n: int) -> None:
        write(folder, n)
        subprocess.run([BINARY, *command.split()], cwd=folder, check=True, capture_output=True, timeout=TIMEOUT)

    return written


def projected(n: int) -> dict[str, np.ndarray]:
    """A stack of n LSTMs with projection."""
    made = {}
    for i in range(n):
        made |= lstm("lstm.", i) | {f"lstm.weight_ih_l{i}": np.full((8, 1), 0.25, np.float32),
                                    f"lstm.weight_hh_l{i}": np.full((8, 1), 0.25, np.float32),
                                    f"lstm.weight_hr_l{i}": np.full((1, 2), 0.25, np.float32)}
    return made


annotated_safetensors = after(rnnw_stack, "convert m.rnnw o.safetensors --no-verify")
annotated_pt = after(rnnw_stack, "convert m.rnnw o.pt --no-verify")
projected_scans = after(state("safetensors", projected), "convert m.safetensors o.onnx --no-verify")
generated_loop = after(generated_body, "convert m.model.json o.onnx --no-verify")
evidence = after(outputs, "verify m.onnx --input x.npy --evidence e.json")
recorded = after(outputs, "run m.onnx --input x.npy -o y.npz")


ALL = ["--junit j.xml", "--sarif s.sarif", "--markdown m.md", "--tap t.tap", "--json-report r.json"]

CASES = [
    # ONNX: nodes, tensors, ports.
    Case("onnx-one-name", chain("Identity", same=True), "inspect m.onnx"),
    Case("onnx-one-name-layers", chain("Tanh", same=True), "inspect m.onnx"),
    Case("onnx-nodes", chain("Tanh"), "inspect m.onnx --json"),
    Case("onnx-nodes-tensors", chain("Tanh"), "inspect m.onnx --tensors", 8192),
    Case("onnx-nodes-backwards", chain("Identity", backwards=True), "inspect m.onnx"),
    Case("onnx-nodes-convert", chain("Tanh"), "convert m.onnx o.rnnw --no-verify"),
    Case("onnx-nodes-again", chain("Tanh"), "convert m.onnx o.onnx --no-verify"),
    Case("onnx-nodes-run", chain("Tanh"), "run m.onnx --input x.npy -o y.npy --threads 1"),
    Case("onnx-nodes-evaluate", chain("Tanh"), "run m.onnx --input x.npy -o y.npy --engine evaluator --threads 1"),
    Case("onnx-nodes-verify", chain("Tanh"), "verify m.onnx --input x.npy --threads 1", 256),
    Case("onnx-transposes", transposes, "inspect m.onnx"),
    Case("onnx-initializers-unread", unread_initializers, "inspect m.onnx", 8192),
    Case("onnx-initializers", constants, "inspect m.onnx"),
    Case("onnx-initializers-again", constants, "convert m.onnx o.onnx --no-verify --external-data o.bin"),
    Case("onnx-external", external, "inspect m.onnx"),
    Case("onnx-folded", folded, "inspect m.onnx"),
    Case("onnx-constants", constant_nodes, "inspect m.onnx"),
    Case("onnx-shapes", shapes, "inspect m.onnx"),
    Case("onnx-typed", typed, "inspect m.onnx", 1 << 18, 1 << 21),
    Case("onnx-metadata", about, "inspect m.onnx"),
    Case("onnx-metadata-again", about, "convert m.onnx o.onnx --no-verify"),
    Case("onnx-long-name", documented, "inspect m.onnx", 1 << 18, 1 << 22),
    Case("onnx-inputs", graph_inputs, "inspect m.onnx", 4096),
    Case("onnx-inputs-run", graph_inputs, "run m.onnx --input x.npz -o y.npy --threads 1", 512),
    Case("onnx-inputs-verify", graph_inputs, "verify m.onnx --input x.npz --threads 1", 2048),
    Case("onnx-inputs-diff", graph_inputs, "diff m.onnx m.onnx", 512),
    Case("onnx-inputs-unbound", bound, "inspect m.onnx", code=4),
    Case("onnx-states", states, "convert m.onnx o.onnx --no-verify", 256),
    Case("onnx-states-run", states, "run m.onnx --input x.npz -o y.npy --threads 1", 256),
    Case("onnx-outputs-of-one", one_value_outputs, "convert m.onnx o.onnx --no-verify"),
    Case("onnx-outputs", outputs, "convert m.onnx o.onnx --no-verify"),
    Case("onnx-outputs-run", outputs, "run m.onnx --input x.npy -o y.npz --threads 1"),
    Case("onnx-outputs-report", outputs, "verify m.onnx --suite quick --report r.html --evidence e.json --threads 1",
         64),
    Case("onnx-outputs-json", outputs, "verify m.onnx --input x.npy --json --threads 1", 64),
    Case("onnx-outputs-replay", evidence, "replay e.json", 64),
    Case("onnx-outputs-diff", outputs, "diff m.onnx m.onnx", 512),
    Case("onnx-outputs-expected", recorded, "verify m.onnx --input x.npy --expected y.npz --threads 1", 64),
    Case("onnx-concat", concat, "inspect m.onnx"),
    Case("onnx-concat-again", concat, "convert m.onnx o.onnx --no-verify"),
    Case("onnx-concat-run", concat, "run m.onnx --input x.npy -o y.npy --threads 1"),
    Case("onnx-split", split, "convert m.onnx o.onnx --no-verify", 16384),
    Case("onnx-rejoined", rejoined, "inspect m.onnx", 32768),
    Case("onnx-dead", dead, "inspect m.onnx"),
    Case("onnx-swish", swish, "inspect m.onnx"),
    Case("onnx-ifs", ifs, "run m.onnx --input x.npy -o y.npy"),
    Case("onnx-nested-ifs", nested, "run m.onnx --input x.npy -o o.npy"),
    # A quick machine gets to as many turns as the limits allow.
    Case("onnx-loop", loop, "run m.onnx --input x.npy -o y.npz --limit evaluation-work=1000000000000"),
    Case("onnx-loop-body", loop_body, "run m.onnx --input x.npy -o y.npz"),
    Case("onnx-scan", scan, "run m.onnx --input x.npz -o y.npz"),
    # A stack of LSTMs.
    Case("stack-onnx", onnx_stack, "inspect m.onnx", 256),
    Case("stack-onnx-rnnw", onnx_stack, "convert m.onnx o.rnnw --no-verify", 256),
    Case("stack-onnx-zero-states", zero_states, "inspect m.onnx", 256),
    Case("stack-onnx-projected", projected_scans, "inspect o.onnx", 128),
    Case("stack-onnx-evaluate", onnx_stack, "run m.onnx --input x.npy -o y.npy --engine evaluator --threads 1", 256),
    Case("stack-onnx-verify", onnx_stack, "verify m.onnx --input x.npy --threads 1", 32),
    Case("stack-onnx-convert-verify", onnx_stack, "convert m.onnx o.rnnw --threads 1", 16),
    Case("stack-rnnw", rnnw_stack, "inspect m.rnnw", 256),
    Case("stack-rnnw-run", rnnw_stack, "run m.rnnw --input x.npy -o y.npy --threads 1", 256),
    Case("stack-rnnw-onnx", rnnw_stack, "convert m.rnnw o.onnx --no-verify", 256),
    Case("stack-rnnw-pt", rnnw_stack, "convert m.rnnw o.pt --no-verify", 256),
    Case("stack-rnnw-safetensors", rnnw_stack, "convert m.rnnw o.safetensors --no-verify", 256),
    Case("stack-rnnw-compress", rnnw_stack, "convert m.rnnw o.rnnw --no-verify --compress", 256),
    Case("stack-rnnw-f16", rnnw_stack, "convert m.rnnw o.rnnw --no-verify --dtype F16 --json", 256),
    Case("stack-flow", rnnw_stack, "gradient-flow m.rnnw --length 4 --svg f.svg --jacobians j.npz", 64),
    Case("stack-power", rnnw_stack, "verify m.rnnw --power --input x.npy --threads 1", 2),
    Case("stack-diff", two_stacks, "diff m.rnnw same.rnnw", 256),
    Case("stack-diff-other", two_stacks, "diff m.rnnw other.rnnw --json", 256, code=1),
    Case("stack-diff-longer", two_stacks, "diff m.rnnw longer.rnnw", 256, code=1),
    Case("stack-planted", planted, "verify m.rnnw other.rnnw --suite quick --threads 1", 2, code=1),
    Case("stack-planted-plain", planted, "verify m.rnnw other.rnnw --suite quick --no-diagnosis --threads 1", 8,
         code=1),
    # Long sequences.
    Case("steps-run", long_input(), "run m.onnx --input x.npy -o y.npy --threads 1", 1 << 16),
    Case("steps-evaluate", long_input(), "run m.onnx --input x.npy -o y.npy --engine evaluator --threads 1", 1 << 14),
    Case("steps-verify", long_input(), "verify m.onnx --input x.npy --threads 1", 64),
    Case("steps-verify-both", long_input(direction="bidirectional"), "verify m.onnx --input x.npy --threads 1", 64),
    Case("steps-flow", long_input(), "gradient-flow m.onnx --input x.npy --json", 256),
    Case("rows-run", wide_batch, "run m.onnx --input x.npy -o y.npy --threads 1", 1 << 14),
    Case("rows-verify", wide_batch, "verify m.onnx --input x.npy --threads 1", 64),
    Case("steps-pb", pb, "run m.onnx --input x.pb -o y.npy --threads 1", 1 << 16, 1 << 22),
    # .rnnw.
    Case("rnnw-layers", rnnw_activations, "inspect m.rnnw", 4096),
    Case("rnnw-layers-onnx", rnnw_activations, "convert m.rnnw o.onnx --no-verify"),
    Case("rnnw-metadata", rnnw_metadata, "inspect m.rnnw", 8192),
    Case("rnnw-metadata-onnx", rnnw_metadata, "convert m.rnnw o.onnx --no-verify", 8192),
    Case("rnnw-outputs-onnx", rnnw_outputs, "convert m.rnnw o.onnx --no-verify", 512),
    Case("rnnw-arrangements-onnx", arrangements, "convert m.rnnw o.onnx --no-verify", 8192, 32 * 31 * 30),
    Case("rnnw-concat-onnx", rnnw_concat, "convert m.rnnw o.onnx --no-verify"),
    # State dicts.
    Case("safetensors-modules", state("safetensors", modules), "inspect m.safetensors"),
    Case("safetensors-modules-many", state("safetensors", lambda n: modules(n, 2)), "inspect m.safetensors", code=4),
    Case("safetensors-unrelated", state("safetensors", unrelated), "inspect m.safetensors"),
    Case("safetensors-linears", state("safetensors", linears), "inspect m.safetensors --json"),
    Case("safetensors-tensors", state("safetensors", unrelated), "inspect m.safetensors --tensors"),
    Case("safetensors-layers", state("safetensors", layers_of_one), "convert m.safetensors o.onnx --no-verify", 256),
    Case("safetensors-normed", state("safetensors", normed), "inspect m.safetensors"),
    Case("safetensors-metadata", safetensors_metadata, "inspect m.safetensors", 8192),
    Case("safetensors-annotated", annotated_safetensors, "inspect o.safetensors", 512),
    Case("pt-annotated", annotated_pt, "inspect o.pt", 512),
    Case("safetensors-index", sharded(lambda n: 2), "inspect m.safetensors.index.json"),
    Case("safetensors-shards", sharded(lambda n: n), "inspect m.safetensors.index.json", 64, 2048),
    Case("pt-tensors", state("pt", unrelated), "inspect m.pt"),
    Case("pt-tensors-list", state("pt", unrelated), "inspect m.pt --tensors"),
    Case("pt-layers", state("pt", layers_of_one), "inspect m.pt", 256),
    Case("pt-modules", state("pt", modules), "convert m.pt o.safetensors --no-verify", 4096),
    Case("pt-legacy", state("legacy", unrelated), "inspect m.pt"),
    Case("pt-views", shared, "inspect m.pt", 4096),
    Case("pt-pickled-modules", pickled_modules, "inspect m.pt", 128),
    Case("pt-quantized", quantized, "inspect m.pt", 128),
    Case("pt-plain-pickle", plain_pickle, "inspect m.pt", 4096),
    Case("pt-dicts", checkpoint(extra=dicts), "inspect m.pt", 8192),
    Case("pt-lists", checkpoint(numbers=lambda n: list(range(n)), texts=lambda n: [f"t{i}" for i in range(n)],
                                tuples=lambda n: [(i,) for i in range(n)]), "inspect m.pt", 8192),
    Case("pt-keys", checkpoint(texts=lambda n: {f"k{i}": i for i in range(n)},
                               numbers=lambda n: {i: i for i in range(n)}), "inspect m.pt", 8192),
    Case("npz-arrays", state("npz", unrelated), "inspect m.npz"),
    Case("npz-layers", state("npz", layers_of_one), "inspect m.npz", 4096),
    # JSON.
    Case("description-layers", described_layers, "inspect m.model.json", 512),
    Case("description-build", described_layers, "build m.model.json -o o.rnnw", 512),
    Case("description-metadata", described_metadata, "inspect m.model.json", 65536),
    Case("description-comment", described_comment, "inspect m.model.json", 8192),
    Case("description-numbers", described_numbers, "inspect m.model.json", 8192),
    Case("description-names", described_names, "inspect m.model.json", 512),
    Case("generate-body", generated_body, "convert m.model.json o.onnx --no-verify", 512),
    Case("generate-body-onnx", generated_loop, "inspect o.onnx", 512),
    Case("generate-body-run", generated_body, "run m.model.json --input x.npy -o y.npy --threads 1", 512),
    Case("generate-steps-run", generated_steps, "run m.model.json --input x.npy -o y.npy --threads 1", 4096, 1 << 20),
    # Manifests.
    Case("check-one", skipped, "check . --only real", 2048),
    Case("check-one-line", one_line, "check . --only real", 2048),
    Case("check-comment", commented, "check .", 16384),
    Case("check-skipped", skipped, f"check . {' '.join(ALL)} --only fixture/*", 2048),
    Case("check-shard", skipped, "check . --shard 1/3 --verbose", 2048),
    Case("check-update", skipped, "check . --update --dry-run --only real", 2048),
    Case("check-refused", refused, "check . --verbose --json", 256),
    Case("check-failing", failing, f"check . {' '.join(ALL)} --format github", 256, code=1),
    Case("check-init", models_found(False), "check . --init", 2048, 4096, fresh=("rnnconv.json",)),
    Case("check-init-folders", models_found(True), "check . --init", 128, 2048, fresh=("rnnconv.json",)),
    Case("check-changed", changed, "check . --changed-since HEAD", 128, 8192),
]


# Measuring.


class Wrong(Exception):
    """A run that did not do what the case is about."""


def run(command: list[str], folder: Path, code: int) -> float:
    """The seconds of processor time that a run takes; infinite where it takes too long."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([BINARY, *forced(*command)], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=errors, start_new_session=True)
        late = threading.Event()

        def stop() -> None:
            late.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(TIMEOUT, stop)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if late.is_set():
            return math.inf
        if process.returncode != code:
            errors.seek(0)
            message = errors.read(400).decode(errors="replace").strip()
            raise Wrong(f"exit {process.returncode} instead of {code}: {message}")
    return usage.ru_utime + usage.ru_stime


class Bench:
    """Inputs that several cases share are written once."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.folders: dict[tuple[Writer, int], Path] = {}
        self.start = min(run(["--version"], place, 0) for _ in range(5))

    def folder(self, write: Writer, n: int) -> Path:
        if (write, n) not in self.folders:
            folder = self.place / str(len(self.folders))
            folder.mkdir()
            write(folder, n)
            self.folders[write, n] = folder
        return self.folders[write, n]

    def once(self, case: Case, n: int) -> float:
        folder = self.folder(case.write, n)
        for name in case.fresh:
            (folder / name).unlink(missing_ok=True)
        return max(run(case.command.split(), folder, case.code) - self.start, 1e-4)

    def best(self, case: Case, n: int, known: float) -> float:
        """The best of three; one is known. None behind one that took long."""
        times = [known]
        while len(times) < TIMES and times[-1] < TIMEOUT / 10:
            times.append(self.once(case, n))
        return min(times)

    def case(self, case: Case) -> tuple[int, float, float]:
        n = case.start
        low = self.once(case, n)
        while low < LONG and 4 * n <= case.most:
            n *= 4 if low < LONG / 5 and 8 * n <= case.most else 2
            low = self.once(case, n)
        if low == math.inf:
            return n, low, low
        high = self.once(case, 2 * n)
        if PLAIN[0] <= high / low <= PLAIN[1] or high == math.inf:
            return n, low, high
        low, high = self.best(case, n, low), self.best(case, 2 * n, high)
        if FACTOR * low < high < min(CERTAIN * low, TIMEOUT / 10):
            pairs = [(self.once(case, n), self.once(case, 2 * n)) for _ in range(PAIRS)]
            low, high = sorted(pairs, key=lambda pair: pair[1] / pair[0])[PAIRS // 2]
        return n, low, high


def judge(cases: list[Case], place: Path) -> list[str]:
    """Cases that share a writer; the names of those that are over."""
    bench = Bench(Path(tempfile.mkdtemp(dir=place)))
    over = []
    for case in cases:
        try:
            n, low, high = bench.case(case)
            factor = high / low if high < math.inf else math.inf
            bad = factor > FACTOR
            line = f"{n:>9}{low:>9.3f}{high:>9.3f}{factor:>8.2f}{'  over' if bad else ''}"
        except (Wrong, subprocess.SubprocessError) as error:
            bad, line = True, f"  {error}"
        if bad:
            over.append(case.name)
        print(f"{case.name:<28}{line}", flush=True)
    shutil.rmtree(bench.place)
    return over


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME",
                        help="only this case, or all that begin so: NAME*; repeat for more")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1),
                        help="how many cases are measured at a time")
    options = parser.parse_args()

    def wanted(name: str) -> bool:
        return not options.only or any(
            name == word or word.endswith("*") and name.startswith(word[:-1]) for word in options.only)

    groups: dict[Writer, list[Case]] = {}
    for case in CASES:
        if wanted(case.name):
            groups.setdefault(case.write, []).append(case)
    if not groups:
        parser.error(f"no such case; there are {', '.join(case.name for case in CASES)}")
    began = time.monotonic()
    print(f"{'case':<28}{'n':>9}{'t(n)':>9}{'t(2n)':>9}{'factor':>8}")
    with tempfile.TemporaryDirectory(prefix="rnnconv-growth-") as name, ThreadPoolExecutor(options.jobs) as pool:
        over = sum(pool.map(lambda group: judge(group, Path(name)), groups.values()), [])
    count, seconds = sum(map(len, groups.values())), time.monotonic() - began
    print(f"{count} cases, {seconds:.0f} s; over {FACTOR}: {', '.join(over) or 'none'}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
