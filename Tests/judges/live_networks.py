"""Networks around a recurrence, as PyTorch's exporters write them, and what becomes of them.

Each network is exported by the TorchScript exporter at two operator sets, once more with fixed sizes, and, if asked, by the
dynamo exporter. Of each file: it converts to .rnnw with a proof, that goes back to ONNX and to .rnnw again with one fingerprint,
`verify` finds the file that came back equal, and what rnnconv computes at several lengths and batches, and what
onnxruntime computes of the file that came back, is what PyTorch computes. What the canonical model cannot express is
listed in EXPECTED with the words that say so; a refusal that is not listed is a failure, and so is one that is listed
and does not come.

    .peers-large/bin/python Tests/judges/live_networks.py
    .peers-large/bin/python Tests/judges/live_networks.py --only crnn tcn --exporters dynamo --keep look
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tool import binary, forced

# Its kernel for inference is one operator that no exporter knows.
torch.backends.mha.set_fastpath_enabled(False)

RNNCONV = binary()
AGREES = 2e-5  # of an output's largest number
REFUSED = (3, 4)  # what it cannot express, and what it cannot read
OPSETS = (11, 13, 17, 20)
DYNAMO_OPSET = 20


class Wrong(Exception):
    """Something is not as it should be; the text says what."""


class Refused(Exception):
    """rnnconv does not import or write it; the text is its reason."""


class NotExported(Exception):
    """PyTorch's exporter fails, or writes what computes something else."""


@dataclass(frozen=True)
class Input:
    """An input's sizes, some of them open by a letter: B rows, T steps."""

    sizes: tuple[int | str, ...]
    vocabulary: int = 0  # of tokens; 0 for numbers
    is_mask: bool = False

    def at(self, batch: int, time: int, generator: torch.Generator) -> Tensor:
        shape = [{"B": batch, "T": time}.get(size, size) for size in self.sizes]
        if self.vocabulary:
            return torch.randint(self.vocabulary, shape, generator=generator)
        if self.is_mask:
            mask = torch.rand(shape, generator=generator) < 0.7
            mask[..., 0] = True
            return mask
        return torch.randn(shape, generator=generator)


@dataclass
class Network:
    name: str
    make: Callable[[], nn.Module]
    inputs: list[Input]
    sizes: list[tuple[int, int]]
    opsets: tuple[int, ...]


NETWORKS: dict[str, Network] = {}


def of(*sizes: int | str) -> Input:
    return Input(sizes)


def tokens(vocabulary: int, *sizes: int | str) -> Input:
    return Input(sizes, vocabulary)


def mask(*sizes: int | str) -> Input:
    return Input(sizes, is_mask=True)


def network(*inputs: Input, sizes=((2, 20), (1, 11), (3, 25)), name: str = "", opsets: tuple[int, ...] = (), **options):
    """Registers a module's class by its name; options go to its init."""

    def register(kind):
        called = name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", kind.__name__).lower()
        if called in NETWORKS:
            raise ValueError(called)
        first = len(NETWORKS) % len(OPSETS)
        chosen = opsets or (OPSETS[first], OPSETS[(first + 2) % len(OPSETS)])
        NETWORKS[called] = Network(called, lambda: kind(**options), list(inputs), list(sizes), chosen)
        return kind

    return register


def randomised(module: nn.Module) -> nn.Module:
    """What starts as zeros, ones or the identity would let mistakes pass."""
    for part in module.modules():
        for name, value in [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]:
            if "running_var" in name:
                value.data.uniform_(0.5, 2)
            elif value.is_floating_point() and value.ndim == 1:
                value.data.add_(torch.randn_like(value) * 0.2)
    return module.eval()


class LSTM(nn.LSTM):
    """Sequences only."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[0]


class GRU(nn.GRU):
    """Sequences only."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[0]


# Convolutions along time, and a recurrence behind them.


@network(of("B", 8, "T"), name="conv1d", kernel_size=3, padding=1)
@network(of("B", 8, "T"), name="conv1d-stride", kernel_size=5, stride=3, padding=2)
@network(of("B", 8, "T"), name="conv1d-dilated", kernel_size=3, dilation=3)
@network(of("B", 8, "T"), name="conv1d-grouped", kernel_size=4, groups=4, padding=3)
@network(of("B", 8, "T"), name="conv1d-same", kernel_size=4, padding="same")
@network(of("B", 8, "T"), name="conv1d-same-dilated", kernel_size=5, dilation=2, padding="same", bias=False)
@network(of("B", 8, "T"), name="conv1d-reflect", kernel_size=5, padding=2, padding_mode="reflect")
@network(of("B", 8, "T"), name="conv1d-replicate", kernel_size=5, padding=2, padding_mode="replicate")
class ConvolvedSequence(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.convolution = nn.Conv1d(8, 12, **options)
        self.recurrence = LSTM(12, 10, batch_first=True)
        self.head = nn.Linear(10, 5)

    def forward(self, x):
        return self.head(self.recurrence(torch.relu(self.convolution(x)).transpose(1, 2)))


@network(of("B", 8, "T"), name="conv1d-circular", sizes=((2, 20), (1, 11)), opsets=(13,))
class Circular(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv1d(8, 6, 3, padding=1, padding_mode="circular")
        self.recurrence = GRU(6, 5, batch_first=True)

    def forward(self, x):
        return self.recurrence(self.convolution(x).transpose(1, 2))


@network(of("B", 3, 6, 5, "T"))
class Conv3dVideo(nn.Module):
    """[batch, colours, height, width, time]."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv3d(3, 4, (3, 2, 3), stride=(2, 1, 1), padding=(1, 0, 1))
        self.second = nn.Conv3d(4, 6, (3, 4, 1), groups=2)
        self.recurrence = GRU(6, 7, batch_first=True)

    def forward(self, x):
        y = self.second(F.elu(self.first(x)))
        return self.recurrence(y.squeeze(2).squeeze(2).transpose(1, 2))


@network(of("B", "T", 6))
class DepthwiseSeparable(nn.Module):
    def __init__(self):
        super().__init__()
        self.depth = nn.Conv1d(6, 12, 5, padding=2, groups=6)
        self.point = nn.Conv1d(12, 9, 1)
        self.norm = nn.BatchNorm1d(9)
        self.recurrence = LSTM(9, 8, batch_first=True, bidirectional=True)

    def forward(self, x):
        y = F.relu6(self.norm(self.point(self.depth(x.transpose(1, 2)))))
        return self.recurrence(y.transpose(1, 2))


class Causal(nn.Conv1d):
    def forward(self, x):
        return super().forward(F.pad(x, ((self.kernel_size[0] - 1) * self.dilation[0], 0)))


@network(of("B", "T", 4))
class Tcn(nn.Module):
    """Causal convolutions, dilated twice as far each time, around which the input is added; then a GRU."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Conv1d(4, 8, 1)
        self.layers = nn.ModuleList([Causal(8, 8, 3, dilation=2**i) for i in range(3)])
        self.recurrence = GRU(8, 6, batch_first=True)

    def forward(self, x):
        y = self.inner(x.transpose(1, 2))
        for layer in self.layers:
            y = y + torch.tanh(layer(y))
        return self.recurrence(y.transpose(1, 2))


@network(of("B", "T", 4))
class TcnChomped(nn.Module):
    """The same with padding on both sides, and what is too much cut off behind."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv1d(4, 8, 3, padding=2)
        self.second = nn.Conv1d(8, 8, 3, padding=4, dilation=2)
        self.recurrence = GRU(8, 6, batch_first=True)

    def forward(self, x):
        y = F.leaky_relu(self.first(x.transpose(1, 2))[:, :, :-2])
        y = y + F.leaky_relu(self.second(y)[:, :, :-4])
        return self.recurrence(y.transpose(1, 2))


@network(of("B", 5, "T"))
class Dense(nn.Module):
    """Each layer reads what all before it made."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv1d(5 + 4 * i, 4, 3, padding=1) for i in range(3)])
        self.recurrence = LSTM(17, 6, batch_first=True)

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, F.selu(layer(x))], 1)
        return self.recurrence(x.transpose(1, 2))


@network(of("B", 4, "T"))
class ResidualDown(nn.Module):
    """A block whose shortcut is a convolution with a stride, too."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv1d(4, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm1d(8)
        self.second = nn.Conv1d(8, 8, 3, padding=1)
        self.short = nn.Conv1d(4, 8, 1, stride=2)
        self.recurrence = GRU(8, 6, batch_first=True)

    def forward(self, x):
        y = self.second(torch.relu(self.norm(self.first(x))))
        return self.recurrence(torch.relu(y + self.short(x)).transpose(1, 2))


@network(of("B", 6, "T"))
class Gated(nn.Module):
    """WaveNet's unit."""

    def __init__(self):
        super().__init__()
        self.filter = nn.Conv1d(6, 8, 2, padding=1, dilation=2)
        self.gate = nn.Conv1d(6, 8, 2, padding=1, dilation=2)
        self.recurrence = LSTM(8, 6, batch_first=True)

    def forward(self, x):
        y = torch.tanh(self.filter(x)) * torch.sigmoid(self.gate(x))
        return self.recurrence(y.transpose(1, 2))


@network(of("B", "T", 7))
class Glu(nn.Module):
    """A convolution behind both directions, halves of which gate one another."""

    def __init__(self):
        super().__init__()
        self.recurrence = LSTM(7, 6, batch_first=True, bidirectional=True)
        self.convolution = nn.Conv1d(12, 10, 3, padding=1)

    def forward(self, x):
        return F.glu(self.convolution(self.recurrence(x).transpose(1, 2)), 1).transpose(1, 2)


@network(of("B", 6, "T"), name="activations")
class Activations(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv1d(6, 6, 3, padding=1) for _ in range(6)])
        self.slopes = nn.PReLU(6)
        self.slope = nn.PReLU()
        self.recurrence = GRU(6, 5, batch_first=True)

    def forward(self, x):
        for layer, f in zip(
            self.layers, [self.slopes, self.slope, F.hardswish, F.relu6, F.gelu, F.mish], strict=True
        ):
            x = f(layer(x))
        return F.softplus(self.recurrence(x.transpose(1, 2)))


# Norms.


@network(of("B", 6, "T"))
class BatchNorms(nn.Module):
    """One that the exporter can fold into a convolution, and two that it cannot."""

    def __init__(self):
        super().__init__()
        self.before = nn.BatchNorm1d(6)
        self.convolution = nn.Conv1d(6, 8, 3)
        self.folded = nn.BatchNorm1d(8)
        self.recurrence = GRU(8, 5, batch_first=True)
        self.behind = nn.BatchNorm1d(5)

    def forward(self, x):
        y = torch.relu(self.folded(self.convolution(self.before(x))))
        return self.behind(self.recurrence(y.transpose(1, 2)).transpose(1, 2))


@network(of("B", "T", 6))
class LayerNorms(nn.Module):
    def __init__(self):
        super().__init__()
        self.before = nn.LayerNorm(6)
        self.recurrence = LSTM(6, 8, batch_first=True)
        self.behind = nn.LayerNorm(8)

    def forward(self, x):
        return self.behind(self.recurrence(self.before(x)))


@network(of("B", 6, "T"))
class GroupNorms(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.GroupNorm(2, 6)
        self.recurrence = GRU(6, 5, batch_first=True)

    def forward(self, x):
        return self.recurrence(self.norm(x).transpose(1, 2))


@network(of("B", 6, "T"))
class InstanceNorms(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.InstanceNorm1d(6, affine=True)
        self.recurrence = GRU(6, 5, batch_first=True)

    def forward(self, x):
        return self.recurrence(self.norm(x).transpose(1, 2))


@network(of("B", 1, 8, "T"), name="group-norm2d", norm=nn.GroupNorm(3, 6))
@network(of("B", 1, 8, "T"), name="group-norm2d-plain", norm=nn.GroupNorm(2, 6, affine=False))
@network(of("B", 1, 8, "T"), name="instance-norm2d", norm=nn.InstanceNorm2d(6))
@network(of("B", 1, 8, "T"), name="instance-norm2d-affine", norm=nn.InstanceNorm2d(6, affine=True, eps=1e-3))
class NormedImage(nn.Module):
    """Groups of channels over frequency and time."""

    def __init__(self, norm):
        super().__init__()
        self.convolution = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = norm
        self.recurrence = GRU(48, 5, batch_first=True)

    def forward(self, x):
        y = torch.relu(self.norm(self.convolution(x)))
        return self.recurrence(y.flatten(1, 2).transpose(1, 2))


@network(of("B", "T", 6))
class RmsNorms(nn.Module):
    """As people write it, and a part of the features by itself."""

    def __init__(self):
        super().__init__()
        self.recurrence = LSTM(6, 8, batch_first=True)
        self.before, self.inner = nn.Parameter(torch.rand(6) + 0.5), nn.Parameter(torch.rand(4) + 0.5)

    def forward(self, x):
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.before
        h = self.recurrence(x)
        h = h.reshape(h.shape[0], h.shape[1], 2, 4)
        return (self.inner * (h / torch.sqrt((h * h).mean(-1, keepdim=True) + 1e-5))).flatten(2)


@network(of("B", "T", 6), opsets=(17,))
class RmsNormModules(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)
        self.norm = nn.RMSNorm(8, eps=1e-5)

    def forward(self, x):
        return self.norm(self.recurrence(x))


@network(of("B", "T", 8), opsets=(17, 20))
class HeadNorms(nn.Module):
    """A layer norm of each head, and numbers divided by their length."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(8, 8, batch_first=True)
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        h = self.recurrence(F.normalize(x, dim=2))
        h = self.norm(h.reshape(h.shape[0], h.shape[1], 2, 4)).flatten(2)
        return F.normalize(h, p=1, dim=2)


# Pools and pads.


@network(of("B", 4, "T"), name="pool-max", pool=nn.MaxPool1d(3, 2, 1))
@network(of("B", 4, "T"), name="pool-max-ceil", pool=nn.MaxPool1d(3, 2, ceil_mode=True))
@network(of("B", 4, "T"), name="pool-max-dilated", pool=nn.MaxPool1d(3, 1, 1, dilation=2))
@network(of("B", 4, "T"), name="pool-average", pool=nn.AvgPool1d(3, 2, 1))
@network(of("B", 4, "T"), name="pool-average-inside", pool=nn.AvgPool1d(4, 3, 2, count_include_pad=False))
@network(of("B", 4, "T"), name="pool-average-ceil", pool=nn.AvgPool1d(3, 2, 1, ceil_mode=True), opsets=(20,))
@network(of("B", 4, "T"), name="upsample-nearest", pool=nn.Upsample(scale_factor=2))
@network(of("B", 4, "T"), name="upsample-linear", pool=nn.Upsample(scale_factor=3, mode="linear"))
@network(
    of("B", 4, "T"), name="upsample-aligned", pool=nn.Upsample(scale_factor=2, mode="linear", align_corners=True)
)
@network(of("B", 4, "T"), name="pad-constant", pool=nn.ConstantPad1d((2, 1), 0.5))
@network(of("B", 4, "T"), name="pad-reflect", pool=nn.ReflectionPad1d((3, 2)))
@network(of("B", 4, "T"), name="pad-replicate", pool=nn.ReplicationPad1d((4, 1)))
@network(of("B", 4, "T"), name="pad-negative", pool=nn.ConstantPad1d((-2, 3), 0.5))
@network(of("B", 4, "T"), name="deconvolution", pool=nn.ConvTranspose1d(4, 4, 4, 2, 1))
@network(of("B", 4, "T"), name="deconvolution-grouped", pool=nn.ConvTranspose1d(4, 4, 5, 3, 2, 1, groups=2, dilation=2))
@network(of("B", 4, "T"), name="deconvolution-plain", pool=nn.ConvTranspose1d(4, 4, 3, bias=False))
class Pooled(nn.Module):
    """A recurrence, something along its time, and one more."""

    def __init__(self, pool):
        super().__init__()
        self.first = GRU(4, 6, batch_first=True)
        self.adapt = nn.Conv1d(6, 4, 1)
        self.pool = pool
        self.second = GRU(4, 5, batch_first=True)

    def forward(self, x):
        y = self.adapt(self.first(x.transpose(1, 2)).transpose(1, 2))
        return self.second(self.pool(y).transpose(1, 2))


@network(of("B", 1, 13, "T"), name="pool2d-max-ceil", pool=nn.MaxPool2d((3, 2), (2, 1), (1, 1), ceil_mode=True))
@network(of("B", 1, 13, "T"), name="pool2d-average-ceil", pool=nn.AvgPool2d((4, 1), (3, 1), (1, 0), ceil_mode=True))
@network(
    of("B", 1, 13, "T"),
    name="pool2d-average-inside",
    pool=nn.AvgPool2d((3, 3), (2, 2), (1, 1), count_include_pad=False),
)
@network(of("B", 1, 13, "T"), name="pool2d-adaptive", pool=nn.AdaptiveAvgPool2d((1, None)))
@network(of("B", 1, 13, "T"), name="pad2d-reflect", pool=nn.ReflectionPad2d((2, 1, 3, 2)))
@network(of("B", 1, 13, "T"), name="pad2d-constant", pool=nn.ConstantPad2d((2, -1, -3, 2), -1.5))
@network(of("B", 1, 13, "T"), name="upsample2d", pool=nn.Upsample(scale_factor=(2, 1)))
@network(of("B", 1, 13, "T"), name="upsample2d-bilinear", pool=nn.Upsample(scale_factor=(1.5, 2), mode="bilinear"))
@network(of("B", 1, 13, "T"), name="deconvolution2d", pool=nn.ConvTranspose2d(3, 3, (4, 3), (3, 1), (1, 1), (1, 0)))
@network(of("B", 1, 13, "T"), name="deconvolution2d-time", pool=nn.ConvTranspose2d(3, 3, (2, 4), (2, 2), (0, 1)))
class PooledImage(nn.Module):
    """[batch, 1, frequency, time], each column of which is a step."""

    def __init__(self, pool):
        super().__init__()
        self.convolution = nn.Conv2d(1, 3, 3, padding=1)
        self.pool = pool
        places = pool(torch.zeros(1, 3, 13, 12)).shape[2]
        self.recurrence = GRU(3 * places, 5, batch_first=True)
        self.places = places

    def forward(self, x):
        y = self.pool(F.silu(self.convolution(x)))
        return self.recurrence(y.permute(0, 3, 1, 2).reshape(x.shape[0], -1, 3 * self.places))


@network(of("B", 1, 16, "T"))
class Bottleneck(nn.Module):
    """Down along frequency, a recurrence over what is left, and up again, beside what went down."""

    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(1, 4, (4, 3), (2, 1), 1), nn.Conv2d(4, 6, (4, 3), (2, 1), 1)])
        self.recurrence = GRU(24, 24, batch_first=True)
        self.up = nn.ModuleList([
            nn.ConvTranspose2d(12, 4, (4, 3), (2, 1), 1), nn.ConvTranspose2d(8, 1, (4, 3), (2, 1), 1)
        ])  # fmt: skip
        self.norm = nn.InstanceNorm2d(4, affine=True)

    def forward(self, x):
        first = torch.relu(self.down[0](x))
        second = torch.relu(self.down[1](first))
        h = self.recurrence(second.permute(0, 3, 1, 2).flatten(2))
        h = h.reshape(h.shape[0], h.shape[1], 6, 4).permute(0, 2, 3, 1)
        y = torch.relu(self.norm(self.up[0](torch.cat([h, second], 1))))
        return torch.sigmoid(self.up[1](torch.cat([y, first], 1)))


@network(of("B", 2, 6, 5), sizes=((2, 5), (1, 5)))
class ResizedImage(nn.Module):
    """An image of fixed size, resized in three ways; its rows are steps."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(2 * 7, 5, batch_first=True)

    def forward(self, x):
        x = F.interpolate(x, size=(9, 8), mode="bilinear", align_corners=False)
        x = F.interpolate(x, size=(10, 4), mode="bicubic", align_corners=True)
        x = F.interpolate(x, size=(6, 7), mode="nearest")
        return self.recurrence(x.permute(0, 2, 1, 3).flatten(2))


@network(of("B", 4, "T"), name="adaptive-average", pool=nn.AdaptiveAvgPool1d(1))
@network(of("B", 4, "T"), name="adaptive-max", pool=nn.AdaptiveMaxPool1d(1))
class SqueezeExcite(nn.Module):
    def __init__(self, pool):
        super().__init__()
        self.convolution = nn.Conv1d(4, 6, 3, padding=1)
        self.pool = pool
        self.inner, self.outer = nn.Linear(6, 3), nn.Linear(3, 6)
        self.recurrence = GRU(6, 5, batch_first=True)

    def forward(self, x):
        x = self.convolution(x)
        w = torch.sigmoid(self.outer(torch.relu(self.inner(self.pool(x).flatten(1)))))
        return self.recurrence((x * w.unsqueeze(2)).transpose(1, 2))


@network(of("B", 2, 8, "T"))
class SqueezeExcite2d(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(2, 4, 3, padding=1)
        self.inner, self.outer = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)
        self.recurrence = GRU(4 * 8, 5, batch_first=True)

    def forward(self, x):
        x = self.convolution(x)
        w = F.adaptive_avg_pool2d(x, 1)
        x = x * torch.sigmoid(self.outer(torch.relu(self.inner(w))))
        return self.recurrence(x.flatten(1, 2).transpose(1, 2))


# What is made of all steps.


@network(of("B", "T", 6))
class AttentionPool(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrence = LSTM(6, 8, bidirectional=True, batch_first=True)
        self.score, self.head = nn.Linear(16, 1), nn.Linear(16, 3)

    def forward(self, x):
        h = self.recurrence(x)
        return self.head((torch.softmax(self.score(h), 1) * h).sum(1))


@network(of("B", "T", 6))
class AttentionContext(nn.Module):
    """Scores by a hidden layer and a learned vector, and the sum by a matrix product."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)
        self.hidden, self.context = nn.Linear(8, 5), nn.Linear(5, 1, bias=False)

    def forward(self, x):
        h = self.recurrence(x)
        w = torch.softmax(self.context(torch.tanh(self.hidden(h))).squeeze(2), 1)
        return torch.bmm(w.unsqueeze(1), h).squeeze(1)


# The TorchScript exporter fixes the number of steps that nn.MultiheadAttention saw.
SAME_STEPS = ((2, 20), (1, 20), (3, 20))


@network(of("B", "T", 6), sizes=SAME_STEPS)
class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        h = self.recurrence(x)
        return h + self.attention(h, h, h, need_weights=False)[0]


@network(of("B", "T", 6), opsets=(13, 17))
class WrittenAttention(nn.Module):
    """As people write it: heads on an axis of their own, a root, and keys of another sequence."""

    def __init__(self):
        super().__init__()
        self.first, self.second = GRU(6, 8, batch_first=True), GRU(6, 8, batch_first=True)
        self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 4)
        self.down = nn.Conv1d(6, 6, 3, 2, 1)

    def forward(self, x):
        h, z = self.first(x), self.second(self.down(x.transpose(1, 2)).transpose(1, 2))
        q = self.query(h).reshape(h.shape[0], h.shape[1], 2, 4).transpose(1, 2)
        k = self.key(z).reshape(z.shape[0], z.shape[1], 2, 4).transpose(1, 2)
        v = self.value(z).reshape(z.shape[0], z.shape[1], 2, 2).transpose(1, 2)
        w = torch.softmax(q @ k.transpose(2, 3) / 2.0, -1)
        return (w @ v).transpose(1, 2).reshape(h.shape[0], h.shape[1], 4)


@network(of("B", "T", 6))
class OneHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrence = LSTM(6, 8, batch_first=True)
        self.query, self.key = nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x):
        h = self.recurrence(x)
        return h + torch.softmax(torch.bmm(self.query(h), self.key(h).transpose(1, 2)) * 3**-0.5, 2) @ h


@network(of("B", "T", 6), opsets=(14, 18))
class CausalAttention(nn.Module):
    """By one call, three inputs cut out of one product."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)
        self.project = nn.Linear(8, 24)

    def forward(self, x):
        q, k, v = self.project(self.recurrence(x)).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4).unbind(0)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)


@network(of("B", "T", 6), opsets=(14, 17), sizes=SAME_STEPS, name="masked-self-attention")
@network(of("T", "B", 6), opsets=(14, 17), sizes=SAME_STEPS, name="masked-self-attention-time-first", batch_first=False)
class MaskedSelfAttention(nn.Module):
    """The mask as booleans, by triu; with rows first and with steps first."""

    def __init__(self, batch_first=True):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=batch_first)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.axis = 1 if batch_first else 0

    def forward(self, x):
        h = self.recurrence(x)
        steps = h.shape[self.axis]
        mask = torch.triu(torch.ones(steps, steps, dtype=torch.bool), 1)
        return h + self.attention(h, h, h, attn_mask=mask, need_weights=False)[0]


@network(of("T", "B", 6), opsets=(14, 17), sizes=SAME_STEPS)
class WeighedAttention(nn.Module):
    """With weights, which are thrown away, the product and the mask are one call; the mask is of −∞."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8)
        self.attention = nn.MultiheadAttention(8, 2)

    def forward(self, x):
        h = self.recurrence(x)
        mask = torch.triu(torch.full((h.shape[0], h.shape[0]), float("-inf")), 1)
        return self.attention(h, h, h, attn_mask=mask)[0]


@network(of("B", "T", 6), opsets=(14, 17), sizes=SAME_STEPS, name="cross-attention")
class CrossAttention(nn.Module):
    """Keys and values of other sizes, each with a product of its own."""

    def __init__(self):
        super().__init__()
        self.first, self.second = GRU(6, 8, batch_first=True), GRU(6, 4, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, kdim=4, vdim=4, batch_first=True)

    def forward(self, x):
        h, z = self.first(x), self.second(x)
        return h + self.attention(h, z, z, need_weights=False)[0]


@network(of("B", "T", 6), opsets=(14, 17), sizes=SAME_STEPS, name="encoder-layer")
@network(of("B", "T", 6), opsets=(14, 17), sizes=SAME_STEPS, name="encoder-layer-norm-first", norm_first=True)
@network(of("B", "T", 6), opsets=(14, 17), sizes=SAME_STEPS, name="encoder-layer-causal", is_causal=True)
@network(of("T", "B", 6), opsets=(14, 17), sizes=SAME_STEPS, name="encoder-layer-causal-time-first", is_causal=True, batch_first=False)
class EncoderLayer(nn.Module):
    """A recurrence, and a layer of a transformer on it."""

    def __init__(self, is_causal=False, batch_first=True, norm_first=False):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=batch_first)
        self.layer = nn.TransformerEncoderLayer(
            8, 2, 12, activation="gelu", batch_first=batch_first, norm_first=norm_first
        )
        self.is_causal, self.axis = is_causal, 1 if batch_first else 0

    def forward(self, x):
        h = self.recurrence(x)
        if not self.is_causal:
            return self.layer(h)
        mask = nn.Transformer.generate_square_subsequent_mask(h.shape[self.axis])
        return self.layer(h, src_mask=mask, is_causal=True)


@network(of("B", "T", 6), mask("B", "T"), opsets=(14, 17), sizes=SAME_STEPS, name="padded-attention")
@network(of("B", "T", 6), mask("B", "T"), opsets=(14, 17), sizes=SAME_STEPS, name="padded-causal-attention", is_causal=True)
class PaddedAttention(nn.Module):
    """Padding is left out by an input, which says what is none."""

    def __init__(self, is_causal=False):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.is_causal = is_causal

    def forward(self, x, valid):
        h = self.recurrence(x)
        mask = None
        if self.is_causal:
            mask = torch.triu(torch.ones(h.shape[1], h.shape[1], dtype=torch.bool), 1)
        return self.attention(h, h, h, key_padding_mask=~valid, attn_mask=mask, need_weights=False)[0]


@network(of("B", "T", 6), mask("B", "T"), opsets=(14, 17), name="filled-attention")
class FilledAttention(nn.Module):
    """Scores are set to a large negative number where a step is padding."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)

    def forward(self, x, valid):
        h = self.recurrence(x)
        scores = (h @ h.transpose(1, 2)) / 8**0.5
        return torch.softmax(scores.masked_fill(~valid[:, None, :], -1e9), -1) @ h


@network(of("B", "T", 6), opsets=(13, 17), name="table-attention")
class TableAttention(nn.Module):
    """A table for the longest sequence, cut to the steps there are, as small GPTs have it."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)
        self.register_buffer("table", torch.tril(torch.ones(1, 1, 64, 64)))
        self.project = nn.Linear(8, 24)

    def forward(self, x):
        h = self.recurrence(x)
        rows, steps, _ = h.shape
        q, k, v = (part.view(rows, steps, 2, 4).transpose(1, 2) for part in self.project(h).split(8, 2))
        scores = (q @ k.transpose(-2, -1)) * 0.5
        scores = scores.masked_fill(self.table[:, :, :steps, :steps] == 0, float("-inf"))
        return (F.softmax(scores, -1) @ v).transpose(1, 2).reshape(rows, steps, 8)


@network(of("B", "T", 6), opsets=(13, 17), name="counted-attention")
class CountedAttention(nn.Module):
    """Steps are counted and compared; both roots of the scale stand on one side each."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)
        self.query, self.key = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        h = self.recurrence(x)
        steps = torch.arange(h.shape[1])
        scores = (self.query(h) * 8**-0.25) @ (self.key(h) * 8**-0.25).transpose(1, 2)
        scores = torch.where(steps[None, :] <= steps[:, None], scores, float("-inf"))
        return torch.softmax(scores, 2) @ h


@network(of("B", "T", 6))
class MaxAndMean(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrence = LSTM(6, 8, batch_first=True)
        self.head = nn.Linear(32, 3)

    def forward(self, x):
        h = self.recurrence(x)
        return self.head(torch.cat([h.max(1)[0], h.mean(1), h[:, -1], h.sum(1)], 1))


@network(of("B", "T", 6))
class Statistics(nn.Module):
    """Mean and deviation over time."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        h = self.recurrence(x)
        mean = h.mean(1, keepdim=True)
        deviation = torch.sqrt(((h - mean) ** 2).mean(1) + 1e-5)
        return self.head(torch.cat([mean.squeeze(1), deviation], 1))


@network(of("B", "T", 6), mask("B", "T"))
class Masked(nn.Module):
    """Padding left out of the attention by where."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)
        self.score = nn.Linear(8, 1)

    def forward(self, x, mask):
        h = self.recurrence(x)
        scores = torch.where(mask, self.score(h).squeeze(2), torch.full_like(mask, -1e4, dtype=torch.float32))
        return (torch.softmax(scores, 1).unsqueeze(2) * h).sum(1)


@network(of("B", "T", 6), of("B", "T", 1))
class MaskedMean(nn.Module):
    """The mask is a number, and divides."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)

    def forward(self, x, mask):
        mask = torch.sigmoid(mask)
        return (self.recurrence(x) * mask).sum(1) / mask.sum(1)


@network(of("B", "T", 6))
class LastSteps(nn.Module):
    """What the last steps say, and a sum up to each step."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)
        self.second = GRU(8, 4, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        h = self.recurrence(x)
        return self.second(h[:, -4:]), self.head(h[:, -3:].mean(1)), h.cumsum(1)


@network(of("B", "T", 6))
class Lengths(nn.Module):
    """Norms, sums of squares, least and soft largest numbers, over features and over steps."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)

    def forward(self, x):
        h = self.recurrence(x / (x.norm(p=1, dim=2, keepdim=True) + 0.1))
        return (
            torch.cat([h.norm(dim=2, keepdim=True), h.amin(2, keepdim=True), h.logsumexp(2, keepdim=True)], 2),
            torch.cat([h.norm(dim=1), h.amin(1), h.abs().sum(1), h.square().sum(1)], 1),
        )


@network(of("B", "T", 6))
class Conditions(nn.Module):
    """Numbers chosen by comparisons, of which some are put together."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)
        self.register_buffer("limit", torch.randn(8) * 0.1)

    def forward(self, x):
        h = self.recurrence(torch.where(x > 0.5, x, x * 0.5))
        y = torch.where((h > self.limit) & ~(h >= 0.5), h, torch.full_like(h, -1.0))
        return y * (h.mean(2, keepdim=True) < 0).float()


@network(of("B", 6, "T"))
class LeftProduct(nn.Module):
    """A matrix times columns, as filter banks are written, and weights of steps times steps."""

    def __init__(self):
        super().__init__()
        self.register_buffer("bank", torch.randn(5, 6))
        self.recurrence = LSTM(5, 8, batch_first=True)
        self.score = nn.Linear(8, 3)

    def forward(self, x):
        h = self.recurrence(torch.matmul(self.bank, x).transpose(1, 2))
        return torch.softmax(self.score(h), 1).transpose(1, 2) @ h


# Audio.


@network(of("B", 1, "T"), sizes=((2, 64), (1, 40), (3, 81)))
class StftByConvolution(nn.Module):
    def __init__(self):
        super().__init__()
        n = torch.arange(16.0)
        angle = 2 * torch.pi * torch.outer(torch.arange(9.0), n) / 16
        window = torch.hann_window(16)
        basis = torch.cat([torch.cos(angle), -torch.sin(angle)]) * window
        self.register_buffer("basis", basis.unsqueeze(1))
        self.register_buffer("mel", torch.rand(9, 5))
        self.recurrence = LSTM(5, 6, batch_first=True)

    def forward(self, x):
        y = F.conv1d(x, self.basis, stride=4, padding=8)
        real, imaginary = y[:, :9], y[:, 9:]
        magnitude = torch.sqrt(real**2 + imaginary**2 + 1e-6)
        mel = torch.matmul(magnitude.transpose(1, 2), self.mel)
        return self.recurrence(torch.log(mel + 1e-3))


@network(of("B", 9, "T"))
class MelFirst(nn.Module):
    """The filterbank from the left: [M, F] · [B, F, T]."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mel", torch.rand(5, 9))
        self.recurrence = LSTM(5, 6, batch_first=True)

    def forward(self, x):
        return self.recurrence(torch.log(torch.matmul(self.mel, x**2) + 1e-3).transpose(1, 2))


@network(of("B", 1, "T", 20))
class CrnnAudio(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 6, (3, 5), padding=(1, 2))
        self.pool = nn.MaxPool2d((1, 2))
        self.second = nn.Conv2d(6, 8, 3, padding=1, stride=(1, 2))
        self.norm = nn.BatchNorm2d(8)
        self.recurrence = GRU(8 * 5, 11, bidirectional=True, batch_first=True)
        self.head = nn.Linear(22, 4)

    def forward(self, x):
        x = torch.relu(self.norm(self.second(self.pool(torch.relu(self.first(x))))))
        b, c, t, f = x.shape
        return torch.sigmoid(self.head(self.recurrence(x.permute(0, 2, 1, 3).reshape(b, t, c * f))))


@network(of("B", 2, "T", 9))
class FrequencyRecurrence(nn.Module):
    """A recurrence over the bands of each step, then one over time."""

    def __init__(self):
        super().__init__()
        self.bands = GRU(2, 3, batch_first=True)
        self.time = GRU(27, 5, batch_first=True)

    def forward(self, x):
        b, c, t, f = x.shape
        y = self.bands(x.permute(0, 2, 3, 1).reshape(b * t, f, c))
        return self.time(y.reshape(b, t, f * 3))


@network(of("B", 4, "T", 9))
class DualPath(nn.Module):
    """Over the bands of each step in both directions, then over time at each band, each beside what it read."""

    def __init__(self):
        super().__init__()
        self.bands = LSTM(4, 3, batch_first=True, bidirectional=True)
        self.from_bands = nn.Linear(6, 4)
        self.norm = nn.LayerNorm([9, 4])
        self.time = LSTM(4, 5, batch_first=True)
        self.from_time = nn.Linear(5, 4)

    def forward(self, x):
        b, c, t, f = x.shape
        x = x.permute(0, 2, 3, 1)
        y = self.bands(x.reshape(b * t, f, c))
        x = x + self.norm(self.from_bands(y).reshape(b, t, f, c))
        y = self.time(x.permute(0, 2, 1, 3).reshape(b * f, t, c))
        x = x + self.from_time(y).reshape(b, f, t, c).permute(0, 2, 1, 3)
        return x.permute(0, 3, 1, 2)


@network(of("B", 2, 9))
class OverFrequency(nn.Module):
    """A recurrence over the bands of a spectrum alone."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv1d(2, 4, 3, padding=1)
        self.bands = LSTM(4, 3, batch_first=True)

    def forward(self, x):
        return self.bands(self.convolution(x).transpose(1, 2))[:, -1]


@network(of("B", 6, 4, "T"))
class Eeg(nn.Module):
    """EEGNet: along time, across electrodes, pooled."""

    def __init__(self):
        super().__init__()
        self.time = nn.Conv2d(1, 4, (1, 7), padding=(0, 3), bias=False)
        self.space = nn.Conv2d(4, 8, (24, 1), groups=4, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.pool = nn.AvgPool2d((1, 2))
        self.recurrence = nn.GRU(8, 5, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        y = x.flatten(1, 2).unsqueeze(1)
        y = self.pool(F.elu(self.norm(self.space(self.time(y))))).squeeze(2).transpose(1, 2)
        return self.head(self.recurrence(y)[1][0])


# Images.


@network(of("B", 1, 16, "T"), sizes=((2, 24), (1, 16), (3, 33)))
class Ocr(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2, 2), nn.Conv2d(4, 8, 3, 1, 1), nn.ReLU(),
            nn.MaxPool2d((2, 2), (2, 1), (0, 1)), nn.Conv2d(8, 8, (4, 2)), nn.ReLU(),
        )  # fmt: skip
        self.recurrence = LSTM(8, 6, bidirectional=True)
        self.head = nn.Linear(12, 7)

    def forward(self, x):
        y = self.layers(x).squeeze(2).permute(2, 0, 1)
        return torch.log_softmax(self.head(self.recurrence(y)), 2)


@network(of("B", 3, 8, 20))
class OcrFixed(nn.Module):
    """Columns and channels joined by a view, two recurrences, classes last."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 5, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.norm = nn.BatchNorm2d(5)
        self.map = nn.Linear(5 * 4, 9)
        self.first = LSTM(9, 6, bidirectional=True, batch_first=True)
        self.second = LSTM(12, 5, bidirectional=True, batch_first=True)
        self.head = nn.Linear(10, 4)

    def forward(self, x):
        y = self.norm(self.pool(F.leaky_relu(self.convolution(x), 0.2)))
        y = y.permute(0, 3, 2, 1).reshape(-1, 10, 20)
        return self.head(self.second(self.first(torch.relu(self.map(y)))))


@network(of("B", "T", 3, 6, 7))
class Frames(nn.Module):
    """Each frame by a network of its own: frames folded into the batch."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 5, 3)
        self.recurrence = LSTM(5, 6, batch_first=True)

    def forward(self, x):
        b, t = x.shape[:2]
        y = torch.relu(self.convolution(x.reshape(b * t, 3, 6, 7))).mean((2, 3))
        return self.recurrence(y.reshape(b, t, 5))


@network(of("B", "T", 1, 8, 8))
class FramesDeep(nn.Module):
    """With pools, and a linear layer on what is left of each frame."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, 1, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, 2, 1, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(24, 7),
        )  # fmt: skip
        self.recurrence = nn.LSTM(7, 6, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        b, t = x.shape[:2]
        y = self.layers(x.flatten(0, 1)).view(b, t, -1)
        return self.head(self.recurrence(y)[1][0].squeeze(0))


@network(of("B", 12, 6))
class RowsOfAnImage(nn.Module):
    """An image of a fixed size, a row a step, forth and back, and a linear layer over all of it."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 4, batch_first=True, bidirectional=True)
        self.head = nn.Linear(12 * 8, 3)

    def forward(self, x):
        return self.head(self.recurrence(x).flatten(1))


# Sequences to sequences; static features; states.


@network(of("B", "T", 6))
class RepeatedState(nn.Module):
    """The last state, repeated for as many steps as there were."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.GRU(6, 5, batch_first=True)
        self.decoder = GRU(5, 6, batch_first=True)

    def forward(self, x):
        h = self.encoder(x)[1][-1]
        return self.decoder(h.unsqueeze(1).expand(-1, x.shape[1], -1))


@network(of("B", "T", 6), name="repeated-fixed")
class RepeatedFixed(nn.Module):
    """The last state, repeated seven times."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.LSTM(6, 5, batch_first=True)
        self.decoder = LSTM(5, 6, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        h = self.encoder(x)[1][0][-1]
        return self.head(self.decoder(h.unsqueeze(1).repeat(1, 7, 1)))


@network(of("B", "T", 6))
class HandedOver(nn.Module):
    """The encoder's states are those that the decoder begins with; it reads the sequence again."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.LSTM(6, 5, num_layers=2, batch_first=True)
        self.decoder = nn.LSTM(6, 5, num_layers=2, batch_first=True)

    def forward(self, x):
        return self.decoder(x, self.encoder(x)[1])[0]


@network(of("B", "T", 6), of("B", 3))
class StaticFeatures(nn.Module):
    """Features of the whole sequence, beside each step."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(3, 4)
        self.recurrence = LSTM(10, 5, batch_first=True)

    def forward(self, x, static):
        s = torch.relu(self.map(static)).unsqueeze(1).expand(-1, x.shape[1], -1)
        return self.recurrence(torch.cat([x, s], 2))


@network(of("B", "T", 6), of("B", 3))
class StaticState(nn.Module):
    """Features of the whole sequence make the first state."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(3, 5)
        self.recurrence = nn.GRU(6, 5, batch_first=True)

    def forward(self, x, static):
        y, h = self.recurrence(x, torch.tanh(self.map(static)).unsqueeze(0))
        return y, h


@network(of("B", "T", 6))
class LearnedState(nn.Module):
    def __init__(self):
        super().__init__()
        self.h, self.c = nn.Parameter(torch.randn(2, 1, 5)), nn.Parameter(torch.randn(2, 1, 5))
        self.recurrence = nn.LSTM(6, 5, batch_first=True, bidirectional=True)

    def forward(self, x):
        b = x.shape[0]
        return self.recurrence(x, (self.h.expand(-1, b, -1).contiguous(), self.c.repeat(1, b, 1)))[0]


@network(of("B", "T", 6), of(1, "B", 5), of(1, "B", 5))
class States(nn.Module):
    """A streaming network: states in, states out, and a convolution in front."""

    def __init__(self):
        super().__init__()
        self.map = nn.Conv1d(6, 4, 1)
        self.recurrence = nn.LSTM(4, 5, batch_first=True)

    def forward(self, x, h, c):
        y, (h, c) = self.recurrence(self.map(x.transpose(1, 2)).transpose(1, 2), (h, c))
        return y, h, c


# Text.


@network(tokens(20, "B", "T"))
class Characters(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.convolution = nn.Conv1d(8, 9, 3, padding=1)
        self.recurrence = LSTM(9, 6, batch_first=True)

    def forward(self, ids):
        return self.recurrence(torch.relu(self.convolution(self.table(ids).transpose(1, 2))).transpose(1, 2))


@network(tokens(20, "B", "T"))
class TextKernels(nn.Module):
    """Kernels of three sizes, the largest of each over time."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.recurrence = GRU(8, 6, batch_first=True)
        self.layers = nn.ModuleList([nn.Conv1d(6, 4, k) for k in (2, 3, 4)])

    def forward(self, ids):
        y = self.recurrence(self.table(ids)).transpose(1, 2)
        return torch.cat([torch.relu(layer(y)).max(2).values for layer in self.layers], 1)


@network(tokens(20, "B", "T", 7))
class CharactersOfWords(nn.Module):
    """A word's characters by a convolution and the largest of each channel; words by a recurrence."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(20, 5)
        self.convolution = nn.Conv1d(5, 6, 3, padding=1)
        self.recurrence = LSTM(6, 6, batch_first=True)

    def forward(self, ids):
        b, t, n = ids.shape
        y = self.convolution(self.table(ids.reshape(b * t, n)).transpose(1, 2)).max(2)[0]
        return self.recurrence(y.reshape(b, t, 6))


# Ways to write things.


@network(of("B", "T", 6))
class Sliced(nn.Module):
    """All but the last step, all but the first, and a difference."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 5, batch_first=True)

    def forward(self, x):
        return self.recurrence(x[:, 1:] - x[:, :-1])


@network(of("B", "T", 6))
class EverySecond(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 5, batch_first=True)

    def forward(self, x):
        return self.recurrence(x[:, ::2])


@network(of("B", "T", 6))
class EverySecondFeature(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrence = GRU(3, 5, batch_first=True)

    def forward(self, x):
        return self.recurrence(x[:, :, ::2] * x[:, :, 1::2])


@network(of("B", "T", 6))
class Flipped(nn.Module):
    """A direction by hand."""

    def __init__(self):
        super().__init__()
        self.forth, self.back = GRU(6, 5, batch_first=True), GRU(6, 5, batch_first=True)

    def forward(self, x):
        return torch.cat([self.forth(x), self.back(x.flip(1)).flip(1)], 2)


@network(of("B", "T", 6))
class FlippedFeatures(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 5, batch_first=True)

    def forward(self, x):
        return self.recurrence(x.flip(2))


@network(of("B", "T", 6))
class Rolled(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 5, batch_first=True)

    def forward(self, x):
        return self.recurrence(torch.roll(x, 2, 2))


@network(of("B", "T", 6))
class Chunked(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 9, batch_first=True)

    def forward(self, x):
        a, b, c = self.recurrence(x).chunk(3, 2)
        return torch.stack([a * torch.sigmoid(b), torch.maximum(b, c)], 2)


@network(of("B", 5, 6), sizes=((2, 5), (1, 5)))
class Unbound(nn.Module):
    """Steps taken apart and put together again in another order."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 4, batch_first=True)

    def forward(self, x):
        steps = self.recurrence(x).unbind(1)
        return torch.stack([steps[0], steps[2] + steps[4]], 1)


@network(of("B", "T", 6))
class Einsum(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)
        self.weight = nn.Parameter(torch.randn(2, 4, 3))

    def forward(self, x):
        h = self.recurrence(x)
        return torch.einsum("btgi,gio->btgo", h.unflatten(2, (2, 4)), self.weight)


@network(of("B", "T", 6))
class EinsumDense(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 8, batch_first=True)
        self.weight = nn.Parameter(torch.randn(3, 8))

    def forward(self, x):
        return torch.einsum("bti,oi->bto", self.recurrence(x), self.weight)


@network(of("T", 6), sizes=((1, 20), (1, 7)))
class Unbatched(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv1d(6, 4, 3, padding=1)
        self.recurrence = LSTM(4, 5)

    def forward(self, x):
        return self.recurrence(self.convolution(x.t()).t())


@network(of("B", "T", 6), of("B", 4, "T"))
class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv1d(4, 5, 3, padding=1)
        self.recurrence = nn.GRU(11, 5, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, x, z):
        y, h = self.recurrence(torch.cat([x, self.convolution(z).transpose(1, 2)], 2))
        return y, self.head(h[0])


@network(of("B", "T", 6))
class Branches(nn.Module):
    """Kernels of three sizes side by side, and a shortcut."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv1d(6, 2, k, padding=k // 2) for k in (1, 3, 5)])
        self.recurrence = LSTM(6, 6, batch_first=True)

    def forward(self, x):
        y = torch.cat([layer(x.transpose(1, 2)) for layer in self.layers], 1)
        return self.recurrence(y.transpose(1, 2)) + x


@network(of("B", "T", 6))
class Clamped(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 5, batch_first=True)
        self.register_buffer("mean", torch.randn(6))
        self.register_buffer("deviation", torch.rand(6) + 0.5)

    def forward(self, x):
        y = self.recurrence(((x - self.mean) / self.deviation).clamp(-2, 2))
        return torch.exp(-y.abs()).clamp(min=0.5)


@network(of("B", "T", 6))
class Outer(nn.Module):
    """A sum over features keeps its axis, and is repeated by the next sum."""

    def __init__(self):
        super().__init__()
        self.recurrence = GRU(6, 5, batch_first=True)

    def forward(self, x):
        h = self.recurrence(x / (x.abs().sum(2, keepdim=True) + 1))
        return h / (h.norm(dim=2, keepdim=True) + 1e-3)


@network(of("B", "T", 4, 5))
class Broadcast(nn.Module):
    """Numbers of one axis inside the features against those of another."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(4, 1))
        self.shift = nn.Parameter(torch.randn(4, 5))
        self.recurrence = GRU(20, 6, batch_first=True)

    def forward(self, x):
        y = x * self.scale + self.shift
        y = y * y.mean(2, keepdim=True) + y.amax(3, keepdim=True)
        return self.recurrence(y.transpose(2, 3).flatten(2))


@network(of("B", "T", 5))
class TwoHeads(nn.Module):
    """One recurrence, a class for the sequence and one for each step."""

    def __init__(self):
        super().__init__()
        self.recurrence = LSTM(5, 6, batch_first=True, bidirectional=True)
        self.step, self.all = nn.Conv1d(12, 3, 5, padding=2), nn.Linear(12, 4)

    def forward(self, x):
        h = self.recurrence(x)
        return self.step(h.transpose(1, 2)), torch.softmax(self.all(h.amax(1)), 1)


@network(of("B", "T", 5))
class RnnWithConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv1d(5, 6, 3, padding=1)
        self.recurrence = nn.RNN(6, 6, num_layers=2, nonlinearity="relu", batch_first=True)

    def forward(self, x):
        return self.recurrence(torch.relu(self.convolution(x.transpose(1, 2))).transpose(1, 2) * 0.3)[0]


UNKNOWN = "this operator is not supported"
UNTRACED = "what its axes mean cannot be told|is an input of the graph"
# What is refused, by network or "network way", and the words that say why; None for a way that is not.
EXPECTED: dict[str, str | None] = {
    "adaptive-max fixed": r"it combines \[T, B, 6\] and \[B·T, 6\]",
    "characters-of-words": UNTRACED,
    "conv1d-circular": r"it joins \[B, 8, 1\] and \[B, 8, T\]",
    "conv1d-circular dynamo": "mode wrap needs opset 19",
}
# What comes back from its export in another form that computes the same: a sum over an axis of features which another axis repeats, steps
# of a number that a file fixes and that come back as one more axis of its windows.
OTHER_FORM = {"broadcast fixed", "frames fixed", "frames-deep fixed", "ocr-fixed"}
# What PyTorch's own exporters do not export, or onnxruntime does not run of what they do.
NOT_EXPORTED: dict[str, str] = {
    "conv1d-same-dilated": "Dilation not supported for AutoPadType",
    "einsum 11": "aten::unflatten",
    "einsum-dense 11": "aten::einsum",
    "pool2d-adaptive 13": "adaptive pooling",
    "rms-norm-modules": "aten::rms_norm",
    "pool2d-adaptive 20": "adaptive pooling",
    "self-attention 11": "aten::unflatten",
}


@dataclass
class Outcome:
    network: str
    way: str
    kind: str
    reason: str = ""


def rnnconv(*arguments: str | Path) -> str:
    run = subprocess.run([RNNCONV, *forced(*arguments)], capture_output=True, text=True, check=False, timeout=120)
    if run.returncode in REFUSED:
        raise Refused(" ".join(run.stderr.split()).replace(f"{arguments[1]}: ", "").removeprefix("error: "))
    if run.returncode != 0:
        raise Wrong(f"rnnconv {arguments[0]}: exit {run.returncode}: {run.stderr.strip()[:300]} {run.stdout.strip()[-300:]}")
    return run.stdout


def converted(source: Path, target: Path) -> str:
    """Converts with a proof; gives the fingerprint."""
    told = json.loads(rnnconv("convert", source, target, "--json"))
    proof = told["verification"]
    if proof is None or proof["verdict"] != "equal":
        raise Wrong(f"{target.name} is not proven: {proof and proof['verdict']}")
    return json.loads(rnnconv("inspect", "--json", target))["fingerprint"]


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def difference(got: list[np.ndarray], expected: list[np.ndarray]) -> str | None:
    for index, (a, b) in enumerate(zip(got, expected, strict=True)):
        if a.shape != b.shape:
            return f"output {index} has shape {a.shape}, not {b.shape}"
        off = np.abs(a.astype(np.float64) - b).max(initial=0)
        if not off <= AGREES * max(1, np.abs(b).max(initial=0)):  # nor NaN
            return f"output {index} is off by {off:.3g}"
    return None


def fits(value: np.ndarray, shape: list[int | str]) -> bool:
    return all(not isinstance(size, int) or size == own for size, own in zip(shape, value.shape, strict=True))


def export(network: Network, module: nn.Module, way: str, path: Path) -> list[str]:
    """Writes the ONNX file by one of the exporters; gives the names of its inputs."""
    generator = torch.Generator().manual_seed(3)
    example = tuple(i.at(*network.sizes[0], generator) for i in network.inputs)
    names = [f"x{index}" for index in range(len(example))]
    opens = [{axis: size for axis, size in enumerate(i.sizes) if isinstance(size, str)} for i in network.inputs]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        if way == "dynamo":
            shapes = tuple(
                {axis: {"B": torch.export.Dim("batch"), "T": torch.export.Dim("time", min=2)}[size]
                 for axis, size in open.items()} for open in opens
            )  # fmt: skip
            program = torch.onnx.export(
                module, example, dynamo=True, opset_version=DYNAMO_OPSET, input_names=names, dynamic_shapes=shapes,
                verbose=False,
            )  # fmt: skip
            program.save(str(path))
            return names
        if way != "fixed":
            axes = {name: open for name, open in zip(names, opens, strict=True) if open}
        else:
            axes = None
        torch.onnx.export(
            module, example, str(path), dynamo=False, opset_version=17 if way == "fixed" else int(way),
            input_names=names, dynamic_axes=axes,
        )  # fmt: skip
    return names


def judge(network: Network, way: str, folder: Path) -> Outcome:
    torch.set_num_threads(1)
    torch.manual_seed(7)
    stem = folder / f"{network.name}-{way}"
    first, model = stem.with_suffix(".onnx"), stem.with_suffix(".rnnw")
    back, again = folder / f"{stem.name}-back.onnx", folder / f"{stem.name}-again.rnnw"
    module = randomised(network.make())
    with torch.no_grad():
        try:
            names = export(network, module, way, first)
        except Exception as error:
            return Outcome(network.name, way, "not exported", f"{type(error).__name__}: {str(error)[:200]}")
        runs = []
        generator = torch.Generator().manual_seed(5)
        for batch, time in network.sizes if way != "fixed" else network.sizes[:1]:
            inputs = [i.at(batch, time, generator) for i in network.inputs]
            outputs = module(*inputs)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            runs.append(([i.numpy() for i in inputs], [o.numpy() for o in outputs]))
    try:
        of_first = session(first)
        # The dynamo exporter fixes sizes that it was told are open.
        shapes = [i.shape for i in of_first.get_inputs()]
        runs = [run for run in runs if all(fits(i, shape) for i, shape in zip(run[0], shapes, strict=True))]
        if not runs:
            raise ValueError("its inputs are not those of the example")
        for inputs, expected in runs:
            found = difference(of_first.run(None, dict(zip(names, inputs, strict=True))), expected)
            if found:
                return Outcome(network.name, way, "not exported", f"onnxruntime on the export: {found}")
    except Exception as error:
        return Outcome(network.name, way, "not exported", f"onnxruntime: {str(error)[:200]}")
    try:
        prints = [converted(first, model), converted(model, back), converted(back, again)]
        if len(set(prints)) != 1 and OTHER_FORM.isdisjoint([network.name, f"{network.name} {way}"]):
            raise Wrong(f"three fingerprints: {prints}")
        rnnconv("verify", first, back)
        of_back = session(back)
        for index, (inputs, expected) in enumerate(runs):
            given, got = folder / f"{stem.name}-{index}.npz", folder / f"{stem.name}-{index}-out.npz"
            np.savez(given, **dict(zip(names, inputs, strict=True)))
            rnnconv("run", model, "--input", given, "--output", got, "--force")
            with np.load(got) as archive:
                computed = [archive[o.name] for o in of_first.get_outputs()]
            shape = [i.shape for i in inputs]
            if found := difference(computed, expected):
                raise Wrong(f"rnnconv run at {shape}: {found}")
            if found := difference(of_back.run(None, dict(zip(names, inputs, strict=True))), expected):
                raise Wrong(f"onnxruntime on the file that came back, at {shape}: {found}")
    except Refused as reason:
        return Outcome(network.name, way, "refused", str(reason))
    except Exception as error:
        text = str(error) if isinstance(error, Wrong) else f"{type(error).__name__}: {error}"
        return Outcome(network.name, way, "wrong", text)
    return Outcome(network.name, way, "right")


def quieted() -> None:
    """What PyTorch prints on its way is not the judge's."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def judged(name: str, way: str, keep: Path | None) -> Outcome:
    """The outcome, held against what is expected."""
    network = NETWORKS[name]
    with tempfile.TemporaryDirectory() as temporary:
        outcome = judge(network, way, keep or Path(temporary))
    for kind, expected in (("refused", EXPECTED), ("not exported", NOT_EXPORTED)):
        words = expected.get(f"{name} {way}", expected.get(name))
        if kind == "not exported" and way == "dynamo":
            continue  # What it exports changes with its every version.
        if outcome.kind == kind and (words is None or not re.search(words, outcome.reason)):
            return Outcome(network.name, way, "wrong", f"{kind}: {outcome.reason}")
        if words is not None and outcome.kind == "right":
            return Outcome(network.name, way, "wrong", f"it is no longer {kind}")
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these networks")
    parser.add_argument("--exporters", nargs="+", choices=["script", "fixed", "dynamo"],
                        default=["script", "fixed"], help="these exporters; dynamo takes minutes")  # fmt: skip
    parser.add_argument("--keep", type=Path, help="a folder for the files")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    if unknown := set(arguments.only or ()) - NETWORKS.keys():
        parser.error(f"no networks: {sorted(unknown)}")

    tasks = []
    with ProcessPoolExecutor(arguments.jobs, initializer=quieted) as pool:
        for name, network in NETWORKS.items():
            if arguments.only and name not in arguments.only:
                continue
            ways = {"script": [str(opset) for opset in network.opsets], "fixed": ["fixed"], "dynamo": ["dynamo"]}
            for way in (way for kind in arguments.exporters for way in ways[kind]):
                tasks.append(pool.submit(judged, name, way, arguments.keep))
        outcomes = []
        for task in tasks:
            outcomes.append(task.result())
            if arguments.keep:
                print(f"  {outcomes[-1].network} {outcomes[-1].way}: {outcomes[-1].kind}", flush=True)

    counts = collections.Counter(outcome.kind for outcome in outcomes)
    networks = len({outcome.network for outcome in outcomes})
    print(f"{networks} networks, {len(outcomes)} files")
    for kind in ("right", "refused", "not exported", "wrong"):
        print(f"{counts[kind]} {kind}")
        ways = collections.defaultdict(list)
        for outcome in outcomes:
            if outcome.kind == kind and kind != "right":
                ways[outcome.network, outcome.reason].append(outcome.way)
        for (name, reason), which in ways.items():
            print(f"  {name} ({', '.join(which)}): {reason}")
    # A judge that runs nothing has found nothing.
    return 1 if counts["wrong"] or not counts["right"] else 0


if __name__ == "__main__":
    sys.exit(main())
