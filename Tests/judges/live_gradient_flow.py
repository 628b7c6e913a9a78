"""Hold rnnconv's Jacobians, their norms and the gates against PyTorch's autograd in float64.

Every model is random: cell, direction, activations with alpha and beta, clip, peepholes, coupled gates, both reset forms,
initial states, lengths. Where torch.nn has the cell, its own module is differentiated (and where its
gates are so saturated that 1 − tanh² has lost its digits, held to what it has left); else the operator specification's
equations, written here in torch. What the numbers are: docs/gradient-flow.md.

    python Tests/judges/live_gradient_flow.py --count 400
    python Tests/judges/live_gradient_flow.py --record Tests/ForwardTests/Recorded/flow.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

BINARY = os.environ.get("RNNCONV_BINARY", ".build-tests/release/rnnconv")
TOLERANCE = 1e-10
GATES = {"RNN": "h", "LSTM": "fiog", "GRU": "rzn", "minGRU": "zn"}  # rnnconv's canonical order
ONNX_ORDER = {"RNN": "h", "LSTM": "iofg", "GRU": "zrn"}
TORCH_ORDER = {"RNN": "h", "LSTM": "ifgo", "GRU": "rzn"}


def sigmoid(x: torch.Tensor) -> torch.Tensor:
    """Its derivative keeps its digits where σ saturates; that of torch.sigmoid, σ(1 − σ), does not."""
    e = torch.exp(-x.abs())
    return torch.where(x.abs() < 1, torch.sigmoid(x), torch.where(x >= 0, 1 / (1 + e), e / (1 + e)))


def tanh(x: torch.Tensor) -> torch.Tensor:
    e = torch.exp(-2 * x.abs())
    return torch.where(x.abs() < 1, torch.tanh(x), torch.sign(x) * (1 - e) / (1 + e))


# name in rnnconv, name in ONNX, alpha, beta (exact in float32), function
ACTIVATIONS = {
    "identity": ("", None, None, lambda x: x),
    "tanh": ("Tanh", None, None, tanh),
    "sigmoid": ("Sigmoid", None, None, sigmoid),
    "relu": ("Relu", None, None, torch.relu),
    "affine": ("Affine", 0.75, 0.125, lambda x: 0.75 * x + 0.125),
    "leakyRelu": ("LeakyRelu", 0.125, None, lambda x: torch.nn.functional.leaky_relu(x, 0.125)),
    "thresholdedRelu": ("ThresholdedRelu", 0.25, None, lambda x: torch.where(x > 0.25, x, 0.0)),
    "scaledTanh": ("ScaledTanh", 1.5, 0.75, lambda x: 1.5 * tanh(0.75 * x)),
    "hardSigmoid": ("HardSigmoid", 0.25, 0.5, lambda x: torch.clamp(0.25 * x + 0.5, 0, 1)),
    "elu": ("Elu", 0.75, None, lambda x: torch.nn.functional.elu(x, 0.75)),
    "softsign": ("Softsign", None, None, torch.nn.functional.softsign),
    "softplus": ("Softplus", None, None, lambda x: torch.nn.functional.softplus(x, threshold=100)),
}


@dataclass
class Case:
    cell: str
    inputs: int = 3
    hidden: int = 4
    time: int = 6
    batch: int = 1
    row: int = 0
    direction: str = "forward"
    reset_after: bool = False
    peepholes: bool = False
    coupled: bool = False
    projection: int = 0
    clip: float | None = None
    activations: tuple[str, ...] = ()
    states: bool = False
    length: int | None = None
    gain: float = 1.0
    weights: list[dict[str, torch.Tensor]] = field(default_factory=list)

    def __post_init__(self):
        defaults = {"RNN": ("tanh",), "LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh"),
                    "minGRU": ("sigmoid", "identity")}
        self.activations = self.activations or defaults[self.cell]

    @property
    def torch_has_it(self) -> bool:
        plain = {"RNN": [("tanh",), ("relu",)], "LSTM": [("sigmoid", "tanh", "tanh")], "GRU": [("sigmoid", "tanh")], "minGRU": []}
        return (self.activations in plain[self.cell] and self.clip is None and not self.peepholes
                and not self.coupled and (self.cell != "GRU" or self.reset_after))

    @property
    def outputs(self) -> int:
        return self.projection or self.hidden

    def randomise(self, rng: np.random.Generator) -> "Case":
        def uniform(*shape):
            scale = self.gain / np.sqrt(self.hidden)
            return torch.tensor(rng.uniform(-scale, scale, shape))
        rows = len(GATES[self.cell]) * self.hidden
        for _ in range(2 if self.direction == "bidirectional" else 1):
            one = {"W": uniform(rows, self.inputs), "R": uniform(rows, self.outputs), "Wb": uniform(rows), "Rb": uniform(rows)}
            if self.cell == "minGRU":
                del one["R"], one["Rb"]
            if self.peepholes:
                one["P"] = uniform(3 * self.hidden)
            if self.projection:
                one["projection"] = uniform(self.projection, self.hidden)
            self.weights.append(one)
        return self


def reordered(case: Case, tensor: torch.Tensor, order: str) -> torch.Tensor:
    blocks = dict(zip(GATES[case.cell], tensor.chunk(len(GATES[case.cell])), strict=True))
    return torch.cat([blocks[gate] for gate in order])


def module_step(case: Case, w: dict[str, torch.Tensor]):
    """One step of torch's own module: (x, state) to the next state and nothing about gates."""
    options = {"nonlinearity": case.activations[0]} if case.cell == "RNN" else {}
    if case.projection:
        options["proj_size"] = case.projection
    module = getattr(torch.nn, case.cell)(case.inputs, case.hidden, dtype=torch.float64, **options)
    order = TORCH_ORDER[case.cell]
    with torch.no_grad():
        for name, key in (("weight_ih_l0", "W"), ("weight_hh_l0", "R"), ("bias_ih_l0", "Wb"), ("bias_hh_l0", "Rb")):
            getattr(module, name).copy_(reordered(case, w[key], order))
        if case.projection:
            module.weight_hr_l0.copy_(w["projection"])

    def step(x, state):
        h = state[:case.outputs].reshape(1, 1, -1)
        carried = (h, state[case.outputs:].reshape(1, 1, -1)) if case.cell == "LSTM" else h
        _, last = module(x.reshape(1, 1, -1), carried)
        return torch.cat([s.reshape(-1) for s in last]) if case.cell == "LSTM" else last.reshape(-1)
    return step


def equations(case: Case, w: dict[str, torch.Tensor]):
    """One step by the specification's equations: (x, state) to the next state and the gates' values."""
    acts = [ACTIVATIONS[name][3] for name in case.activations]

    def clipped(a):
        return a if case.clip is None else torch.clamp(a, -case.clip, case.clip)

    def step(x, state):
        h = state[:case.outputs]
        wx = dict(zip(GATES[case.cell], (w["W"] @ x + w["Wb"]).chunk(len(GATES[case.cell])), strict=True))
        if case.cell == "minGRU":
            z, n = acts[0](clipped(wx["z"])), acts[1](clipped(wx["n"]))
            return (1 - z) * h + z * n, {"z": z}
        R = dict(zip(GATES[case.cell], w["R"].chunk(len(GATES[case.cell])), strict=True))
        Rb = dict(zip(GATES[case.cell], w["Rb"].chunk(len(GATES[case.cell])), strict=True))
        a = {gate: wx[gate] + R[gate] @ h + Rb[gate] for gate in wx}
        if case.cell == "RNN":
            return acts[0](clipped(a["h"])), {}
        if case.cell == "GRU":
            r, z = acts[0](clipped(a["r"])), acts[0](clipped(a["z"]))
            inner = r * (R["n"] @ h + Rb["n"]) if case.reset_after else R["n"] @ (r * h) + Rb["n"]
            n = acts[1](clipped(wx["n"] + inner))
            return (1 - z) * n + z * h, {"r": r, "z": z}
        c = state[case.outputs:]
        pf, pi, po = w["P"].chunk(3) if case.peepholes else (0.0, 0.0, 0.0)
        i = acts[0](clipped(a["i"] + pi * c))
        f = 1 - i if case.coupled else acts[0](clipped(a["f"] + pf * c))
        c = f * c + i * acts[1](clipped(a["g"]))
        o = acts[0](clipped(a["o"] + po * c))
        y = o * acts[2](clipped(c))
        return torch.cat([w["projection"] @ y if case.projection else y, c]), {"f": f, "i": i, "o": o}
    return step


@dataclass
class Truth:
    jacobians: torch.Tensor
    state: list[float]
    hidden: list[float]
    cell: list[float]
    gates: dict[str, float]


def truth(case: Case, d: int, x: torch.Tensor, state: torch.Tensor) -> Truth:
    """x `[T, I]` of one row, cut to its length; the state that direction d begins with."""
    w = case.weights[d]
    by_equations = equations(case, w)
    module = module_step(case, w) if case.torch_has_it else None
    backwards = case.direction == "reverse" or d == 1
    jacobians, gates = [], []
    for t in reversed(range(len(x))) if backwards else range(len(x)):
        jacobian = torch.autograd.functional.jacobian(lambda s: by_equations(x[t], s)[0], state)
        following, values = by_equations(x[t], state)
        if module:
            assert torch.allclose(following, module(x[t], state), rtol=1e-12, atol=1e-13)
            theirs = torch.autograd.functional.jacobian(lambda s: module(x[t], s), state)
            apart = (theirs - jacobian).abs().max()
            assert apart <= 1e-14 * (1 + case.gain**2), f"the equations are not torch's: {apart}"
            if apart <= 1e-12 * jacobian.abs().max():
                jacobian = theirs
        jacobians.append(jacobian)
        gates.append(values)
        state = following.detach()
    product = torch.eye(len(state), dtype=torch.float64)
    lists = {"state": [1.0], "hidden": [1.0], "cell": [1.0] if case.cell == "LSTM" else []}
    o = case.outputs
    for jacobian in reversed(jacobians):
        product = product @ jacobian
        lists["state"].append(torch.linalg.matrix_norm(product, 2).item())
        lists["hidden"].append(torch.linalg.matrix_norm(product[:o, :o], 2).item())
        if case.cell == "LSTM":
            lists["cell"].append(torch.linalg.matrix_norm(product[o:, o:], 2).item())
    means = {gate: torch.stack([g[gate] for g in gates]).mean().item() for gate in gates[0]}
    return Truth(torch.stack(jacobians), **lists, gates=means)


def onnx_model(case: Case) -> onnx.ModelProto:
    """One float64 operator; inputs x, lengths, h0, c0 as there are some."""
    order = ONNX_ORDER[case.cell]
    D = len(case.weights)

    def stacked(make):
        return np.stack([make(w).numpy() for w in case.weights])
    tensors = {
        "W": stacked(lambda w: reordered(case, w["W"], order)),
        "R": stacked(lambda w: reordered(case, w["R"], order)),
        "B": stacked(lambda w: torch.cat([reordered(case, w["Wb"], order), reordered(case, w["Rb"], order)])),
    }
    if case.peepholes:
        tensors["P"] = stacked(lambda w: torch.cat([w["P"].chunk(3)[k] for k in (1, 2, 0)]))  # i, o, f
    double = TensorProto.DOUBLE
    values = [helper.make_tensor_value_info("x", double, ["T", "B", case.inputs])]
    operands = ["x", "W", "R", "B", "", "", "", "P" if case.peepholes else ""]
    if case.length is not None:
        operands[4] = "lengths"
        values.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, ["B"]))
    if case.states:
        operands[5] = "h0"
        values.append(helper.make_tensor_value_info("h0", double, [D, "B", case.hidden]))
        if case.cell == "LSTM":
            operands[6] = "c0"
            values.append(helper.make_tensor_value_info("c0", double, [D, "B", case.hidden]))
    while operands[-1] == "":
        operands.pop()
    used = [ACTIVATIONS[name] for name in case.activations] * D
    attributes = {
        "hidden_size": case.hidden, "direction": case.direction, "activations": [a[0] for a in used],
        "activation_alpha": [a[1] for a in used if a[1] is not None],
        "activation_beta": [a[2] for a in used if a[2] is not None]}
    attributes = {key: value for key, value in attributes.items() if value != []}
    if case.clip is not None:
        attributes["clip"] = case.clip
    if case.coupled:
        attributes["input_forget"] = 1
    if case.reset_after:
        attributes["linear_before_reset"] = 1
    node = helper.make_node(case.cell, operands, ["y"], name="layer", **attributes)
    graph = helper.make_graph(
        [node], "flow", values, [helper.make_tensor_value_info("y", double, ["T", D, "B", case.hidden])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=7)


def random_case(index: int, seed: int) -> tuple[Case, np.random.Generator]:
    rng = np.random.default_rng([seed, index])
    cell = str(rng.choice(list(ONNX_ORDER)))  # those that the format has an operator for
    gates = ["sigmoid", "hardSigmoid"]
    case = Case(
        cell, inputs=int(rng.integers(1, 5)), hidden=int(rng.integers(1, 9)), time=int(rng.integers(3, 20)),
        batch=int(rng.integers(1, 4)), direction=str(rng.choice(["forward", "reverse", "bidirectional"])),
        reset_after=cell == "GRU" and bool(rng.integers(2)), peepholes=cell == "LSTM" and bool(rng.integers(2)),
        coupled=cell == "LSTM" and bool(rng.integers(3) == 0), states=bool(rng.integers(2)),
        clip=None if rng.integers(2) else 0.5, gain=float(rng.choice([0.5, 1.0, 2.0, 4.0])))
    if rng.integers(2):
        count = len(case.activations)
        names = [str(rng.choice(gates))] if count > 1 else []
        case.activations = tuple(names + [str(rng.choice([name for name in ACTIVATIONS if name != "identity"])) for _ in range(count - len(names))])
    case.row = int(rng.integers(case.batch))
    if rng.integers(2):
        case.length = int(rng.integers(1, case.time + 1))
    return case.randomise(rng), rng


def close(found: float, expected: float) -> bool:
    """Of a norm given by its logarithm."""
    return 10**found == expected if expected == 0 else abs(10**found / expected - 1) <= TOLERANCE


def judge(case: Case, rng: np.random.Generator, folder: Path) -> list[str]:
    D = len(case.weights)
    arrays = {"x": rng.normal(size=(case.time, case.batch, case.inputs))}
    lengths = np.full(case.batch, case.time, np.int32)
    if case.length is not None:
        lengths[case.row] = case.length
        arrays["lengths"] = lengths
    for name in ["h0", "c0"][: (2 if case.cell == "LSTM" else 1) if case.states else 0]:
        arrays[name] = rng.normal(size=(D, case.batch, case.hidden)) * 0.5
    onnx.save(onnx_model(case), str(folder / "model.onnx"))
    np.savez(folder / "inputs.npz", **arrays)
    answer = json.loads(subprocess.run(
        [BINARY, "gradient-flow", str(folder / "model.onnx"), "--input", str(folder / "inputs.npz"), "--row", str(case.row),
         "--json", "--jacobians", str(folder / "jacobians.npz")], check=True, capture_output=True, text=True).stdout)
    written = np.load(folder / "jacobians.npz")
    problems = []
    for d, flow in enumerate(answer["models"][0]["flows"]):
        state = [torch.tensor(arrays[name][d, case.row]) if name in arrays else torch.zeros(case.hidden, dtype=torch.float64)
                 for name in ["h0", "c0"][: 2 if case.cell == "LSTM" else 1]]
        expected = truth(case, d, torch.tensor(arrays["x"][: lengths[case.row], case.row]), torch.cat(state))
        found = written[f"{flow['layer']}.{flow['direction']}"]
        for t, (ours, theirs) in enumerate(zip(found, expected.jacobians.numpy(), strict=True)):
            scale = np.abs(theirs).max()
            if not np.abs(ours - theirs).max() <= TOLERANCE * scale:
                problems.append(f"step {t}: Jacobians {np.abs(ours - theirs).max() / scale:.3g} apart")
        for kind in ("state", "hidden", "cell"):
            logs = [float(value) for value in flow["log10Norms"][kind]]
            for distance, (ours, theirs) in enumerate(zip(logs, getattr(expected, kind), strict=True)):
                if not close(ours, theirs):
                    problems.append(f"{kind} norm at distance {distance}: 10^{ours} against {theirs}")
        for gate in flow["gates"]:
            if not abs(gate["mean"] - expected.gates[gate["gate"]]) <= 1e-12:
                problems.append(f"gate {gate['gate']}: {gate['mean']} against {expected.gates[gate['gate']]}")
        for radius in flow["spectralRadii"]:
            block = dict(zip(GATES[case.cell], case.weights[d]["R"].chunk(len(GATES[case.cell])), strict=True))[radius["gate"]]
            value = torch.linalg.eigvals(block).abs().max().item()
            if not abs(radius["radius"] / value - 1) <= 0.03:
                problems.append(f"spectral radius of {radius['gate']}: {radius['radius']} against {value}")
    if len(answer["models"][0]["flows"]) != D:
        problems.append("not every direction is there")
    return problems


def record(path: Path) -> None:
    """The fixture of Tests/ForwardTests: every cell and option once, small, in rnnconv's gate order."""
    cases = [
        Case("RNN"), Case("RNN", activations=("relu",), states=True), Case("RNN", clip=0.5), Case("RNN", direction="reverse"),
        *(Case("RNN", activations=(name,)) for name in ACTIVATIONS if name not in ("tanh", "relu", "identity")),
        Case("LSTM", states=True), Case("LSTM", projection=2, states=True), Case("LSTM", direction="bidirectional"),
        Case("LSTM", peepholes=True, states=True), Case("LSTM", coupled=True, peepholes=True, states=True),
        Case("LSTM", clip=0.25, peepholes=True, states=True), Case("LSTM", activations=("hardSigmoid", "scaledTanh", "softsign")),
        Case("LSTM", projection=2, peepholes=True, coupled=True, clip=0.5),
        Case("GRU", reset_after=True, states=True), Case("GRU", states=True), Case("GRU", direction="bidirectional"),
        Case("GRU", reset_after=True, clip=0.25, activations=("hardSigmoid", "elu")),
        Case("GRU", clip=0.25, activations=("sigmoid", "leakyRelu"), states=True),
        Case("minGRU", states=True), Case("minGRU", direction="bidirectional", states=True),
        Case("minGRU", clip=0.25, activations=("hardSigmoid", "softsign"), states=True),
    ]
    rng = np.random.default_rng(20261125)
    entries = []
    for case in cases:
        case.inputs, case.hidden, case.time, case.gain = 2, 3, 3, 2.0
        case.randomise(rng)
        x = torch.tensor(rng.normal(size=(case.time, case.inputs)))
        size = case.outputs + (case.hidden if case.cell == "LSTM" else 0)
        states = [torch.tensor(rng.normal(size=size) * 0.5 * case.states) for _ in case.weights]
        results = [truth(case, d, x, state) for d, state in enumerate(states)]
        entries.append({
            "cell": case.cell, "inputs": case.inputs, "hidden": case.hidden, "direction": case.direction,
            "resetAfter": case.reset_after, "coupled": case.coupled, "clip": case.clip, "projection": case.projection,
            "source": "torch.nn" if case.torch_has_it else "the equations in torch",
            "activations": [{"kind": name, "alpha": ACTIVATIONS[name][1] or 0, "beta": ACTIVATIONS[name][2] or 0}
                            for name in case.activations],
            "x": x.flatten().tolist(), "states": [state.tolist() for state in states],
            "weights": [{key: value.flatten().tolist() for key, value in w.items()} for w in case.weights],
            "jacobians": [result.jacobians.flatten().tolist() for result in results],
            "norms": [{"state": r.state, "hidden": r.hidden, "cell": r.cell} for r in results],
            "gates": [result.gates for result in results],
        })
    path.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n")
    print(f"{len(entries)} cases in {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.record:
        record(arguments.record)
        return
    problems, theirs = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for index in range(arguments.count):
            case, rng = random_case(index, arguments.seed)
            theirs += case.torch_has_it
            problems += [f"model {index} ({case.cell}, {case.direction}, {case.activations}): {problem}"
                         for problem in judge(case, rng, Path(folder))]
    if problems:
        raise SystemExit("\n".join(problems[:40]) + f"\n{len(problems)} problems")
    print(f"{arguments.count} random models ({theirs} of them torch.nn's own): Jacobians and norms equal to {TOLERANCE:g}")


if __name__ == "__main__":
    main()
