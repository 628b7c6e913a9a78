"""Hold right recordings of six runtimes, over gains, lengths and realistic sizes, against rnnconv: no false alarms.

onnxruntime, PyTorch and Keras run here; OpenVINO, LiteRT and tract by record_runtime.py in environments of their own
(.peers-openvino, .peers-litert, .peers-tract; one that is missing is left out, and said). Each runs only what it is
known to compute right, and a recording that is still far from numpy's float64 pass is dropped and counted.

    .peers-large/bin/python Tests/judges/live_runtimes.py --count 5000           # verdicts by runtime and gain
    .peers-large/bin/python Tests/judges/live_runtimes.py --count 900 --noise n.json  # how they round; no rnnconv
"""

from __future__ import annotations

import os

# One thread a process: the processes are as many as the cores.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import collections
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

import random_models as models
from random_models import RecurrentModel, Shape

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("RNNCONV_BINARY", ".build-tests/release/rnnconv")
RUNTIMES = ["onnxruntime", "pytorch", "keras", "keras-xla", "openvino", "litert", "tract"]
ELSEWHERE = ["openvino", "litert", "tract"]
SMALL_GAINS = [0.1, 0.5, 1.0, 2.0, 4.0, 8.0]
LARGE_GAINS = [0.5, 1.0, 1.0, 1.0, 1.0, 2.0]
GROUP = len(SMALL_GAINS)  # so many cases in a row share a shape: Keras traces a shape once
CHUNK = 40 * GROUP  # cases on the disk at a time
WRONG = 1e-3  # of the range: no rounding, but a mistake of the runtime
BUDGET = 1.5e8  # parameters × steps × rows: numpy's float64 pass in a fraction of a second


@dataclass(frozen=True)
class Case:
    index: int
    size: str  # "small": the ranges of docs/error-bounds.md; "large": H 16-512
    gain: float
    time: int
    batch: int
    shape: Shape

    def has(self, runtime: str) -> bool:
        """Whether the runtime is right about such models, and slow ones whether they take part in this group."""
        group, shape = self.index // GROUP, self.shape
        if runtime == "pytorch":
            return shape.direction != "reverse" and (shape.cell != "GRU" or shape.reset_after)
        if runtime == "keras":
            return group % 4 < 2
        if runtime == "keras-xla":  # compiles for every length anew
            return group % 4 < 2 and self.index % GROUP == 2 and self.time <= 200
        if runtime == "litert":
            return group % 4 < 2 and shape.direction == "forward"
        if runtime == "tract":  # runs reverse forwards
            return shape.direction == "forward"
        return True


def case(index: int, seed: int) -> tuple[Case, np.random.Generator]:
    group = index // GROUP
    rng = np.random.default_rng([seed, 0, group])
    small = group % 2 == 0
    direction = str(rng.choice(["forward", "reverse", "bidirectional"], p=[0.5, 0.2, 0.3]))
    hidden = int(rng.integers(1, 17)) if small else int(np.exp(rng.uniform(np.log(16), np.log(513))))
    inputs = int(rng.integers(1, 9)) if small else int(np.exp(rng.uniform(np.log(4), np.log(129))))
    shape = Shape(str(rng.choice(["RNN", "LSTM", "GRU"])), direction, int(rng.integers(1, 4)), inputs, hidden,
                  reset_after=bool(rng.integers(0, 2)))
    rng = np.random.default_rng([seed, 1, index])
    if small:
        time = int(np.exp(rng.uniform(0, np.log(1000)))) if index % 50 else 1000
        batch = int(rng.integers(1, 4))
    else:
        time, batch = int(np.exp(rng.uniform(np.log(2), np.log(201)))), int(rng.integers(1, 5))
        batch = max(1, min(batch, int(BUDGET / shape.parameters() / time)))
        time = max(2, min(time, int(BUDGET / shape.parameters() / batch)))
    gain = (SMALL_GAINS if small else LARGE_GAINS)[index % GROUP]
    return Case(index, "small" if small else "large", gain, time, batch, shape), rng


# ---- the runtimes of this environment ----


def run_onnxruntime(model: bytes, inputs: dict[str, np.ndarray]) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(["y"], inputs)[0]


def gates(tensor: np.ndarray, hidden: int, order: list[int]) -> np.ndarray:
    blocks = tensor.reshape(-1, hidden, *tensor.shape[1:])
    return np.concatenate([blocks[k] for k in order])


def run_torch(model: RecurrentModel, x: np.ndarray) -> np.ndarray:
    shape, order = model.shape, models.TORCH_ORDER[model.shape.cell]
    module = getattr(torch.nn, shape.cell)(
        shape.inputs, shape.hidden, shape.layers, bidirectional=shape.directions == 2)
    state = {}
    for k, layer in enumerate(model.layers):
        for d in range(shape.directions):
            suffix = f"l{k}" + ("_reverse" if d else "")
            own, recurrent = np.split(layer.b[d], 2)
            for name, tensor in (("weight_ih", layer.w[d]), ("weight_hh", layer.r[d]), ("bias_ih", own),
                                 ("bias_hh", recurrent)):
                state[f"{name}_{suffix}"] = torch.from_numpy(gates(tensor, shape.hidden, order))
    module.load_state_dict(state)
    with torch.no_grad():
        return module(torch.from_numpy(x))[0].numpy()


class Keras:
    """A Keras model of one shape, traced once; weights are set case by case. Inputs and outputs are batch-major."""

    def __init__(self, shape: Shape):
        import keras
        import tensorflow

        self.shape, self.tensorflow = shape, tensorflow
        kind = {"RNN": keras.layers.SimpleRNN, "LSTM": keras.layers.LSTM, "GRU": keras.layers.GRU}[shape.cell]
        options = {"reset_after": shape.reset_after} if shape.cell == "GRU" else {}
        value = entry = keras.Input((None, shape.inputs))
        for _ in range(shape.layers):
            layer = kind(shape.hidden, return_sequences=True, go_backwards=shape.direction == "reverse", **options)
            value = keras.layers.Bidirectional(layer)(value) if shape.directions == 2 else layer(value)
            if shape.direction == "reverse":  # Keras leaves the frames in the order in which it took them
                value = keras.ops.flip(value, axis=1)
        self.model = keras.Model(entry, value)
        signature = [tensorflow.TensorSpec([None, None, shape.inputs], tensorflow.float32)]
        self.function = tensorflow.function(lambda x: self.model(x, training=False), input_signature=signature)
        self.compiled = tensorflow.function(lambda x: self.model(x, training=False), jit_compile=True)

    def set(self, model: RecurrentModel) -> None:
        shape, order, weights = self.shape, models.KERAS_ORDER[self.shape.cell], []
        for layer in model.layers:
            for d in range(shape.directions):
                own, recurrent = np.split(layer.b[d], 2)
                bias = np.stack([gates(half, shape.hidden, order) for half in (own, recurrent)])
                two = shape.cell == "GRU" and shape.reset_after
                weights += [gates(layer.w[d], shape.hidden, order).T, gates(layer.r[d], shape.hidden, order).T,
                            bias if two else bias[0] + bias[1]]
        self.model.set_weights(weights)

    def run(self, x: np.ndarray, compiled: bool = False) -> np.ndarray:
        function = self.compiled if compiled else self.function
        return function(self.tensorflow.constant(x.transpose(1, 0, 2))).numpy().transpose(1, 0, 2)

    def litert(self, time: int, batch: int) -> bytes:
        spec = self.tensorflow.TensorSpec([batch, time, self.shape.inputs], self.tensorflow.float32)
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        # The lists of tensors that an RNN layer makes convert only where the shape is known.
        concrete = self.tensorflow.function(lambda x: self.model(x, training=False)).get_concrete_function(spec)
        # Left as variables, LiteRT does not find the weights inside a WHILE.
        frozen = convert_variables_to_constants_v2(concrete)
        return self.tensorflow.lite.TFLiteConverter.from_concrete_functions([frozen]).convert()


traced: dict[Shape, Keras] = {}


def keras_for(shape: Shape) -> Keras:
    if shape not in traced:
        traced.clear()
        traced[shape] = Keras(shape)
    return traced[shape]


# ---- the three phases of a chunk: record here, record elsewhere, judge ----


def record(index: int, seed: int, folder: Path, wanted: list[str]) -> None:
    torch.set_num_threads(1)
    one, rng = case(index, seed)
    place = folder / str(index)
    place.mkdir(exist_ok=True)
    model = models.uniform_model(one.shape, rng, one.gain)
    inputs = models.random_inputs(one.shape, one.time, one.batch, rng)
    proto = models.onnx_model(model)
    onnx.save(proto, place / "model.onnx")
    np.savez(place / "inputs.npz", **inputs)
    np.save(place / "exact.npy", models.exact(model, inputs))
    here = {"onnxruntime": lambda: run_onnxruntime(proto.SerializeToString(), inputs),
            "pytorch": lambda: run_torch(model, inputs["x"]),
            "keras": lambda: keras_for(one.shape).run(inputs["x"]),
            "keras-xla": lambda: keras_for(one.shape).run(inputs["x"], compiled=True)}
    wanted = [runtime for runtime in wanted if one.has(runtime)]
    if {"keras", "keras-xla", "litert"} & set(wanted):
        keras_for(one.shape).set(model)
    for runtime in wanted:
        if runtime in here:
            np.savez(place / f"{runtime}.npz", y=here[runtime]())
    if "litert" in wanted:
        place = folder / f"{index}-litert"
        place.mkdir(exist_ok=True)
        (place / "model.tflite").write_bytes(keras_for(one.shape).litert(one.time, one.batch))
        np.savez(place / "inputs.npz", x=inputs["x"].transpose(1, 0, 2))


def record_elsewhere(runtime: str, folder: Path) -> None:
    script = Path(__file__).with_name("record_runtime.py")
    subprocess.run([ROOT / f".peers-{runtime}/bin/python", script, "--runtime", runtime,
                    "--folder", folder], check=True, stderr=subprocess.DEVNULL)


def accepted_runtimes() -> str:
    """What --runtime's help lists: a binary that does not know a runtime is asked about `any`."""
    text = subprocess.run([BINARY, "verify", "--help"], capture_output=True, text=True).stdout
    found = re.search(r"--runtime <runtime>(.*?)\(default", " ".join(text.split()))
    return found[1] if found else ""


def judge(index: int, seed: int, folder: Path, wanted: list[str], accepted: str | None) -> list[dict]:
    one, _ = case(index, seed)
    place, rows = folder / str(index), []
    exact = np.load(place / "exact.npy")
    features, whole = models.feature_spread(exact), models.spread(exact) or 1.0
    calm = one.gain <= 2  # beyond, the recurrence may be chaotic, and a right recording anywhere
    for runtime in wanted:
        if not one.has(runtime):
            continue
        shape = one.shape
        row = {"index": index, "runtime": runtime, "size": one.size, "gain": one.gain, "time": one.time,
               "batch": one.batch, "cell": shape.cell, "direction": shape.direction, "layers": shape.layers,
               "hidden": shape.hidden, "inputs": shape.inputs, "reset_after": shape.reset_after}
        rows.append(row)
        stored = (folder / f"{index}-litert" if runtime == "litert" else place) / f"{runtime}.npz"
        if not stored.exists():
            row["verdict"] = "not run"
            continue
        with np.load(stored) as arrays:
            y = arrays["y"]
        if runtime == "litert":
            y = np.ascontiguousarray(y.transpose(1, 0, 2))
        deviation = np.abs(y - exact)
        relative = deviation / features
        row |= {"largest": float(deviation.max()) / whole, "feature_max": float(relative.max()),
                "feature_rms": float(np.sqrt(np.mean(relative ** 2))), "elements": y.size,
                "feature_scale": float((deviation.max(axis=(0, 1)) / np.abs(exact).max(axis=(0, 1))).max()),
                "worst_feature_rms": float(np.sqrt(np.mean(relative ** 2, axis=(0, 1))).max())}
        # In the chaotic range only what is off from the first step on is surely a mistake.
        off = row["largest"] if calm else float(deviation[:1].max()) / whole if shape.direction == "forward" else 0.0
        if not np.isfinite(y).all() or off > WRONG:
            row["verdict"] = "dropped"
            continue
        if accepted is None:
            row["verdict"] = "not asked"
            continue
        judged = place / f"y-{runtime}.npz"
        np.savez(judged, y=y)
        name = "keras" if runtime == "keras-xla" else runtime
        run = subprocess.run(
            [BINARY, "verify", place / "model.onnx", "--input", place / "inputs.npz", "--expected",
             judged, "--runtime", name if name in accepted else "any", "--threads", "1", "--json"],
            capture_output=True, text=True)
        if not run.stdout:
            raise RuntimeError(f"model {index}, {runtime}: {run.stderr}")
        row["verdict"] = json.loads(run.stdout)["verdict"]
    return rows


# ---- what is printed ----


def verdicts(rows: list[dict]) -> str:
    lines = ["| runtime | sizes | gain | recordings | equal | inconclusive | different | dropped | not run |",
             "|---|---|---|---|---|---|---|---|---|"]
    for runtime in RUNTIMES:
        for size, gains in (("small", SMALL_GAINS), ("large", LARGE_GAINS)):
            for gain in sorted(set(gains)):
                some = [row for row in rows if (row["runtime"], row["size"], row["gain"]) == (runtime, size, gain)]
                if not some:
                    continue
                count = collections.Counter(row["verdict"] for row in some)
                lines.append(f"| {runtime} | {size} | {gain}/√H | {len(some)} | {count['equal'] + count['identical']} "
                             f"| {count['inconclusive']} | {count['different']} | {count['dropped']} "
                             f"| {count['not run']} |")
    return "\n".join(lines)


def noise(rows: list[dict]) -> str:
    """Multiples of 2^-24; median, 95 %, largest. A feature has a range of its own to speak of over many frames only."""
    lines = ["| runtime | sizes | gain | recordings | max, of the whole range | max, of the feature's largest "
             "| max, of the feature's range | rms, of the feature's range | rms of the worst feature |",
             "|---|---|---|---|---|---|---|---|---|"]
    for runtime in RUNTIMES:
        for size, gains in (("small", SMALL_GAINS), ("large", LARGE_GAINS)):
            for gain in sorted(set(gains)):
                some = [row for row in rows if (row["runtime"], row["size"], row["gain"]) == (runtime, size, gain)
                        and row["verdict"] not in ("dropped", "not run")]
                if not some:
                    continue
                cells = []
                for key in ("largest", "feature_scale", "feature_max", "feature_rms", "worst_feature_rms"):
                    values = np.array([row[key] for row in some]) * 2 ** 24
                    cells.append(", ".join(f"{v:.3g}" for v in (*np.quantile(values, [0.5, 0.95]), values.max())))
                lines.append(f"| {runtime} | {size} | {gain}/√H | {len(some)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def quiet() -> None:
    """TensorFlow's compilers write pages to the error stream of a worker; what fails is raised all the same."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--count", type=int, default=36, help="models; each is recorded by two to seven runtimes")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--workers", type=int, default=os.cpu_count())
    arguments.add_argument("--runtimes", default=",".join(RUNTIMES), help="those wanted, by commas")
    arguments.add_argument("--noise", type=Path, help="write the recordings' deviations here and ask no rnnconv")
    arguments.add_argument("--json", type=Path, help="write every row here")
    arguments.add_argument("--only", type=int, action="append", help="this model alone; repeat for more")
    arguments.add_argument("--keep", type=Path, help="leave models, inputs and recordings here, a folder a model")
    options = arguments.parse_args()
    wanted = []
    for runtime in options.runtimes.split(","):
        if runtime in ELSEWHERE and not (ROOT / f".peers-{runtime}/bin/python").exists():
            print(f"{runtime} is left out: scripts/peers.sh .peers-{runtime} fixtures/peers-{runtime}.txt makes it")
        else:
            wanted.append(runtime)
    accepted = None if options.noise else accepted_runtimes()
    rows: list[dict] = []
    # TensorFlow does not survive a fork.
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn"), initializer=quiet) as pool:
        every = options.only or range(options.count)
        for start in range(0, len(every), CHUNK):
            indices = every[start:start + CHUNK]
            with tempfile.TemporaryDirectory() as name:
                folder = options.keep or Path(name)
                folder.mkdir(parents=True, exist_ok=True)
                for done in [pool.submit(record_group, list(indices[k:k + GROUP]), options.seed, folder, wanted)
                             for k in range(0, len(indices), GROUP)]:
                    done.result()
                with ThreadPoolExecutor(options.workers) as threads:
                    list(threads.map(record_elsewhere, [r for r in ELSEWHERE if r in wanted], [folder] * 3))
                for done in [pool.submit(judge, index, options.seed, folder, wanted, accepted) for index in indices]:
                    rows += done.result()
            print(f"{start + len(indices)} of {len(every)} models, {len(rows)} recordings",
                  file=sys.stderr, flush=True)
    if options.json or options.noise:
        (options.json or options.noise).write_text(json.dumps(rows))
    print(noise(rows) if options.noise else verdicts(rows))
    count = collections.Counter(row["verdict"] for row in rows)
    judged = len(rows) - count["dropped"] - count["not run"]
    print(f"\n{judged} right recordings; {count['dropped']} dropped as wrong, {count['not run']} not run")
    if options.noise:
        return 0
    alarms = [row for row in rows if row["verdict"] == "different"]
    for row in alarms:
        print(f"false alarm: {row}", file=sys.stderr)
    calm = [row for row in rows if row["gain"] <= 2 and row["verdict"] not in ("dropped", "not run")]
    open_ones = sum(row["verdict"] == "inconclusive" for row in calm)
    print(f"{len(alarms)} different; {open_ones} of {len(calm)} inconclusive at gains up to 2")
    return 1 if alarms or open_ones > len(calm) / 100 else 0


def record_group(indices: list[int], seed: int, folder: Path, wanted: list[str]) -> None:
    """Cases of one shape in one process, which then traces Keras once."""
    for index in indices:
        record(index, seed, folder, wanted)


if __name__ == "__main__":
    sys.exit(main())
