"""Graphs under way, and what judges of files that are evaluated and not imported ask onnxruntime and rnnconv of them."""

from __future__ import annotations

import subprocess

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from tool import binary

RNNCONV = binary()
onnxruntime.set_default_logger_severity(4)
VERDICTS = {0: "equal", 1: "different", 5: "inconclusive"}


class Nodes:
    """Nodes and weights under way, of an input `x`."""

    def __init__(self, seed, shape):
        self.numbers = np.random.default_rng(seed)
        self.nodes, self.weights = [], {}
        self.x = self.array(*shape)

    def array(self, *shape, scale=1.0):
        return (scale * self.numbers.standard_normal(shape)).astype(np.float32)

    def weight(self, array, name=None):
        name = name or f"w{len(self.weights)}"
        self.weights[name] = np.asarray(array)
        return name

    def integers(self, *values):
        return self.weight(np.array(values, np.int64))

    def node(self, op, *inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def model(self, *outputs):
        infos = [onnx.ValueInfoProto(name=name) for name in outputs]
        weights = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.x.shape)]
        graph = helper.make_graph(self.nodes, "evaluated", given, infos, weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return onnx.shape_inference.infer_shapes(model)


def session(model, level, to=None):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    if to:
        options.optimized_model_filepath = str(to)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(*arguments, timeout=600):
    done = subprocess.run([RNNCONV, *map(str, arguments)], capture_output=True, text=True, timeout=timeout)
    return VERDICTS.get(done.returncode, f"exit {done.returncode}"), done.stdout + done.stderr
