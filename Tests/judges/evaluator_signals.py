"""Cases of signals, sequences and sampling for evaluator_cases.py."""

import numpy as np
import onnx
from evaluator_operators import F, I, floats, ints
from onnx import TensorProto, helper, numpy_helper


def signals(cases):
    real, complex_ = floats(2, 10, 3, 1), floats(2, 10, 3, 2)
    scalar = lambda value: np.array(value, I)
    for length in [None, 7, 10, 13, 16]:
        given = None if length is None else scalar(length)
        for name, x in [("real", real), ("complex", complex_)]:
            for axis in [1, -2, 0]:
                # Where the length is no power of 2, onnxruntime is off by a few 1e-5: numpy computes in float64.
                spectrum = np.fft.fft(x[..., 0] + 1j * (x[..., 1] if name == "complex" else 0), n=length, axis=axis if axis >= 0 else axis + 1)
                expected = None if length == 16 else [np.stack([spectrum.real, spectrum.imag], -1).astype(F)]
                if axis == 1:
                    cases.node(f"{name}_{length}", "DFT", [x, given], opset=17, axis=axis, expected=expected)
                cases.node(f"{name}_{length}_{axis}", "DFT", [x, given, scalar(axis)], opset=20, expected=expected)
            cases.node(f"{name}_{length}_inverse", "DFT", [x, given, scalar(1)], opset=20, inverse=1)
        cases.node(f"onesided_{length}", "DFT", [real, given, scalar(1)], opset=20, onesided=1)
        cases.node(f"onesided_{length}", "DFT", [real, given], opset=17, onesided=1, axis=1)
        # onnxruntime lacks the inverse of one-sided transforms: numpy has it.
        z = complex_[..., 0] + 1j * complex_[..., 1]
        expected = np.fft.irfft(z, n=length or 2 * (z.shape[1] - 1), axis=1)[..., None].astype(F)
        cases.node(f"real_inverse_{length}", "DFT", [complex_, given, scalar(1)], opset=20, onesided=1, inverse=1, expected=[expected])
    signal = floats(2, 40, 1)
    for onesided in [0, 1]:
        for step, length in [(5, 4), (8, 8), (3, 16)]:
            window = np.hanning(length).astype(F)
            cases.node(f"{onesided}_{length}_window", "STFT", [signal, scalar(step), window, scalar(length)], opset=17, onesided=onesided)
            cases.node(f"{onesided}_{length}_only_window", "STFT", [signal, scalar(step), window], opset=17, onesided=onesided)
            cases.node(f"{onesided}_{length}_none", "STFT", [signal, scalar(step), None, scalar(length)], opset=17, onesided=onesided)
    cases.node("complex", "STFT", [floats(2, 40, 2), scalar(5), None, scalar(8)], opset=17, onesided=0)
    for op in ["HannWindow", "HammingWindow", "BlackmanWindow"]:
        for periodic in [None, 0, 1]:
            cases.node(f"{periodic}", op, [scalar(11)], opset=17, periodic=periodic)
        cases.node("double", op, [np.array(6, np.int32)], opset=17, output_datatype=TensorProto.DOUBLE)
    for bands, length, rate, low, high in [(8, 16, 8192, 0, 4096), (20, 512, 16000, 60, 7600), (5, 33, 8000, 100, 3000)]:
        inputs = [np.array(v, I) for v in (bands, length, rate)] + [np.array(v, F) for v in (low, high)]
        cases.node(f"{bands}", "MelWeightMatrix", inputs, opset=17)


def sequences(cases):
    info = helper.make_tensor_value_info
    any_ = lambda name: helper.make_value_info(name, onnx.TypeProto())

    def graph(name, nodes, feeds, outputs, constants={}, opset=17):
        body = helper.make_graph(
            [helper.make_node(op, i, o, **a) for op, i, o, a in nodes], name,
            [info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in feeds.items()], [any_(o) for o in outputs],
            [numpy_helper.from_array(v, k) for k, v in constants.items()])
        cases.model(f"Sequence_{name}_{opset}", body, feeds, opset)

    a, b, c = floats(2, 3), floats(2, 3, seed=1), floats(2, 1, seed=2)
    one, minus, zero = np.array(1, I), np.array(-1, I), np.array(0, I)
    for opset in [11, 17, 24]:
        graph("construct", [("SequenceConstruct", ["a", "b"], ["s"], {}), ("SequenceAt", ["s", "m"], ["y"], {}), ("SequenceLength", ["s"], ["n"], {})],
              {"a": a, "b": b}, ["y", "n"], {"m": minus}, opset)
        for axis in [0, 1, -1]:
            graph(f"concat{axis}", [("SequenceConstruct", ["a", "b"], ["s"], {}), ("ConcatFromSequence", ["s"], ["y"], {"axis": axis})], {"a": a, "b": b}, ["y"], {}, opset)
            graph(f"stack{axis}", [("SequenceConstruct", ["a", "b"], ["s"], {}), ("ConcatFromSequence", ["s"], ["y"], {"axis": axis, "new_axis": 1})], {"a": a, "b": b}, ["y"], {}, opset)
        graph("insert", [
            ("SequenceEmpty", [], ["e"], {}), ("SequenceInsert", ["e", "a"], ["s"], {}), ("SequenceInsert", ["s", "b", "z"], ["t"], {}),
            ("SequenceInsert", ["t", "c", "m"], ["u"], {}), ("ConcatFromSequence", ["u"], ["y"], {"axis": 1}),
            ("SequenceErase", ["u", "z"], ["v"], {}), ("ConcatFromSequence", ["v"], ["w"], {"axis": 1}), ("SequenceErase", ["u"], ["k"], {}),
            ("SequenceLength", ["k"], ["n"], {})], {"a": a, "b": b, "c": c}, ["y", "w", "n"], {"z": zero, "m": minus}, opset)
        x = floats(5, 4, seed=3)
        for name, split, attributes in [("default", None, {}), ("dropped", None, {"keepdims": 0}), ("two", np.array(2, I), {}), ("given", np.array([1, 0, 4], I), {}), ("axis", np.array(3, I), {"axis": -1})]:
            constants = {"i": one} if split is None else {"i": one, "split": split}
            graph(f"split_{name}", [("SplitToSequence", ["x"] + (["split"] if split is not None else []), ["s"], attributes), ("SequenceAt", ["s", "i"], ["y"], {}), ("SequenceLength", ["s"], ["n"], {})],
                  {"x": x}, ["y", "n"], constants, opset)
    graph("integers", [("SequenceEmpty", [], ["e"], {"dtype": TensorProto.INT64}), ("SequenceInsert", ["e", "a"], ["s"], {}), ("SequenceAt", ["s", "z"], ["y"], {})],
          {"a": ints(3)}, ["y"], {"z": zero})


def sampling(cases):
    x = floats(2, 3, 5, 6)
    random = np.random.default_rng(5)
    grid = random.uniform(-1.4, 1.4, (2, 4, 3, 2)).astype(F)
    volume, volume_grid = floats(1, 2, 3, 4, 5), random.uniform(-1.3, 1.3, (1, 2, 3, 2, 3)).astype(F)
    for padding in ["zeros", "border", "reflection"]:
        for align in [0, 1]:
            for old, new in [("bilinear", "linear"), ("nearest", "nearest"), ("bicubic", "cubic")]:
                attributes = {"padding_mode": padding, "align_corners": align}
                if padding == "zeros" or old != "bicubic":
                    cases.node(f"{old}_{padding}_{align}", "GridSample", [x, grid], opset=16, mode=old, **attributes)
                    cases.node(f"{new}_{padding}_{align}", "GridSample", [x, grid], opset=20, mode=new, **attributes)
                if new != "cubic":
                    cases.node(f"{new}_{padding}_{align}_volume", "GridSample", [volume, volume_grid], opset=22, mode=new, **attributes)
    for align in [0, 1]:
        cases.node(f"{align}_plane", "AffineGrid", [floats(2, 2, 3), np.array([2, 1, 4, 5], I)], opset=20, align_corners=align)
        cases.node(f"{align}_volume", "AffineGrid", [floats(1, 3, 4), np.array([1, 2, 3, 4, 5], I)], opset=20, align_corners=align)
    for number, (image, block, attributes) in enumerate([([5, 5], [1, 5], {}), ([6, 7], [2, 3], {"strides": [2, 1]}), ([5, 6], [2, 2], {"pads": [1, 0, 1, 1]}), ([7, 8], [2, 3], {"dilations": [2, 1]}), ([4, 5, 4], [2, 2, 3], {"strides": [1, 2, 1]})]):
        rank = len(image)
        strides, dilations, pads = attributes.get("strides", [1] * rank), attributes.get("dilations", [1] * rank), attributes.get("pads", [0] * 2 * rank)
        places = [(image[i] + pads[i] + pads[rank + i] - (block[i] - 1) * dilations[i] - 1) // strides[i] + 1 for i in range(rank)]
        cases.node(f"{number}", "Col2Im", [floats(2, 3 * int(np.prod(block)), int(np.prod(places))), np.array(image, I), np.array(block, I)], opset=18, **attributes)


def write(cases):
    for part in [signals, sequences, sampling]:
        part(cases)
