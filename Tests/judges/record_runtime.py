"""Record what one runtime computes for every case of a folder, in that runtime's own environment.

A case is a folder with model.onnx (LiteRT: model.tflite) and inputs.npz, by input name. Its outputs go to
<runtime>.npz beside them, or what the runtime said to <runtime>.error. One process for all cases: some of these
runtimes take seconds to start.

    .peers-openvino/bin/python Tests/judges/record_runtime.py --runtime openvino --folder cases
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]
Recorder = Callable[[Path, Arrays], Arrays]


def openvino(static: bool) -> Recorder:
    import openvino

    core = openvino.Core()
    # Without the hint a CPU that has bfloat16 computes in it.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}

    def record(case: Path, inputs: Arrays) -> Arrays:
        model = core.read_model(case / "model.onnx")
        if static:
            model.reshape({name: list(value.shape) for name, value in inputs.items()})
        compiled = core.compile_model(model, "CPU", settings)
        result = compiled(inputs)
        return {output.get_any_name(): np.array(result[output]) for output in compiled.outputs}

    return record


def tract() -> Recorder:
    import tract

    types = {"float32": "f32", "int32": "i32", "int64": "i64"}

    def record(case: Path, inputs: Arrays) -> Arrays:
        model = tract.onnx().load(case / "model.onnx")
        names = [model.input_name(index) for index in range(model.input_count())]
        for index, name in enumerate(names):
            value = inputs[name]
            model.set_input_fact(index, ",".join([*map(str, value.shape), types[value.dtype.name]]))
        outputs = [model.output_name(index) for index in range(model.output_count())]
        results = model.into_model().into_runnable().run([np.ascontiguousarray(inputs[name]) for name in names])
        return {name: result.to_numpy() for name, result in zip(outputs, results, strict=True)}

    return record


def litert() -> Recorder:
    from ai_edge_litert.interpreter import Interpreter

    def record(case: Path, inputs: Arrays) -> Arrays:
        interpreter = Interpreter(model_path=str(case / "model.tflite"), num_threads=1)
        [(_, value)] = inputs.items()  # the converter renames inputs and outputs: one of each
        [slot] = interpreter.get_input_details()
        interpreter.resize_tensor_input(slot["index"], value.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(slot["index"], value)
        interpreter.invoke()
        [output] = interpreter.get_output_details()
        return {"y": np.array(interpreter.get_tensor(output["index"]))}

    return record


def onnxruntime() -> Recorder:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1

    def record(case: Path, inputs: Arrays) -> Arrays:
        session = onnxruntime.InferenceSession(case / "model.onnx", options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))

    return record


RECORDERS: dict[str, Callable[[], Recorder]] = {
    "openvino": lambda: openvino(static=False), "openvino-static": lambda: openvino(static=True),
    "tract": tract, "litert": litert, "onnxruntime": onnxruntime}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--runtime", choices=RECORDERS, required=True)
    arguments.add_argument("--folder", type=Path, required=True)
    options = arguments.parse_args()
    record = RECORDERS[options.runtime]()
    model = "model.tflite" if options.runtime == "litert" else "model.onnx"
    for path in sorted(options.folder.glob(f"*/{model}")):
        case = path.parent
        with np.load(case / "inputs.npz") as stored:
            inputs = dict(stored)
        try:
            np.savez(case / f"{options.runtime}.npz", **record(case, inputs))
        except Exception as error:  # whatever a runtime raises: the case is then one that it does not have
            (case / f"{options.runtime}.error").write_text(f"{type(error).__name__}: {error}\n")


if __name__ == "__main__":
    main()
