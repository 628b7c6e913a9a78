"""Writes random graphs of float operators, with what onnxruntime computes for them in Float32, all its optimisations on.

    evaluator_bounds.py FOLDER [--count 300] [--seed 20]

makes FOLDER/<case>/{model.onnx, input_<i>.pb, output_<i>.pb} and FOLDER/cases.txt. The evaluator's bounds must hold every
number of them (EvaluatorBoundTests). A graph that onnxruntime does not run is drawn anew.
"""

import argparse
import pathlib
import random

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

onnxruntime.set_default_logger_severity(4)
OPSET = 20


class Graph:
    """A chain of operators over values [B, C, L], as it is drawn."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.nodes, self.constants = [], []
        self.shape = [self.draw.randint(1, 3), 2 * self.draw.randint(2, 4), self.draw.randint(4, 9)]
        self.inputs = {"x": self.array(*self.shape)}
        self.value = "x"
        self.seen = [("x", tuple(self.shape))]

    def array(self, *shape, scale=1.0):
        return (scale * self.numbers.standard_normal(shape)).astype(np.float32)

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def integers(self, *values):
        return self.constant(np.array(values, np.int64))

    def node(self, op, *inputs, outputs=1, domain="", **attributes):
        names = [f"v{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def put(self, value, shape=None):
        self.value = value
        if shape is not None:
            self.shape = list(shape)
        self.seen.append((value, tuple(self.shape)))

    def step(self):
        self.draw.choice(STEPS)(self)


def unary(op, **attributes):
    return lambda g: g.put(g.node(op, g.value, **attributes))


def positive(g):
    """A value of at least some tenths."""
    return g.node("Add", g.node("Abs", g.value), g.constant(np.float32(0.3)))


def small(g):
    return g.node("Tanh", g.value)


def of_positive(op):
    return lambda g: g.put(g.node(op, positive(g)))


def of_small(op, factor=1.0):
    return lambda g: g.put(g.node(op, g.node("Mul", small(g), g.constant(np.float32(factor)))))


def power(g):
    exponent = g.draw.choice([2.0, 3.0, 0.5, -1.0, 1.7])
    base = g.value if exponent in (2.0, 3.0) and g.draw.random() < 0.5 else positive(g)
    if base == g.value:
        base = small(g)
    g.put(g.node("Pow", base, g.constant(np.float32(exponent))))


def binary(g):
    op = g.draw.choice(["Add", "Sub", "Mul", "Max", "Min", "Div"])
    others = [name for name, shape in g.seen if list(shape) == g.shape]
    if g.draw.random() < 0.5:
        other = g.draw.choice(others)
    else:
        other = g.constant(g.array(*g.draw.choice([(), (g.shape[2],), (g.shape[1], 1), tuple(g.shape)])))
    if op == "Div":
        other = g.node("Add", g.node("Mul", other, other), g.constant(np.float32(0.5)))
    g.put(g.node(op, g.value, other))


def choose(g):
    condition = g.node(g.draw.choice(["Greater", "Less", "GreaterOrEqual"]), g.value, g.constant(np.float32(0.1)))
    g.put(g.node("Where", condition, g.value, g.node("Mul", g.value, g.constant(np.float32(0.3)))))


def matmul(g):
    width = g.draw.randint(3, 40)
    scale = 1 / np.sqrt(g.shape[2])
    product = g.node("MatMul", g.value, g.constant(g.array(g.shape[2], width, scale=scale)))
    if g.draw.random() < 0.7:
        product = g.node("Add", product, g.constant(g.array(width)))
    g.put(product, g.shape[:2] + [width])


def gemm(g):
    rows, width = g.shape[0] * g.shape[1], g.draw.randint(3, 12)
    flat = g.node("Reshape", g.value, g.integers(rows, g.shape[2]))
    weight = g.constant(g.array(width, g.shape[2], scale=1 / np.sqrt(g.shape[2])))
    product = g.node("Gemm", flat, weight, g.constant(g.array(width)), transB=1, alpha=0.7, beta=1.3)
    g.put(g.node("Reshape", product, g.integers(*g.shape[:2], width)), g.shape[:2] + [width])


def einsum(g):
    equation = g.draw.choice(["bcl,bkl->bck", "bcl,ckl->bkl", "bcl,cl->bcl"])
    (_, C, L), k = g.shape, g.draw.randint(2, 6)
    if equation.startswith("bcl,bkl"):
        g.put(g.node("Einsum", g.value, g.value, equation=equation), [g.shape[0], C, C])
    elif equation.startswith("bcl,ckl"):
        k += k % 2
        g.put(g.node("Einsum", g.value, g.constant(g.array(C, k, L, scale=0.4)), equation=equation), [g.shape[0], k, L])
    else:
        g.put(g.node("Einsum", g.value, g.constant(g.array(C, L)), equation=equation))


def convolution(g):
    (B, C, L), maps = g.shape, 2 * g.draw.randint(1, 4)
    groups, k = g.draw.choice([1, 2]), g.draw.choice([1, 3])
    weight = g.constant(g.array(maps, C // groups, k, scale=1 / np.sqrt(C * k)))
    g.put(g.node("Conv", g.value, weight, g.constant(g.array(maps)), group=groups, pads=[k // 2, k // 2]), [B, maps, L])


def transposed(g):
    (B, C, L), maps, stride = g.shape, 2 * g.draw.randint(1, 3), g.draw.choice([1, 2])
    weight = g.constant(g.array(C, maps, 3, scale=1 / np.sqrt(C)))
    g.put(g.node("ConvTranspose", g.value, weight, g.constant(g.array(maps)), strides=[stride]), [B, maps, stride * (L - 1) + 3])


def convolution_batch(g):
    convolution(g)
    batch_normalization(g)


def batch_normalization(g):
    C = g.shape[1]
    parameters = [g.array(C), g.array(C), g.array(C), np.abs(g.array(C)) + np.float32(0.2)]
    g.put(g.node("BatchNormalization", g.value, *map(g.constant, parameters), epsilon=1e-3))


def layer_normalization(g):
    L = g.shape[2]
    # Numbers that vary: a lane of equal ones has no deviation but the rounding's.
    varied = g.node("Add", g.value, g.constant(g.array(L)))
    g.put(g.node("LayerNormalization", varied, g.constant(g.array(L)), g.constant(g.array(L)), epsilon=1e-5))


def written_normalization(g):
    """A layer normalisation as exporters of old opsets write it."""
    varied = g.node("Add", g.value, g.constant(g.array(g.shape[2])))
    centred = g.node("Sub", varied, g.node("ReduceMean", varied, g.integers(-1)))
    square = g.node("ReduceMean", g.node("Pow", centred, g.constant(np.float32(2))), g.integers(-1))
    root = g.node("Sqrt", g.node("Add", square, g.constant(np.float32(1e-5))))
    g.put(g.node("Div", centred, root))


def channel_normalization(g):
    C = g.shape[1]
    varied = g.node("Add", g.value, g.constant(g.array(*g.shape)))
    g.put(g.node("InstanceNormalization", varied, g.constant(g.array(C)), g.constant(g.array(C)), epsilon=1e-4))


def other_normalization(g):
    varied = g.node("Add", g.value, g.constant(g.array(*g.shape)))
    if g.draw.random() < 0.5:
        g.put(g.node("LpNormalization", varied, axis=g.draw.choice([1, 2]), p=g.draw.choice([1, 2])))
    else:
        g.put(g.node("LRN", varied, size=3, alpha=0.3, beta=0.75, bias=1.0))


def softmax(g):
    g.put(g.node(g.draw.choice(["Softmax", "LogSoftmax"]), g.value, axis=g.draw.choice([1, 2])))


def attention(g):
    """softmax(x · xᵀ / √L) · x"""
    turned = g.node("Transpose", g.value, perm=[0, 2, 1])
    scores = g.node("Div", g.node("MatMul", g.value, turned), g.constant(np.float32(np.sqrt(g.shape[2]))))
    g.put(g.node("MatMul", g.node("Softmax", scores, axis=-1), g.value))


def reduce(g):
    op = g.draw.choice(["ReduceMean", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMin", "ReduceLogSumExp", "ReduceSumSquare"])
    reduced = g.node(op, g.value, g.integers(g.draw.choice([1, 2])), keepdims=1)
    g.put(g.node("Sub", g.value, reduced))


def pool(g):
    op = g.draw.choice(["MaxPool", "AveragePool", "LpPool"])
    g.put(g.node(op, g.value, kernel_shape=[3], pads=[1, 1], strides=[1]))


def resize(g):
    mode = g.draw.choice(["linear", "cubic"])
    length = g.draw.randint(2, 17)
    image = g.node("Unsqueeze", g.value, g.integers(2))
    sizes = g.integers(g.shape[0], g.shape[1], 1, length)
    place = g.draw.choice(["half_pixel", "align_corners", "asymmetric"])
    resized = g.node("Resize", image, "", "", sizes, mode=mode, coordinate_transformation_mode=place)
    g.put(g.node("Squeeze", resized, g.integers(2)), g.shape[:2] + [length])


def sample(g):
    image = g.node("Unsqueeze", g.value, g.integers(2))
    grid = g.constant(np.clip(g.array(g.shape[0], 1, g.shape[2], 2, scale=0.6), -1, 1))
    sampled = g.node("GridSample", image, grid, mode="linear", align_corners=g.draw.choice([0, 1]))
    g.put(g.node("Squeeze", sampled, g.integers(2)))


def cumulative(g):
    g.put(g.node("CumSum", g.value, g.integers(g.draw.choice([1, 2]))))


def largest(g):
    k = g.draw.randint(2, g.shape[2])
    values, _ = g.node("TopK", g.value, g.integers(k), outputs=2, axis=2)
    g.put(values, g.shape[:2] + [k])


def transform(g):
    signal = g.node("Unsqueeze", g.value, g.integers(3))
    spectrum = g.node("DFT", signal, "", g.integers(2), onesided=1)
    L = g.shape[2] // 2 + 1
    g.put(g.node("Reshape", spectrum, g.integers(*g.shape[:2], 2 * L)), g.shape[:2] + [2 * L])


def recurrent(g):
    op = g.draw.choice(["LSTM", "GRU", "RNN"])
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    (B, C, L), H = g.shape, g.draw.randint(3, 10)
    time_first = g.node("Transpose", g.value, perm=[2, 0, 1])
    scale = 1 / np.sqrt(H)
    inputs = [g.constant(g.array(1, gates * H, width, scale=scale)) for width in (C, H)]
    extra = {"linear_before_reset": g.draw.choice([0, 1])} if op == "GRU" else {}
    outputs = g.node(op, time_first, *inputs, g.constant(g.array(1, 2 * gates * H, scale=0.3)), outputs=2, hidden_size=H, **extra)
    steps = g.node("Squeeze", outputs[0], g.integers(1))
    if H % 2:
        steps = g.node("Pad", steps, g.integers(0, 0, 0, 0, 0, 1))
    g.put(g.node("Transpose", steps, perm=[1, 2, 0]), [B, H + H % 2, L])


def pad(g):
    mode = g.draw.choice(["constant", "reflect", "edge"])
    g.put(g.node("Pad", g.value, g.integers(0, 0, 1, 0, 0, 2), mode=mode), g.shape[:2] + [g.shape[2] + 3])


def turn(g):
    if g.shape[2] % 2 == 0:
        g.put(g.node("Transpose", g.value, perm=[0, 2, 1]), [g.shape[0], g.shape[2], g.shape[1]])


def join(g):
    name, shape = g.draw.choice(g.seen)
    if shape[:2] == tuple(g.shape[:2]) and shape[2] + g.shape[2] < 60:
        g.put(g.node("Concat", g.value, name, axis=2), g.shape[:2] + [g.shape[2] + shape[2]])


STEPS = [
    *[unary(op) for op in ["Relu", "Sigmoid", "Tanh", "Erf", "Softplus", "Softsign", "Elu", "Selu", "Celu", "LeakyRelu", "HardSigmoid"]],
    *[unary(op) for op in ["HardSwish", "Mish", "Neg", "Abs", "Gelu", "Atan", "Sin", "Cos", "Asinh", "ThresholdedRelu"]],
    unary("Gelu", approximate="tanh"), of_positive("Log"), of_positive("Sqrt"), of_positive("Reciprocal"), of_small("Exp", 4.0),
    of_small("Sinh", 2.0), of_small("Cosh", 2.0), of_small("Tan"), of_small("Asin", 0.9), of_small("Atanh", 0.9), power,
    binary, binary, binary, choose, matmul, matmul, gemm, einsum, convolution, convolution, convolution_batch, transposed, batch_normalization,
    layer_normalization, layer_normalization, written_normalization, channel_normalization, other_normalization, softmax, softmax, attention,
    reduce, reduce, pool, resize, resize, sample, cumulative, largest, transform, recurrent, recurrent, pad, turn, join,
]


def made(seed):
    """A graph with inputs and onnxruntime's outputs."""
    g = Graph(seed)
    for _ in range(g.draw.randint(2, 9)):
        g.step()
    if not g.nodes:
        unary("Tanh")(g)
    kept = {g.value: g.shape}
    name, shape = g.draw.choice(g.seen[1:])
    kept.setdefault(name, list(shape))
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in kept.items()]
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape) for name, array in g.inputs.items()]
    graph = helper.make_graph(g.nodes, "random", given, infos, g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return model, g.inputs, dict(zip(kept, session.run(None, g.inputs)))


def write(folder, model, inputs, outputs):
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    for kind, pairs in (("input", inputs), ("output", outputs)):
        for position, (key, array) in enumerate(pairs.items()):
            (folder / f"{kind}_{position}.pb").write_bytes(numpy_helper.from_array(array, key).SerializeToString())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=20)
    arguments = parser.parse_args()
    names, refused, seed = [], [], 1_000_000 * arguments.seed
    while len(names) < arguments.count:
        seed += 1
        try:
            model, inputs, outputs = made(seed)
        except Exception as error:  # onnxruntime has no class of its own for what it refuses
            refused.append(f"{seed}: {' '.join(str(error).split())}")
            continue
        name = f"random_{seed}"
        write(arguments.folder / name, model, inputs, outputs)
        names.append(name)
    (arguments.folder / "cases.txt").write_text("".join(f"{name}\n" for name in names))
    (arguments.folder / "refused.txt").write_text("".join(f"{line}\n" for line in refused))


if __name__ == "__main__":
    main()
