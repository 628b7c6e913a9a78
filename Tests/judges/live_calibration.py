"""Hold random models' outputs, by onnxruntime and by PyTorch in float32, against rnnconv's derived bounds.

A correct runtime outside the bound would be a false alarm; there must be none. Also reported: how many times the
observed deviation the bound is. docs/error-bounds.md records a run of full size:

    python Tests/judges/live_calibration.py --count 5000
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

BINARY = os.environ.get("RNNCONV_BINARY", ".build-tests/release/rnnconv")
# ONNX gate blocks in PyTorch's order: W[iofc] -> i, f, g, o; W[zrh] -> r, z, n.
TORCH_ORDER = {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2]}
GAINS = [0.1, 0.5, 1.0, 2.0, 4.0, 8.0]


@dataclass(frozen=True)
class Case:
    index: int
    cell: str
    direction: str
    layers: int
    reset_after: bool
    gain: float
    time: int
    batch: int
    inputs: int
    hidden: int

    @property
    def directions(self) -> int:
        return 2 if self.direction == "bidirectional" else 1

    @property
    def torch_has_it(self) -> bool:
        return self.direction != "reverse" and (self.cell != "GRU" or self.reset_after)


def case(index: int, seed: int) -> tuple[Case, np.random.Generator]:
    rng = np.random.default_rng([seed, index])
    return Case(
        index, cell=str(rng.choice(["RNN", "LSTM", "GRU"])),
        direction=str(rng.choice(["forward", "reverse", "bidirectional"])), layers=int(rng.integers(1, 4)),
        reset_after=bool(rng.integers(0, 2)), gain=GAINS[index % len(GAINS)],
        time=int(np.exp(rng.uniform(0, np.log(1000)))) if index % 50 else 1000, batch=int(rng.integers(1, 4)),
        inputs=int(rng.integers(1, 9)), hidden=int(rng.integers(1, 17))), rng


def weights(case: Case, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """W [D, G·H, I], R [D, G·H, H], B [D, 2·G·H] of each layer, in ONNX's order."""
    result, features = [], case.inputs
    rows = len(TORCH_ORDER[case.cell]) * case.hidden
    for _ in range(case.layers):
        scale = case.gain / np.sqrt(case.hidden)
        shapes = [(case.directions, rows, features), (case.directions, rows, case.hidden), (case.directions, 2 * rows)]
        result.append(tuple(rng.uniform(-scale, scale, shape).astype(np.float32) for shape in shapes))
        features = case.directions * case.hidden
    return result


def onnx_model(case: Case, layers: list) -> onnx.ModelProto:
    nodes, initializers, value = [], [], "x"
    for k, tensors in enumerate(layers):
        names = [f"{role}{k}" for role in "WRB"]
        initializers += [numpy_helper.from_array(t, name) for t, name in zip(tensors, names)]
        options = {"linear_before_reset": int(case.reset_after)} if case.cell == "GRU" else {}
        nodes.append(helper.make_node(
            case.cell, [value, *names], [f"Y{k}"], hidden_size=case.hidden, direction=case.direction, **options))
        nodes.append(helper.make_node("Transpose", [f"Y{k}"], [f"t{k}"], perm=[0, 2, 1, 3]))
        value = "y" if k == len(layers) - 1 else f"v{k}"
        nodes.append(helper.make_node("Reshape", [f"t{k}", "shape"], [value]))
    initializers.append(numpy_helper.from_array(np.array([0, 0, -1], np.int64), "shape"))
    graph = helper.make_graph(
        nodes, "calibration",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["time", "batch", case.inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["time", "batch", case.directions * case.hidden])],
        initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def torch_output(case: Case, layers: list, x: np.ndarray) -> np.ndarray:
    module = getattr(torch.nn, case.cell)(
        case.inputs, case.hidden, case.layers, bidirectional=case.directions == 2)

    def ordered(tensor: np.ndarray) -> torch.Tensor:
        blocks = tensor.reshape(-1, case.hidden, *tensor.shape[1:])
        return torch.from_numpy(np.concatenate([blocks[k] for k in TORCH_ORDER[case.cell]]).copy())

    state = {}
    for k, (w, r, b) in enumerate(layers):
        for d in range(case.directions):
            suffix = f"l{k}" + ("_reverse" if d else "")
            half = b.shape[1] // 2
            state |= {f"weight_ih_{suffix}": ordered(w[d]), f"weight_hh_{suffix}": ordered(r[d]),
                      f"bias_ih_{suffix}": ordered(b[d, :half]), f"bias_hh_{suffix}": ordered(b[d, half:])}
    module.load_state_dict(state)
    with torch.no_grad():
        return module(torch.from_numpy(x))[0].numpy()


def judge(index: int, seed: int) -> list[dict]:
    torch.set_num_threads(1)
    one, rng = case(index, seed)
    layers = weights(one, rng)
    x = rng.uniform(-1, 1, (one.time, one.batch, one.inputs)).astype(np.float32)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = onnx_model(one, layers)
        onnx.save(model, folder / "m.onnx")
        np.save(folder / "x.npy", x)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        outputs = {"onnxruntime": session.run(["y"], {"x": x})[0]}
        if one.torch_has_it:
            outputs["pytorch"] = torch_output(one, layers, x)
        for runtime, y in outputs.items():
            np.save(folder / "y.npy", y)
            run = subprocess.run(
                [BINARY, "verify", folder / "m.onnx", "--input", folder / "x.npy", "--expected", folder / "y.npy",
                 "--runtime", runtime, "--json"], capture_output=True, text=True)
            if not run.stdout:
                raise RuntimeError(f"model {index}: {run.stderr}")
            report = json.loads(run.stdout)
            output = report["outputs"][0]
            rows.append({"index": index, "runtime": runtime, "gain": one.gain, "time": one.time, "cell": one.cell,
                         "verdict": report["verdict"], "tightness": float(output["tightness"]),
                         "stochastic": output["stochastic"], "outsideEnvelope": output["outsideEnvelope"],
                         "undecided": output["undecided"], "elements": output["elements"]})
    return rows


def table(rows: list[dict]) -> str:
    lines = ["| runtime | gain | models | equal by the bound | by the envelope, in part | inconclusive | different "
             "| bound ÷ deviation, median |", "|---|---|---|---|---|---|---|---|"]
    for runtime in ["onnxruntime", "pytorch"]:
        for gain in GAINS:
            some = [row for row in rows if (row["runtime"], row["gain"]) == (runtime, gain)]
            if not some:
                continue
            verdicts = collections.Counter(row["verdict"] for row in some)
            good = [row for row in some if row["verdict"] in ("equal", "identical")]
            partly = sum(row["stochastic"] > 0 for row in good)
            ratios = [1 / row["tightness"] for row in good if row["tightness"] > 0 and not row["stochastic"]]
            ratio = f"{np.median(ratios):.3g}" if ratios else "–"
            lines.append(f"| {runtime} | {gain}/√H | {len(some)} | {len(good) - partly} | {partly} "
                         f"| {verdicts['inconclusive']} | {verdicts['different']} | {ratio} |")
    return "\n".join(lines)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--count", type=int, default=90)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--workers", type=int, default=os.cpu_count())
    arguments.add_argument("--json", type=Path, help="write every row here")
    options = arguments.parse_args()
    with ProcessPoolExecutor(options.workers) as pool:
        groups = pool.map(judge, range(options.count), [options.seed] * options.count, chunksize=8)
        rows = [row for group in groups for row in group]
    if options.json:
        options.json.write_text(json.dumps(rows))
    print(table(rows))
    outside = sum(row["outsideEnvelope"] for row in rows if row["outsideEnvelope"] == row["undecided"])
    judged = sum(row["elements"] for row in rows)
    print(f"{judged} elements judged; {outside} within the bound but outside an envelope that nothing else exceeded")
    alarms = [row for row in rows if row["verdict"] == "different"]
    for row in alarms:
        print(f"false alarm: {row}", file=sys.stderr)
    decided = sum(row["verdict"] in ("equal", "identical") for row in rows)
    if decided < len(rows) / 2:
        print("error: most comparisons are inconclusive", file=sys.stderr)
    return 1 if alarms or decided < len(rows) / 2 else 0


if __name__ == "__main__":
    sys.exit(main())
