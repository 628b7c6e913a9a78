"""Plant corruptions in recurrent models of realistic size, and count those that rnnconv verify lets pass.

A corruption counts where it moves the outputs by more than 1e-5 of their range, in float64. Each is judged file against
file and by the outputs that onnxruntime records of the wrong model; beside it np.allclose and Polygraphy on the same
recordings (the float64 pass of the right model, rounded once, is what they compare with: no reference is better).
Sizes are in multiples of the noise, which is how far onnxruntime's right recording lies from float64.

    .peers-large/bin/python Tests/judges/live_misses.py --count 5000 --json misses.json
    .peers-large/bin/python Tests/judges/live_misses.py --only 17 --keep look  # one model's files, to look into
"""

from __future__ import annotations

import os

# One thread a process: the processes are as many as the cores.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse
import collections
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

import random_models as models
from random_models import Layer, RecurrentModel, Shape

BINARY = os.environ.get("RNNCONV_BINARY", ".build-tests/release/rnnconv")
EACH = 5  # corruptions a model: its right pass, its files and its right recording are shared
COUNTED = 1e-5  # of the range
PARAMETERS = 1e7
BUDGET = 2e8  # parameters × steps × rows: numpy's float64 pass in a fraction of a second
BUCKETS = {"< 10": (0, 10), "10–30": (10, 30), "30–100": (30, 100), "100–1000": (100, 1000), "> 1000": (1000, np.inf)}
PASSES = ("identical", "equal", "close")


def allclose(rtol: float, atol: float) -> Callable[[np.ndarray, np.ndarray], bool]:
    return lambda got, want: bool(np.allclose(got, want, rtol=rtol, atol=atol))


def polygraphy(got: np.ndarray, want: np.ndarray) -> bool:
    """Comparator.compare_accuracy's defaults (0.53.6): an element fails that exceeds both tolerances, each 1e-5."""
    difference = np.abs(got.astype(np.float64) - want)
    return not ((difference > 1e-5) & (difference > 1e-5 * np.maximum(np.abs(want), 2.2e-16))).any()


RIVALS = {"allclose": allclose(1e-5, 1e-8), "allclose(rtol=1e-3, atol=1e-5)": allclose(1e-3, 1e-5),
          "polygraphy": polygraphy}


# ---- models ----


@dataclass(frozen=True)
class Plan:
    shape: Shape
    weights: str  # "random": as PyTorch initialises; "trained": a few dozen steps of Adam; "heavy": looks trained
    time: int
    batch: int


def plan(rng: np.random.Generator) -> Plan:
    cell = str(rng.choice(["RNN", "LSTM", "GRU"], p=[0.2, 0.45, 0.35]))
    direction = str(rng.choice(["forward", "reverse", "bidirectional"], p=[0.45, 0.15, 0.4]))
    weights = str(rng.choice(["random", "trained", "heavy"], p=[0.5, 0.2, 0.3]))
    lengths, states = bool(rng.random() < 0.2), bool(rng.random() < 0.25)
    # Y's last frame is padding where rows have lengths: such models take the final state.
    output = str(rng.choice(["steps", "final"] if lengths else ["steps", "last", "final"]))
    head = int(rng.integers(1, 9)) if rng.random() < 0.25 else 0
    layers, batch = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    hidden = int(np.exp(rng.uniform(np.log(16), np.log(513))))
    inputs = int(np.exp(rng.uniform(np.log(4), np.log(257)))) if rng.random() < 0.8 else hidden
    steps = int(np.exp(rng.uniform(np.log(2), np.log(201))))
    if weights == "trained":
        layers, hidden, inputs = min(layers, 2), int(rng.choice([16, 32, 64])), TRAINED_INPUTS
    shape = Shape(cell, direction, layers, inputs, hidden, weights == "trained" or bool(rng.integers(0, 2)), output,
                  head, states, lengths)
    while shape.parameters() > PARAMETERS and layers > 1:
        layers -= 1
        shape = Shape(cell, direction, layers, inputs, hidden, shape.reset_after, output, head, states, lengths)
    batch = max(1, min(batch, int(BUDGET / shape.parameters() / steps)))
    steps = max(2, min(steps, int(BUDGET / shape.parameters() / batch)))
    return Plan(shape, weights, steps, batch)


def heavy_model(shape: Shape, rng: np.random.Generator) -> RecurrentModel:
    """Tails as training leaves them (Student's t with 3 degrees of freedom), and a forget gate that starts open."""
    rows = shape.gates * shape.hidden

    def draw(scale: float, *size: int) -> np.ndarray:
        return (rng.standard_t(3, (shape.directions, *size)) * scale).astype(np.float32)

    layers = []
    for k in range(shape.layers):
        features = shape.layer_inputs(k)
        w = draw(0.5 / np.sqrt(features), rows, features)
        layer = Layer(w, draw(0.35 / np.sqrt(shape.hidden), rows, shape.hidden), draw(0.1, 2 * rows))
        if shape.cell == "LSTM":  # i, o, f, c
            layer.b[:, 2 * shape.hidden:3 * shape.hidden] += 1
        layers.append(layer)
    return RecurrentModel(shape, layers, models.random_head(shape, rng))


TRAINED_INPUTS = 8


@lru_cache(maxsize=None)
def trained_weights(cell: str, directions: int, layers: int, hidden: int) -> list[Layer]:
    """A few dozen steps of Adam on leaky sums and products of the inputs; once a process for each size."""
    torch.manual_seed(hidden * 100 + layers * 10 + directions)
    module = getattr(torch.nn, cell)(TRAINED_INPUTS, hidden, layers, bidirectional=directions == 2)
    readout = torch.nn.Linear(directions * hidden, 3)
    optimizer = torch.optim.Adam([*module.parameters(), *readout.parameters()], lr=0.01)
    for _ in range(60):
        x = torch.randn(20, 16, TRAINED_INPUTS)
        leaky = [torch.zeros(16)]
        for frame in x:
            leaky.append(0.8 * leaky[-1] + 0.5 * frame[:, 0])
        product, sums = x[..., 1] * x[..., 2], torch.sign(x[..., 3]).cumsum(0) / 4
        targets = torch.stack([torch.stack(leaky[1:]), product, sums], -1)
        loss = torch.nn.functional.mse_loss(readout(module(x)[0]), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    state = {name: tensor.detach().numpy() for name, tensor in module.named_parameters()}
    back = np.argsort(models.TORCH_ORDER[cell])

    def ordered(tensor: np.ndarray) -> np.ndarray:
        blocks = tensor.reshape(-1, hidden, *tensor.shape[1:])
        return np.concatenate([blocks[k] for k in back])

    def stacked(role: str, k: int) -> np.ndarray:
        return np.stack([ordered(state[f"{role}_l{k}" + ("_reverse" if d else "")]) for d in range(directions)])

    return [Layer(stacked("weight_ih", k), stacked("weight_hh", k),
                  np.concatenate([stacked("bias_ih", k), stacked("bias_hh", k)], axis=1)) for k in range(layers)]


def make(one: Plan, rng: np.random.Generator) -> RecurrentModel:
    shape = one.shape
    if one.weights == "heavy":
        return heavy_model(shape, rng)
    if one.weights == "trained":
        layers = trained_weights(shape.cell, shape.directions, shape.layers, shape.hidden)
        return RecurrentModel(shape, [layer.copy() for layer in layers], models.random_head(shape, rng))
    return models.uniform_model(shape, rng)


# ---- corruptions: each changes a copy of the right model in place; False says that it has nothing to change ----


@dataclass
class Target:
    """Where a corruption lies: in all layers or in one, in both directions or in one."""

    model: RecurrentModel
    layers: list[int]
    directions: list[int]
    rng: np.random.Generator

    @classmethod
    def of(cls, model: RecurrentModel, rng: np.random.Generator) -> Target:
        shape = model.shape
        every = list(range(shape.layers))
        layers = every if rng.random() < 0.3 else [int(rng.choice(every))]
        directions = list(range(shape.directions)) if rng.random() < 0.5 else [int(rng.integers(0, shape.directions))]
        return cls(model, layers, directions, rng)

    @property
    def scope(self) -> str:
        shape = self.model.shape
        layers = "all layers" if len(self.layers) == shape.layers else "one layer"
        return layers + (", one direction" if len(self.directions) < shape.directions else "")

    def places(self) -> list[tuple[Layer, int]]:
        return [(self.model.layers[k], d) for k in self.layers for d in self.directions]

    def one_place(self) -> tuple[Layer, int]:
        places = self.places()
        return places[int(self.rng.integers(0, len(places)))]

    def kernel(self) -> str:
        return str(self.rng.choice(["w", "r"]))

    def sign(self) -> float:
        return float(self.rng.choice([-1.0, 1.0]))

    def gate(self) -> slice:
        size = self.model.shape.hidden
        gate = int(self.rng.integers(0, self.model.shape.gates))
        return slice(gate * size, (gate + 1) * size)


def halves(layer: Layer, d: int) -> list[np.ndarray]:
    """The bias of the input side and that of the recurrent side, as views."""
    return np.split(layer.b[d], 2)


def weight_relative(t: Target, size: float) -> None:
    layer, d = t.one_place()
    kernel = getattr(layer, t.kernel())[d]
    kernel[tuple(t.rng.integers(0, kernel.shape))] *= 1 + t.sign() * size


def weight_absolute(t: Target, size: float) -> None:
    layer, d = t.one_place()
    kernel = getattr(layer, t.kernel())[d]
    kernel[tuple(t.rng.integers(0, kernel.shape))] += t.sign() * size


def row_scaled(t: Target, size: float) -> None:
    layer, d = t.one_place()
    kernel = getattr(layer, t.kernel())[d]
    kernel[t.rng.integers(0, len(kernel))] *= 1 + t.sign() * size


def gate_scaled(t: Target, size: float) -> None:
    role, rows, factor = t.kernel(), t.gate(), 1 + t.sign() * size
    for layer, d in t.places():
        getattr(layer, role)[d, rows] *= factor


def gates_exchanged(t: Target, size: float) -> bool:
    shape = t.model.shape
    if shape.gates < 2:
        return False
    first, second = t.rng.choice(shape.gates, 2, replace=False)
    only = str(t.rng.choice(["all", "w", "r", "b"], p=[0.7, 0.1, 0.1, 0.1]))
    rows = np.arange(shape.gates * shape.hidden).reshape(shape.gates, shape.hidden)
    rows[[first, second]] = rows[[second, first]]
    rows = rows.ravel()
    for layer, d in t.places():
        for role in "wr":
            if only in ("all", role):
                kernel = getattr(layer, role)
                kernel[d] = kernel[d][rows]
        if only in ("all", "b"):
            layer.b[d] = np.concatenate([half[rows] for half in halves(layer, d)])
    return True


def rows_exchanged(t: Target, size: float) -> None:
    layer, d = t.one_place()
    kernel = getattr(layer, t.kernel())[d]
    first, second = t.rng.choice(len(kernel), 2, replace=False)
    kernel[[first, second]] = kernel[[second, first]]


def kernel_transposed(t: Target, size: float) -> None:
    hidden = t.model.shape.hidden
    role = t.kernel()
    for layer, d in t.places():
        kernel = getattr(layer, role)[d]
        if kernel.shape[1] != hidden:
            kernel = layer.r[d]
        kernel[:] = kernel.reshape(-1, hidden, hidden).transpose(0, 2, 1).reshape(kernel.shape)


def kernel_scaled(t: Target, size: float) -> None:
    role, factor = t.kernel(), 1 + t.sign() * size
    for layer, d in t.places():
        getattr(layer, role)[d] *= factor


def kernel_noise(t: Target, size: float) -> None:
    role = t.kernel()
    for layer, d in t.places():
        kernel = getattr(layer, role)
        kernel[d] += (t.rng.normal(size=kernel[d].shape) * size).astype(np.float32)


def bias_shifted(t: Target, size: float) -> None:
    half, shift = int(t.rng.integers(0, 2)), np.float32(t.sign() * size)
    rows = t.gate() if t.rng.random() < 0.5 else slice(None)
    for layer, d in t.places():
        halves(layer, d)[half][rows] += shift


def bias_element(t: Target, size: float) -> None:
    layer, d = t.one_place()
    layer.b[d, t.rng.integers(0, layer.b.shape[1])] += t.sign() * size


def bias_zeroed(t: Target, size: float) -> None:
    which = str(t.rng.choice(["own", "recurrent", "both", "gate"]))
    rows = t.gate()
    for layer, d in t.places():
        own, recurrent = halves(layer, d)
        if which == "gate":
            own[rows] = 0
        if which in ("own", "both"):
            own[:] = 0
        if which in ("recurrent", "both"):
            recurrent[:] = 0


def directions_exchanged(t: Target, size: float) -> bool:
    if t.model.shape.directions < 2:
        return False
    for k in t.layers:
        layer = t.model.layers[k]
        for role in "wrb":
            setattr(layer, role, np.ascontiguousarray(getattr(layer, role)[::-1]))
    return True


def states_ignored(t: Target, size: float) -> bool:
    if not t.model.shape.states:
        return False
    which = str(t.rng.choice(["h", "c", "both"])) if t.model.shape.cell == "LSTM" else "h"
    for k in t.layers:
        if which in ("h", "both"):
            t.model.layers[k].h_from = None
        if which in ("c", "both"):
            t.model.layers[k].c_from = None
    return True


def states_exchanged(t: Target, size: float) -> bool:
    if not t.model.shape.states or t.model.shape.cell != "LSTM":
        return False
    for k in t.layers:
        t.model.layers[k].h_from, t.model.layers[k].c_from = "c0", "h0"
    return True


def lengths_ignored(t: Target, size: float) -> bool:
    if not t.model.shape.lengths:
        return False
    for k in t.layers:
        t.model.layers[k].uses_lengths = False
    return True


@dataclass(frozen=True)
class Corruption:
    name: str
    apply: Callable[[Target, float], bool | None]
    low: float = 0.0  # the magnitude is drawn over its decades; 0: there is none
    high: float = 0.0
    often: float = 1.0


CORRUPTIONS = [
    Corruption("one weight, relative", weight_relative, 1e-4, 1, 1.5),
    Corruption("one weight, absolute", weight_absolute, 1e-4, 1, 1.5),
    Corruption("one row scaled", row_scaled, 1e-4, 1),
    Corruption("one gate scaled", gate_scaled, 1e-5, 0.5),
    Corruption("two gates exchanged", gates_exchanged),
    Corruption("two rows exchanged", rows_exchanged),
    Corruption("kernel transposed", kernel_transposed),
    Corruption("kernel scaled", kernel_scaled, 1e-6, 0.1),
    Corruption("noise on a kernel", kernel_noise, 1e-6, 1e-2),
    Corruption("bias shifted", bias_shifted, 1e-5, 0.1),
    Corruption("one bias shifted", bias_element, 1e-5, 0.1, 1.5),
    Corruption("bias zeroed", bias_zeroed),
    Corruption("directions exchanged", directions_exchanged),
    Corruption("states ignored", states_ignored, often=6),
    Corruption("h and c exchanged", states_exchanged, often=6),
    Corruption("lengths ignored", lengths_ignored, often=6),
]


@dataclass(frozen=True)
class Planted:
    wrong: RecurrentModel
    kind: str
    scope: str
    magnitude: float
    movement: float  # largest, of the range of the right output over everything
    feature_movement: float  # largest, of each feature's own range


def plant(model: RecurrentModel, inputs: dict[str, np.ndarray], right: np.ndarray, key: list[int]) -> Planted | None:
    """One corruption; half of those with a magnitude are tuned to move the outputs by a little only."""
    rng = np.random.default_rng(key)
    shares = np.array([kind.often for kind in CORRUPTIONS])
    kind = CORRUPTIONS[int(rng.choice(len(CORRUPTIONS), p=shares / shares.sum()))]
    magnitude = float(np.exp(rng.uniform(np.log(kind.low), np.log(kind.high)))) if kind.high else 0.0
    aim = float(np.exp(rng.uniform(np.log(1.05 * COUNTED), np.log(1e-3)))) if kind.high and rng.random() < 0.5 else None

    def planted(magnitude: float) -> Planted | None:
        # The same generator state each time: the tuned corruption lies where the first one lay.
        target = Target.of(model.copy(), np.random.default_rng([*key, 1]))
        if kind.apply(target, magnitude) is False:
            return None
        moved = np.abs(models.exact(target.model, inputs) - right)
        return Planted(target.model, kind.name, target.scope, magnitude, float(moved.max()) / models.spread(right),
                       float((moved / models.feature_spread(right)).max()))

    first = planted(magnitude)
    if first is None or aim is None or first.movement == 0:
        return first
    return planted(float(np.clip(magnitude * aim / first.movement, kind.low, kind.high)))


# ---- judging ----


def record(model: bytes, inputs: dict[str, np.ndarray]) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(["y"], inputs)[0]


def verify(*arguments: str | Path, flags: list[str] | None, limit: float) -> tuple[str, float, str]:
    """The verdict, the seconds it took, and what rnnconv wrote where there is no verdict; not asked without flags."""
    if flags is None:
        return "not asked", 0.0, ""
    start = time.perf_counter()
    try:
        command = [BINARY, "verify", *arguments, *flags, "--threads", "1", "--json"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return "timeout", limit, f"no verdict in {limit} s"
    seconds = time.perf_counter() - start
    return (json.loads(run.stdout)["verdict"] if run.stdout else "error"), seconds, run.stderr


def judge(index: int, seed: int, wanted: int, flags: list[str] | None, limit: float, keep: Path | None) -> list[dict]:
    torch.set_num_threads(1)
    rng = np.random.default_rng([seed, index])
    one = plan(rng)
    model = make(one, rng)
    inputs = models.random_inputs(one.shape, one.time, one.batch, rng, normal=bool(rng.random() < 0.7))
    right = models.exact(model, inputs)
    if models.spread(right) == 0:
        return []  # a rectifier cut everything off: no movement is a share of nothing
    reference = right.astype(np.float32)
    shape = one.shape
    facts = {"index": index, "weights": one.weights, "time": one.time, "batch": one.batch, "cell": shape.cell,
             "direction": shape.direction, "layers": shape.layers, "hidden": shape.hidden, "inputs": shape.inputs,
             "reset_after": shape.reset_after, "output": shape.output, "head": shape.head, "states": shape.states,
             "lengths": shape.lengths, "parameters": shape.parameters()}
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = keep / f"model-{index}" if keep else Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        right_file, x_file = folder / "right.onnx", folder / "x.npz"
        proto = models.onnx_model(model)
        onnx.save(proto, right_file)
        np.savez(x_file, **inputs)

        def recorded(y: np.ndarray, y_file: Path) -> dict:
            np.savez(y_file, y=y)
            verdict, seconds, said = verify(right_file, "--input", x_file, "--expected", y_file, "--runtime",
                                            "onnxruntime", flags=flags, limit=limit)
            return {"recorded": verdict, "recorded_seconds": seconds, "said": said,
                    "rivals": {rival: close(y, reference) for rival, close in RIVALS.items()}}

        y = record(proto.SerializeToString(), inputs)
        # Never below half a rounding, or a model that onnxruntime happens to compute exactly has no scale.
        noise = max(float(np.abs(y - right).max()) / models.spread(right), 2.0 ** -25)
        rows.append({**facts, "kind": "right", "noise": noise, **recorded(y, folder / "y-right.npz")})
        for attempt in range(8 * EACH):
            if len(rows) > wanted:
                break
            planted = plant(model, inputs, right, [seed, index, attempt])
            if planted is None or not planted.movement > COUNTED:
                continue
            wrong = models.onnx_model(planted.wrong)
            wrong_file, y_file = folder / f"wrong-{attempt}.onnx", folder / f"y-{attempt}.npz"
            onnx.save(wrong, wrong_file)
            verdict, seconds, said = verify(right_file, wrong_file, flags=flags, limit=limit)
            rows.append({
                **facts, "kind": planted.kind, "scope": planted.scope, "magnitude": planted.magnitude, "noise": noise,
                "movement": planted.movement, "feature_movement": planted.feature_movement, "attempt": attempt,
                "files": verdict, "files_seconds": seconds, "files_said": said,
                **recorded(record(wrong.SerializeToString(), inputs), y_file)})
            if not keep:
                wrong_file.unlink()
    return rows


def flags_of(diagnose: bool) -> list[str]:
    """--no-diagnosis, where this rnnconv has it."""
    text = subprocess.run([BINARY, "verify", "--help"], capture_output=True, text=True, check=True).stdout
    return ["--no-diagnosis"] if not diagnose and "--no-diagnosis" in text else []


# ---- what is printed ----


def counts(rows: list[dict]) -> list[str]:
    """Cases; file against file: pass, inconclusive, different; recorded: the same; what each rival lets pass."""
    out = [str(len(rows))]
    for key in ("files", "recorded"):
        verdicts = collections.Counter(row[key] for row in rows)
        passed = sum(verdicts[verdict] for verdict in PASSES)
        other = verdicts["timeout"] + verdicts["error"]
        none = f" ({other} none)" if other else ""
        out += [str(passed), str(verdicts["inconclusive"]), str(verdicts["different"]) + none]
    return out + [str(sum(row["rivals"][rival] for row in rows)) for rival in RIVALS]


def table(title: str, groups: list[tuple[str, list[dict]]]) -> str:
    verdicts = ["equal", "inconclusive", "different"]
    columns = [title, "cases", *(f"{kind}: {verdict}" for kind in ("files", "recorded") for verdict in verdicts),
               *(f"{rival} passes" for rival in RIVALS)]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    lines += ["| " + " | ".join([name, *counts(rows)]) + " |" for name, rows in groups if rows]
    return "\n".join(lines)


def ratio(row: dict) -> float:
    return row["movement"] / row["noise"]


def between(rows: list[dict], low: float, high: float) -> list[dict]:
    return [row for row in rows if low <= ratio(row) < high]


def false_alarms(right: list[dict]) -> str:
    lines = ["| judge | right recordings | false alarms | inconclusive |", "|---|---|---|---|"]
    verdicts = collections.Counter(row["recorded"] for row in right)
    lines.append(f"| rnnconv | {len(right)} | {verdicts['different']} | {verdicts['inconclusive']} |")
    for rival in RIVALS:
        lines.append(f"| {rival} | {len(right)} | {sum(not row['rivals'][rival] for row in right)} | – |")
    return "\n".join(lines)


def seconds(rows: list[dict], key: str) -> str:
    values = np.array([row[key] for row in rows])
    return f"median {np.median(values):.3f} s, 95 % {np.quantile(values, 0.95):.3f} s, largest {values.max():.2f} s"


def failures(wrong: list[dict], right: list[dict]) -> list[str]:
    """What issue 17 does not allow."""
    out = []
    passed = [row for row in wrong if row["files"] in PASSES]
    if passed:
        out.append(f"{len(passed)} of {len(wrong)} wrong models pass file against file")
    far = [row for row in wrong if ratio(row) >= 100 and row["recorded"] in PASSES]
    if far:
        out.append(f"{len(far)} recordings of wrong models beyond 100 x the noise pass")
    middle = between(wrong, 30, 100)
    near = [row for row in middle if row["recorded"] in PASSES]
    if len(near) > len(middle) / 100:
        out.append(f"{len(near)} of {len(middle)} recordings of wrong models at 30-100 x the noise pass")
    verdicts = collections.Counter(row["recorded"] for row in right)
    if verdicts["different"]:
        out.append(f"{verdicts['different']} of {len(right)} right recordings are 'different'")
    if verdicts["inconclusive"] > len(right) / 100:
        out.append(f"{verdicts['inconclusive']} of {len(right)} right recordings are inconclusive")
    none = [row for row in wrong + right if {row["recorded"], row.get("files")} & {"error", "timeout"}]
    if none:
        said = (none[0].get("files_said", "") + none[0]["said"]).strip()
        out.append(f"{len(none)} without a verdict, such as model {none[0]['index']}: {said}")
    return out


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--count", type=int, default=200, help="corruptions that count")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--workers", type=int, default=os.cpu_count())
    arguments.add_argument("--json", type=Path, help="write every row here")
    arguments.add_argument("--diagnose", action=argparse.BooleanOptionalAction, default=False,
                           help="let rnnconv look for what is wrong, too")
    arguments.add_argument("--rivals-only", action="store_true", help="plant and record, but do not run rnnconv")
    arguments.add_argument("--timeout", type=float, default=120, help="seconds that rnnconv may take")
    arguments.add_argument("--only", type=int, action="append", help="this model alone; repeat for more")
    arguments.add_argument("--keep", type=Path, help="leave models, inputs and recordings here, a folder a model")
    options = arguments.parse_args()
    flags = None if options.rivals_only else flags_of(options.diagnose)
    rows: list[dict] = []
    started, shown = time.monotonic(), time.monotonic()
    with ProcessPoolExecutor(options.workers) as pool:
        indices = options.only or range(-(-options.count // EACH))
        wanted = [EACH if options.only else min(EACH, options.count - index * EACH) for index in indices]
        jobs = [pool.submit(judge, index, options.seed, number, flags, options.timeout, options.keep)
                for index, number in zip(indices, wanted)]
        for number, job in enumerate(jobs):
            rows += job.result()
            if time.monotonic() - shown > 30:
                shown = time.monotonic()
                print(f"{number + 1} of {len(jobs)} models, {shown - started:.0f} s", file=sys.stderr, flush=True)
    right = [row for row in rows if row["kind"] == "right"]
    wrong = [row for row in rows if row["kind"] != "right"]
    if options.json:
        options.json.write_text(json.dumps(rows))
    sizes = [(name, between(wrong, *limits)) for name, limits in BUCKETS.items()]
    print(table("movement ÷ noise", [*sizes, ("all", wrong)]))
    print()
    kinds = [(kind.name, [row for row in wrong if row["kind"] == kind.name]) for kind in CORRUPTIONS]
    print(table("corruption", kinds))
    print()
    print(false_alarms(right))
    noise = np.array([row["noise"] for row in right])
    print(f"\nnoise: median {np.median(noise):.2g} of the range, largest {noise.max():.2g}")
    print(f"file against file: {seconds(wrong, 'files_seconds')}; recorded: {seconds(rows, 'recorded_seconds')}")
    print(f"{len(wrong)} corruptions of {len(right)} models in {time.monotonic() - started:.0f} s")
    broken = failures(wrong, right)
    for line in broken:
        print(f"error: {line}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
