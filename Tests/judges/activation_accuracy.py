"""Measure the float32 sigmoid and tanh of the runtimes, alone and inside their recurrent kernels.

Each kernel is fed so that one gate's activation comes out by itself: the other gates get biases that saturate them
to exactly 0 or 1. The results calibrate the error bounds of the verifier, which has to allow for what real runtimes
do and for no more. Writes docs/activation-accuracy.json and .md. Run it with .peers-large's python; OpenVINO, LiteRT
and tract are measured where their environments are (scripts/peers.sh .peers-tract fixtures/peers-tract.txt).
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 16  # a width that fills vector registers; the scalar tails are measured with 1
SURE_ONE, SURE_ZERO = 100.0, -200.0


def samples() -> np.ndarray:
    """Both signs, every magnitude from the smallest subnormal to 2^7, and the middle more densely."""
    random = np.random.default_rng(11)
    exponents = random.uniform(-149, 7, 400_000)
    spread = np.exp2(exponents).astype(np.float32)
    middle = random.uniform(0, 20, 600_000).astype(np.float32)
    fine = random.uniform(0, 1.5, 300_000).astype(np.float32)
    positive = np.concatenate([spread, middle, fine])
    values = np.concatenate([positive, -positive])
    return np.resize(np.sort(values), (len(values) // WIDTH) * WIDTH)


def exact(name: str, x: np.ndarray) -> np.ndarray:
    wide = x.astype(np.float64)
    if name == "tanh":
        return np.tanh(wide)
    small = np.exp(-np.abs(wide))
    return np.where(wide >= 0, 1 / (1 + small), small / (1 + small))


def onnx_model(nodes: list, shapes: dict[str, list], output: str, constants: dict[str, np.ndarray]) -> bytes:
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def blocks(width: int, *rows) -> np.ndarray:
    """Stack gate blocks [width, width]: 1 stands for the identity, 0 for zeros."""
    return np.concatenate([np.eye(width, dtype=np.float32) * row for row in rows])[None]


def biases(width: int, *values) -> np.ndarray:
    own = np.concatenate([np.full(width, value, np.float32) for value in values])
    return np.concatenate([own, np.zeros_like(own)])[None]


# What each gate is fed: (function, gate blocks of W, biases, output, initial h, initial c); None stands for x.
LSTM_IOFC = {
    "LSTM i": ("sigmoid", (1, 0, 0, 0), (0, 0, SURE_ONE, 30), "Y_c", 0, 0),
    "LSTM o": ("sigmoid", (0, 1, 0, 0), (SURE_ZERO, 0, SURE_ONE, 0), "Y_h", 0, 30),
    "LSTM f": ("sigmoid", (0, 0, 1, 0), (SURE_ZERO, 0, 0, 0), "Y_c", 0, 1),
    "LSTM g": ("tanh", (0, 0, 0, 1), (SURE_ONE, 0, 0, 0), "Y_c", 0, 0),
    "LSTM h": ("tanh", (0, 0, 0, 0), (SURE_ZERO, SURE_ONE, SURE_ONE, 0), "Y_h", 0, None),
}
GRU_ZRH = {
    "GRU z": ("sigmoid", (1, 0, 0), (0, 0, 0), "Y_h", 1, 0),
    "GRU n": ("tanh", (0, 0, 1), (SURE_ZERO, 0, 0), "Y_h", 0, 0),
}


@dataclass(frozen=True)
class OnnxCase:
    """A model whose only output is one function of x, and what to feed it."""

    function: str
    model: bytes
    feed: Callable[[np.ndarray], dict[str, np.ndarray]]


def onnx_cases(width: int) -> dict[str, OnnxCase]:
    out: dict[str, OnnxCase] = {}

    def recurrent(cell: str, gates, bias, output: str, h, c, activations=None, zeros=None):
        names = ["X", "W", "R", "B", "", "h", "c"][: 7 if cell == "LSTM" else 6]
        outputs = {"Y_h": ["", "Y_h"], "Y_c": ["", "", "Y_c"]}[output]
        options = {"activations": activations} if activations else {}
        if cell == "GRU":
            options["linear_before_reset"] = 1
        rows = len(gates) * width
        model = onnx_model(
            [helper.make_node(cell, names, outputs, hidden_size=width, **options)],
            {name: [1, None, width] for name in names if name in ("X", "h", "c")}, output,
            {"W": blocks(width, *gates), "R": np.zeros((1, rows, width), np.float32),
             "B": biases(width, *bias)})

        def feed(x):
            rows = x.reshape(1, -1, width)
            inputs = {"X": rows}
            for name, value in (("h", h), ("c", c)):
                if name in names:
                    inputs[name] = rows if value is None else np.full_like(rows, value)
            return inputs

        return model, feed

    for name, operator in (("sigmoid", "Sigmoid"), ("tanh", "Tanh")):
        if width == WIDTH:
            model = onnx_model([helper.make_node(operator, ["x"], ["y"])], {"x": [None]}, "y", {})
            out[operator] = OnnxCase(name, model, lambda x: {"x": x})
        out[f"RNN {operator}"] = OnnxCase(name, *recurrent("RNN", (1,), (0,), "Y_h", 0, 0, [operator]))
    for cell, table in (("LSTM", LSTM_IOFC), ("GRU", GRU_ZRH)):
        for label, (name, gates, bias, output, h, c) in table.items():
            out[label] = OnnxCase(name, *recurrent(cell, gates, bias, output, h, c))
    return out


def onnxruntime_cases(width: int) -> dict[str, tuple[str, Callable]]:
    def evaluator(case: OnnxCase) -> Callable:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        run = onnxruntime.InferenceSession(case.model, options, providers=["CPUExecutionProvider"])
        return lambda x: run.run(None, case.feed(x))[0].ravel()

    return {label: (case.function, evaluator(case)) for label, case in onnx_cases(width).items()}


def elsewhere(runtime: str, write: Callable[[Path, np.ndarray], None], x: np.ndarray) -> np.ndarray:
    """What a runtime in an environment of its own makes of the case that `write` puts into a folder."""
    with tempfile.TemporaryDirectory() as name:
        case = Path(name) / "case"
        case.mkdir()
        write(case, x)
        script = Path(__file__).with_name("record_runtime.py")
        subprocess.run([ROOT / f".peers-{runtime}/bin/python", script, "--runtime", runtime, "--folder", name],
                       check=True, stderr=subprocess.DEVNULL)
        with np.load(case / f"{runtime}.npz") as arrays:
            [output] = arrays.values()
            return output.ravel()


def onnx_elsewhere(runtime: str) -> Callable[[int], dict[str, tuple[str, Callable]]]:
    def cases(width: int) -> dict[str, tuple[str, Callable]]:
        def evaluator(case: OnnxCase) -> Callable:
            def write(folder: Path, x: np.ndarray) -> None:
                (folder / "model.onnx").write_bytes(case.model)
                np.savez(folder / "inputs.npz", **case.feed(x))

            return lambda x: elsewhere(runtime, write, x)

        # tract makes its recurrent operators of Sigmoid and Tanh. Its saturated gates are not exactly 1, so that a gate
        # does not come out by itself, and an RNN's other activations it ignores.
        alone = ("Sigmoid", "Tanh", "RNN Tanh")
        return {label: (case.function, evaluator(case)) for label, case in onnx_cases(width).items()
                if runtime != "tract" or label in alone}

    return cases


def keras_cases(compiled: bool) -> Callable[[int], dict[str, tuple[str, Callable]]]:
    """Keras's recurrent layers are made of these two; XLA has its own."""
    def cases(width: int) -> dict[str, tuple[str, Callable]]:
        import keras
        import tensorflow

        def evaluator(function: Callable) -> Callable:
            traced = tensorflow.function(function, jit_compile=compiled)
            return lambda x: traced(tensorflow.constant(x.reshape(-1, width))).numpy().ravel()

        return {name.capitalize(): (name, evaluator(getattr(keras.ops, name))) for name in ("sigmoid", "tanh")}

    return cases


def litert_cases(width: int) -> dict[str, tuple[str, Callable]]:
    import keras
    import tensorflow

    def evaluator(function: Callable) -> Callable:
        def write(folder: Path, x: np.ndarray) -> None:
            shape = tensorflow.TensorSpec([None, width], tensorflow.float32)
            concrete = tensorflow.function(function, input_signature=[shape]).get_concrete_function()
            converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([concrete])
            (folder / "model.tflite").write_bytes(converter.convert())
            np.savez(folder / "inputs.npz", x=x.reshape(-1, width))

        return lambda x: elsewhere("litert", write, x)

    return {name.capitalize(): (name, evaluator(getattr(keras.ops, name))) for name in ("sigmoid", "tanh")}


def torch_cases(width: int) -> dict[str, tuple[str, Callable]]:
    import torch

    torch.set_num_threads(1)
    out: dict[str, tuple[str, Callable]] = {}

    def recurrent(kind: str, gates, bias, output: str, h, c, order):
        module = getattr(torch.nn, kind)(width, width).eval()
        with torch.no_grad():
            # From the order of the ONNX operator to torch's: i, o, f, c to i, f, g, o; z, r, h to r, z, n.
            module.weight_ih_l0.copy_(torch.from_numpy(blocks(width, *[gates[k] for k in order])[0]))
            module.bias_ih_l0.copy_(torch.from_numpy(biases(width, *[bias[k] for k in order])[0][: len(order) * width]))
            module.weight_hh_l0.zero_()
            module.bias_hh_l0.zero_()

        def evaluate(x):
            rows = torch.from_numpy(x.reshape(1, -1, width))
            start = [rows if value is None else torch.full_like(rows, value) for value in (h, c)]
            with torch.no_grad():
                _, state = module(rows, tuple(start) if kind == "LSTM" else start[0])
            state = state[1 if output == "Y_c" else 0] if kind == "LSTM" else state
            return state.numpy().ravel()

        return evaluate

    if width == WIDTH:
        out["Sigmoid"] = ("sigmoid", lambda x: torch.sigmoid(torch.from_numpy(x)).numpy())
        out["Tanh"] = ("tanh", lambda x: torch.tanh(torch.from_numpy(x)).numpy())
    out["RNN Tanh"] = ("tanh", recurrent("RNN", (1,), (0,), "Y_h", 0, 0, (0,)))
    for kind, table, order in (("LSTM", LSTM_IOFC, (0, 2, 3, 1)), ("GRU", GRU_ZRH, (1, 0, 2))):
        for label, (name, gates, bias, output, h, c) in table.items():
            out[label] = (name, recurrent(kind, gates, bias, output, h, c, order))
    return out


def errors(name: str, x: np.ndarray, got: np.ndarray) -> dict[str, float]:
    want = exact(name, x)
    absolute = np.abs(got.astype(np.float64) - want)
    spacing = np.spacing(np.abs(want).astype(np.float32)).astype(np.float64)
    normal = np.abs(want) >= np.finfo(np.float32).tiny
    # `relative` would be ruled by the tails, where runtimes clamp: say apart how it is around the middle.
    middle = normal & (np.abs(x) <= 8)
    relative = np.divide(absolute, np.abs(want), out=np.zeros_like(absolute), where=want != 0)
    worst = int(np.argmax(absolute))
    return {
        "max_absolute": float(absolute.max()),
        "at": float(x[worst]),
        "max_relative": float(relative[normal].max()),
        "max_relative_at": float(x[normal][np.argmax(relative[normal])]),
        "max_relative_within_8": float(relative[middle].max()),
        "max_ulp_within_8": float((absolute / spacing)[middle].max()),
        "largest_value": float(np.abs(got).max()),
    }


def measure() -> list[dict]:
    x = samples()
    peers = [("onnxruntime", version("onnxruntime"), onnxruntime_cases)]
    if find_spec("torch"):
        peers.append(("torch", version("torch").split("+")[0], torch_cases))
    if find_spec("keras"):
        keras = f"{version('keras')}, TensorFlow {version('tensorflow-cpu')}"
        peers += [("keras", keras, keras_cases(compiled=False)), ("keras-xla", keras, keras_cases(compiled=True))]
    for runtime, cases in (("openvino", onnx_elsewhere("openvino")), ("litert", litert_cases),
                           ("tract", onnx_elsewhere("tract"))):
        pinned = re.search(r"==(\S+)", (ROOT / f"fixtures/peers-{runtime}.txt").read_text())[1]
        if (ROOT / f".peers-{runtime}").exists() and (runtime != "litert" or find_spec("keras")):
            peers.append((runtime, pinned, cases))
    missing = {"torch", "keras", "openvino", "litert", "tract"} - {peer for peer, _, _ in peers}
    if missing:
        print(f"not installed, hence not measured: {', '.join(sorted(missing))}")
    rows = []
    for peer, release, cases in peers:
        for width in (WIDTH, 1):
            for kernel, (name, function) in cases(width).items():
                rows.append({"peer": peer, "version": release, "kernel": kernel, "width": width, "function": name,
                             **errors(name, x, function(x))})
    return rows


def report(rows: list[dict]) -> str:
    lines = [
        "# How exact the peers' activations are",
        "",
        "Float32 results against float64, over 2.6 million arguments of every magnitude and both signs, measured by",
        "`Tests/judges/activation_accuracy.py` (the figures, with more digits, are in `activation-accuracy.json`).",
        "One gate of each kernel was made to come out alone. Width is the hidden size: 16 fills vector registers, 1",
        "takes the scalar tails. `|x| ≤ 8` leaves out the tails, where a runtime that clamps its argument is wrong",
        "by any factor, though by little in absolute terms.",
        "",
        "| peer | kernel | function | width | max abs. error | at x | max rel. error, \\|x\\| ≤ 8 | ulp "
        "| rel. error, all x |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['peer']} {row['version']} | {row['kernel']} | {row['function']} | {row['width']} "
            f"| {row['max_absolute']:.3g} | {row['at']:.4g} | {row['max_relative_within_8']:.3g} "
            f"| {row['max_ulp_within_8']:.1f} | {row['max_relative']:.3g} |")
    lines.append("")
    for function in ("sigmoid", "tanh"):
        chosen = [row for row in rows if row["function"] == function]
        worst = max(chosen, key=lambda row: row["max_absolute"])
        lines.append(f"Worst {function}: {worst['max_absolute']:.3g} absolute ({worst['peer']}, {worst['kernel']}); "
                     f"largest result {max(row['largest_value'] for row in chosen)!r}.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "docs")
    out = parser.parse_args().out
    rows = measure()
    out.mkdir(parents=True, exist_ok=True)
    (out / "activation-accuracy.json").write_text(json.dumps(rows, indent=1) + "\n")
    (out / "activation-accuracy.md").write_text(report(rows))
    print(report(rows))


if __name__ == "__main__":
    main()
