"""Mistakes of realistic sizes in files that can be evaluated and not imported: what the verdict lets pass where one side is optimised.

Two graphs of other operators may be apart as weights rounded once are (docs/error-bounds.md, "Folded weights"). That is the only
allowance between two files that is wider than Float64's, and so the place for a mistake to hide. Networks of 64 to 256 units and
tens of steps stand here with a `GridSample` beside them, which no import takes. Of each:

- right: the file itself, what onnxruntime's optimiser writes of it (basic and extended level), and the file with batch
  normalisations and scales folded into weights by hand, in Float32 and in Float64: each must be `equal`;
- wrong: each of these with one mistake planted: gates exchanged, a bias dropped, epsilon 1e-5 taken for 1e-3 or 1e-6, one
  tensor at half precision, one weight off by a hundredth of its tensor's size, a pad at the other end, tanh for erf in a Gelu,
  the scale of attention, the axis of a softmax, an unbiased variance. Each must be `different`, and is never `equal`.

A mistake that moves no output by 2⁻²² of its range in Float64 is none here, and is counted apart.

    .peers/bin/python Tests/judges/live_evaluated_mistakes.py [--all] [--networks NAME …] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import collections
import functools
import re
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import evaluated
from evaluated import Nodes, session

# Some of these compute long.
run = functools.partial(evaluated.run, timeout=1800)
EPSILON = 1e-5


class Network(Nodes):
    """Layers as exporters write them."""

    def number(self, value, name=None):
        return self.weight(np.float32(value), name)

    def dense(self, x, inputs, outputs):
        y = self.node("MatMul", x, self.weight(self.array(inputs, outputs, scale=inputs**-0.5)))
        return self.node("Add", y, self.weight(self.array(outputs, scale=0.1), f"bias{len(self.nodes)}"))

    def conv(self, x, inputs, outputs, kernel, pads, **attributes):
        fan = inputs * int(np.prod(kernel)) // attributes.get("group", 1)
        w = self.weight(self.array(outputs, inputs // attributes.get("group", 1), *kernel, scale=fan**-0.5))
        b = self.weight(self.array(outputs, scale=0.1), f"bias{len(self.nodes)}")
        return self.node("Conv", x, w, b, kernel_shape=list(kernel), pads=pads, **attributes)

    def batch_norm(self, x, channels):
        mean, variance = self.array(channels, scale=0.3), np.abs(1 + self.array(channels, scale=0.4)) + np.float32(0.05)
        tensors = [1 + self.array(channels, scale=0.2), self.array(channels, scale=0.2), mean]
        return self.node("BatchNormalization", x, *map(self.weight, tensors), self.weight(variance, f"variance{len(self.nodes)}"), epsilon=EPSILON)

    def layer_norm(self, x, features):
        """Written out, as exporters before opset 17 do."""
        moved = self.node("Sub", x, self.node("ReduceMean", x, axes=[-1], keepdims=1))
        variance = self.node("ReduceMean", self.node("Pow", moved, self.number(2)), axes=[-1], keepdims=1)
        root = self.node("Sqrt", self.node("Add", variance, self.number(EPSILON, f"epsilon{len(self.nodes)}")))
        y = self.node("Mul", self.node("Div", moved, root), self.weight(1 + self.array(features, scale=0.2)))
        return self.node("Add", y, self.weight(self.array(features, scale=0.1)))

    def gelu(self, x):
        """By erf, written out."""
        inner = self.node("Erf", self.node("Div", x, self.number(np.sqrt(2.0))))
        y = self.node("Mul", x, self.node("Add", inner, self.number(1)))
        return self.node("Mul", y, self.number(0.5))

    def recurrent(self, op, x, inputs, units, directions=1):
        """`[T, B, F]` → `[T, B, D·H]`."""
        gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
        W = self.weight(self.array(directions, gates * units, inputs, scale=inputs**-0.5))
        R = self.weight(self.array(directions, gates * units, units, scale=units**-0.5))
        B = self.weight(self.array(directions, 2 * gates * units, scale=0.1), f"bias{len(self.nodes)}")
        more = {"linear_before_reset": 1} if op == "GRU" else {}
        direction = "bidirectional" if directions == 2 else "forward"
        y = self.node(op, x, W, R, B, outputs=2, hidden_size=units, direction=direction, **more)[0]
        return self.node("Reshape", self.node("Transpose", y, perm=[0, 2, 1, 3]), self.integers(0, 0, -1))

    def model(self, *outputs):
        """With four numbers that are read at places of an image beside, so that no canonical model is made of it."""
        image = self.node("Reshape", self.node("Slice", self.node("Reshape", "x", self.integers(-1)), self.integers(0), self.integers(4)), self.integers(1, 1, 2, 2))
        beside = self.node("GridSample", image, self.weight(np.zeros((1, 2, 2, 2), np.float32) + np.float32(0.25)))
        return super().model(*outputs, beside)


def conv_lstm(seed):
    n = Network(seed, (2, 40, 36))
    y = n.node("Relu", n.batch_norm(n.conv("x", 40, 64, [5], [2, 2]), 64))
    y = n.node("Relu", n.batch_norm(n.conv(y, 64, 128, [3], [1, 1], strides=[1]), 128))
    y = n.recurrent("LSTM", n.node("Transpose", y, perm=[2, 0, 1]), 128, 128)
    return n, n.model(n.dense(y, 128, 20))


def deep_lstm(seed):
    n = Network(seed, (48, 1, 64))
    y = n.layer_norm(n.dense("x", 64, 64), 64)
    y = n.recurrent("LSTM", y, 64, 128, directions=2)
    y = n.recurrent("LSTM", y, 256, 64, directions=2)
    return n, n.model(n.node("LogSoftmax", n.dense(n.layer_norm(y, 128), 128, 30), axis=-1))


def crnn(seed):
    n = Network(seed, (1, 1, 16, 64))
    y = n.node("Relu", n.batch_norm(n.conv("x", 1, 32, [3, 3], [1, 1, 1, 1]), 32))
    y = n.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    y = n.node("LeakyRelu", n.batch_norm(n.conv(y, 32, 64, [3, 3], [1, 1, 1, 1]), 64), alpha=0.1)
    y = n.node("MaxPool", y, kernel_shape=[2, 1], strides=[2, 1])
    y = n.node("Reshape", n.node("Transpose", y, perm=[3, 0, 1, 2]), n.integers(0, 0, -1))
    y = n.recurrent("GRU", y, 256, 64, directions=2)
    return n, n.model(n.node("Softmax", n.dense(y, 128, 40), axis=-1))


def transformer(seed):
    n, d, heads, steps = Network(seed, (1, 32, 64)), 64, 4, 32
    y = "x"
    for _ in range(2):
        def split(v, perm):
            return n.node("Transpose", n.node("Reshape", v, n.integers(0, 0, heads, d // heads)), perm=perm)

        z = n.layer_norm(y, d)
        q, k, v = (split(n.dense(z, d, d), perm) for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        scores = n.node("Mul", n.node("MatMul", q, k), n.number((d // heads) ** -0.5, f"scale{len(n.nodes)}"))
        mixed = n.node("MatMul", n.node("Softmax", scores, axis=-1), v)
        mixed = n.node("Reshape", n.node("Transpose", mixed, perm=[0, 2, 1, 3]), n.integers(0, 0, d))
        y = n.node("Add", y, n.dense(mixed, d, d))
        y = n.node("Add", y, n.dense(n.gelu(n.dense(n.layer_norm(y, d), d, 2 * d)), 2 * d, d))
    return n, n.model(n.layer_norm(y, d))


def conv_norms(seed):
    n = Network(seed, (2, 48, 40))
    y = "x"
    for k in range(4):
        y = n.conv(y, 48 if k == 0 else 96, 96, [5], [4, 0] if k == 0 else [2, 2], group=1 if k % 2 == 0 else 4)
        y = n.gelu(n.batch_norm(y, 96))
        if k % 2:
            y = n.node("InstanceNormalization", y, n.weight(1 + n.array(96, scale=0.1)), n.weight(n.array(96, scale=0.1)), epsilon=EPSILON)
    return n, n.model(n.node("ReduceMean", y, axes=[2], keepdims=0), y)


def gru_256(seed):
    n = Network(seed, (30, 1, 80))
    y = n.recurrent("GRU", n.node("Tanh", n.dense("x", 80, 128)), 128, 256)
    return n, n.model(n.node("Sigmoid", n.dense(n.layer_norm(y, 256), 256, 8)))


NETWORKS = [conv_lstm, deep_lstm, crnn, transformer, conv_norms, gru_256]


def copied(model):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def weight_named(model, name):
    return next(t for t in model.graph.initializer if t.name == name)


def changed(model, name, change):
    """A copy in which one initializer is another array."""
    copy = copied(model)
    tensor = weight_named(copy, name)
    array = change(numpy_helper.to_array(tensor).copy())
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(array, np.float32), name))
    return copy


def nodes_of(model, *ops):
    return [index for index, node in enumerate(model.graph.node) if node.op_type in ops]


def attributed(model, index, name, value):
    copy = copied(model)
    kept = [a for a in copy.graph.node[index].attribute if a.name != name]
    del copy.graph.node[index].attribute[:]
    copy.graph.node[index].attribute.extend([*kept, helper.make_attribute(name, value)])
    return copy


def gelu_by_tanh(model, index):
    """The Erf at this index, of x / √2, becomes tanh(√(2/π)(x + 0.044715 x³))."""
    copy = copied(model)
    nodes = list(copy.graph.node)
    erf = nodes[index]
    x = next(node for node in nodes if erf.input[0] in node.output).input[0]
    make, tag = helper.make_node, f"tanh{index}"
    for name, value in ((f"{tag}_c", 0.044715), (f"{tag}_k", np.sqrt(2 / np.pi))):
        copy.graph.initializer.append(numpy_helper.from_array(np.float32(value), name))
    new = [
        make("Mul", [x, x], [f"{tag}_a"]), make("Mul", [f"{tag}_a", x], [f"{tag}_b"]), make("Mul", [f"{tag}_b", f"{tag}_c"], [f"{tag}_d"]),
        make("Add", [x, f"{tag}_d"], [f"{tag}_e"]), make("Mul", [f"{tag}_e", f"{tag}_k"], [f"{tag}_f"]), make("Tanh", [f"{tag}_f"], list(erf.output)),
    ]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes[:index] + new + nodes[index + 1 :])
    return copy


def mistakes(network, model, numbers):
    """Each with its name; of kinds that fit at several places, at one that is drawn."""
    floats = [t.name for t in model.graph.initializer if t.data_type == TensorProto.FLOAT]
    arrays = {name: network.weights[name] for name in floats}
    large = [name for name in floats if arrays[name].ndim >= 2 and arrays[name].size >= 64]

    def drawn(names):
        return names[int(numbers.integers(len(names)))]

    found = []
    for index in nodes_of(model, "LSTM", "GRU"):
        node = model.graph.node[index]
        gates = 4 if node.op_type == "LSTM" else 3

        def swapped(array):
            blocks = np.split(array, array.shape[1] // (array.shape[1] // gates), axis=1)
            blocks[0], blocks[1] = blocks[1], blocks[0]
            return np.concatenate(blocks, axis=1)

        def swapped_bias(array):
            blocks = np.split(array, 2 * gates, axis=1)
            for k in (0, gates):
                blocks[k], blocks[k + 1] = blocks[k + 1], blocks[k]
            return np.concatenate(blocks, axis=1)

        other = model
        for name, change in zip(node.input[1:4], (swapped, swapped, swapped_bias)):
            other = changed(other, name, change)
        found.append(("gates exchanged", other))
        found.append(("gates of a bias exchanged", changed(model, node.input[3], swapped_bias)))
        break
    bias = drawn([name for name in floats if name.startswith("bias")])
    found.append(("a bias dropped", changed(model, bias, np.zeros_like)))
    found.append(("one number of a bias dropped", changed(model, bias, lambda a: np.concatenate([[0], a.ravel()[1:]]).reshape(a.shape))))
    for value in (1e-3, 1e-6):
        norms = nodes_of(model, "BatchNormalization", "InstanceNormalization")
        for op in ("BatchNormalization", "InstanceNormalization"):
            places = nodes_of(model, op)
            if places:
                found.append((f"ε of {op} {value:g}", attributed(model, drawn(places), "epsilon", value)))
            if len(places) > 1:
                every = model
                for place in places:
                    every = attributed(every, place, "epsilon", value)
                found.append((f"ε of every {op} {value:g}", every))
        named = [name for name in floats if name.startswith("epsilon")]
        if named:
            found.append((f"ε of a layer norm {value:g}", changed(model, drawn(named), lambda a: np.float32(value))))
            every = model
            for name in named:
                every = changed(every, name, lambda a: np.float32(value))
            found.append((f"ε of every layer norm {value:g}", every))
    half = drawn(large)
    found.append(("a tensor in F16", changed(model, half, lambda a: a.astype(np.float16).astype(np.float32))))
    small = drawn([name for name in floats if arrays[name].ndim == 1])
    found.append(("a vector in F16", changed(model, small, lambda a: a.astype(np.float16).astype(np.float32))))

    def one_off(share):
        def change(array):
            array.flat[int(numbers.integers(array.size))] += np.float32(share * np.sqrt(np.mean(array.astype(np.float64) ** 2)))
            return array

        return change

    found.append(("one weight off by 1 %", changed(model, drawn(large), one_off(0.01))))
    found.append(("one weight off by 0.1 %", changed(model, drawn(large), one_off(0.001))))
    for index in nodes_of(model, "Conv")[:2]:
        pads = next(a for a in model.graph.node[index].attribute if a.name == "pads").ints
        moved = list(pads)
        half_way = len(moved) // 2
        moved[half_way - 1], moved[-1] = moved[half_way - 1] + 1, moved[-1] - 1
        if min(moved) < 0:
            moved = [pads[1], pads[0]]
        found.append(("a pad at the other end", attributed(model, index, "pads", moved)))
    for index in nodes_of(model, "Erf")[:1]:
        found.append(("Gelu by tanh", gelu_by_tanh(model, index)))
    for name in [name for name in floats if name.startswith("scale")][:1]:
        found.append(("attention by 1/d", changed(model, name, lambda a: a * a)))
        found.append(("attention without scale", changed(model, name, lambda a: np.float32(1))))
    for index in nodes_of(model, "Softmax", "LogSoftmax")[:1]:
        found.append(("softmax along another axis", attributed(model, index, "axis", 0 if model.graph.node[index].op_type == "LogSoftmax" else -2)))
    for index in nodes_of(model, "LeakyRelu")[:1]:
        found.append(("slope of a leaky relu", attributed(model, index, "alpha", 0.01)))
    for name in [name for name in floats if name.startswith("variance")][:1]:
        found.append(("variance of 1,000 by n − 1", changed(model, name, lambda a: a * np.float32(1000 / 999))))
    return found


def refolded(model, dtype):
    """Batch normalisations folded into the convolutions before them, and scales of products into the weights."""
    copy = copied(model)
    arrays = {t.name: numpy_helper.to_array(t) for t in copy.graph.initializer}
    nodes, gone, renamed = list(copy.graph.node), [], {}
    for norm in [node for node in nodes if node.op_type == "BatchNormalization"]:
        conv = next(node for node in nodes if norm.input[0] in node.output)
        gamma, beta, mean, variance = (arrays[name].astype(dtype) for name in norm.input[1:5])
        epsilon = dtype(next(a.f for a in norm.attribute if a.name == "epsilon"))
        k = gamma / np.sqrt(variance + epsilon)
        w, b = arrays[conv.input[1]].astype(dtype), arrays[conv.input[2]].astype(dtype)
        arrays[conv.input[1]] = (w * k.reshape(-1, *[1] * (w.ndim - 1))).astype(np.float32)
        arrays[conv.input[2]] = ((b - mean) * k + beta).astype(np.float32)
        conv.output[0] = norm.output[0]
        gone.append(norm)
    for scale in [node for node in nodes if node.op_type == "Mul" and node.input[1].startswith("scale")]:
        # The queries' projection takes it: Add ← MatMul ← the weight, through Transpose and Reshape.
        at = next(node for node in nodes if scale.input[0] in node.output)
        made = next(node for node in nodes if at.input[0] in node.output)
        while made.op_type != "Add":
            made = next(node for node in nodes if made.input[0] in node.output)
        product = next(node for node in nodes if made.input[0] in node.output)
        for name in (product.input[1], made.input[1]):
            arrays[name] = (arrays[name].astype(dtype) * arrays[scale.input[1]].astype(dtype)).astype(np.float32)
        at.output[0] = scale.output[0]
        gone.append(scale)
    if not gone:
        return None
    del copy.graph.node[:], copy.graph.initializer[:]
    copy.graph.node.extend([node for node in nodes if not any(node is other for other in gone)])
    copy.graph.initializer.extend([numpy_helper.from_array(array, name) for name, array in arrays.items()])
    del copy.graph.value_info[:]
    return copy


def forms(model, home, name):
    """What other tools make of a file: its name, and the path that it was written to."""
    levels = onnxruntime.GraphOptimizationLevel
    made = {"as it is": home / f"{name}.onnx"}
    onnx.save(model, made["as it is"])
    for label, level in (("optimised, basic", levels.ORT_ENABLE_BASIC), ("optimised, extended", levels.ORT_ENABLE_EXTENDED)):
        made[label] = home / f"{name} {label}.onnx"
        session(model, level, made[label])
    for label, dtype in (("folded in Float32", np.float32), ("folded in Float64", np.float64)):
        other = refolded(model, dtype)
        if other is not None:
            made[label] = home / f"{name} {label}.onnx"
            onnx.save(other, made[label])
    return made


def outputs_of(home, path, to):
    """The outputs of the evaluator in Float64."""
    verdict, text = run("run", path, "--input", home / "inputs.npz", "--engine", "evaluator", "--precision", "float64", "-o", to, "--force")
    if verdict != "equal":
        raise SystemExit(text)
    return dict(np.load(to))


def moved(right, wrong):
    """The largest movement of an output as a share of its range."""
    return max(float(np.max(np.abs(right[name] - wrong[name])) / max(np.ptp(right[name]), 1e-30)) for name in right)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true", help="all networks and forms, two seeds; without: a part, drawn by a fixed seed")
    parser.add_argument("--networks", nargs="*", default=[])
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="mistakes-"))
    tally, wrong, kinds = collections.Counter(), [], collections.defaultdict(collections.Counter)
    chosen = [build for build in NETWORKS if build.__name__ in arguments.networks]
    chosen = chosen or (NETWORKS if arguments.all else [conv_lstm, transformer])
    for build in chosen:
        for seed in range(2 if arguments.all else 1):
            home = folder / f"{build.__name__}_{seed}"
            home.mkdir(parents=True, exist_ok=True)
            network, model = build(seed)
            np.savez(home / "inputs.npz", x=network.x)
            given = ["--input", home / "inputs.npz"]
            right = forms(model, home, "right")
            original = right["as it is"]
            if run("convert", original, home / "right.rnnw", "--force")[0] == "equal":
                wrong.append(f"{home.name} is imported: put something else beside it")
            before = outputs_of(home, original, home / "right.npz")
            for label in list(right)[1:]:
                verdict, text = run("verify", original, right[label], *given, "--no-diagnosis")
                tally["right", label, verdict] += 1
                if verdict != "equal":
                    wrong.append(f"{home.name}: right, {label}: {verdict}\n{text}")
            numbers = np.random.default_rng(seed)
            for kind, other in mistakes(network, model, numbers):
                made = forms(other, home, re.sub(r"\W+", "-", kind))
                labels = list(made) if arguments.all else [list(made)[int(numbers.integers(1, len(made)))]]
                share = moved(before, outputs_of(home, made["as it is"], home / "wrong.npz"))
                for label in labels:
                    verdict, text = run("verify", original, made[label], *given, "--no-diagnosis")
                    if share < 2**-22:
                        tally["moves nothing", label, verdict] += 1
                        continue
                    tally["wrong", label, verdict] += 1
                    kinds[kind][verdict] += 1
                    if verdict != "different":
                        wrong.append(f"{home.name}: {kind}, {label}, moves {share:.2g} of the range: {verdict}\n{text}")
    for key, count in sorted(tally.items()):
        print("{:14} {:22} {:14} {}".format(*key, count))
    for kind, counts in kinds.items():
        print(f"{kind:40} " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    print("\n".join(wrong))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
