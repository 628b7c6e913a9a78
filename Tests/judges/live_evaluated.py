"""Files that can be evaluated and not imported: judged by the evaluator's own bounds and noise.

Each graph below has something that the canonical model does not. Of each:

- against itself, and against what onnxruntime's optimiser writes of it, `verify` says identical or equal;
- onnxruntime's recorded outputs are equal, by `verify --expected` and by `check`;
- every planted mistake (a weight, an epsilon, gates, a mode) is different, as a file and as a recording;
- what onnxruntime recorded of random graphs (evaluator_bounds.py, with a Sinh beside so that none is imported) is never
  different, and inconclusive of one in fifty at most; all that moves an output by a thousandth of its range is not equal.

    .peers/bin/python Tests/judges/live_evaluated.py [--seeds 5] [--random 100] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import collections
import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import evaluator_bounds
from evaluated import Nodes, run, session


def products(n):
    """Products of two values in an Einsum, which are normalised and summed."""
    scores = n.node("Softmax", n.node("Einsum", "x", "x", equation="bcl,bdl->bcd"), axis=-1)
    mixed = n.node("Einsum", scores, "x", equation="bcd,bdl->bcl")
    normal = n.node("LayerNormalization", mixed, n.weight(n.array(9)), n.weight(n.array(9)), epsilon=1e-3)
    return n.model(n.node("MatMul", normal, n.weight(n.array(9, 5))))


def decoder(n):
    """Transposed convolutions between batch normalisations, and an image that is resized."""
    y = n.node("ConvTranspose", "x", n.weight(n.array(6, 4, 3, scale=0.3)), n.weight(n.array(4)), strides=[2])
    statistics = [n.array(4), n.array(4), n.array(4), np.abs(n.array(4)) + np.float32(0.1)]
    y = n.node("Relu", n.node("BatchNormalization", y, *map(n.weight, statistics), epsilon=1e-2))
    y = n.node("Unsqueeze", y, n.integers(2))
    y = n.node("Resize", y, "", "", n.integers(2, 4, 1, 27), mode="linear", coordinate_transformation_mode="half_pixel")
    y = n.node("Conv", n.node("Squeeze", y, n.integers(2)), n.weight(n.array(3, 4, 3, scale=0.3)))
    return n.model(n.node("Tanh", y))


def largest(n):
    """The largest of a projection's numbers, and where they are."""
    y = n.node("MatMul", "x", n.weight(n.array(9, 20, scale=0.4)))
    values, places = n.node("TopK", y, n.integers(5), outputs=2, axis=-1)
    summed = n.node("CumSum", values, n.integers(2))
    return n.model(n.node("Sigmoid", summed), places)


def loop(n):
    """A cell of one's own in a Loop, as scripted cells and tf2onnx leave it, with a condition on what it computes."""
    W, R, b = n.weight(n.array(6, 4, scale=0.5)), n.weight(n.array(4, 4, scale=0.5)), n.weight(n.array(4))
    steps = n.node("Transpose", "x", perm=[2, 0, 1])
    make, info = helper.make_node, helper.make_tensor_value_info
    body = [
        make("Gather", [steps, "i"], ["xt"], axis=0),
        make("MatMul", ["xt", W], ["a"]), make("MatMul", ["h", R], ["r"]),
        make("Sum", ["a", "r", b], ["pre"]), make("Tanh", ["pre"], ["next"]), make("Erf", ["pre"], ["gate"]),
        make("Mul", ["next", "gate"], ["next_h"]),
        make("ReduceL2", ["next_h"], ["size"], keepdims=0), make("Less", ["size", "limit"], ["goes_on"]),
        make("Identity", ["next_h"], ["y"]),
    ]
    n.weights["limit"] = np.float32(1000)
    inputs = [info("i", TensorProto.INT64, []), info("cond", TensorProto.BOOL, []), info("h", TensorProto.FLOAT, [2, 4])]
    outputs = [info("goes_on", TensorProto.BOOL, []), info("next_h", TensorProto.FLOAT, [2, 4]), info("y", TensorProto.FLOAT, [2, 4])]
    graph = helper.make_graph(body, "body", inputs, outputs)
    n.weights["true"] = np.array(True)
    last, ys = n.node("Loop", n.weight(np.array(9, np.int64)), "true", n.weight(np.zeros((2, 4), np.float32)), outputs=2, body=graph)
    return n.model(last, ys)


def recurrent(n):
    """An LSTM behind an attention that the canonical model has no place for."""
    scores = n.node("Softmax", n.node("MatMul", n.node("Transpose", "x", perm=[0, 2, 1]), "x"), axis=-1)
    mixed = n.node("MatMul", "x", scores)
    steps = n.node("Transpose", mixed, perm=[2, 0, 1])
    H = 8
    W, R, B = n.array(1, 4 * H, 6, scale=0.4), n.array(1, 4 * H, H, scale=0.4), n.array(1, 8 * H, scale=0.3)
    y = n.node("LSTM", steps, n.weight(W), n.weight(R), n.weight(B), outputs=2, hidden_size=H)[0]
    return n.model(n.node("ReduceLogSumExp", y, axes=[3]))


def sampled(n):
    """An image read at places that are computed."""
    image = n.node("Unsqueeze", "x", n.integers(2))
    grid = n.weight(np.clip(n.array(2, 1, 7, 2, scale=0.6), -1, 1))
    y = n.node("Squeeze", n.node("GridSample", image, grid, mode="bilinear", align_corners=1), n.integers(2))
    return n.model(n.node("InstanceNormalization", y, n.weight(n.array(6)), n.weight(n.array(6)), epsilon=1e-3))


NETWORKS = [products, decoder, largest, loop, recurrent, sampled]


def mistakes(model, seed, moves):
    """Copies with one mistake each, which moves an output."""
    numbers = np.random.default_rng(seed)

    def changed(name, change):
        for _ in range(20):
            copy = onnx.ModelProto()
            copy.CopyFrom(model)
            if change(copy) is False:
                return None
            if moves(copy):
                return (name, copy)
        return None

    def initializer(copy, want):
        fitting = [t for t in copy.graph.initializer if t.data_type == TensorProto.FLOAT and want(t)]
        return fitting[0] if fitting else None

    def weight(copy):
        tensor = initializer(copy, lambda t: len(t.dims) >= 2 and np.any(numpy_helper.to_array(t)))
        array = numpy_helper.to_array(tensor).copy()
        place = tuple(int(numbers.integers(size)) for size in array.shape)
        array[place] += np.float32(0.05)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))

    def epsilon(copy):
        found = [a for node in copy.graph.node for a in node.attribute if a.name == "epsilon"]
        if not found:
            return False
        found[0].f = 1e-5

    def gates(copy):
        nodes = [node for node in copy.graph.node if node.op_type == "LSTM"]
        if not nodes:
            return False
        for name in nodes[0].input[1:4]:
            tensor = initializer(copy, lambda t: t.name == name)
            array = numpy_helper.to_array(tensor).copy()
            blocks = np.split(array, array.shape[1] // 8, axis=1)
            blocks[0], blocks[1] = blocks[1], blocks[0]
            tensor.CopyFrom(numpy_helper.from_array(np.concatenate(blocks, axis=1), name))

    def mode(copy):
        found = [a for node in copy.graph.node for a in node.attribute if a.name in ("coordinate_transformation_mode", "align_corners")]
        if not found:
            return False
        if found[0].name == "align_corners":
            found[0].i = 0
        else:
            found[0].s = b"align_corners"

    def bias(copy):
        tensor = initializer(copy, lambda t: len(t.dims) == 1 and t.dims[0] in (3, 4, 5, 9))
        if tensor is None:
            return False
        tensor.CopyFrom(numpy_helper.from_array(np.zeros(tensor.dims, np.float32), tensor.name))

    made = [changed("weight", weight), changed("epsilon", epsilon), changed("gates", gates), changed("mode", mode), changed("bias", bias)]
    return [found for found in made if found]


def random_graph(seed):
    """One of evaluator_bounds.py, its inputs and outputs."""
    model, inputs, outputs = evaluator_bounds.made(seed)
    model.graph.node.append(helper.make_node("Sinh", ["x"], ["beside"]))
    model.graph.output.append(helper.make_tensor_value_info("beside", TensorProto.FLOAT, inputs["x"].shape))
    return model, inputs, [*outputs, "beside"]


def judge_random(count, folder, levels):
    """Counts verdicts on right recordings and on ones that are off in one number by 10⁻³ of the output's range."""
    verdicts, seed, wrong = collections.Counter(), 77_000_000, []
    while sum(n for (what, _), n in verdicts.items() if what == "random, right") < count:
        seed += 1
        try:
            model, inputs, outputs = random_graph(seed)
            recorded = session(model, levels.ORT_ENABLE_ALL).run(outputs, inputs)
        except Exception:  # onnxruntime has no class of its own for what it refuses
            continue
        home = folder / f"random_{seed}"
        home.mkdir(parents=True, exist_ok=True)
        onnx.save(model, home / "model.onnx")
        np.savez(home / "inputs.npz", **inputs)
        arrays = dict(zip(outputs, recorded))
        np.savez(home / "right.npz", **arrays)
        found = np.random.default_rng(seed)
        name = next(iter(arrays))
        scale = np.max(np.abs(arrays[name]))
        arrays[name] = arrays[name].copy()
        arrays[name].flat[found.integers(arrays[name].size)] += np.float32(1e-3 * max(scale, 1e-3))
        np.savez(home / "off.npz", **arrays)
        for what in ("right", "off"):
            verdict, text = run("verify", home / "model.onnx", "--input", home / "inputs.npz", "--expected", home / f"{what}.npz", "--runtime", "onnxruntime")
            verdicts[f"random, {what}", verdict] += 1
            if verdict == ("different" if what == "right" else "equal") or verdict.startswith("exit"):
                wrong.append(f"random_{seed}, {what}: {verdict}\n{text}")
    if verdicts["random, right", "inconclusive"] > count / 50:
        wrong.append(f"{verdicts['random, right', 'inconclusive']} of {count} right recordings are inconclusive")
    return verdicts, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--random", type=int, default=20)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="evaluated-"))
    folder.mkdir(parents=True, exist_ok=True)
    levels = onnxruntime.GraphOptimizationLevel
    tally, wrong = collections.Counter(), []

    def expect(what, name, wanted, arguments):
        verdict, text = run(*arguments)
        tally[what, verdict] += 1
        if verdict != wanted:
            wrong.append(f"{name}: {what} is {verdict}, not {wanted}\n{text}\n{' '.join(map(str, arguments))}")

    fixtures = []
    for build in NETWORKS:
        for seed in range(arguments.seeds):
            network = Nodes(seed, (2, 6, 9))
            model = build(network)
            name = f"{build.__name__}_{seed}"
            home = folder / name
            home.mkdir(parents=True, exist_ok=True)
            onnx.save(model, home / "model.onnx")
            onnx.save(model, home / "copy.onnx")
            np.savez(home / "inputs.npz", x=network.x)
            outputs = [output.name for output in model.graph.output]

            def record(model, to, level=levels.ORT_ENABLE_ALL):
                np.savez(to, **dict(zip(outputs, session(model, level).run(outputs, {"x": network.x}))))

            record(model, home / "expected.npz")
            session(model, levels.ORT_ENABLE_EXTENDED, home / "optimised.onnx")
            inputs = ["--input", home / "inputs.npz"]
            # What is imported by now is judged by its model all the same.
            if run("convert", home / "model.onnx", home / "model.rnnw", "--force")[0] == "equal":
                print(f"{name} is imported")
            expect("its copy", name, "equal", ["verify", home / "model.onnx", home / "copy.onnx", *inputs])
            expect("its optimised form", name, "equal", ["verify", home / "model.onnx", home / "optimised.onnx", *inputs])
            expect("onnxruntime's outputs", name, "equal", ["verify", home / "model.onnx", "--expected", home / "expected.npz", *inputs])
            fixtures.append(
                {"name": name, "models": [f"{name}/model.onnx"], "inputs": [f"{name}/inputs.npz"], "expected": [f"{name}/expected.npz"]}
            )

            def moves(other):
                """By more than a thousandth of a per cent of what there is."""
                before, after = (session(m, levels.ORT_DISABLE_ALL).run(outputs, {"x": network.x}) for m in (model, other))
                return any(np.max(np.abs(a - b)) > 1e-5 * np.max(np.abs(a)) for a, b in zip(before, after) if a.dtype == np.float32)

            for kind, other in mistakes(model, seed, moves):
                onnx.save(other, home / f"{kind}.onnx")
                record(other, home / f"{kind}.npz")
                expect(f"mistake, file: {kind}", name, "different", ["verify", home / "model.onnx", home / f"{kind}.onnx", *inputs])
                expect(f"mistake, recorded: {kind}", name, "different", ["verify", home / "model.onnx", "--expected", home / f"{kind}.npz", *inputs])
    if fixtures:
        (folder / "rnnconv.json").write_text(json.dumps({"rnnconv_check": 1, "fixtures": fixtures}))
        expect("check", "all fixtures", "equal", ["check", folder])
    verdicts, more = judge_random(arguments.random, folder, levels)
    tally.update(verdicts)
    wrong += more
    for (what, verdict), count in sorted(tally.items()):
        print(f"{what:28} {verdict:14} {count}")
    for line in wrong:
        print(line)
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
