"""Cases of attention, and of onnxruntime's own operators, for evaluator_cases.py."""

import numpy as np
from evaluator_cases import reference
from evaluator_operators import F, I, bools, floats


def attention(cases):
    def case(name, q, k, v, *rest, opset=23, outputs=1, **attributes):
        cases.node(name, "Attention", [q, k, v, *rest], outputs=outputs, opset=opset, expected=reference, **attributes)

    B, H, L, T, D, E = 2, 4, 3, 5, 6, 7
    for opset in [23, 24, 25]:
        q, k, v = floats(B, H, L, D), floats(B, H, T, D, seed=1), floats(B, H, T, E, seed=2)
        case("plain", q, k, v, opset=opset)
        case("scaled", q, k, v, opset=opset, scale=0.3, softcap=2.0)
        case("causal", q, k, v, opset=opset, is_causal=1)
        flat = lambda x: x.transpose(0, 2, 1, 3).reshape(B, x.shape[2], -1)
        case("flat", flat(q), flat(k), flat(v), opset=opset, q_num_heads=H, kv_num_heads=H)
        grouped, values = floats(B, 2, T, D, seed=3), floats(B, 2, T, E, seed=4)
        case("grouped", q, grouped, values, opset=opset)
        case("grouped_flat", flat(q), flat(grouped), flat(values), opset=opset, q_num_heads=H, kv_num_heads=2)
        for name, mask in [("rows", floats(L, T, seed=5)), ("heads", floats(H, L, T, seed=5)), ("all", floats(B, 1, L, T, seed=5)), ("short", floats(L, T - 1, seed=5)), ("bools", bools(B, H, L, T)), ("column", floats(L, 1, seed=6))]:
            if name != "column":
                case(f"mask_{name}", q, k, v, mask, opset=opset)
                case(f"mask_{name}_causal", q, k, v, mask, opset=opset, is_causal=1)
        hidden = np.ones((L, T), bool)
        hidden[1] = False
        case("hidden", q, k, v, hidden, opset=opset)
        past = floats(B, H, 4, D, seed=7), floats(B, H, 4, E, seed=8)
        case("past", q, k, v, None, *past, opset=opset, outputs=3)
        case("past_causal", q, k, v, None, *past, opset=opset, outputs=4, is_causal=1, qk_matmul_output_mode=3)
        for mode in [0, 1, 2, 3]:
            attributes = {"softcap": 1.5} if mode else {}
            case(f"scores{mode}", q, k, v, floats(L, T, seed=5), opset=opset, outputs=[1, 0, 0, 1], qk_matmul_output_mode=mode, **attributes)
        if opset >= 24:
            for causal in [0, 1]:
                case(f"lengths{causal}", q, k, v, None, None, None, np.array([5, 3], I), opset=opset, is_causal=causal)
        if opset == 25:
            for left, right in [(1, 0), (0, 1), (2, -1), (-1, 1)]:
                for causal in [0, 1]:
                    case(f"window{left}{right}{causal}", q, k, v, opset=opset, left_window_size=left, right_window_size=right, is_causal=causal)
            case("window_past", q, k, v, None, *past, opset=opset, left_window_size=2, right_window_size=0)
    x = floats(2, 3, 4, 8)
    table = floats(9, 4, seed=1), floats(9, 4, seed=2)
    positions = np.array([[0, 2, 1, 8], [3, 3, 5, 4]], I)
    for interleaved in [0, 1]:
        cases.node(f"{interleaved}", "RotaryEmbedding", [x, *table, positions], opset=23, interleaved=interleaved, expected=reference)
        cases.node(f"{interleaved}_rows", "RotaryEmbedding", [x, floats(2, 4, 4, seed=1), floats(2, 4, 4, seed=2)], opset=23, interleaved=interleaved, expected=reference)
        cases.node(f"{interleaved}_flat", "RotaryEmbedding", [floats(2, 4, 24), *table, positions], opset=23, interleaved=interleaved, num_heads=3, expected=reference)
        part = floats(9, 2, seed=1), floats(9, 2, seed=2)
        cases.node(f"{interleaved}_part", "RotaryEmbedding", [x, *part, positions], opset=23, interleaved=interleaved, rotary_embedding_dim=4, expected=reference)


def fused(cases):
    def case(name, op, inputs, **attributes):
        cases.node(name, op, inputs, domain="com.microsoft", **attributes)

    image, weight, bias = floats(2, 4, 6, 5), floats(6, 2, 3, 2, seed=1), floats(6, seed=2)
    activations = [("Relu", []), ("Tanh", []), ("Sigmoid", []), ("LeakyRelu", [0.3]), ("Clip", [-0.5, 0.8]), ("HardSigmoid", [0.3, 0.4])]
    for activation, parameters in activations:
        attributes = {"activation": activation, "activation_params": parameters or None, "group": 2, "pads": [1, 0, 1, 1]}
        case(activation, "FusedConv", [image, weight, bias], **attributes)
        if activation == "Relu":
            case("sum", "FusedConv", [image, weight, bias, floats(2, 6, 6, 5, seed=3)], **attributes)
    case("none", "FusedConv", [image, weight], group=2)
    for activation, alpha in [("Relu", None), ("Tanh", None), ("Sigmoid", None), ("LeakyRelu", 0.3), ("Elu", 0.7), ("Softsign", None)]:
        case(activation, "FusedGemm", [floats(4, 3), floats(5, 4, seed=1), floats(5, seed=2)], activation=activation, activation_alpha=alpha, transA=1, transB=1, alpha=0.8, beta=1.2)
    a, b = floats(2, 3, 4, 5), floats(2, 3, 5, 6, seed=1)
    case("plain", "FusedMatMul", [a, b], alpha=0.4)
    case("left", "FusedMatMul", [floats(2, 3, 5, 4), b], transA=1)
    case("right", "FusedMatMul", [a, floats(2, 3, 6, 5, seed=1)], transB=1, alpha=2.0)
    case("batch", "FusedMatMul", [floats(4, 2, 3, 5), floats(5, 2, 3, 6, seed=1)], transBatchA=1, transBatchB=1)
    case("batch_left", "FusedMatMul", [floats(5, 2, 3, 4), b], transBatchA=1, transA=1)
    x, skip = floats(2, 3, 8), floats(2, 3, 8, seed=1)
    gamma, beta, shift = floats(8, seed=2), floats(8, seed=3), floats(8, seed=4)
    for outputs in [1, [1, 0, 0, 1]]:
        name = "sum" if outputs != 1 else "one"
        case(name, "SkipLayerNormalization", [x, skip, gamma, beta, shift], outputs=outputs, epsilon=1e-5)
        case(f"{name}_bare", "SkipLayerNormalization", [x, skip, gamma], outputs=outputs)
        case(f"{name}_rows", "SkipLayerNormalization", [x, floats(3, 8, seed=1), gamma, beta], outputs=outputs)
        case(name, "SkipSimplifiedLayerNormalization", [x, skip, gamma, shift], outputs=outputs, epsilon=1e-5)
        case(f"{name}_bare", "SkipSimplifiedLayerNormalization", [x, skip, gamma], outputs=outputs)
    for axis in [None, 1, -1]:
        lane = x.shape[axis if axis is not None else -1 :]
        cases.node(f"{axis}", "SimplifiedLayerNormalization", [x, floats(*lane, seed=2)], axis=axis, epsilon=0.01, stash_type=1)
    I32 = np.int32
    weights, added = floats(8, 24, seed=5), floats(24, seed=6)
    other, values = floats(2, 4, 8, seed=7), floats(2, 4, 6, seed=8)
    for causal in [0, 1]:
        ways = {"num_heads": 2, "unidirectional": causal}
        case(f"plain{causal}", "Attention", [x, weights, added], **ways)
        case(f"scaled{causal}", "Attention", [x, weights, added], scale=0.3, **ways)
        case(f"sizes{causal}", "Attention", [x, floats(8, 22, seed=5), floats(22, seed=6)], qkv_hidden_sizes=[8, 8, 6], **ways)
        case(f"mask{causal}", "Attention", [x, weights, added, np.array([[1, 1, 0], [1, 0, 1]], I32)], **ways)
        case(f"filter{causal}", "Attention", [x, weights, added, np.array([[1, 1, 0], [1, 0, 1]], I32)], mask_filter_value=-3.0, **ways)
        case(f"lengths{causal}", "Attention", [x, weights, added, np.array([3, 2], I32)], **ways)
        case(f"bias{causal}", "Attention", [x, weights, added, None, None, floats(2, 2, 3, 3, seed=9)], **ways)
        case(f"plain{causal}", "MultiHeadAttention", [x, x, x], **ways)
        case(f"bias{causal}", "MultiHeadAttention", [x, x, x, added], **ways)
        case(f"added{causal}", "MultiHeadAttention", [x, x, x, added, None, floats(1, 2, 3, 3, seed=9)], **ways)
        case(f"mask{causal}", "MultiHeadAttention", [x, x, x, None, np.array([[1, 1, 0], [1, 1, 1]], I32)], **ways)
    case("other", "MultiHeadAttention", [x, other, values], num_heads=2)
    case("other_bias", "MultiHeadAttention", [x, other, values, floats(22, seed=6)], num_heads=2, scale=0.2)
    case("other_mask", "MultiHeadAttention", [x, other, values, None, np.array([[1, 1, 0, 1], [1, 1, 1, 0]], I32)], num_heads=2)
    case("plain", "BiasGelu", [x, shift])
    case("plain", "FastGelu", [x])
    case("bias", "FastGelu", [x, shift])
    case("plain", "Gelu", [x])
    for alpha in [None, 0.7]:
        case(f"{alpha}", "QuickGelu", [x], alpha=alpha)


def write(cases):
    for part in [attention, fused]:
        part(cases)
