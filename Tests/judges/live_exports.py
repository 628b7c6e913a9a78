"""Export every fixture twice at every opset, the second time from the export, and have onnx and onnxruntime judge both.

Of each fixture that rnnconv imports: both files pass onnx.checker's full check and are loaded by onnxruntime, have the
fingerprint that rnnconv.json records, and give, on the fixture's inputs, what its peer recorded. What an opset cannot
express (exit 3), and what onnxruntime says that it does not implement, is counted by its reason; all else is a failure.

    .peers-large/bin/python Tests/judges/live_exports.py
    .peers-large/bin/python Tests/judges/live_exports.py --only form-captioning hand-activations --opsets 7 13 --keep look
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from tool import ROOT, binary

FIXTURES = ROOT / "fixtures"
RNNCONV = binary()
PROVEN = 17  # convert's default, and the one opset at which its proof is kept
# Of an output's largest number. A type that is not here is the same or is not: tokens, lengths.
AGREES = {np.dtype(np.float64): 2e-5, np.dtype(np.float32): 2e-5}
# What onnxruntime cannot do, in its words. A type or a shape that it finds wrong is none of these.
NOT_IMPLEMENTED = re.compile(
    r"NOT_IMPLEMENTED|does not support double yet|is under development and support for this is limited"
)


class Wrong(Exception):
    """Something is not as it should be; the text says what."""


class Refused(Exception):
    """The opset cannot express the model; the text is rnnconv's reason."""


@dataclass(frozen=True)
class Fixture:
    name: str
    model: Path
    options: tuple[str, ...]
    fingerprint: str


@dataclass
class Outcome:
    """What came of one fixture at one opset."""

    fixture: str
    opset: int
    kind: str
    reason: str = ""
    is_repeated: bool = False  # whether the second export has the bytes of the first


def entries(manifest: str) -> list[dict]:
    return json.loads((FIXTURES / manifest).read_text())["fixtures"]


def fixtures() -> tuple[list[Fixture], int]:
    """Those that become a model, and how many are only evaluated, which have no fingerprint."""
    checked = {entry["name"]: entry["models"][0] for entry in entries("rnnconv.json")}
    found, without = [], 0
    for entry in entries("manifest.json"):
        name, model = entry["name"], checked[entry["name"]]
        if "fingerprint" in model:
            options = tuple(entry.get("options", []))
            found.append(Fixture(name, FIXTURES / model["path"], options, model["fingerprint"]))
        else:
            without += 1
    return found, without


def opsets() -> range:
    """Those that rnnconv says it writes."""
    text = subprocess.run([RNNCONV, "convert", "--help"], capture_output=True, text=True, check=True).stdout
    oldest, newest = re.search(r"operator set to write,\s+(\d+) to\s+(\d+)", text).groups()
    return range(int(oldest), int(newest) + 1)


def rnnconv(*arguments: str | Path) -> str:
    run = subprocess.run([RNNCONV, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300)
    if run.returncode == 3:
        raise Refused(run.stderr)
    if run.returncode != 0:
        raise Wrong(f"rnnconv {arguments[0]}: exit {run.returncode}: {run.stderr.strip()}")
    return run.stdout


def exported(source: Path, target: Path, opset: int, *options: str) -> Path:
    proof = () if opset == PROVEN else ("--no-verify",)
    rnnconv("convert", source, target, "--opset", str(opset), *options, *proof)
    written = {entry.version for entry in onnx.load(target).opset_import if entry.domain == ""}
    if written != {opset}:
        raise Wrong(f"the export declares opset {sorted(written)}")
    return target


@cache
def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def outputs(path: Path, given: dict[str, np.ndarray]) -> dict[str, np.ndarray] | str:
    """What onnxruntime computes; a text where it says that it cannot."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        feeds = {value.name: given[value.name] for value in session.get_inputs()}
        return dict(zip(names, session.run(names, feeds), strict=True))
    except Exception as error:
        if NOT_IMPLEMENTED.search(str(error)):
            return str(error)
        raise Wrong(f"onnxruntime: {error}") from None


def same(got: dict[str, np.ndarray], expected: dict[str, np.ndarray], what: str) -> None:
    if got.keys() != expected.keys():
        raise Wrong(f"{what}: outputs {sorted(got)}, not {sorted(expected)}")
    for name, value in expected.items():
        if got[name].shape != value.shape:
            raise Wrong(f"{what}: '{name}' has shape {got[name].shape}, not {value.shape}")
        allowed = AGREES.get(got[name].dtype, 0) * max(1, np.abs(value.astype(np.float64)).max(initial=0))
        off = np.abs(got[name].astype(np.float64) - value.astype(np.float64)).max(initial=0)
        if not off <= allowed:  # nor NaN
            raise Wrong(f"{what}: '{name}' is off by {off:.3g}")


def held(path: Path, fixture: Fixture) -> dict[str, np.ndarray] | str:
    """One file, by itself: it is valid, it is the fixture's model, and it is loaded; gives its outputs."""
    onnx.checker.check_model(str(path), full_check=True)
    fingerprint = json.loads(rnnconv("inspect", "--json", path))["fingerprint"]
    if fingerprint != fixture.fingerprint:
        raise Wrong(f"fingerprint {fingerprint}, not {fixture.fingerprint}")
    return outputs(path, arrays(fixture.model.parent / "inputs.npz"))


def judged(fixture: Fixture, opset: int, folder: Path) -> Outcome:
    first, second = folder / f"{fixture.name}-{opset}.onnx", folder / f"{fixture.name}-{opset}-again.onnx"
    try:
        exported(fixture.model, first, opset, *fixture.options)
    except Refused as reason:
        return Outcome(fixture.name, opset, "not expressible", str(reason))
    got = held(first, fixture)
    exported(first, second, opset)
    is_repeated = first.read_bytes() == second.read_bytes()
    again = got if is_repeated else held(second, fixture)
    if isinstance(got, str) or isinstance(again, str):
        if type(got) is not type(again):
            raise Wrong("onnxruntime runs one of the two exports only")
        return Outcome(fixture.name, opset, "not implemented by onnxruntime", got, is_repeated)
    same(again, got, "the second export against the first")
    same(got, arrays(fixture.model.parent / "outputs.npz"), "the export against the recording")
    return Outcome(fixture.name, opset, "right", is_repeated=is_repeated)


def judge(fixture: Fixture, chosen: list[int], keep: Path | None) -> list[Outcome]:
    found = []
    for opset in chosen:
        with tempfile.TemporaryDirectory() as temporary:
            try:
                found.append(judged(fixture, opset, keep or Path(temporary)))
            except Exception as error:  # Whatever it is, the export is not right.
                text = str(error) if isinstance(error, Wrong) else f"{type(error).__name__}: {error}"
                found.append(Outcome(fixture.name, opset, "wrong", text))
    return found


def general(reason: str) -> str:
    """A reason without the names of one model, so that those of all models are counted together."""
    text = " ".join(reason.split()).removeprefix("Error: ").removeprefix("error: ")
    return re.sub(r"'[^']*'|\"[^\"]*\"|\S*/\S*|\S+·\S*", "…", text)[:300]


def spans(numbers: Iterable[int]) -> str:
    """[7, 8, 9, 12] as 7–9, 12."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in parts)


def told(outcomes: list[Outcome], kind: str) -> None:
    reasons = collections.defaultdict(list)
    for outcome in outcomes:
        if outcome.kind == kind:
            reasons[general(outcome.reason)].append(outcome)
    for reason, of in sorted(reasons.items(), key=lambda item: -len(item[1])):
        names = collections.defaultdict(list)
        for outcome in of:
            names[outcome.fixture].append(outcome.opset)
        print(f"  {len(of)} × {reason}")
        if kind == "wrong":
            print(f"      in full: {of[0].reason.strip()}")
            for name, numbers in names.items():
                print(f"      --only {name} --opsets: {spans(numbers)}")
        else:
            print(f"      {len(names)} fixtures, opset {spans(number for o in names.values() for number in o)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these fixtures")
    parser.add_argument("--opsets", nargs="+", type=int, metavar="N", help="these opsets")
    parser.add_argument("--keep", type=Path, help="a folder for the exports")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)

    models, without = fixtures()
    if arguments.only:
        models = [fixture for fixture in models if fixture.name in arguments.only]
        if len(models) != len(set(arguments.only)):
            parser.error(f"of these only {[fixture.name for fixture in models]} are fixtures that become models")
    chosen = arguments.opsets or list(opsets())
    with ProcessPoolExecutor(arguments.jobs) as pool:
        tasks = [pool.submit(judge, fixture, chosen, arguments.keep) for fixture in models]
        outcomes = [outcome for task in tasks for outcome in task.result()]

    counts = collections.Counter(outcome.kind for outcome in outcomes)
    repeated = sum(outcome.is_repeated for outcome in outcomes)
    print(f"{len(models)} fixtures, opset {spans(chosen)}; {without} more are only evaluated")
    print(f"{len(outcomes)} exports, each exported again: {repeated} to the same bytes")
    for kind in ("right", "not expressible", "not implemented by onnxruntime", "wrong"):
        print(f"{counts[kind]} {kind}")
        if kind != "right":
            told(outcomes, kind)
    # A judge that runs nothing has found nothing.
    return 1 if counts["wrong"] or not counts["right"] else 0


if __name__ == "__main__":
    sys.exit(main())
