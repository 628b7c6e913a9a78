"""Cases of normalisations, rearrangements, bits and sorting for evaluator_cases.py."""

import numpy as np
from evaluator_operators import F, I, SPECIAL, bools, floats, ints
from onnx import TensorProto


def functions(cases):
    x = floats(2, 3, 4)
    for op in ["Tan", "Atan", "Sinh", "Cosh", "Asinh"]:
        for opset in [9, 22]:
            cases.node("plain", op, [x], opset=opset)
    for op in ["Asin", "Acos", "Atanh"]:
        for opset in [9, 22]:
            cases.node("plain", op, [np.tanh(x)], opset=opset)
    cases.node("plain", "Acosh", [1 + np.abs(x)], opset=9)
    for opset in [10, 20]:
        for positive, negative in [(None, None), (0, 1), (1, 0), (0, 0)]:
            cases.node(f"{positive}{negative}", "IsInf", [SPECIAL], opset=opset, detect_positive=positive, detect_negative=negative)
    for lambd, bias in [(None, None), (0.7, 0.3), (1.5, 0.0)]:
        cases.node(f"{lambd}", "Shrink", [x], opset=9, lambd=lambd, bias=bias)
    cases.node("integers", "Shrink", [ints(3, 4, dtype=np.int32)], opset=9, lambd=1.5, bias=1.0)
    for opset in [11, 13]:
        for axis in [None, 0, 1, 2, -1]:
            cases.node(f"{axis}", "Hardmax", [np.round(x)], opset=opset, axis=axis)


def bits(cases):
    for op in ["BitwiseAnd", "BitwiseOr", "BitwiseXor"]:
        for dtype in [np.int32, np.int64, np.uint8, np.int8]:
            low = 0 if dtype == np.uint8 else -60
            cases.node(f"{np.dtype(dtype)}", op, [ints(3, 4, low=low, high=60, dtype=dtype), ints(4, low=low, high=60, seed=8, dtype=dtype)], opset=18)
    for dtype in [np.int32, np.int64, np.uint8]:
        cases.node(f"{np.dtype(dtype)}", "BitwiseNot", [ints(3, 4, low=0, high=60, dtype=dtype)], opset=18)
    for direction in ["LEFT", "RIGHT"]:
        cases.node(f"uint8_{direction}", "BitShift", [ints(3, 4, low=0, high=250, dtype=np.uint8), ints(4, low=0, high=8, seed=8, dtype=np.uint8)], opset=11, direction=direction)
        # Signed since opset 28, newer than the judge: numpy shifts the same way inside the type.
        a, b = ints(3, 4, low=-90, high=90, dtype=np.int32), ints(4, low=0, high=20, seed=8, dtype=np.int32)
        expected = np.left_shift(a, b) if direction == "LEFT" else np.right_shift(a, b)
        cases.node(f"int32_{direction}", "BitShift", [a, b], opset=28, direction=direction, expected=[expected])
        beyond = np.array([-1, 32, 99, 31], np.int32)
        value = np.array([-5, 7, -9, 3], np.int32)
        result = [0, 0, 0, -(2**31)] if direction == "LEFT" else [-1, 0, -1, 0]
        cases.node(f"beyond_{direction}", "BitShift", [value, beyond], opset=28, direction=direction, expected=[np.array(result, np.int32)])


def rearranging(cases):
    x = floats(2, 8, 3, 4)
    cases.node("old", "DepthToSpace", [x], opset=10, blocksize=2)
    for mode in ["DCR", "CRD"]:
        cases.node(mode, "DepthToSpace", [x], opset=13, blocksize=2, mode=mode)
    y = floats(2, 3, 4, 6)
    for opset in [7, 13]:
        cases.node("plain", "SpaceToDepth", [y], opset=opset, blocksize=2)
    for k in [None, 0, 1, -2, 9]:
        cases.node(f"{k}", "EyeLike", [floats(3, 5)], opset=9, k=k)
    cases.node("dtype", "EyeLike", [ints(4, 3, dtype=np.int32)], opset=22, dtype=TensorProto.DOUBLE)
    cases.node("integers", "EyeLike", [ints(4, 3)], opset=9, k=1)
    condition = np.array([False, True, True])
    for axis in [None, 0, 1, 2, -1]:
        for opset in [9, 11] if axis is None or axis >= 0 else [11]:
            cases.node(f"{axis}", "Compress", [floats(4, 3, 5), condition], opset=opset, axis=axis)
    cases.node("integers", "Compress", [ints(3, 2), np.array([True])], opset=11, axis=1)
    for opset in [9]:
        for axis in [None, 1]:
            index = np.array([[1, 0], [0, 2]], I)
            cases.node(f"{axis}", "Scatter", [floats(3, 3), index, floats(2, 2, seed=3)], opset=opset, axis=axis)
    # Of opset 28, newer than the judge: as DepthToSpace has it, backward.
    for mode in ["DCR", "CRD"]:
        b, (n, c, h, w) = 2, y.shape
        blocks = y.reshape(n, c, h // b, b, w // b, b)
        order = [0, 3, 5, 1, 2, 4] if mode == "DCR" else [0, 1, 3, 5, 2, 4]
        expected = blocks.transpose(order).reshape(n, c * b * b, h // b, w // b)
        cases.node(mode, "SpaceToDepth", [y], opset=28, blocksize=b, mode=mode, expected=[expected])
    for shape in [[3, 5], [6, 2], [4, 4], [1, 9]]:
        cases.node("_".join(map(str, shape)), "CenterCropPad", [floats(4, 5), np.array(shape, I)], opset=18)
    cases.node("axes", "CenterCropPad", [floats(4, 5, 3), np.array([7, 2], I)], opset=18, axes=[-1, 0])
    cases.node("integers", "CenterCropPad", [ints(4, 5), np.array([3, 8], I)], opset=18)


def sorting(cases):
    for axis in [None, 0, 1, -1]:
        x = np.round(floats(4, 5, 6, seed=3) * 2)
        if axis is None or axis >= 0:
            cases.node(f"{axis}", "TopK", [x], outputs=2, opset=9, axis=axis, k=3)
            cases.node(f"{axis}", "TopK", [x, np.array([3], I)], outputs=2, opset=10, axis=axis)
        for largest in [0, 1]:
            cases.node(f"{axis}_{largest}", "TopK", [x, np.array([2], I)], outputs=2, opset=11, axis=axis, largest=largest)
    cases.node("integers", "TopK", [ints(3, 7), np.array([7], I)], outputs=2, opset=11)
    cases.node("new", "TopK", [floats(3, 7), np.array([4], I)], outputs=2, opset=24)
    cases.node("none", "TopK", [floats(3, 7), np.array([0], I)], outputs=2, opset=11)


def normalizations(cases):
    for shape in [(2, 6, 5), (2, 6, 3, 4), (1, 6, 2, 3, 2)]:
        x, scale, bias = floats(*shape), floats(6, seed=1), floats(6, seed=2)
        for opset, attributes in [(7, {}), (22, {"epsilon": 0.01})]:
            cases.node(f"{len(shape)}", "InstanceNormalization", [x, scale, bias], opset=opset, **attributes)
        for groups in [1, 2, 3, 6]:
            cases.node(f"{len(shape)}_{groups}", "GroupNormalization", [x, scale, bias], opset=21, num_groups=groups, epsilon=0.001)
            # Of opset 18, where scale and bias belong to groups: that of 21 with both repeated.
            per = [np.repeat(v[:groups], 6 // groups) for v in (scale, bias)]
            grouped = x.reshape(shape[0], groups, -1)
            normal = (grouped - grouped.mean(-1, keepdims=True)) / np.sqrt(grouped.var(-1, keepdims=True) + F(1e-5))
            broadcast = [v.reshape(1, 6, *[1] * (len(shape) - 2)) for v in per]
            expected = [(normal.reshape(shape) * broadcast[0] + broadcast[1]).astype(F)]
            cases.node(f"{len(shape)}_{groups}", "GroupNormalization", [x, scale[:groups], bias[:groups]], opset=18, num_groups=groups, expected=expected)
    x = floats(2, 3, 4, 5)
    for axes in [None, [0, 1, 2, 3], [2, 3], [1]]:
        for opset in [9, 13]:
            cases.node("_".join(map(str, axes or ["none"])), "MeanVarianceNormalization", [x], opset=opset, axes=axes)
    with_zero = floats(2, 3, 4)
    with_zero[0, 1] = 0
    with_zero[:, :, 2] = 0
    for axis in [None, 0, 1, -1]:
        for p in [1, 2]:
            for opset in [7, 22]:
                cases.node(f"{axis}_{p}", "LpNormalization", [with_zero], opset=opset, axis=axis, p=p)
    for size, attributes in [(3, {}), (1, {}), (4, {"alpha": 0.3, "beta": 0.6, "bias": 1.2}), (9, {"alpha": 2.0})]:
        for opset in [7, 13]:
            if size % 2 == 1:  # onnxruntime refuses even sizes
                cases.node(f"{size}", "LRN", [floats(2, 5, 3, 2)], opset=opset, size=size, **attributes)
    for axis in [None, 0, 1, -2]:
        lane = x.shape[(axis if axis is not None else -1) % 4 :]
        for scale in {lane, lane[-1:]}:
            cases.node(f"{axis}_{len(scale)}", "RMSNormalization", [x, floats(*scale, seed=1)], opset=23, axis=axis, epsilon=0.01)
    cases.node("broadcast", "LayerNormalization", [x, floats(1, 1, 1, 5, seed=1), floats(5, seed=2)], opset=17)


def write(cases):
    for part in [functions, bits, rearranging, sorting, normalizations]:
        part(cases)
