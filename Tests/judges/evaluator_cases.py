"""Writes the evaluator's test cases: models, inputs, and the outputs that onnxruntime computes for them.

    evaluator_cases.py FOLDER

makes FOLDER/<case>/{model.onnx, input_<i>.pb, output_<i>.pb} and FOLDER/cases.txt, one name a line. A case that the judge
itself refuses is listed in FOLDER/refused.txt with its reason, and must be expected here (`refuses=True`).
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

onnxruntime.set_default_logger_severity(4)
TYPES = {
    np.dtype("float32"): TensorProto.FLOAT,
    np.dtype("float64"): TensorProto.DOUBLE,
    np.dtype("int64"): TensorProto.INT64,
    np.dtype("int32"): TensorProto.INT32,
    np.dtype("bool"): TensorProto.BOOL,
    np.dtype("float16"): TensorProto.FLOAT16,
    np.dtype("uint8"): TensorProto.UINT8,
    np.dtype("int8"): TensorProto.INT8,
}


# Stands for the outputs of the onnx package's reference evaluator.
reference = object()


def judge(model, feeds):
    options = onnxruntime.SessionOptions()
    # As written: no operator is folded into another.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def make_model(graph, opset):
    version = 8 if opset < 21 else 10 if opset < 24 else 11
    domains = {node.domain for node in graph.node if node.domain}
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(domain, 1) for domain in sorted(domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=version)


def value_info(name, array, dynamic):
    shape = [f"{name}_{axis}" for axis in range(array.ndim)] if dynamic else array.shape
    return helper.make_tensor_value_info(name, TYPES[array.dtype], shape)


class Cases:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.names, self.refused = [], []

    def add(self, name, model, feeds, outputs=None):
        """Writes one case; its outputs come from onnxruntime unless they are given."""
        try:
            expected = judge(model, feeds) if outputs is None else outputs
        except Exception as error:
            self.refused.append(f"{name}: {' '.join(str(error).split())}")
            return None
        folder = self.folder / name
        folder.mkdir(parents=True)
        onnx.save(model, folder / "model.onnx")
        for kind, pairs in (("input", feeds.items()), ("output", zip([o.name for o in model.graph.output], expected))):
            for position, (key, array) in enumerate(pairs):
                tensor = numpy_helper.from_array(np.asarray(array), key)
                (folder / f"{kind}_{position}.pb").write_bytes(tensor.SerializeToString())
        self.names.append(name)
        return expected

    def node(self, name, op, inputs, outputs=1, opset=17, constants=(), dynamic=False, judged=None, **attributes):
        """One node; inputs are arrays, None for one left out. Positions in `constants` become initializers.

        `judged` holds attributes (and `opset`) of a twin that must give the same: for what onnxruntime gets wrong or lacks.
        `expected` gives the outputs outright, or says `reference` for those of the onnx package's own evaluator.
        """
        expected = attributes.pop("expected", None)
        names = [f"x{i}" if x is not None else "" for i, x in enumerate(inputs)]
        while names and not names[-1]:
            names.pop()
        results = [f"y{i}" if keep else "" for i, keep in enumerate(outputs if isinstance(outputs, list) else [1] * outputs)]
        given = [(n, np.asarray(x), i) for i, (n, x) in enumerate(zip(names, inputs)) if n]
        feeds = {n: x for n, x, i in given if i not in constants}

        def graph(attributes):
            return helper.make_graph(
                [helper.make_node(op, names, results, **{k: v for k, v in attributes.items() if v is not None})],
                name,
                [value_info(n, x, dynamic) for n, x, i in given if i not in constants],
                [helper.make_value_info(r, onnx.TypeProto()) for r in results if r],
                [numpy_helper.from_array(x, n) for n, x, i in given if i in constants],
            )

        if judged is not None:
            twin = dict(attributes, **judged)
            twin_opset = twin.pop("opset", opset)
            expected = judge(make_model(graph(twin), twin_opset), feeds)
        if expected is reference:
            expected = ReferenceEvaluator(make_model(graph(attributes), opset)).run(None, feeds)
        return self.add(f"{op}_{name}_{opset}", make_model(graph(attributes), opset), feeds, expected)

    def model(self, name, graph, feeds, opset=17, outputs=None):
        return self.add(name, make_model(graph, opset), feeds, outputs)

    def finish(self):
        (self.folder / "cases.txt").write_text("\n".join(self.names) + "\n")
        (self.folder / "refused.txt").write_text("\n".join(self.refused) + "\n")


if __name__ == "__main__":
    # The parts import this file by its name.
    sys.modules["evaluator_cases"] = sys.modules["__main__"]
    import evaluator_attention
    import evaluator_features
    import evaluator_images
    import evaluator_operators
    import evaluator_recurrent
    import evaluator_signals

    cases = Cases(sys.argv[1])
    evaluator_recurrent.write(cases)
    for part in (evaluator_operators, evaluator_images, evaluator_features, evaluator_signals, evaluator_attention):
        part.write(cases)
    cases.finish()
    print(f"{len(cases.names)} cases, {len(cases.refused)} refused by the judge")
