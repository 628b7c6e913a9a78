"""Cut parts out of ONNX files and hold them against onnxruntime: the part alone on what the whole file makes there.

    live_extract.py [--folder FOLDER of published models] [--parts N]

For each file some parts are drawn: a recurrent node, what stands below a common beginning of names, a run of nodes. onnxruntime runs the
whole file with the part's boundary as further outputs, and then the part alone on these: both have to make the same. `RNNCONV_BINARY`
names the binary.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from tool import ROOT, binary

RNNCONV = binary()
TYPES = {1: np.float32, 11: np.float64, 10: np.float16, 7: np.int64, 6: np.int32, 9: np.bool_, 2: np.uint8, 3: np.int8}
onnxruntime.set_default_logger_severity(4)


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # Of the same nodes the same numbers.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def made_up(model: onnx.ModelProto, rng: np.random.Generator) -> dict[str, np.ndarray]:
    given = {t.name for t in model.graph.initializer}
    sizes: dict[str, int] = {}
    result = {}
    for info in model.graph.input:
        if info.name in given:
            continue
        tensor = info.type.tensor_type
        shape = [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else sizes.setdefault(d.dim_param or info.name, 4)
                 for d in tensor.shape.dim]
        kind = TYPES[tensor.elem_type]
        result[info.name] = (rng.standard_normal(shape) if np.issubdtype(kind, np.floating) else np.ones(shape)).astype(kind)
    return result


def parts(model: onnx.ModelProto, choice: random.Random, most: int) -> list[list[str]]:
    nodes = [n for n in model.graph.node if n.op_type not in ("Constant",) and any(n.output)]
    name = lambda n: n.name or next(o for o in n.output if o)
    found = [[name(n)] for n in nodes if n.op_type in ("LSTM", "GRU", "RNN")][:2]
    stems = sorted({n.name[: n.name.index("/", 1)] for n in nodes if n.name.startswith("/") and "/" in n.name[1:]})
    found += [[stem] for stem in choice.sample(stems, min(2, len(stems)))]
    while len(found) < most and nodes:
        start = choice.randrange(len(nodes))
        found.append([name(n) for n in nodes[start: start + choice.choice([1, 3, 10])]])
    return found[:most]


def judged(path: Path, choice: random.Random, most: int, folder: Path) -> tuple[int, int]:
    model = onnx.load(path)
    rng = np.random.default_rng(choice.randrange(1 << 30))
    inputs = made_up(model, rng)
    np.savez(folder / "x.npz", **inputs)
    good = refused = 0
    for names in parts(model, choice, most):
        made = folder / "part.onnx"
        made.unlink(missing_ok=True)
        run = subprocess.run([RNNCONV, "extract", str(path), "--layers", *names, "-o", str(made), "--input", str(folder / "x.npz")],
                             capture_output=True, text=True, check=False)
        if run.returncode:
            # Values that nobody reads, sequences, and operators that are not known.
            assert run.returncode in (2, 3, 4) and run.stderr.startswith("error: ") and "report this" not in run.stderr, run.stderr
            refused += 1
            continue
        assert "verified identical" in run.stdout, run.stdout
        part = onnx.load(made)
        onnx.checker.check_model(part)
        ends = [i.name for i in part.graph.input] + [o.name for o in part.graph.output]
        whole = onnx.ModelProto()
        whole.CopyFrom(model)
        known = {i.name for i in model.graph.input} | {o.name for o in model.graph.output}
        for name in ends:
            if name not in known:
                whole.graph.output.append(onnx.ValueInfoProto(name=name))
        try:
            runner = session(whole)
            wanted = [o.name for o in runner.get_outputs()]
            values = inputs | dict(zip(wanted, runner.run(wanted, inputs)))
        except Exception:  # onnxruntime itself does not take the file or these sizes, or wants the type of an output
            refused += 1
            continue
        alone = session(part)
        outputs = [o.name for o in part.graph.output]
        results = alone.run(outputs, {i.name: values[i.name] for i in alone.get_inputs()})
        for name, got in zip(outputs, results):
            assert got.dtype == values[name].dtype and got.shape == values[name].shape, f"{path} {names} {name}"
            assert np.allclose(got, values[name], rtol=1e-5, atol=1e-6, equal_nan=True), f"{path} {names} {name}"
        good += 1
    return good, refused


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--parts", type=int, default=5)
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    choice = random.Random(arguments.seed)
    files = sorted((ROOT / "fixtures" / "onnx").glob("*/model.onnx"))
    if arguments.folder:
        files = [path for path in sorted(arguments.folder.glob("*/**/*.onnx")) if path.stat().st_size < 30e6]
    choice.shuffle(files)
    total = [0, 0]
    for path in files[: arguments.files]:
        with tempfile.TemporaryDirectory() as folder:
            good, refused = judged(path, choice, arguments.parts, Path(folder))
            total[0] += good
            total[1] += refused
    print(f"{total[0]} parts of {min(len(files), arguments.files)} files: the same in onnxruntime, alone and in the whole; {total[1]} refused")


if __name__ == "__main__":
    main()
