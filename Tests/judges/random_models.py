"""Random recurrent models of any size: as ONNX, and computed in float64 by numpy, all rows of a step at once.

`recurrence.py` is the specification, row by row; this computes the same for models of realistic size (its agreement is
checked by `python Tests/judges/random_models.py`). Gates are in ONNX's order: i, o, f, c; z, r, h.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
# ONNX gate blocks in PyTorch's order: W[iofc] -> i, f, g, o; W[zrh] -> r, z, n.
TORCH_ORDER = {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2]}
# ... and in Keras's: i, f, c, o; z, r, h.
KERAS_ORDER = {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [0, 1, 2]}


@dataclass(frozen=True)
class Shape:
    """What a model is, without its weights."""

    cell: str
    direction: str
    layers: int
    inputs: int
    hidden: int
    reset_after: bool = True
    output: str = "steps"  # "steps": every step; "last": Y at the last step; "final": the last layer's Y_h
    head: int = 0  # features of a linear layer at the end; 0: none
    states: bool = False  # initial states are inputs
    lengths: bool = False  # the rows' lengths are an input

    @property
    def directions(self) -> int:
        return 2 if self.direction == "bidirectional" else 1

    @property
    def gates(self) -> int:
        return GATES[self.cell]

    @property
    def features(self) -> int:
        return self.head or self.directions * self.hidden

    def layer_inputs(self, layer: int) -> int:
        return self.directions * self.hidden if layer else self.inputs

    def parameters(self) -> int:
        return sum(self.directions * self.gates * self.hidden * (self.layer_inputs(k) + self.hidden + 2)
                   for k in range(self.layers)) + self.head * self.directions * self.hidden


@dataclass
class Layer:
    """w [D, G·H, I], r [D, G·H, H], b [D, 2·G·H], and where its states and lengths come from."""

    w: np.ndarray
    r: np.ndarray
    b: np.ndarray
    h_from: str | None = "h0"
    c_from: str | None = "c0"
    uses_lengths: bool = True

    def copy(self) -> Layer:
        return replace(self, w=self.w.copy(), r=self.r.copy(), b=self.b.copy())


@dataclass
class RecurrentModel:
    shape: Shape
    layers: list[Layer]
    head: tuple[np.ndarray, np.ndarray] | None = None  # [F, O], [O]
    doc: dict = field(default_factory=dict)

    def copy(self) -> RecurrentModel:
        return RecurrentModel(self.shape, [layer.copy() for layer in self.layers], self.head, dict(self.doc))


def uniform_model(shape: Shape, rng: np.random.Generator, gain: float = 1.0) -> RecurrentModel:
    """As PyTorch initialises, uniform in ± gain ÷ √H."""
    scale = gain / np.sqrt(shape.hidden)
    rows = shape.gates * shape.hidden

    def draw(*size: int) -> np.ndarray:
        return rng.uniform(-scale, scale, (shape.directions, *size)).astype(np.float32)

    layers = [Layer(draw(rows, shape.layer_inputs(k)), draw(rows, shape.hidden), draw(2 * rows))
              for k in range(shape.layers)]
    return RecurrentModel(shape, layers, random_head(shape, rng))


def random_head(shape: Shape, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    if not shape.head:
        return None
    width = shape.directions * shape.hidden
    scale = 1 / np.sqrt(width)
    return (rng.uniform(-scale, scale, (width, shape.head)).astype(np.float32),
            rng.uniform(-scale, scale, shape.head).astype(np.float32))


def random_inputs(shape: Shape, time: int, batch: int, rng: np.random.Generator, normal: bool = False,
                  ) -> dict[str, np.ndarray]:
    size = (time, batch, shape.inputs)
    x = rng.normal(size=size) if normal else rng.uniform(-1, 1, size)
    inputs = {"x": x.astype(np.float32)}
    if shape.states:
        size = (shape.layers * shape.directions, batch, shape.hidden)
        for name in ("h0", "c0")[:2 if shape.cell == "LSTM" else 1]:
            inputs[name] = rng.uniform(-0.9, 0.9, size).astype(np.float32)
    if shape.lengths:
        lengths = rng.integers(1, time + 1, batch)
        lengths[rng.integers(0, batch)] = time
        inputs["lengths"] = lengths.astype(np.int32)
    return inputs


# ---- as ONNX ----


def onnx_model(model: RecurrentModel) -> onnx.ModelProto:
    shape, nodes, constants = model.shape, [], {}
    value = "x"
    for k, layer in enumerate(model.layers):
        for role in "wrb":
            constants[f"{role.upper()}{k}"] = getattr(layer, role)
        names = [value, f"W{k}", f"R{k}", f"B{k}", "lengths" if shape.lengths and layer.uses_lengths else ""]
        for role, source in (("h", layer.h_from), ("c", layer.c_from)):
            if not shape.states or role == "c" and shape.cell != "LSTM":
                continue
            if source:
                rows = np.array([k, k + 1]) * shape.directions
                constants |= {f"from{k}": rows[:1], f"to{k}": rows[1:], "axis": np.zeros(1, np.int64)}
                nodes.append(helper.make_node("Slice", [source, f"from{k}", f"to{k}", "axis"], [f"{role}_start{k}"]))
            names.append(f"{role}_start{k}" if source else "")
        while not names[-1]:
            names.pop()
        options = {"linear_before_reset": int(shape.reset_after)} if shape.cell == "GRU" else {}
        last = k == len(model.layers) - 1
        final = last and shape.output == "final"
        nodes.append(helper.make_node(shape.cell, names, ["", f"Yh{k}"] if final else [f"Y{k}"],
                                      hidden_size=shape.hidden, direction=shape.direction, **options))
        if final:  # [D, B, H] -> [B, D·H]
            constants["flat"] = np.array([0, -1], np.int64)
            nodes.append(helper.make_node("Transpose", [f"Yh{k}"], [f"t{k}"], perm=[1, 0, 2]))
            nodes.append(helper.make_node("Reshape", [f"t{k}", "flat"], [f"v{k}"]))
        else:  # [T, D, B, H] -> [T, B, D·H]
            constants["merge"] = np.array([0, 0, -1], np.int64)
            nodes.append(helper.make_node("Transpose", [f"Y{k}"], [f"t{k}"], perm=[0, 2, 1, 3]))
            nodes.append(helper.make_node("Reshape", [f"t{k}", "merge"], [f"v{k}"]))
        value = f"v{k}"
    if shape.output == "last":
        constants["end"] = np.array(-1, np.int64)
        nodes.append(helper.make_node("Gather", [value, "end"], ["picked"], axis=0))
        value = "picked"
    if model.head:
        constants |= {"headW": model.head[0], "headB": model.head[1]}
        nodes.append(helper.make_node("MatMul", [value, "headW"], ["product"]))
        nodes.append(helper.make_node("Add", ["product", "headB"], ["sum"]))
        value = "sum"
    # The graph's output is named y, whatever made it.
    nodes[-1].output[0] = "y"
    frames = ["time", "batch"] if shape.output == "steps" else ["batch"]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["time", "batch", shape.inputs])]
    for name in ("h0", "c0")[:(2 if shape.cell == "LSTM" else 1) if shape.states else 0]:
        size = [shape.layers * shape.directions, "batch", shape.hidden]
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, size))
    if shape.lengths:
        inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, ["batch"]))
    graph = helper.make_graph(
        nodes, "random", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, [*frames, shape.features])],
        [numpy_helper.from_array(np.asarray(array, order="C"), name) for name, array in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


# ---- in float64 ----


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def exact(model: RecurrentModel, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """The model's output y in float64, from its float32 weights and inputs."""
    shape = model.shape
    value = inputs["x"].astype(np.float64)
    final = None
    for k, layer in enumerate(model.layers):
        lengths = inputs["lengths"] if shape.lengths and layer.uses_lengths else None
        outputs, finals = [], []
        for d in range(shape.directions):
            row = k * shape.directions + d
            h, c = (inputs[source][row].astype(np.float64) if shape.states and source and source in inputs else None
                    for source in (layer.h_from, layer.c_from))
            backwards = shape.direction == "reverse" or d == 1
            y, last = one_direction(shape, layer, d, value, lengths, h, c, backwards)
            outputs.append(y)
            finals.append(last)
        value, final = np.concatenate(outputs, axis=2), np.concatenate(finals, axis=1)
    value = {"steps": value, "last": value[-1], "final": final}[shape.output]
    return value if model.head is None else value @ model.head[0].astype(np.float64) + model.head[1]


def one_direction(shape: Shape, layer: Layer, d: int, x: np.ndarray, lengths: np.ndarray | None, h: np.ndarray | None,
                  c: np.ndarray | None, backwards: bool) -> tuple[np.ndarray, np.ndarray]:
    """Y [T, B, H] and Y_h [B, H]; frames beyond a row's length are zero, and its state stays."""
    time, batch, _ = x.shape
    size = shape.hidden
    r = np.ascontiguousarray(layer.r[d].T, dtype=np.float64)
    own, recurrent = np.split(layer.b[d].astype(np.float64), 2)
    before = x.reshape(time * batch, -1) @ layer.w[d].T.astype(np.float64) + own
    before = before.reshape(time, batch, -1)
    h = np.zeros((batch, size)) if h is None else h
    c = np.zeros((batch, size)) if c is None else c
    y = np.zeros((time, batch, size))
    for t in reversed(range(time)) if backwards else range(time):
        if shape.cell == "RNN":
            new = np.tanh(before[t] + h @ r + recurrent)
        elif shape.cell == "LSTM":
            sums = before[t] + h @ r + recurrent
            gates = sigmoid(sums[:, :3 * size])
            i, o, f = gates[:, :size], gates[:, size:2 * size], gates[:, 2 * size:]
            cell = f * c + i * np.tanh(sums[:, 3 * size:])
            new = o * np.tanh(cell)
        elif shape.reset_after:
            rh = h @ r + recurrent
            gates = sigmoid(before[t][:, :2 * size] + rh[:, :2 * size])
            z, reset = gates[:, :size], gates[:, size:]
            new = (1 - z) * np.tanh(before[t][:, 2 * size:] + reset * rh[:, 2 * size:]) + z * h
        else:
            gates = sigmoid(before[t][:, :2 * size] + h @ r[:, :2 * size] + recurrent[:2 * size])
            z, reset = gates[:, :size], gates[:, size:]
            inner = (reset * h) @ r[:, 2 * size:] + recurrent[2 * size:]
            new = (1 - z) * np.tanh(before[t][:, 2 * size:] + inner) + z * h
        if lengths is None:
            h, y[t] = new, new
            c = cell if shape.cell == "LSTM" else c
        else:
            live = (t < lengths)[:, None]
            h, y[t] = np.where(live, new, h), np.where(live, new, 0)
            c = np.where(live, cell, c) if shape.cell == "LSTM" else c
    return y, h


# ---- how far two outputs lie apart ----


def spread(y: np.ndarray) -> float:
    """The range of an output over everything."""
    return float(y.max() - y.min())


def feature_spread(y: np.ndarray) -> np.ndarray:
    """The range of each feature over time and batch; that of the whole where a feature has one value only."""
    rows = y.reshape(-1, y.shape[-1])
    spreads = rows.max(axis=0) - rows.min(axis=0)
    return np.where(spreads > 0, spreads, spread(y) or 1.0)


def check() -> None:
    """Against the specification, row by row."""
    import recurrence

    for index in range(300):
        rng = np.random.default_rng(index)
        shape = Shape(str(rng.choice(["RNN", "LSTM", "GRU"])), str(rng.choice(["forward", "reverse", "bidirectional"])),
                      1, int(rng.integers(1, 6)), int(rng.integers(1, 6)), bool(rng.integers(0, 2)),
                      states=bool(rng.integers(0, 2)), lengths=bool(rng.integers(0, 2)))
        model = uniform_model(shape, rng, gain=3)
        inputs = random_inputs(shape, int(rng.integers(1, 7)), int(rng.integers(1, 4)), rng)
        [layer] = model.layers
        want = recurrence.run(
            shape.cell, {"direction": shape.direction, "linear_before_reset": int(shape.reset_after)}, inputs["x"],
            layer.w, layer.r, layer.b, inputs.get("lengths"), inputs.get("h0"), inputs.get("c0"))
        for output in ("steps", "last", "final"):
            got = exact(RecurrentModel(replace(shape, output=output), model.layers), inputs)
            steps = want["Y"].transpose(0, 2, 1, 3).reshape(*inputs["x"].shape[:2], -1)
            expected = {"steps": steps, "last": steps[-1],
                        "final": want["Y_h"].transpose(1, 0, 2).reshape(inputs["x"].shape[1], -1)}[output]
            assert np.abs(got - expected).max() < 1e-14, (index, output, shape)
    print("300 models agree with the specification")


if __name__ == "__main__":
    check()
