"""Cases of convolutions, pools and resizing for evaluator_cases.py; many of them of random sizes and attributes."""

import numpy as np
from evaluator_operators import F, I, bools, floats, ints


def geometry(random, rank):
    """Sizes of an image and a kernel, and attributes by which the kernel moves over it."""
    pick = lambda low, high: [int(n) for n in random.integers(low, high, rank)]
    image, kernel = pick(5, 9), pick(1, 4)
    attributes = {}
    if random.random() < 0.6:
        attributes["strides"] = pick(1, 4)
    if random.random() < 0.4:
        attributes["dilations"] = pick(1, 3)
    padding = random.integers(0, 4)
    if padding == 0:
        attributes["pads"] = [int(random.integers(0, k)) for k in kernel * 2]
    elif padding > 1:
        attributes["auto_pad"] = ["SAME_UPPER", "SAME_LOWER", "VALID"][random.integers(0, 3)]
    if "SAME" in attributes.get("auto_pad", ""):
        # onnxruntime refuses dilations then, or overlooks them, and gives too little where strides leave gaps.
        attributes.pop("dilations", None)
        kernel = [max(k, s) for k, s in zip(kernel, attributes.get("strides", kernel))]
    return image, kernel, attributes


def convolutions(cases):
    for number in range(60):
        random = np.random.default_rng([7, number])
        rank = 1 + number % 3
        image, kernel, attributes = geometry(random, rank)
        group, n = int(random.integers(1, 4)), int(random.integers(1, 3))
        channels, maps = int(random.integers(1, 4)), int(random.integers(1, 4))
        inputs = [floats(n, group * channels, *image, seed=number), floats(group * maps, channels, *kernel, seed=number + 1)]
        if random.random() < 0.5:
            inputs.append(floats(group * maps, seed=number + 2))
        if random.random() < 0.5:
            attributes["kernel_shape"] = kernel
        cases.node(f"random{number}", "Conv", inputs, opset=[7, 11, 17, 22][number % 4], group=group, constants=(1,) if number % 5 == 0 else (), **attributes)
    # Wide enough to be gathered in several blocks, as audio is.
    wide = [floats(2, 24, 2100, seed=1, scale=0.3), floats(20, 12, 5, seed=2, scale=0.3), floats(20, seed=3)]
    cases.node("blocks", "Conv", wide, opset=13, group=2, pads=[2, 2], strides=[1])
    cases.node("blocks", "ConvTranspose", [wide[0], floats(24, 10, 4, seed=2, scale=0.3), floats(20, seed=3)], opset=13, group=2, strides=[2], pads=[1, 1])
    cases.node("depthwise", "Conv", [floats(1, 6, 9, 8), floats(6, 1, 3, 3, seed=1)], opset=17, group=6, pads=[1, 1, 1, 1])
    for number in range(60):
        random = np.random.default_rng([8, number])
        rank = 1 + number % 3
        image, kernel, attributes = geometry(random, rank)
        group, channels, maps = (int(n) for n in random.integers(1, 4, 3))
        strides, dilations = attributes.get("strides", [1] * rank), attributes.get("dilations", [1] * rank)
        if number % 3 == 1:
            attributes["output_padding"] = [int(random.integers(0, s)) for s in strides]
        if number % 4 == 2:
            full = [s * (i - 1) + d * (k - 1) + 1 for s, i, d, k in zip(strides, image, dilations, kernel)]
            attributes["output_shape"] = [int(random.integers(max(1, f - 3), f + 2)) for f in full]
            attributes.pop("pads", None)
            if attributes.get("auto_pad") == "VALID":
                del attributes["auto_pad"]
        inputs = [floats(2, group * channels, *image, seed=number), floats(group * channels, maps, *kernel, seed=number + 1)]
        if random.random() < 0.5:
            inputs.append(floats(group * maps, seed=number + 2))
        cases.node(f"random{number}", "ConvTranspose", inputs, opset=[8, 11, 17, 22][number % 4], group=group, **attributes)


def pools(cases):
    for op, opsets in [("MaxPool", [10, 12, 22]), ("AveragePool", [19, 22]), ("LpPool", [18, 22])]:
        for number in range(45):
            random = np.random.default_rng([9, number])
            rank = 1 + number % 3
            image, kernel, attributes = geometry(random, rank)
            if random.random() < 0.5:
                attributes["ceil_mode"] = int(random.integers(0, 2))
            if op == "LpPool" and random.random() < 0.6:
                attributes["p"] = int(random.integers(1, 4))
            if op == "AveragePool" and random.random() < 0.6:
                attributes["count_include_pad"] = int(random.integers(0, 2))
            if op == "MaxPool" and random.random() < 0.6:
                attributes["storage_order"] = int(random.integers(0, 2))
            outputs = 2 if op == "MaxPool" and number % 2 else 1
            cases.node(f"random{number}", op, [floats(2, 3, *image, seed=number)], outputs=outputs, opset=opsets[number % len(opsets)], kernel_shape=kernel, **attributes)
    x = floats(2, 3, 7, 6)
    for op in ["MaxPool", "AveragePool", "LpPool"]:
        cases.node("old", op, [x], opset=7, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])
    # A kernel that is longer than the axis by less than a stride still takes a place where that is rounded up.
    for op in ["MaxPool", "AveragePool", "LpPool"]:
        cases.node("longer", op, [floats(1, 2, 2, 4)], opset=19 if op != "LpPool" else 18, kernel_shape=[3, 5], strides=[2, 2], ceil_mode=1)
        cases.node("longer_padded", op, [floats(1, 2, 2, 4)], opset=19 if op != "LpPool" else 18, kernel_shape=[4, 6], strides=[3, 2], pads=[1, 0, 0, 1], ceil_mode=1)
    cases.node("ties", "MaxPool", [np.round(x)], outputs=2, opset=8, kernel_shape=[3, 3])
    for dtype in [np.int8, np.uint8]:
        cases.node(f"{np.dtype(dtype)}", "MaxPool", [ints(1, 2, 5, 5, low=0, high=90, dtype=dtype)], opset=12, kernel_shape=[2, 2])
    for op in ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"]:
        for shape in [(2, 3, 5), (2, 3, 4, 5), (1, 2, 3, 2, 4)]:
            for opset in [7, 22]:
                # onnxruntime has no GlobalLpPool of opset 22, whose text is that of 2.
                twin = {"opset": 13} if op == "GlobalLpPool" and opset == 22 else None
                cases.node(f"{len(shape)}", op, [floats(*shape)], opset=opset, judged=twin)
    cases.node("three", "GlobalLpPool", [x], opset=13, p=3)


def resizes(cases):
    x = floats(1, 2, 5, 6)
    old = [np.array(scales, F) for scales in ([1, 1, 2, 2], [1, 1, 1.5, 3], [1, 1, 1, 2])]
    for number, scales in enumerate(old):
        for mode in ["nearest", "linear"]:
            cases.node(f"{mode}{number}", "Upsample", [x], opset=7, mode=mode, scales=scales.tolist())
            cases.node(f"{mode}{number}", "Upsample", [x, scales], opset=9, mode=mode)
            cases.node(f"{mode}{number}", "Resize", [x, scales], opset=10, mode=mode)
    for mode in ["nearest", "linear"]:
        cases.node(f"{mode}_smaller", "Resize", [x, np.array([1, 1, 0.6, 0.5], F)], opset=10, mode=mode)
    transformations = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric", "tf_crop_and_resize"]
    resized = [[8, 9], [3, 4], [10, 12], [1, 1], [7, 2], [5, 13]]
    for transformation in transformations:
        for number, sizes in enumerate(resized):
            for mode in ["nearest", "linear", "cubic"]:
                opset = 19 if transformation == "half_pixel_symmetric" else [11, 13, 18, 19][number % 4]
                attributes = {"mode": mode, "coordinate_transformation_mode": transformation}
                if mode == "nearest":
                    attributes["nearest_mode"] = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"][number % 4]
                if mode == "cubic":
                    attributes["cubic_coeff_a"] = [-0.75, -0.5][number % 2]
                    if transformation != "tf_crop_and_resize":
                        attributes["exclude_outside"] = number // 2 % 2
                roi = None if opset > 11 else np.array([], F)
                if transformation == "tf_crop_and_resize":
                    attributes["extrapolation_value"] = 1.5
                    roi = np.array([0, 0, 0.13, 0.21, 1, 1, 0.83, 1.27], F)
                    # onnxruntime overlooks the roi of an axis that keeps its size.
                    sizes = [6 if size == 5 else size for size in sizes]
                scales = None if opset > 11 else np.array([], F)
                name = f"{transformation}_{mode}{number}"
                cases.node(name, "Resize", [x, roi, scales, np.array([1, 2] + sizes, I)], opset=opset, **attributes)
                if transformation in ("half_pixel", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric"):
                    scales = np.array([1, 1, sizes[0] / 5, sizes[1] / 6 + 0.01], F)
                    cases.node(f"{name}_scales", "Resize", [x, roi, scales], opset=opset, **attributes)
    cases.node("for_nn", "Resize", [x, np.array([], F), np.array([1, 1, 2, 1.5], F)], opset=11, coordinate_transformation_mode="tf_half_pixel_for_nn", nearest_mode="floor")
    y = floats(1, 2, 9, 10)
    for mode in ["linear", "cubic"]:
        for number, sizes in enumerate([[4, 5], [3, 10], [2, 3], [12, 4]]):
            for exclude in [0, 1] if mode == "cubic" else [0]:
                cases.node(f"antialias_{mode}{number}_{exclude}", "Resize", [y, None, None, np.array([1, 2] + sizes, I)], opset=18, mode=mode, antialias=1, exclude_outside=exclude)
    for policy in ["stretch", "not_larger", "not_smaller"]:
        for mode in ["nearest", "linear"]:
            cases.node(f"{policy}_{mode}", "Resize", [y, None, None, np.array([6, 13], I)], opset=18, mode=mode, axes=[2, 3], keep_aspect_ratio_policy=policy)
            cases.node(f"{policy}_{mode}_axes", "Resize", [y, None, None, np.array([13, 6], I)], opset=19, mode=mode, axes=[3, 2], keep_aspect_ratio_policy=policy)
    cases.node("line", "Resize", [floats(2, 3, 7), None, np.array([1, 1, 2.6], F)], opset=13, mode="linear")
    cases.node("volume", "Resize", [floats(1, 2, 3, 4, 5), None, np.array([1, 1, 2, 1.5, 2], F)], opset=13, mode="linear")
    cases.node("integers", "Resize", [ints(1, 1, 4, 4, dtype=np.int32), None, np.array([1, 1, 2, 1.5], F)], opset=13)


def write(cases):
    for part in [convolutions, pools, resizes]:
        part(cases)
