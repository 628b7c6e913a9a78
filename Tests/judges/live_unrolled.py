"""Recurrences that exporters write out, and whether they are put together again.

PyTorch's loops over cells of a fixed number of steps (both exporters), its nn.RNN as the dynamo exporter writes it, scripted loops of any
number of steps (a `Loop` over a list), Keras' layers with unroll=True, and Keras' layers as tf2onnx writes them in a `Loop` (masks,
activations that ONNX's operators do not have by name, states). Of each file: it converts to .rnnw with a proof, is made of as many recurrent
layers as it has recurrences, goes back to ONNX and to .rnnw with one fingerprint, `verify` finds the file that came back equal, and
onnxruntime computes the same of both files, for several batches and lengths where they are open.

    .peers-large/bin/python Tests/judges/live_unrolled.py
    .peers-large/bin/python Tests/judges/live_unrolled.py --only scripted keras --keep look
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from live_networks import Refused, Wrong, converted, difference, randomised, rnnconv, session
from tool import binary

Arrays = dict[str, np.ndarray]
Made = tuple[list[Arrays], int]
CASES: dict[str, Callable[[Path], Made]] = {}
# What is refused, and the words that say why.
EXPECTED: dict[str, str] = {}


def case(name: str, make: Callable[[Path], Made]) -> None:
    if name in CASES:
        raise ValueError(name)
    CASES[name] = make


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def export(path: Path, module: nn.Module, inputs: dict[str, Tensor], open: dict[str, dict[int, str]], dynamo: bool) -> None:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        if dynamo:
            dims = {letter: torch.export.Dim(letter) for axes in open.values() for letter in axes.values()}
            shapes = {name: {axis: dims[letter] for axis, letter in open.get(name, {}).items()} for name in inputs}
            program = torch.onnx.export(
                module, tuple(inputs.values()), dynamo=True, opset_version=20, input_names=list(inputs),
                dynamic_shapes=tuple(shapes.values()), verbose=False,
            )  # fmt: skip
            program.save(str(path))
        else:
            torch.onnx.export(
                module, tuple(inputs.values()), str(path), dynamo=False, opset_version=17, input_names=list(inputs),
                dynamic_axes=open,
            )  # fmt: skip


# PyTorch, a loop over the steps of a tensor.

CELLS: dict[str, Callable[[], nn.Module]] = {
    "lstm": lambda: nn.LSTMCell(4, 5),
    "lstm-no-bias": lambda: nn.LSTMCell(4, 5, bias=False),
    "gru": lambda: nn.GRUCell(4, 5),
    "rnn": lambda: nn.RNNCell(4, 5),
    "rnn-relu": lambda: nn.RNNCell(4, 5, nonlinearity="relu"),
}


class Loop(nn.Module):
    """Steps in order or backwards; all outputs, or the last."""

    def __init__(self, cell: nn.Module, backwards: bool = False, last: bool = False, batch_first: bool = False):
        super().__init__()
        self.cell, self.head = cell, nn.Linear(5, 3)
        self.backwards, self.last, self.batch_first = backwards, last, batch_first

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(0, 1) if self.batch_first else x
        h = torch.zeros(x.shape[1], 5)
        state, outputs = (h, h), []
        steps = range(x.shape[0])
        for t in reversed(steps) if self.backwards else steps:
            if isinstance(self.cell, nn.LSTMCell):
                state = self.cell(x[t], state)
                h = state[0]
            else:
                h = self.cell(x[t], h)
            outputs.append(h)
        if self.last:
            return self.head(h)
        y = self.head(torch.stack(outputs[::-1] if self.backwards else outputs))
        return y.transpose(0, 1) if self.batch_first else y


class BothWays(nn.Module):
    """Two layers, the first of which runs both ways."""

    def __init__(self):
        super().__init__()
        self.there, self.back, self.upper = nn.GRUCell(4, 5), nn.GRUCell(4, 5), nn.LSTMCell(10, 6)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        rows = x.shape[1]
        there, back = [], []
        h, g = torch.zeros(rows, 5), torch.zeros(rows, 5)
        for t in range(x.shape[0]):
            h = self.there(x[t], h)
            there.append(h)
        for t in reversed(range(x.shape[0])):
            g = self.back(x[t], g)
            back.append(g)
        state = (torch.zeros(rows, 6), torch.zeros(rows, 6))
        outputs = []
        for y in (torch.cat(pair, 1) for pair in zip(there, back[::-1], strict=True)):
            state = self.upper(y, state)
            outputs.append(state[0])
        return torch.stack(outputs, 1), state[1]


def looped(module: Callable[[], nn.Module], dynamo: bool, batch_axis: int = 1, layers: int = 1):
    def make(path: Path) -> Made:
        torch.manual_seed(3)
        shape = [6, 4]
        shape.insert(batch_axis, 2)
        export(path, randomised(module()), {"x": torch.randn(*shape)}, {"x": {batch_axis: "b"}}, dynamo)
        return [{"x": normal(rows, *[*shape[:batch_axis], rows, *shape[batch_axis + 1 :]])} for rows in (2, 1, 5)], layers

    return make


for way, dynamo in (("", False), ("-dynamo", True)):
    for cell, new in CELLS.items():
        case(f"loop-{cell}{way}", looped(lambda new=new: Loop(new()), dynamo))
    case(f"loop-lstm-last{way}", looped(lambda: Loop(nn.LSTMCell(4, 5), last=True), dynamo))
    case(f"loop-gru-backwards{way}", looped(lambda: Loop(nn.GRUCell(4, 5), backwards=True), dynamo))
    case(f"loop-lstm-batch-first{way}", looped(lambda: Loop(nn.LSTMCell(4, 5), batch_first=True), dynamo, batch_axis=0))
    case(f"loop-both-ways{way}", looped(BothWays, dynamo, layers=3))


class Whole(nn.Module):
    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor):
        return self.inner(x)[0]


case("module-rnn-dynamo", looped(lambda: Whole(nn.RNN(4, 5)), True))
case("module-rnn-relu-dynamo", looped(lambda: Whole(nn.RNN(4, 5, nonlinearity="relu", batch_first=True)), True, batch_axis=0))
case("module-rnn-both-ways-dynamo", looped(lambda: Whole(nn.RNN(4, 5, bidirectional=True)), True, layers=2))
case("module-rnn-two-layers-dynamo", looped(lambda: Whole(nn.RNN(4, 5, num_layers=2)), True, layers=2))

# PyTorch, scripted: a Loop of as many steps as there are.


class ScriptedLSTM(nn.Module):
    """Exported as an LSTM operator of one step in each turn."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(4, 5)

    def forward(self, x: Tensor, h: Tensor, c: Tensor):
        outputs: list[Tensor] = []
        for t in range(x.size(0)):
            h, c = self.cell(x[t], (h, c))
            outputs.append(h)
        return torch.stack(outputs), h, c


class ScriptedOwnLSTM(nn.Module):
    """As PyTorch's own example of a custom LSTM has it."""

    def __init__(self):
        super().__init__()
        self.w, self.r = nn.Parameter(torch.randn(20, 4) * 0.4), nn.Parameter(torch.randn(20, 5) * 0.4)
        self.b, self.c = nn.Parameter(torch.randn(20) * 0.4), nn.Parameter(torch.randn(20) * 0.4)

    def forward(self, x: Tensor, h: Tensor, c: Tensor):
        outputs: list[Tensor] = []
        for t in range(x.size(0)):
            gates = torch.mm(x[t], self.w.t()) + self.b + torch.mm(h, self.r.t()) + self.c
            i, f, g, o = gates.chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs), h, c


class Gates(nn.Module):
    def __init__(self, inputs: int = 4):
        super().__init__()
        self.x, self.h = nn.Linear(inputs, 15), nn.Linear(5, 15)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        a, b = self.x(x), self.h(h)
        r, z = torch.sigmoid(a[:, :10] + b[:, :10]).chunk(2, 1)
        n = torch.tanh(a[:, 10:] + r * b[:, 10:])
        return n + z * (h - n)


class ScriptedGRU(nn.Module):
    """PyTorch's GRU by hand; what is collected is not the state."""

    def __init__(self):
        super().__init__()
        self.cell = Gates()

    def forward(self, x: Tensor, h: Tensor):
        outputs: list[Tensor] = []
        for t in range(x.size(0)):
            h = self.cell(x[t], h)
            outputs.append(torch.relu(h))
        return torch.stack(outputs), h


class ScriptedBefore(nn.Module):
    """The paper's GRU: gates from what is joined, the state reset before its product."""

    def __init__(self):
        super().__init__()
        self.gates, self.new = nn.Linear(9, 10), nn.Linear(9, 5)

    def forward(self, x: Tensor, h: Tensor):
        outputs: list[Tensor] = []
        for t in range(x.size(0)):
            r, z = torch.sigmoid(self.gates(torch.cat([x[t], h], 1))).chunk(2, 1)
            n = torch.tanh(self.new(torch.cat([x[t], r * h], 1)))
            h = n + z * (h - n)
            outputs.append(h)
        return torch.stack(outputs), h


class ScriptedRNN(nn.Module):
    """Batch first, in each turn a step of the second axis."""

    def __init__(self):
        super().__init__()
        self.x, self.h = nn.Linear(4, 5), nn.Linear(5, 5, bias=False)

    def forward(self, x: Tensor, h: Tensor):
        outputs: list[Tensor] = []
        for t in range(x.size(1)):
            h = torch.tanh(self.x(x[:, t]) + self.h(h))
            outputs.append(h)
        return torch.stack(outputs, 1), h


class ScriptedTwo(nn.Module):
    """A cell upon another, something before them and a head in each turn."""

    def __init__(self):
        super().__init__()
        self.lower, self.upper, self.head = Gates(), nn.LSTMCell(5, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor, h: Tensor, g: Tensor, c: Tensor):
        outputs: list[Tensor] = []
        for t in range(x.size(0)):
            h = self.lower(torch.tanh(x[t]), h)
            g, c = self.upper(h, (g, c))
            outputs.append(self.head(g))
        return torch.stack(outputs), c


class ScriptedStops(nn.Module):
    """What it computes decides how far it goes."""

    def __init__(self):
        super().__init__()
        self.x, self.h = nn.Linear(4, 5), nn.Linear(5, 5)

    def forward(self, x: Tensor, h: Tensor):
        t = 0
        while bool(h.sum() < 3) and t < x.size(0):
            h = torch.tanh(self.x(x[t]) + self.h(h))
            t += 1
        return h


def scripted(module: type[nn.Module], states: str, layers: int = 1, batch_first: bool = False):
    def make(path: Path) -> Made:
        torch.manual_seed(5)
        inputs = {"x": torch.randn(6, 2, 4), **{state: torch.randn(2, 5) for state in states}}
        open = {"x": {0: "t", 1: "b"}, **{state: {0: "b"} for state in states}}
        if batch_first:
            inputs["x"], open["x"] = inputs["x"].transpose(0, 1), {0: "b", 1: "t"}
        export(path, torch.jit.script(randomised(module())), inputs, open, False)
        runs = []
        for steps, rows in ((6, 2), (1, 1), (11, 3)):
            shape = (rows, steps, 4) if batch_first else (steps, rows, 4)
            runs.append({"x": normal(1, *shape), **{state: normal(ord(state), rows, 5) for state in states}})
        return runs, layers

    return make


case("scripted-lstm", scripted(ScriptedLSTM, "hc"))
case("scripted-own-lstm", scripted(ScriptedOwnLSTM, "hc"))
case("scripted-gru", scripted(ScriptedGRU, "h"))
case("scripted-before", scripted(ScriptedBefore, "h"))
case("scripted-rnn", scripted(ScriptedRNN, "h", batch_first=True))
case("scripted-two", scripted(ScriptedTwo, "hgc", layers=2))
case("scripted-stops", scripted(ScriptedStops, "h"))
EXPECTED["scripted-stops"] = "whether it goes on depends on what its body computes"

# Keras, through tf2onnx.


def keras_case(layers: Callable[[], list], shape: tuple[int | None, ...], vocabulary: int = 0, count: int = 1):
    def make(path: Path) -> Made:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            import keras
            import tensorflow as tf
            import tf2onnx

            keras.utils.set_random_seed(2)
            source = keras.Input(shape, dtype="int32" if vocabulary else "float32", name="x")
            value = source
            for layer in layers():
                value = layer(value)
            model = keras.Model(source, value)
            for layer in model.layers:
                layer.set_weights([w + np.random.default_rng(w.size).normal(0, 0.2, w.shape) for w in layer.get_weights()])
            signature = [tf.TensorSpec((None, *shape), tf.int32 if vocabulary else tf.float32, name="x")]
            tf2onnx.convert.from_function(
                tf.function(model, input_signature=signature), signature, opset=15, output_path=str(path))
        runs = []
        for rows, steps in ((2, 6), (1, 1), (3, 9)):
            sizes = (rows, *(steps if size is None else size for size in shape))
            if vocabulary:
                runs.append({"x": np.random.default_rng(rows).integers(0, vocabulary, sizes).astype(np.int32)})
            else:
                runs.append({"x": normal(rows, *sizes)})
        return runs, count

    return make


def keras_layer(kind: str, **options):
    def new() -> list:
        import keras

        return [getattr(keras.layers, kind)(5, **options)]

    return new


for kind, options in (
    ("LSTM", {}), ("GRU", {}), ("GRU", {"reset_after": False}), ("SimpleRNN", {}),
):  # fmt: skip
    suffix = "".join(f"-{name.replace('_', '-')}-{value}".lower() for name, value in options.items())
    name = f"keras-{kind.lower()}{suffix}"
    case(f"{name}-unroll", keras_case(keras_layer(kind, unroll=True, return_sequences=True, **options), (6, 4)))
    case(f"{name}-unroll-last", keras_case(keras_layer(kind, unroll=True, go_backwards=True, **options), (6, 4)))
    case(f"{name}-loop", keras_case(keras_layer(kind, return_sequences=True, **options), (None, 4)))
    case(f"{name}-loop-last", keras_case(keras_layer(kind, go_backwards=True, **options), (None, 4)))
case("keras-lstm-hard", keras_case(keras_layer("LSTM", recurrent_activation="hard_sigmoid", return_sequences=True), (None, 4)))
case("keras-gru-hard", keras_case(keras_layer("GRU", recurrent_activation="hard_sigmoid", activation="relu"), (None, 4)))
case("keras-rnn-elu", keras_case(keras_layer("SimpleRNN", activation="elu", return_sequences=True), (None, 4)))


def masked(kind: str, both: bool = False, **options):
    def new() -> list:
        import keras

        layer = getattr(keras.layers, kind)(5, **options)
        return [keras.layers.Embedding(9, 4, mask_zero=True), keras.layers.Bidirectional(layer) if both else layer]

    return new


case("keras-masked-lstm", keras_case(masked("LSTM"), (None,), 9))
case("keras-masked-lstm-sequences", keras_case(masked("LSTM", return_sequences=True), (None,), 9))
case("keras-masked-gru", keras_case(masked("GRU", return_sequences=True), (None,), 9))
case("keras-masked-both", keras_case(masked("LSTM", both=True, return_sequences=True), (None,), 9, count=2))


def judge(name: str, folder: Path) -> str:
    first, model = folder / f"{name}.onnx", folder / f"{name}.rnnw"
    back, again = folder / f"{name}-back.onnx", folder / f"{name}-again.rnnw"
    with torch.no_grad():
        runs, layers = CASES[name](first)
    prints = [converted(first, model), converted(model, back), converted(back, again)]
    if len(set(prints)) != 1:
        raise Wrong(f"three fingerprints: {prints}")
    rnnconv("verify", first, back)
    told = json.loads(rnnconv("inspect", "--json", model))
    kinds = [layer["operation"] for layer in told["layers"]]
    recurrent = [kind for kind in kinds if kind in ("LSTM", "GRU", "RNN")]
    if len(recurrent) != layers:
        raise Wrong(f"{layers} recurrences became {kinds}")
    of_first, of_back = session(first), session(back)
    for inputs in runs:
        try:
            expected = of_first.run(None, inputs)
        except Exception as error:
            # A number of steps or rows that the exporter fixed.
            if "Got invalid dimensions" in str(error) or "INVALID_ARGUMENT" in str(error):
                continue
            raise
        if found := difference(of_back.run(None, inputs), expected):
            raise Wrong(f"onnxruntime on the file that came back, at {[i.shape for i in inputs.values()]}: {found}")
    written = {node.op_type for node in onnx.load(first).graph.node} & {"LSTM", "GRU", "RNN", "Loop", "Scan"}
    return f"{', '.join(recurrent)} of {', '.join(sorted(written)) or 'steps'}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="cases whose names begin so")
    parser.add_argument("--keep", type=Path, help="a folder for the files")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    names = [n for n in CASES if not options.only or any(n.startswith(part) for part in options.only)]
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            try:
                line = judge(name, folder)
                if name in EXPECTED:
                    line, failed = f"is not refused: {line}", failed + 1
            except Refused as reason:
                line = f"refused: {reason}"
                if EXPECTED.get(name, "\0") not in str(reason):
                    line, failed = f"FAILED: {line}", failed + 1
            except Exception as error:  # noqa: BLE001
                line, failed = f"FAILED: {type(error).__name__}: {str(error)[:400]}", failed + 1
            print(f"{name}: {line}", flush=True)
    print(f"{len(names) - failed} of {len(names)} as they should be ({binary()})")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
