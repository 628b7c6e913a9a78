"""The peer's side of `rnnconv-bench check`: the fixtures of a runtime's CI, and the same check in Python.

generate FOLDER COUNT   ONNX models, inputs, and the outputs that onnxruntime gives
run FOLDER              opens each model in onnxruntime, runs it, and compares with numpy's allclose
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def generate(folder, count):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(1)

    def model(cell, layers, directions, inputs, size):
        nodes, weights, features = [], [], inputs
        merged = numpy_helper.from_array(np.array([0, 0, directions * size], np.int64), "merged")
        for layer in range(layers):
            rows, scale = GATES[cell] * size, size**-0.5
            shapes = {"W": (rows, features), "R": (rows, size), "B": (2 * rows,)}
            weights += [
                numpy_helper.from_array(
                    random.uniform(-scale, scale, (directions, *shape)).astype(np.float32), f"{name}{layer}"
                )
                for name, shape in shapes.items()
            ]
            attributes = {"linear_before_reset": 1} if cell == "GRU" else {}
            nodes += [
                helper.make_node(
                    cell,
                    [f"X{layer}", f"W{layer}", f"R{layer}", f"B{layer}"],
                    [f"Y{layer}"],
                    hidden_size=size,
                    direction="bidirectional" if directions == 2 else "forward",
                    **attributes,
                ),
                # [T, directions, B, H] to what the next layer reads: [T, B, directions × H]
                helper.make_node("Transpose", [f"Y{layer}"], [f"Z{layer}"], perm=[0, 2, 1, 3]),
                helper.make_node("Reshape", [f"Z{layer}", "merged"], [f"X{layer + 1}"]),
            ]
            features = directions * size
        float_value = helper.make_tensor_value_info
        graph = helper.make_graph(
            nodes,
            "fixture",
            [float_value("X0", TensorProto.FLOAT, ["T", "B", inputs])],
            [float_value(f"X{layers}", TensorProto.FLOAT, ["T", "B", features])],
            [*weights, merged],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)

    for index in range(count):
        cell = list(GATES)[index % 3]
        layers, directions = 1 + index // 3 % 2, 1 + index // 6 % 2
        inputs, size, steps, batch = (int(random.integers(low, high + 1)) for low, high in ((4, 32), (16, 64), (5, 20), (1, 4)))
        path = folder / f"{cell.lower()}-{index:03}.onnx"
        onnx.save(model(cell, layers, directions, inputs, size), path)
        x = random.standard_normal((steps, batch, inputs), dtype=np.float32)
        np.savez(path.with_suffix(".inputs.npz"), X0=x)
        np.savez(path.with_suffix(".outputs.npz"), **{f"X{layers}": session(path).run(None, {"X0": x})[0]})


def check(folder):
    for path in sorted(folder.glob("*.onnx")):
        expected = np.load(path.with_suffix(".outputs.npz"))
        names = list(expected)
        outputs = session(path).run(names, dict(np.load(path.with_suffix(".inputs.npz"))))
        for name, output in zip(names, outputs):
            if not np.allclose(output, expected[name], rtol=1e-5, atol=1e-6):
                sys.exit(f"{path}: output '{name}' differs")


task, folder = sys.argv[1], Path(sys.argv[2])
if task == "generate":
    generate(folder, int(sys.argv[3]))
else:
    check(folder)
