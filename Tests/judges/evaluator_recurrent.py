"""Cases of RNN, LSTM and GRU for evaluator_cases.py. Every gate has weights of its own, T, B, I and H all differ."""

import itertools

import numpy as np

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
DEFAULTS = {"RNN": 1, "LSTM": 3, "GRU": 2}


class Layer:
    def __init__(self, op, direction="forward", T=5, B=3, I=4, H=2, seed=0, dtype=np.float32, scale=0.9):
        self.op, self.direction, self.H = op, direction, H
        self.D = 2 if direction == "bidirectional" else 1
        rng = np.random.default_rng([seed, len(op), self.D, T, B, I, H])
        make = lambda *shape: (rng.standard_normal(shape) * scale).astype(dtype)
        gates, D = GATES[op], self.D
        self.X, self.W, self.R = make(T, B, I), make(D, gates * H, I), make(D, gates * H, H)
        self.B = make(D, 2 * gates * H)
        self.h, self.c, self.P = make(D, B, H), make(D, B, H), make(D, 3 * H)
        self.lengths = np.array([(T - 2 * b) % (T + 1) or T for b in range(B)], np.int32)

    def inputs(self, bias=True, lengths=False, states=False, peepholes=False):
        some = [self.X, self.W, self.R, self.B if bias else None, self.lengths if lengths else None]
        some += [self.h if states else None]
        if self.op == "LSTM":
            some += [self.c if states else None, self.P if peepholes else None]
        return some

    @property
    def outputs(self):
        return 3 if self.op == "LSTM" else 2


def matrix(cases):
    """Every optional input and attribute against every other, the activations by turns."""
    lists = {
        "RNN": [None, ["Relu"], ["Affine"], ["LeakyRelu"]],
        "GRU": [None, ["HardSigmoid", "ScaledTanh"], ["Sigmoid", "Softsign"]],
        "LSTM": [None, ["HardSigmoid", "Softsign", "Elu"], ["Sigmoid", "Affine", "ScaledTanh"]],
    }
    alphas = {"Affine": (0.7, 0.2), "ScaledTanh": (1.3, 0.6), "HardSigmoid": (0.3, 0.4), "LeakyRelu": (0.2,), "Elu": (0.8,)}
    for op in GATES:
        turn = itertools.cycle(lists[op])
        # onnxruntime does not clip C on its way to h: the matrix of Tests/judges/matrix.py judges an LSTM's clip.
        clips = [None] if op == "LSTM" else [None, 0.6]
        for number, (direction, bias, lengths, states, clip, flag) in enumerate(
            itertools.product(
                ["forward", "reverse", "bidirectional"], [True, False], [False, True], [False, True], clips, [0, 1]
            )
        ):
            if op == "RNN" and flag:
                continue
            layer = Layer(op, direction, seed=number)
            names = next(turn)
            attributes = {"direction": direction, "hidden_size": layer.H, "clip": clip}
            if names:
                names = names * layer.D
                attributes["activations"] = names
                attributes["activation_alpha"] = [alphas[n][0] for n in names if n in alphas] or None
                attributes["activation_beta"] = [alphas[n][1] for n in names if len(alphas.get(n, ())) > 1] or None
            if op == "GRU":
                attributes["linear_before_reset"] = flag
            if op == "LSTM":
                attributes["input_forget"] = flag
            name = f"{direction}_{'b' * bias}{'l' * lengths}{'s' * states}{'c' * bool(clip)}{flag}"
            peepholes = op == "LSTM" and number % 2 == 1
            inputs = layer.inputs(bias, lengths, states, peepholes)
            cases.node(name, op, inputs, layer.outputs, [7, 14, 22][number % 3], constants=(1, 2, 3), **attributes)


def activations(cases):
    """Each of the eleven functions in each place, with and without α and β."""
    values = {
        "Relu": [], "Tanh": [], "Sigmoid": [], "Softsign": [], "Softplus": [],
        "Affine": [0.7, 0.2], "LeakyRelu": [0.2], "ThresholdedRelu": [0.4], "ScaledTanh": [1.3, 0.6],
        "HardSigmoid": [0.3, 0.4], "Elu": [0.8],
    }
    defaults = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}
    for op in GATES:
        for place, (function, parameters) in itertools.product(range(DEFAULTS[op]), values.items()):
            for given in [True, False] if parameters and function not in ("Affine", "ScaledTanh") else [True]:
                # Small enough that onnxruntime's log(1 + eˣ) does not overflow.
                layer = Layer(op, seed=place, scale=0.4 if function == "Softplus" else 0.9)
                names = list(defaults[op])
                names[place] = function
                attributes = {"hidden_size": layer.H, "activations": names}
                if given:
                    attributes["activation_alpha"] = parameters[:1] or None
                    attributes["activation_beta"] = parameters[1:] or None
                name = f"{function}_{place}_{'given' if given else 'default'}"
                # onnxruntime takes 0 for ThresholdedRelu's α, the specification says 1.
                judged = {"activation_alpha": [1.0]} if function == "ThresholdedRelu" and not given else None
                cases.node(name, op, layer.inputs(states=True), layer.outputs, 14, judged=judged, **attributes)
    # α and β are consumed in order by those that take one, the backward direction's after the forward's.
    layer = Layer("LSTM", "bidirectional")
    cases.node(
        "consumption", "LSTM", layer.inputs(states=True), 3, 14, direction="bidirectional", hidden_size=layer.H,
        activations=["HardSigmoid", "Tanh", "Affine", "Sigmoid", "LeakyRelu", "ScaledTanh"],
        activation_alpha=[0.3, 0.9, 0.1, 1.2], activation_beta=[0.45, 0.15, 0.7],
    )
    layer = Layer("GRU", "bidirectional")
    cases.node(
        "consumption", "GRU", layer.inputs(states=True), 2, 14, direction="bidirectional", hidden_size=layer.H,
        activations=["Sigmoid", "LeakyRelu", "HardSigmoid", "Elu"],
        activation_alpha=[0.3, 0.25, 0.6], activation_beta=[0.4],
    )
    cases.node("lowercase", "GRU", Layer("GRU").inputs(), 2, 14, hidden_size=2, activations=["sigmoid", "TANH"])


def corners(cases):
    for op in GATES:
        for T, B, I, H in [(1, 1, 1, 1), (7, 1, 3, 5), (2, 4, 1, 3), (30, 2, 6, 8)]:
            for direction in ["forward", "reverse", "bidirectional"]:
                layer = Layer(op, direction, T, B, I, H, scale=0.5)
                inputs = layer.inputs(states=True, lengths=T > 1)
                cases.node(f"T{T}B{B}I{I}H{H}_{direction}", op, inputs, layer.outputs, 14, direction=direction, hidden_size=H)
        # Only some outputs.
        for keep in [[0, 1], [1, 0], [0, 1, 0], [0, 0, 1]]:
            if len(keep) <= layer.outputs:
                name = "keeps_" + "".join(map(str, keep))
                cases.node(name, op, layer.inputs(), keep, 14, direction="bidirectional", hidden_size=layer.H)
        layer = Layer(op, scale=40)
        cases.node("saturated", op, layer.inputs(states=True), layer.outputs, 14, hidden_size=layer.H)


def layout(cases):
    """onnxruntime refuses layout 1: the case is judged as its twin with layout 0, transposed."""
    from onnx import helper, numpy_helper

    import evaluator_cases

    for op, direction, lengths in itertools.product(GATES, ["forward", "reverse", "bidirectional"], [False, True]):
        layer = Layer(op, direction)
        inputs = layer.inputs(states=True, lengths=lengths)
        swap = lambda x: np.swapaxes(x, 0, 1)
        outputs = [f"y{i}" for i in range(layer.outputs)]
        names = [f"x{i}" if x is not None else "" for i, x in enumerate(inputs)]
        while not names[-1]:
            names.pop()

        def model(arrays, value):
            given = [(n, x) for n, x in zip(names, arrays) if n]
            node = helper.make_node(op, names, outputs, direction=direction, hidden_size=layer.H, layout=value)
            graph = helper.make_graph(
                [node], op, [evaluator_cases.value_info(n, x, False) for n, x in given],
                [helper.make_value_info(o, __import__("onnx").TypeProto()) for o in outputs],
            )
            return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), dict(given)

        twin = evaluator_cases.judge(*model(inputs, 0))
        expected = [np.moveaxis(twin[0], 2, 0)] + [swap(y) for y in twin[1:]]
        turned = [swap(x) if i in (0, 5, 6) and x is not None else x for i, x in enumerate(inputs)]
        written, feeds = model(turned, 1)
        cases.add(f"{op}_layout1_{direction}{'_lengths' * lengths}", written, feeds, expected)


def write(cases):
    matrix(cases)
    activations(cases)
    corners(cases)
    layout(cases)
