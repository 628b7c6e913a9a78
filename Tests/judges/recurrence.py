"""The ONNX recurrent operators in float64, from the operator specification alone.

It judges the judge: `matrix.py` records onnxruntime's results only where this agrees. The equations and letters
are the specification's (X, W, R, Wb, Rb, P; i, o, f, c for LSTM, z, r, h for GRU).
"""

from __future__ import annotations

import numpy as np

DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
# Which of alpha and beta an activation has, with the default of the operator of the same name.
PARAMETERS = {
    "Affine": (1.0, 0.0), "LeakyRelu": (0.01, None), "ThresholdedRelu": (1.0, None), "ScaledTanh": (1.0, 1.0),
    "HardSigmoid": (0.2, 0.5), "Elu": (1.0, None),
}


def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), 1 - 1 / (1 + np.exp(-np.abs(x))))


def activation(name: str, alpha: float | None, beta: float | None):
    """The function of that name, as the operator's documentation lists them."""
    return {
        "Relu": lambda x: np.maximum(x, 0),
        "Tanh": np.tanh,
        "Sigmoid": sigmoid,
        "Affine": lambda x: alpha * x + beta,
        "LeakyRelu": lambda x: np.where(x >= 0, x, alpha * x),
        "ThresholdedRelu": lambda x: np.where(x >= alpha, x, 0),
        "ScaledTanh": lambda x: alpha * np.tanh(beta * x),
        "HardSigmoid": lambda x: np.clip(alpha * x + beta, 0, 1),
        "Elu": lambda x: np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0))),
        "Softsign": lambda x: x / (1 + np.abs(x)),
        "Softplus": lambda x: np.logaddexp(0, x),
    }[name]


def functions(cell: str, directions: int, attributes: dict) -> list[list]:
    """One list of functions a direction; each value of alpha and beta goes to the next function that has one."""
    names = attributes.get("activations") or DEFAULTS[cell] * directions
    alphas = [np.float32(v) for v in attributes.get("activation_alpha", [])]
    betas = [np.float32(v) for v in attributes.get("activation_beta", [])]
    out = []
    for name in names:
        alpha, beta = PARAMETERS.get(name, (None, None))
        if alpha is not None:
            alpha = float(alphas.pop(0)) if alphas else alpha
        if beta is not None:
            beta = float(betas.pop(0)) if betas else beta
        out.append(activation(name, alpha, beta))
    count = len(DEFAULTS[cell])
    return [out[index * count:(index + 1) * count] for index in range(directions)]


def run(cell: str, attributes: dict, x, w, r, b=None, lengths=None, h0=None, c0=None, p=None,
        clip_cell: bool = True) -> dict:
    """Y, Y_h and (LSTM) Y_c for layout 0. Padding frames of Y are zero; the states stay at the last real frame.

    The specification clips "the input of activations", hence of h(C_t) too; onnxruntime leaves C_t as it is
    (`clip_cell=False`).
    """
    x, w, r = (np.asarray(a, np.float64) for a in (x, w, r))
    time, batch, _ = x.shape
    directions, hidden = w.shape[0], r.shape[2]
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[cell]
    b = np.zeros((directions, 2 * gates * hidden)) if b is None else np.asarray(b, np.float64)
    p = np.zeros((directions, 3 * hidden)) if p is None else np.asarray(p, np.float64)
    lengths = np.full(batch, time) if lengths is None else np.asarray(lengths)
    state = np.zeros((directions, batch, hidden))
    h = state.copy() if h0 is None else np.asarray(h0, np.float64).copy()
    c = state.copy() if c0 is None else np.asarray(c0, np.float64).copy()
    y = np.zeros((time, directions, batch, hidden))
    limit = float(np.float32(attributes.get("clip", np.inf)))
    direction = attributes.get("direction", "forward")

    def clip(value):
        return np.clip(value, -limit, limit)

    for d, fs in enumerate(functions(cell, directions, attributes)):
        backwards = direction == "reverse" or d == 1
        wb, rb = b[d, : gates * hidden], b[d, gates * hidden:]
        for row in range(batch):
            steps = range(lengths[row])
            for t in reversed(steps) if backwards else steps:
                wx, rh = w[d] @ x[t, row] + wb, r[d] @ h[d, row]
                if cell == "RNN":
                    h[d, row] = fs[0](clip(wx + rh + rb))
                elif cell == "GRU":
                    h[d, row] = gru(wx, rh, rb, r[d], h[d, row], fs, clip,
                                    attributes.get("linear_before_reset", 0))
                else:
                    h[d, row], c[d, row] = lstm(wx + rh + rb, c[d, row], p[d], fs, clip,
                                                attributes.get("input_forget", 0), clip_cell)
                y[t, d, row] = h[d, row]
    return {"Y": y, "Y_h": h, "Y_c": c} if cell == "LSTM" else {"Y": y, "Y_h": h}


def gru(wx, rh, rb, r, h, fs, clip, linear_before_reset):
    f, g = fs
    size = len(h)
    z = f(clip(wx[:size] + rh[:size] + rb[:size]))
    reset = f(clip(wx[size:2 * size] + rh[size:2 * size] + rb[size:2 * size]))
    if linear_before_reset:
        inner = reset * (rh[2 * size:] + rb[2 * size:])
    else:
        inner = r[2 * size:] @ (reset * h) + rb[2 * size:]
    return (1 - z) * g(clip(wx[2 * size:] + inner)) + z * h


def lstm(sums, c, p, fs, clip, input_forget, clip_cell):
    f, g, hidden = fs
    size = len(c)
    si, so, sf, sc = (sums[k * size:(k + 1) * size] for k in range(4))
    pi, po, pf = (p[k * size:(k + 1) * size] for k in range(3))
    i = f(clip(si + pi * c))
    forget = 1 - i if input_forget else f(clip(sf + pf * c))
    c = forget * c + i * g(clip(sc))
    o = f(clip(so + po * c))
    return o * hidden(clip(c) if clip_cell else c), c
