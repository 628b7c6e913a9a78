"""Run many ONNX models in one process and save their outputs, so that a Swift test can judge hundreds of exports.

The list file holds a line a model: `model.onnx<TAB>inputs.npz<TAB>outputs.npz`. For each, a JSON line on standard
output says {"model": path, "ok": true} or {"model": path, "ok": false, "error": text}. A model that fails does not
stop the others; the exit code is 0 unless the list itself cannot be read.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np


def onnxruntime_outputs(model: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # As written: an optimiser that folds a mistake away would hide it.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    wanted = [value.name for value in session.get_inputs()]
    missing = [name for name in wanted if name not in inputs]
    if missing:
        raise ValueError(f"no array for the inputs {missing}; the file has {sorted(inputs)}")
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, {name: inputs[name] for name in wanted}), strict=True))


def reference_outputs(model: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(model))
    feed = {name: inputs[name] for name in evaluator.input_names}
    return dict(zip(evaluator.output_names, evaluator.run(None, feed), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("list", type=Path)
    parser.add_argument("--reference", action="store_true",
                        help="onnx.reference instead of onnxruntime: for layout=1, which onnxruntime refuses. It "
                             "ignores clip, sequence_lens, input_forget and LSTM/GRU activations without a word")
    arguments = parser.parse_args()
    run = reference_outputs if arguments.reference else onnxruntime_outputs
    for line in arguments.list.read_text().splitlines():
        if not line.strip():
            continue
        model, inputs, outputs = (Path(part) for part in line.split("\t"))
        try:
            with np.load(inputs) as arrays:
                results = run(model, {name: arrays[name] for name in arrays.files})
            np.savez(outputs, **results)
            answer = {"model": str(model), "ok": True}
        except Exception as error:  # noqa: BLE001 - every refusal is an answer that the test reads
            answer = {"model": str(model), "ok": False, "error": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
