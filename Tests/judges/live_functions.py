"""Functions around a recurrence, on numbers of every size that Float32 has, by onnxruntime and PyTorch.

Each function is a graph of its own. What onnxruntime and PyTorch make of 4,096 numbers is held against the bounds: `verify` may never
say `different`. PyTorch's own exporter writes the same function as well, which must be imported as a model and agree.

    .peers-large/bin/python Tests/judges/live_functions.py --count 3
"""

from __future__ import annotations

import argparse
import collections
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from tool import binary, forced

RNNCONV = binary()
F32 = np.float32
FEATURES, ROWS = 1024, 4


class Case:
    """An operator with constants and attributes, what PyTorch calls it, and log₂ of the sizes where it has values."""

    def __init__(self, operator: str, *constants: object, torch: Callable, sizes: tuple[float, float] = (-120, 120),
                 sign: bool = True, opset: int = 20, exported: bool = True, **attributes: object) -> None:
        self.operator, self.constants, self.torch, self.exported = operator, constants, torch, exported
        self.sizes, self.sign, self.opset, self.attributes = sizes, sign, opset, attributes

    @property
    def name(self) -> str:
        more = [str(value) if np.ndim(value) == 0 else f"[{len(value)}]" for value in self.constants]
        return " ".join([self.operator, *more, *(f"{key}={value}" for key, value in self.attributes.items())])

    def numbers(self, generator: np.random.Generator) -> np.ndarray:
        low, high = self.sizes
        # Three quarters of any size that the function takes, the rest where it bends.
        middle = np.clip(np.array([-4.0, 3.5]), low, high)
        sizes = np.concatenate([generator.uniform(low, high, 3 * FEATURES // 4),
                                generator.uniform(*middle, FEATURES - 3 * FEATURES // 4)])
        x = 2.0**sizes * generator.uniform(0.5, 1, (ROWS, FEATURES))
        return (x * generator.choice([-1, 1], x.shape) if self.sign else x).astype(F32)


F = torch.nn.functional
SLOPES = np.linspace(-1, 2, FEATURES, dtype=F32)
CASES = [
    Case("Clip", F32(-0.5), F32(1.25), torch=lambda x: x.clamp(-0.5, 1.25)),
    Case("Clip", F32(0), torch=lambda x: x.clamp(min=0)),
    Case("Clip", None, F32(3e4), torch=lambda x: x.clamp(max=3e4)),
    Case("Clip", torch=F.hardtanh, opset=10, min=-1.0, max=1.0),
    Case("Exp", torch=torch.exp, sizes=(-40, 6.4)),
    Case("Log", torch=torch.log, sign=False),
    Case("Log", torch=torch.log, sign=False, sizes=(-0.1, 0.9)),
    Case("Sqrt", torch=torch.sqrt, sign=False),
    Case("Abs", torch=torch.abs), Case("Neg", torch=torch.neg),
    Case("Reciprocal", torch=torch.reciprocal, sizes=(-119, 119)),
    *(Case("Pow", F32(exponent), torch=lambda x, e=exponent: x**e, sign=sign, sizes=(-size, size))
      for exponent, size, sign in ((2, 60, True), (3, 40, True), (0.5, 120, False), (-1, 119, True), (-0.5, 120, False),
                                   (1.7, 70, False), (-3, 38, True), (7, 17, True))),
    Case("Erf", torch=torch.erf, sizes=(-100, 4)),
    Case("Sin", torch=torch.sin, sizes=(-100, 12)), Case("Cos", torch=torch.cos, sizes=(-100, 12)),
    Case("Selu", torch=F.selu), Case("Celu", torch=lambda x: F.celu(x, 0.7), alpha=0.7),
    Case("HardSwish", torch=F.hardswish), Case("Mish", torch=F.mish),
    Case("Gelu", torch=lambda x: F.gelu(x, approximate="tanh"), approximate="tanh", sizes=(-100, 30)),
    Case("PRelu", SLOPES, torch=lambda x: torch.where(x < 0, torch.from_numpy(SLOPES) * x, x), exported=False),
    Case("PRelu", F32(0.25), torch=lambda x: F.prelu(x, torch.tensor([0.25]))),
    Case("Max", SLOPES, torch=lambda x: torch.maximum(x, torch.from_numpy(SLOPES))),
    Case("Min", F32(0.1), torch=lambda x: torch.minimum(x, torch.tensor(0.1))),
]


def graph(case: Case) -> onnx.ModelProto:
    """x · 1, which is exact and says that x is [batch, features], then the function."""
    names = ["a"] + [f"c{k}" if value is not None else "" for k, value in enumerate(case.constants)]
    constants = [numpy_helper.from_array(np.array(value), f"c{k}") for k, value in enumerate(case.constants)
                 if value is not None]
    shape = ["batch", FEATURES]
    made = helper.make_graph(
        [helper.make_node("Mul", ["x", "one"], ["a"]), helper.make_node(case.operator, names, ["y"], **case.attributes)],
        "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.ones(1, F32), "one"), *constants])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", case.opset)], ir_version=9)


class Net(torch.nn.Module):
    def __init__(self, function: Callable) -> None:
        super().__init__()
        self.function = function
        self.gru = torch.nn.GRU(3, 16)
        self.wide = torch.nn.Linear(16, FEATURES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(torch.nn.functional.softplus(self.wide(self.gru(x)[0])) - 0.25)


def verify(path: Path, x: np.ndarray, y: np.ndarray, runtime: str) -> tuple[str, str]:
    """The verdict, and all that was said."""
    folder = path.parent
    np.savez(folder / "inputs.npz", x=x)
    np.savez(folder / "outputs.npz", y=y)
    arguments = ["verify", path, "--input", folder / "inputs.npz", "--expected", folder / "outputs.npz",
                 "--runtime", runtime, "--no-diagnosis"]
    run = subprocess.run([RNNCONV, *forced(*arguments)], capture_output=True, text=True, check=False)
    said = run.stdout + run.stderr
    verdict = next((line.split(":")[1].split()[0] for line in said.splitlines() if line.startswith("verdict:")), "error")
    return verdict, said


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1, help="seeds for each function")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", metavar="OPERATOR", help="only these operators")
    arguments = parser.parse_args()
    verdicts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    problems = []
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.onnx"
        for case in CASES:
            if arguments.only and case.operator not in arguments.only:
                continue
            model = graph(case)
            onnx.checker.check_model(model)
            path.write_bytes(model.SerializeToString())
            session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
            for seed in range(arguments.seed, arguments.seed + arguments.count):
                x = case.numbers(np.random.default_rng(seed))
                for runtime, y in (("onnxruntime", session.run(None, {"x": x})[0]),
                                   ("pytorch", case.torch(torch.from_numpy(x)).numpy())):
                    kept = np.isfinite(y)
                    assert kept.mean() > 0.9, case.name
                    # What overflows says nothing of a bound; its place is taken by 1.
                    x_kept, y_kept = x.copy(), y.copy()
                    if not kept.all():
                        x_kept[~kept] = 1
                        y_kept = (session.run(None, {"x": x_kept})[0] if runtime == "onnxruntime"
                                  else case.torch(torch.from_numpy(x_kept)).numpy())
                    verdict, said = verify(path, x_kept, y_kept, runtime)
                    verdicts[runtime][verdict] += 1
                    if verdict != "equal":
                        problems.append(f"{case.name}, seed {seed}, {runtime}: {verdict}\n{said}")
            if not case.exported:
                continue
            torch.manual_seed(arguments.seed)
            net = Net(case.torch).eval()
            x = torch.randn(5, 3, 3)
            # In 13 some are written out.
            for opset in (13, 17):
                torch.onnx.export(net, (x,), str(path), input_names=["x"], output_names=["y"], dynamo=False,
                                  opset_version=opset, dynamic_axes={"x": {0: "t", 1: "b"}, "y": {0: "t", 1: "b"}})
                with torch.no_grad():
                    verdict, said = verify(path, x.numpy(), net(x).numpy(), "pytorch")
                verdicts["pytorch's exporter"][verdict] += 1
                back = [RNNCONV, *forced("convert", path, path.with_suffix(".rnnw"))]
                converts = subprocess.run(back, capture_output=True, check=False).returncode == 0
                if verdict != "equal" or "import " not in said or not converts:
                    problems.append(f"{case.name}, PyTorch's own export, opset {opset}: {verdict}\n{said}")
    for problem in problems:
        print(problem)
    for runtime, counts in verdicts.items():
        numbers = sum(counts.values()) * FEATURES * (15 if "exporter" in runtime else ROWS)
        print(f"{runtime}: {dict(counts)}, {numbers:,} numbers")
    if any(counts["different"] + counts["error"] for counts in verdicts.values()):
        raise SystemExit("something is wrong")


if __name__ == "__main__":
    main()
