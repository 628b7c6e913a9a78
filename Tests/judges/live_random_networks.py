"""Random networks around a recurrence: no false alarm on what PyTorch and onnxruntime compute of them, and no planted mistake that passes.

Each network is drawn (convolutions over one or two axes with groups, dilation, strides and uneven pads; pads, pools, norms, activations;
a recurrence; a head), exported by PyTorch, and run by PyTorch and by onnxruntime in float32. `rnnconv verify --expected` has to find both
recordings equal, or inconclusive; `different` is a false alarm. Then one mistake that converters make is planted in the network, whose
outputs PyTorch records: where they move by more than 1e-4 of their range, `equal` is a miss.

    .peers-large/bin/python Tests/judges/live_random_networks.py --count 2000 --json networks.json
    .peers-large/bin/python Tests/judges/live_random_networks.py --only 17 --keep look
"""

from __future__ import annotations

import os

# One thread a process: the processes are as many as the cores.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse
import collections
import contextlib
import copy
import io
import json
import logging
import random
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from tool import binary

RNNCONV = binary()
COUNTED = 1e-4  # of the range: what a planted mistake has to move to count
FAILED = "no verdict"


class Last(nn.Module):
    """[batch, channels, bands, time] or [batch, channels, time] to steps of features."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1, 2).transpose(1, 2) if x.dim() == 4 else x.transpose(1, 2)


class Recurrence(nn.Module):
    """Its steps alone."""

    def __init__(self, kind: type[nn.RNNBase], *sizes: int, **options: object):
        super().__init__()
        self.recurrence = kind(*sizes, batch_first=True, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.recurrence(x)[0]


class Pad(nn.Module):
    """Uneven ends: PyTorch's convolutions have even ones alone."""

    def __init__(self, pads: list[int], mode: str):
        super().__init__()
        self.pads, self.mode = pads, mode

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x, self.pads, mode=self.mode)


class Drawn:
    """A network, and the sizes of its input."""

    def __init__(self, seed: int):
        self.draw = random.Random(seed)
        torch.manual_seed(seed)
        self.is_image = self.draw.random() < 0.5
        self.channels = self.draw.choice([1, 2, 3] if self.is_image else [4, 13, 40])
        self.bands = self.draw.randint(8, 24) if self.is_image else 1
        self.sizes = [self.draw.randint(1, 4), self.channels, *([self.bands] if self.is_image else []),
                      self.draw.randint(24, 80)]  # fmt: skip
        self.parts: list[nn.Module] = []
        for _ in range(self.draw.randint(1, 3)):
            self.window()
        self.parts.append(Last())
        self.steps(self.channels * self.bands)
        self.module = nn.Sequential(*self.parts).eval()
        for part in self.module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                for tensor in (part.running_mean, part.weight.data, part.bias.data):
                    tensor.add_(0.3 * torch.randn_like(tensor))
                part.running_var.uniform_(0.3, 2)

    def along(self, least: int, most: int) -> list[int]:
        return [self.draw.randint(least, most) for _ in range(2 if self.is_image else 1)]

    def window(self) -> None:
        draw, image = self.draw, self.is_image
        if draw.random() < 0.4:
            mode = draw.choice(["constant", "reflect", "replicate"])
            pads = [draw.randint(0, 3) for _ in range(4 if image else 2)]
            self.parts.append(Pad(pads, mode))
            self.bands += sum(pads[2:])
        kernel, dilation = self.along(1, 5), self.along(1, 2)
        stride = self.along(1, 2) if draw.random() < 0.3 else [1] * len(kernel)
        padding = [draw.randint(0, k // 2) for k in kernel]
        if image:
            # The bands have to suffice.
            while self.bands + 2 * padding[0] < dilation[0] * (kernel[0] - 1) + 1:
                kernel[0] -= 1
            padding[0] = min(padding[0], kernel[0] // 2)
        depthwise = draw.random() < 0.2
        outputs = self.channels * draw.choice([1, 2]) if depthwise else draw.choice([8, 16, 24, 32, 48])
        groups = self.channels if depthwise else draw.choice([g for g in (1, 1, 2, 4) if self.channels % g == 0 == outputs % g])
        kind = nn.Conv2d if image else nn.Conv1d
        self.parts.append(kind(self.channels, outputs, kernel, stride, padding, dilation, groups, draw.random() < 0.8))
        self.channels = outputs
        if image:
            self.bands = (self.bands + 2 * padding[0] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
        if draw.random() < 0.5:
            self.parts.append((nn.BatchNorm2d if image else nn.BatchNorm1d)(outputs, eps=draw.choice([1e-5, 1e-3])))
        self.parts.append(
            draw.choice([nn.ReLU, nn.ReLU, nn.Tanh, nn.GELU, nn.SiLU, nn.ELU, nn.Hardswish, lambda: nn.LeakyReLU(0.1), nn.ReLU6, nn.Identity])()
        )
        if draw.random() < 0.4:
            self.pool()

    def pool(self) -> None:
        draw, image = self.draw, self.is_image
        kernel = self.along(1, 3)
        stride = [draw.randint(1, k) for k in kernel]
        padding = [draw.randint(0, k // 2) for k in kernel]
        ceil = draw.random() < 0.3
        if image and self.bands + 2 * padding[0] < kernel[0]:
            return
        if draw.random() < 0.5:
            part = (nn.MaxPool2d if image else nn.MaxPool1d)(kernel if image else kernel[0], stride if image else stride[0],
                                                             padding if image else padding[0], ceil_mode=ceil)  # fmt: skip
        else:
            part = (nn.AvgPool2d if image else nn.AvgPool1d)(kernel if image else kernel[0], stride if image else stride[0],
                                                             padding if image else padding[0], ceil, draw.random() < 0.5)  # fmt: skip
        if image:
            self.bands = part(torch.zeros(1, 1, self.bands, 9)).shape[2]
        self.parts.append(part)

    def steps(self, features: int) -> None:
        draw = self.draw
        if draw.random() < 0.3:
            self.parts.append(nn.LayerNorm(features))
        hidden, both = draw.choice([16, 32, 64, 96]), draw.random() < 0.4
        kind = draw.choice([nn.LSTM, nn.GRU, nn.LSTM, nn.GRU, nn.RNN])
        self.parts.append(Recurrence(kind, features, hidden, draw.randint(1, 2), bidirectional=both))
        size = hidden * (2 if both else 1)
        if draw.random() < 0.3:
            self.parts.append(nn.LayerNorm(size, eps=draw.choice([1e-5, 1e-6])))
        self.parts.append(nn.Linear(size, draw.randint(2, 12)))
        self.parts.append(draw.choice([nn.Identity, nn.Sigmoid, lambda: nn.Softmax(-1), lambda: nn.LogSoftmax(-1), nn.Tanh])())


# What converters get wrong. Each changes a part of a copy in place, or gives another in its stead; None where there is nothing to change.

MISTAKES: dict[str, Callable[[nn.Module], nn.Module | None]] = {}


def mistake(*kinds: type[nn.Module]):
    def register(change: Callable[[nn.Module], nn.Module | None]):
        MISTAKES[change.__name__.replace("_", "-")] = lambda part: change(part) if isinstance(part, kinds) else None
        return change

    return register


CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


@mistake(*CONVOLUTIONS)
def kernel_flipped(part):
    part.weight.data = part.weight.data.flip(tuple(range(2, part.weight.dim())))
    return part


@mistake(nn.Conv2d)
def kernel_axes_swapped(part):
    if part.weight.shape[2] != part.weight.shape[3]:
        return None
    part.weight.data = part.weight.data.transpose(2, 3).contiguous()
    return part


@mistake(*CONVOLUTIONS)
def channels_transposed(part):
    if part.weight.shape[0] != part.weight.shape[1]:
        return None
    part.weight.data = part.weight.data.transpose(0, 1).contiguous()
    return part


@mistake(*CONVOLUTIONS)
def padding_side(part):
    """All in front."""
    if not any(part.padding):
        return None
    ends = [end for size in reversed(part.padding) for end in (2 * size, 0)]
    part.padding = tuple(0 for _ in part.padding)
    part._reversed_padding_repeated_twice = [0] * len(ends)
    return nn.Sequential(Pad(ends, "constant"), part)


@mistake(*CONVOLUTIONS)
def dilation_ignored(part):
    """The result keeps its size."""
    if not any(d > 1 < k for d, k in zip(part.dilation, part.kernel_size)):
        return None
    less = [(d - 1) * (k - 1) for d, k in zip(part.dilation, part.kernel_size)]
    part.dilation = tuple(1 for _ in part.dilation)
    ends = [end for size in reversed(less) for end in (-(size // 2), -(size - size // 2))]
    return nn.Sequential(Pad(ends, "constant"), part)


@mistake(*CONVOLUTIONS)
def groups_interleaved(part):
    groups, outputs = part.groups, part.weight.shape[0]
    if groups == 1 or groups == outputs:
        return None
    order = torch.arange(outputs).view(groups, -1).t().reshape(-1)
    part.weight.data = part.weight.data[order]
    if part.bias is not None:
        part.bias.data = part.bias.data[order]
    return part


@mistake(*CONVOLUTIONS)
def bias_lost(part):
    if part.bias is None:
        return None
    part.bias = None
    return part


@mistake(nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)
def other_epsilon(part):
    part.eps = 1e-3 if part.eps < 1e-3 else 1e-5
    return part


@mistake(nn.BatchNorm1d, nn.BatchNorm2d)
def variance_as_deviation(part):
    part.running_var.copy_(part.running_var**2)
    return part


@mistake(nn.LayerNorm)
def biased_variance(part):
    part.weight.data *= ((part.weight.numel() - 1) / part.weight.numel()) ** 0.5
    return part


@mistake(Pad)
def pad_mode(part):
    if not any(part.pads):
        return None
    part.mode = "replicate" if part.mode == "reflect" else "reflect"
    return part


@mistake(nn.AvgPool1d, nn.AvgPool2d)
def padding_counted(part):
    padding = part.padding if isinstance(part.padding, tuple | list) else (part.padding,)
    if not any(padding):
        return None
    part.count_include_pad = not part.count_include_pad
    return part


@mistake(nn.Softmax)
def softmax_axis(part):
    return nn.Softmax(1)


@mistake(nn.LogSoftmax)
def log_softmax_axis(part):
    return nn.LogSoftmax(1)


@mistake(nn.GELU)
def gelu_by_tanh(part):
    return nn.GELU("tanh")


@mistake(nn.LeakyReLU)
def other_slope(part):
    return nn.LeakyReLU(0.01)


@mistake(nn.SiLU)
def hard_for_soft(part):
    return nn.Hardswish()


@mistake(nn.ReLU6)
def upper_end_lost(part):
    return nn.ReLU()


@mistake(Last)
def flatten_order(part):
    class Turned(nn.Module):
        def forward(self, x):
            x = x.transpose(1, 2).flatten(1, 2) if x.dim() == 4 else x
            return x.transpose(1, 2)

    return Turned()


def planted(module: nn.Sequential, x: Tensor, right: Tensor, draw: random.Random) -> list[tuple[str, Tensor]]:
    """Two mistakes that move the outputs enough, each made at one place drawn at random, and what comes out."""
    found: list[tuple[str, Tensor]] = []
    ways = [(name, place) for name in MISTAKES for place in range(len(module))]
    draw.shuffle(ways)
    for name, place in ways:
        wrong = copy.deepcopy(module)
        part = MISTAKES[name](wrong[place])
        if part is None:
            continue
        wrong[place] = part
        try:
            y = wrong(x)
        except (RuntimeError, AttributeError):
            continue  # It does not fit, and nobody would miss that.
        if y.shape != right.shape or (y - right).abs().max() > COUNTED * (right.max() - right.min()):
            found.append((name, y))
        if len(found) == 2:
            break
    return found


def verify(path: Path, x: Path, y: Path, runtime: str) -> tuple[str, str]:
    run = subprocess.run(
        [RNNCONV, "verify", path, "--input", x, "--expected", y, "--runtime", runtime, "--threads", "1", "--json"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    try:
        report = json.loads(run.stdout)
    except json.JSONDecodeError:
        return FAILED, " ".join(run.stderr.split())[:300]
    diagnosis = report.get("diagnosis") or {}
    names = [explanation["mistake"] for explanation in diagnosis.get("explanations", [])]
    return report["verdict"], ", ".join(names)


def judge(seed: int, keep: Path | None) -> dict:
    torch.set_num_threads(1)
    drawn = Drawn(seed)
    with tempfile.TemporaryDirectory() as temporary, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        folder = keep or Path(temporary)
        path, x_file = folder / f"{seed}.onnx", folder / f"{seed}-x.npz"
        x = torch.randn(drawn.sizes)
        try:
            y = drawn.module(x)
        except RuntimeError as error:
            return {"seed": seed, "skipped": str(error)}  # A window that does not fit into what came out.
        with contextlib.redirect_stdout(io.StringIO()):
            torch.onnx.export(
                drawn.module, (x,), str(path), dynamo=False, opset_version=17, input_names=["x"], output_names=["y"],
                dynamic_axes={"x": {0: "batch", x.dim() - 1: "time"}, "y": {0: "batch", 1: "time"}},
            )  # fmt: skip
        np.savez(x_file, x=x.numpy())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        outcome = {"seed": seed, "network": [type(part).__name__ for part in drawn.module], "right": {}, "wrong": []}
        for runtime, result in (("pytorch", y.numpy()), ("onnxruntime", session.run(None, {"x": x.numpy()})[0])):
            y_file = folder / f"{seed}-{runtime}.npz"
            np.savez(y_file, y=result)
            outcome["right"][runtime] = verify(path, x_file, y_file, runtime)
        for number, (name, result) in enumerate(planted(drawn.module, x, y, drawn.draw)):
            y_file = folder / f"{seed}-wrong-{number}.npz"
            np.savez(y_file, y=result.numpy())
            outcome["wrong"].append((name, *verify(path, x_file, y_file, "pytorch")))
        return outcome


def quieted() -> None:
    """What PyTorch prints on its way is not the judge's."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=16, help="how many networks")
    parser.add_argument("--only", type=int, nargs="+", help="these seeds")
    parser.add_argument("--keep", type=Path, help="a folder for the files")
    parser.add_argument("--json", type=Path, help="a file for all outcomes")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    seeds = arguments.only or range(arguments.count)
    with ProcessPoolExecutor(arguments.jobs, initializer=quieted) as pool:
        outcomes = list(pool.map(judge, seeds, [arguments.keep] * len(seeds)))
    if arguments.json:
        arguments.json.write_text(json.dumps(outcomes, indent=1))

    problems: list[str] = []
    judged = [outcome for outcome in outcomes if "skipped" not in outcome]
    print(f"{len(judged)} networks ({len(outcomes) - len(judged)} did not fit together)")
    for runtime in ("pytorch", "onnxruntime"):
        verdicts = collections.Counter(outcome["right"][runtime][0] for outcome in judged)
        print(f"right outputs of {runtime}: {dict(verdicts)}")
        for outcome in judged:
            verdict, text = outcome["right"][runtime]
            if verdict in ("different", FAILED):
                problems.append(f"seed {outcome['seed']}, {runtime}: {verdict} {text} {outcome['network']}")
    planted_ones = [(outcome["seed"], *wrong) for outcome in judged for wrong in outcome["wrong"]]
    verdicts = collections.Counter(verdict for _, _, verdict, _ in planted_ones)
    print(f"{len(planted_ones)} planted mistakes: {dict(verdicts)}")
    named = collections.defaultdict(collections.Counter)
    for seed, name, verdict, diagnosis in planted_ones:
        named[name][diagnosis or verdict] += 1
        if verdict not in ("different", "inconclusive"):
            problems.append(f"seed {seed}, planted {name}: {verdict} {diagnosis}")
    for name, counts in sorted(named.items()):
        print(f"  {name}: {', '.join(f'{words} {count}' for words, count in counts.most_common(4))}")
    for problem in problems:
        print(f"problem: {problem}")
    return 1 if problems or not judged else 0


if __name__ == "__main__":
    sys.exit(main())
