"""Generate the matrix of recurrent ONNX models that judges rnnconv: every feature, and every pair of features.

The recorded outputs are onnxruntime's. Each is admitted only when the float64 equations of `recurrence.py` agree,
so that a defect of the judge is found here and not in a test. What onnxruntime cannot judge:

- layout=1, which it refuses: the outputs are those of the layout=0 twin, transposed, and onnx.reference has to
  agree where it implements the features;
- LSTM with `clip` where |C| exceeds the limit: it does not clip C before h(C) although the specification clips
  the input of every activation. A few such cases are judged by `recurrence.py` alone (judge "specification");
- Affine, ThresholdedRelu and ScaledTanh without alpha and beta: it takes 0 where the operators of those names
  have defaults of 1 (and 0). The matrix always gives them;
- lengths of 0 with an initial state: it answers with zeros, and the specification says nothing. Left out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

import recurrence

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fixtures"))

from building import GATES, Builder  # noqa: E402 - the builder is shared with the fixtures
from recording import run_onnxruntime  # noqa: E402

SEED = 20261124
RANDOM_CASES = {"RNN": 60, "GRU": 70, "LSTM": 130}
# Float32 evaluation of models this small; a wrong equation is off by 1e-3 and more.
AGREEMENT = 4e-6
LARGEST = 20.0

PLAIN = ["Relu", "Tanh", "Sigmoid", "Softsign", "Softplus"]
WITH_PARAMETERS = ["Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu"]

FEATURES = {
    "direction": ["forward", "reverse", "bidirectional"],
    "layers": [1, 2, 3],
    "bias": [True, False],
    "states": ["none", "h", "all"],
    "lengths": ["none", "ragged", "short"],
    "clip": [None, 0.8, 2.0],
    "activations": ["default", "plain", "parameters"],
    "layout": [0, 1],
    "opset": [17, 7, 13, 14, 22],
}
OWN_FEATURES = {
    "RNN": {},
    "GRU": {"linear_before_reset": [0, 1]},
    "LSTM": {"peepholes": [False, True], "input_forget": [0, 1]},
}


def possible(features: dict) -> bool:
    """layout came with opset 14; an RNN and a GRU have one state."""
    if features["layout"] == 1 and features["opset"] < 14:
        return False
    return features["cell"] == "LSTM" or features["states"] != "all"


def baseline(cell: str) -> dict:
    return {"cell": cell, **{name: values[0] for name, values in (FEATURES | OWN_FEATURES[cell]).items()}}


def singles(cell: str):
    """The plain cell, and the plain cell with one feature changed, in each direction."""
    choices = FEATURES | OWN_FEATURES[cell]
    for direction in FEATURES["direction"]:
        plain = baseline(cell) | {"direction": direction}
        yield plain
        for name, values in choices.items():
            if name != "direction":
                for value in values[1:]:
                    yield plain | {name: value}


def batch_first(cell: str):
    """layout=1 with the features that onnx.reference knows, so that a second judge sees that layout."""
    own = {"RNN": {}, "GRU": OWN_FEATURES["GRU"], "LSTM": {"peepholes": [False, True]}}[cell]
    choices = {"bias": [True, False], "states": FEATURES["states"], "layers": [1, 2], **own}
    for values in itertools.product(*choices.values()):
        features = baseline(cell) | {"layout": 1} | dict(zip(choices, values, strict=True))
        if possible(features):
            yield features


def pairs(features: dict) -> set:
    items = sorted((key, value) for key, value in features.items() if key != "cell")
    return set(itertools.combinations(items, 2))


def covering(cell: str, random: np.random.Generator):
    """Greedy pairwise covering: of 40 random candidates the one with most pairs not seen yet, until all are."""
    choices = FEATURES | OWN_FEATURES[cell]

    def draw() -> dict:
        while True:
            features = {"cell": cell, **{name: values[random.integers(len(values))]
                                         for name, values in choices.items()}}
            if possible(features):
                return features

    missing = set()
    for (a, a_values), (b, b_values) in itertools.combinations(sorted(choices.items()), 2):
        missing |= {((a, x), (b, y)) for x in a_values for y in b_values
                    if possible(baseline(cell) | {a: x, b: y} | ({} if "opset" in (a, b) else {"opset": 17}))}
    for _ in range(RANDOM_CASES[cell]):
        best = max((draw() for _ in range(40)), key=lambda features: len(pairs(features) & missing))
        missing -= pairs(best)
        yield best
    if missing:
        raise SystemExit(f"{cell}: no model has {missing}")


def choose_activations(cell: str, kind: str, directions: int, random: np.random.Generator) -> dict:
    """Names for each direction, and alpha and beta for those that have them."""
    if kind == "default":
        return {}
    count = len(recurrence.DEFAULTS[cell]) * directions
    pool = PLAIN if kind == "plain" else PLAIN + WITH_PARAMETERS * 2
    names = [pool[random.integers(len(pool))] for _ in range(count)]
    if kind == "parameters":
        names[random.integers(count)] = WITH_PARAMETERS[random.integers(len(WITH_PARAMETERS))]
    attributes: dict[str, list] = {"activations": names}
    for key, index in (("activation_alpha", 0), ("activation_beta", 1)):
        owners = [n for n in names if recurrence.PARAMETERS.get(n, (None, None))[index] is not None]
        if owners:
            attributes[key] = [round(float(random.uniform(0.15, 0.85)), 3) for _ in owners]
    return attributes


class Case:
    """One model of the matrix with its inputs, and the same in float64."""

    def __init__(self, features: dict, seed: int) -> None:
        self.features = features
        self.random = np.random.default_rng(seed)
        self.seed = seed
        self.cell = features["cell"]
        self.directions = 2 if features["direction"] == "bidirectional" else 1
        pick = self.random.choice
        self.time = int(pick([1, 3, 4, 5, 6, 8], p=[0.04, 0.2, 0.2, 0.2, 0.2, 0.16]))
        self.batch = int(pick([1, 3, 4, 5], p=[0.06, 0.34, 0.3, 0.3]))
        self.input_size = int(pick([3, 4, 6, 7, 9]))
        self.hidden = int(pick([size for size in (2, 3, 5, 8, 17) if size != self.input_size]))
        self.layers = [self._layer(index) for index in range(features["layers"])]
        self.x = self.random.normal(size=(self.time, self.batch, self.input_size)).astype(np.float32)
        self.lengths = self._lengths()

    def _uniform(self, *shape: int) -> np.ndarray:
        return self.random.uniform(-0.8, 0.8, shape).astype(np.float32)

    def _layer(self, index: int) -> dict:
        features, d, h = self.features, self.directions, self.hidden
        rows = GATES[self.cell] * h
        width = self.input_size if index == 0 else d * h
        attributes: dict[str, object] = {}
        if features["direction"] != "forward":
            attributes["direction"] = features["direction"]
        if features["clip"] is not None:
            attributes["clip"] = features["clip"]
        for name in ("linear_before_reset", "input_forget"):
            if features.get(name):
                attributes[name] = 1
        attributes |= choose_activations(self.cell, features["activations"], d, self.random)
        states = features["states"]
        return {
            "attributes": attributes,
            "w": self._uniform(d, rows, width),
            "r": self._uniform(d, rows, h),
            "b": self._uniform(d, 2 * rows) if features["bias"] else None,
            "h0": self._uniform(d, self.batch, h) if states != "none" else None,
            "c0": self._uniform(d, self.batch, h) if states == "all" else None,
            "p": self._uniform(d, 3 * h) if features.get("peepholes") else None,
        }

    def _lengths(self) -> np.ndarray | None:
        kind = self.features["lengths"]
        if kind == "none":
            return None
        longest = self.time if kind == "ragged" else max(1, self.time - 1)
        lengths = self.random.integers(1, longest + 1, self.batch).astype(np.int32)
        lengths[self.random.integers(self.batch)] = longest
        return lengths

    def output_names(self) -> list[str]:
        last = len(self.layers) - 1
        states = ["Y_h", "Y_c"] if self.cell == "LSTM" else ["Y_h"]
        return ["Y"] + [name if index == last else f"{name}_{index}"
                        for index in range(last + 1) for name in states]

    def specification(self, clip_cell: bool = True) -> dict[str, np.ndarray]:
        """All outputs, layout 0, by the float64 equations."""
        out: dict[str, np.ndarray] = {}
        x = self.x
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            operands = {key: layer[key] for key in ("w", "r", "b", "h0", "c0", "p")}
            result = recurrence.run(self.cell, layer["attributes"], x, lengths=self.lengths, clip_cell=clip_cell,
                                    **operands)
            for name, value in result.items():
                if name == "Y":
                    x = value.transpose(0, 2, 1, 3).reshape(self.time, self.batch, -1)
                    out["Y"] = value
                else:
                    out[name if index == last else f"{name}_{index}"] = value
        return out

    def model(self, layout: int) -> onnx.ModelProto:
        b = Builder(self.features["opset"], self.seed)
        d, h = self.directions, self.hidden
        b.input("X", ["time", "batch", self.input_size] if layout == 0 else ["batch", "time", self.input_size])
        state_shape = [d, "batch", h] if layout == 0 else ["batch", d, h]
        lengths = b.input("sequence_lens", ["batch"], TensorProto.INT32) if self.lengths is not None else ""
        x, last = "X", len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            suffix = "" if index == last else f"_{index}"

            def constant(key: str, layer=layer, index=index) -> str:
                return "" if layer[key] is None else b.initializer(layer[key], f"{key.upper()}_{index}")

            def state(key: str, name: str, layer=layer, suffix=suffix) -> str:
                return "" if layer[key] is None else b.input(name + suffix, state_shape)

            operands = [x, constant("w"), constant("r"), constant("b"), lengths, state("h0", "initial_h"),
                        state("c0", "initial_c"), constant("p")]
            if self.cell != "LSTM":
                operands = operands[:6]
            while operands[-1] == "":
                operands.pop()
            names = ["Y" if index == last else f"sequence_{index}", f"Y_h{suffix}", f"Y_c{suffix}"]
            attributes = dict(layer["attributes"], hidden_size=h)
            if layout:
                attributes["layout"] = 1
            names = names[: 3 if self.cell == "LSTM" else 2]
            b.node(self.cell, operands, names, name=f"{self.cell.lower()}_{index}", **attributes)
            for name in names[1:]:
                b.output(name, state_shape)
            x = names[0]
            if index < last:
                if layout == 0:
                    x = b.node("Transpose", [x], perm=[0, 2, 1, 3])
                x = b.node("Reshape", [x, b.initializer(np.array([0, 0, -1], np.int64))])
        b.output("Y", ["time", d, "batch", h] if layout == 0 else ["batch", "time", d, h])
        return b.model()

    def inputs(self, layout: int) -> dict[str, np.ndarray]:
        out = {"X": self.x if layout == 0 else self.x.transpose(1, 0, 2)}
        if self.lengths is not None:
            out["sequence_lens"] = self.lengths
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            for key, name in (("h0", "initial_h"), ("c0", "initial_c")):
                if layer[key] is not None:
                    value = layer[key] if layout == 0 else layer[key].transpose(1, 0, 2)
                    out[name + ("" if index == last else f"_{index}")] = value
        return {name: np.ascontiguousarray(value) for name, value in out.items()}


def transposed(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """From layout 0 to layout 1: Y [T, D, B, H] to [B, T, D, H], states [D, B, H] to [B, D, H]."""
    return {name: np.ascontiguousarray(value.transpose((2, 0, 1, 3) if name == "Y" else (1, 0, 2)))
            for name, value in outputs.items()}


def difference(left: dict, right: dict) -> float:
    return max(float(np.max(np.abs(left[name] - right[name]))) for name in right)


def find_case(features: dict, seed: int, beyond_clip: bool = False) -> Case:
    """Draw weights until the outputs are of moderate size and (unless wanted) no cell passes the clip limit."""
    for attempt in range(400):
        case = Case(features, seed + attempt)
        with np.errstate(all="ignore"):  # unbounded activations may overflow; such weights are passed over
            strict = case.specification()
        largest = max(float(np.max(np.abs(value))) for value in strict.values())
        if not largest <= LARGEST or float(np.ptp(strict["Y"])) < 1e-2:
            continue
        apart = difference(case.specification(clip_cell=False), strict)
        if (apart > 1e-3) if beyond_clip else (apart < 1e-9):
            return case
    raise SystemExit(f"no weights found for {features}")


def write(case: Case, name: str, out: Path, judge: str) -> dict:
    layout = case.features["layout"]
    specification = case.specification()
    if judge == "specification":
        outputs = {key: value.astype(np.float32) for key, value in specification.items()}
    else:
        outputs = run_onnxruntime(case.model(0), case.inputs(0))
        apart = difference(outputs, specification)
        if not apart <= AGREEMENT * max(1.0, max(float(np.max(np.abs(v))) for v in specification.values())):
            raise SystemExit(f"{name}: onnxruntime is {apart:.3g} from the specification: {case.features}")
    folder = out / name
    folder.mkdir(parents=True)
    model = case.model(layout)
    onnx.checker.check_model(model)
    if layout and reference_can(case.features):
        second = ReferenceEvaluator(model).run(None, case.inputs(1))
        second = dict(zip([output.name for output in model.graph.output], second, strict=True))
        apart = difference(second, transposed(outputs))
        if not apart <= AGREEMENT:
            raise SystemExit(f"{name}: onnx.reference is {apart:.3g} from onnxruntime: {case.features}")
        judge += ", and onnx.reference"
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    np.savez(folder / "inputs.npz", **case.inputs(layout))
    np.savez(folder / "outputs.npz", **(transposed(outputs) if layout else outputs))
    return {"name": name, "judge": judge, "onnxruntime_loads": layout == 0, "features": case.features}


def reference_can(features: dict) -> bool:
    """Whether onnx.reference implements what the model uses; of the rest it ignores most without a word."""
    plain = baseline(features["cell"]) | {name: features[name] for name in ("layers", "bias", "states", "layout",
                                                                           "opset")}
    return features == plain | {name: features[name] for name in ("peepholes", "linear_before_reset")
                                if name in features}


def label(features: dict) -> str:
    plain = baseline(features["cell"])
    words = [features["cell"].lower()]
    for name, value in features.items():
        if name != "cell" and value != plain[name]:
            words.append(str(value) if isinstance(value, str) else f"{name}{'' if value is True else value}")
    return "-".join(words).replace("_", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    onnxruntime.set_default_logger_severity(3)
    cases = []
    for position, cell in enumerate(GATES):
        random = np.random.default_rng(SEED + position)
        wanted = [features for features in singles(cell) if possible(features)]
        wanted += [features for features in batch_first(cell) if features not in wanted]
        wanted += covering(cell, random)
        for features in wanted:
            index = len(cases)
            case = find_case(features, SEED + 1000 * index)
            judge = "onnxruntime" if features["layout"] == 0 else "onnxruntime, layout 0 transposed"
            cases.append(write(case, f"{index:03}-{label(features)}", out, judge))
    for direction, peepholes in itertools.product(FEATURES["direction"], (False, True)):
        features = baseline("LSTM") | {"direction": direction, "clip": 0.3, "peepholes": peepholes}
        index = len(cases)
        case = find_case(features, SEED + 1000 * index, beyond_clip=True)
        cases.append(write(case, f"{index:03}-{label(features)}-beyond", out, "specification"))
    (out / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
    print(f"{len(cases)} models in the matrix, judged by onnxruntime {onnxruntime.__version__}")


if __name__ == "__main__":
    main()
