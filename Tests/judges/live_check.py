"""Time `rnnconv check` over 500 generated fixtures, and the same done in Python with onnxruntime, side by side.

Each fixture is an ONNX model (LSTM, GRU or RNN), its inputs, and the outputs that onnxruntime recorded. Python opens a
session for each, runs it and compares by numpy.allclose, as test suites do: once in one process, once in as many
as rnnconv has workers. rnnconv also derives a bound for every element and runs the file by two roads. Every fixture must pass,
and one that is damaged must fail, or this fails; times are judged by nobody. docs/checking.md records a run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

BINARY = os.environ.get("RNNCONV_BINARY", ".build-tests/release/rnnconv")
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def make(folder: Path, index: int) -> None:
    generator = np.random.default_rng(index)
    kind = list(GATES)[index % 3]
    inputs, hidden, steps, batch = (int(generator.integers(low, high)) for low, high in ((4, 33), (8, 65), (4, 25), (1, 5)))
    rows = GATES[kind] * hidden
    weights = {
        "W": generator.normal(0, inputs**-0.5, (1, rows, inputs)), "R": generator.normal(0, hidden**-0.5, (1, rows, hidden)),
        "B": generator.normal(0, 0.3, (1, 2 * rows)),
    }
    attributes = {"linear_before_reset": 1} if kind == "GRU" else {}
    node = helper.make_node(kind, ["x", *weights], ["y"], hidden_size=hidden, **attributes)
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "B", inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["T", 1, "B", hidden])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    x = generator.normal(0, 1, (steps, batch, inputs)).astype(np.float32)
    np.savez(folder / "inputs.npz", x=x)
    np.savez(folder / "outputs.npz", y=session(folder / "model.onnx").run(["y"], {"x": x})[0])


def passes(folder: Path) -> bool:
    """What a test suite in Python does."""
    inputs, expected = np.load(folder / "inputs.npz"), np.load(folder / "outputs.npz")
    names = list(expected)
    found = session(folder / "model.onnx").run(names, dict(inputs))
    return all(np.allclose(value, expected[name], rtol=1e-4, atol=1e-5) for name, value in zip(names, found))


def rnnconv(folder: Path, *arguments: str) -> tuple[float, dict]:
    start = time.perf_counter()
    run = subprocess.run([BINARY, "check", str(folder), "--json", *arguments], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if not run.stdout:
        raise SystemExit(f"rnnconv check: {run.returncode}\n{run.stderr}")
    return seconds, json.loads(run.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fixtures", type=int, default=500)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    arguments = parser.parse_args()
    count, problems = arguments.fixtures, []
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        folders = [root / f"f{index:03}" for index in range(count)]
        for index, folder in enumerate(folders):
            make(folder, index)
        subprocess.run([BINARY, "check", str(root), "--init"], check=True, capture_output=True)

        ours, alone, many = [], [], []
        with ProcessPoolExecutor(arguments.jobs) as pool:
            list(pool.map(passes, folders[:8]))
            for _ in range(arguments.runs):
                seconds, report = rnnconv(root, "--jobs", str(arguments.jobs))
                ours.append(seconds)
                if report["passed"] != count:
                    problems.append(f"rnnconv passes {report['passed']} of {count}")
                for times, work in ((many, lambda: pool.map(passes, folders, chunksize=8)), (alone, lambda: map(passes, folders))):
                    start = time.perf_counter()
                    if not all(work()):
                        problems.append("Python finds a difference")
                    times.append(time.perf_counter() - start)
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import numpy, onnxruntime"], check=True)
        imports = time.perf_counter() - start
        for label, times in (("rnnconv check", ours), (f"onnxruntime, {arguments.jobs} processes", many), ("onnxruntime, one process", alone)):
            best = min(times)
            print(f"{label}: {best:.3f} s for {count} fixtures, {1e3 * best / count:.2f} ms each; rnnconv takes {min(ours) / best:.2f} of it")
        print(f"(importing numpy and onnxruntime takes {imports:.2f} s more for each Python process)")

        # A fixture that is wrong must not be among those that pass.
        outputs = dict(np.load(folders[3] / "outputs.npz"))
        outputs["y"][-1, 0, 0, 0] += 1e-3
        np.savez(folders[3] / "outputs.npz", **outputs)
        (folders[5] / "model.onnx").write_bytes((folders[5] / "model.onnx").read_bytes()[:-50])
        failed = [fixture["fixture"] for fixture in rnnconv(root)[1]["fixtures"] if fixture["status"] == "failed"]
        if failed != ["f003", "f005"]:
            problems.append(f"f003 and f005 are damaged; rnnconv fails {failed}")
    if problems:
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
