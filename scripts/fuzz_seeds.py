#!/usr/bin/env python3
"""Gathers small files for the fuzzers to start from: fuzz_seeds.py RNNCONV FOLDER, with the path of the binary."""

import ast
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

LARGEST = 16 << 10
ROOT = pathlib.Path(__file__).resolve().parent.parent
SUFFIXES = {
    "onnx": [".onnx"],
    "safetensors": [".safetensors"],
    "pytorch": [".pt", ".pth", ".pkl"],
    "numpy": [".npz", ".npy"],
    "description": [],
    "json": [],
    "rnnw": [],
    "evaluator": [".onnx", ".pt", ".safetensors"],
}


def made(target, rnnconv):
    """What the repository holds no files of: our own format, and evidence."""
    for path in sorted(ROOT.glob("fixtures/**/*.onnx")) + sorted(ROOT.glob("fixtures/**/*.model.json")):
        if path.stat().st_size > LARGEST // 2:
            continue
        with tempfile.NamedTemporaryFile(suffix=".rnnw" if target != "json" else ".json") as file:
            if target == "json":
                commands = [["verify", path, "--suite", "quick", "--evidence", file.name, "--force"]]
            else:
                convert = ["convert", path, file.name, "--force"]
                commands = [convert, convert + ["--compress"]][: 2 if target == "rnnw" else 1]
            for command in commands:
                done = subprocess.run([rnnconv, *command], capture_output=True)
                content = pathlib.Path(file.name).read_bytes()
                if done.returncode == 0 and 0 < len(content) <= LARGEST:
                    yield content


def shapes(path):
    """The shapes of a file's tensors by name, from their headers; none of PyTorch's."""
    if path.suffix == ".safetensors":
        content = path.read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        yield from ((name, entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                header = archive.read(name)[10:].split(b"\n")[0].decode()
                yield name.removesuffix(".npy"), ast.literal_eval(header)["shape"]


def descriptions():
    """Descriptions whose weights are named as their shapes: the target makes such up."""
    for path in sorted(ROOT.glob("fixtures/**/*.model.json")):
        text = path.read_text()
        weights = json.loads(text).get("weights")
        for name, shape in shapes(path.parent / weights):
            text = text.replace(f'"{name}"', '"' + "x".join(map(str, shape)) + '"')
        text = re.sub(r'  "weights": "[^"]*",\n', "", text)
        yield text.encode()
        yield json.dumps(json.loads(text), separators=(",", ":")).encode()


def seeds(target):
    for path in sorted(ROOT.glob("fixtures/**/*")) + sorted(ROOT.glob("Tests/**/*")):
        if not path.is_file() or not path.name.endswith(tuple(SUFFIXES[target])):
            continue
        if path.stat().st_size <= LARGEST:
            yield path.read_bytes()
        if target == "pytorch" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield from (archive.read(name) for name in archive.namelist() if name.endswith("data.pkl"))
        if target == "numpy" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield from (archive.read(info) for info in archive.infolist() if info.file_size <= 2048)


def main(rnnconv, folder):
    for target in SUFFIXES:
        place = pathlib.Path(folder, target)
        place.mkdir(parents=True, exist_ok=True)
        contents = list(seeds(target))
        if target in ("rnnw", "json", "evaluator"):
            contents += made(target, rnnconv)
        if target == "description":
            contents += descriptions()
        for content in contents:
            place.joinpath(hashlib.sha1(content).hexdigest()).write_bytes(content)
        for path in ROOT.glob(f"Tests/FuzzTargetsTests/*/{target}/*"):
            shutil.copy(path, place)
        print(f"{target}: {len(list(place.iterdir()))} files to start from")


main(*sys.argv[1:])
