#!/usr/bin/env python3
"""Fetches the published models of fixtures/published.json, tries rnnconv on each, and writes docs/published-models.md.

    scripts/published.py --binary .build/release/rnnconv [--folder .published] [--max-mb 60] [--only NAME …] [--no-fetch]

Archives come by pip's own finder and are only unpacked: nothing of them is built, imported or run. Every model is held against its
SHA-256. A file is whole when it becomes .rnnw, that becomes ONNX, `verify` finds the two ONNX files the same, and, where
onnxruntime is to be had, what it makes of the published file is what rnnconv says of the converted one.
"""

from __future__ import annotations

import argparse
import collections
import fnmatch
import hashlib
import json
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLATFORMS = ["manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux2010_x86_64",
             "manylinux1_x86_64", "linux_x86_64", "any"]
PYTHONS = [None, (3, 11), (3, 12), (3, 10), (3, 9), (3, 8), (3, 7), (3, 6), (2, 7)]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Archives:
    """Archives by name, as their publishers have them."""

    def __init__(self, folder: Path, most: int) -> None:
        from pip._internal.commands.download import DownloadCommand

        self.folder, self.most = folder, most
        self.command = DownloadCommand("download", "")
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Archives:
        self.context = self.command.main_context()
        self.context.__enter__()
        self.options, _ = self.command.parse_args(["any"])
        self.session = self.command.get_default_session(self.options)
        return self

    def __exit__(self, *error: object) -> None:
        self.context.__exit__(*error)

    def fetched(self, entry: dict) -> Path:
        path = self.folder / entry["archive"]
        if not path.exists():
            if entry["package"].startswith("debian:"):
                self._debian(entry, path)
            else:
                self._package(entry, path)
        return path

    def _debian(self, entry: dict, path: Path) -> None:
        name = entry["package"].split(":")[1]
        subprocess.run(["apt-get", "download", name], cwd=self.folder, check=True, capture_output=True)
        next(self.folder.glob(f"{name}_*")).rename(path)

    def _package(self, entry: dict, path: Path) -> None:
        from pip._internal.models.target_python import TargetPython
        from pip._internal.network.utils import HEADERS

        for python in PYTHONS:
            target = TargetPython(py_version_info=python, platforms=PLATFORMS) if python else TargetPython()
            finder = self.command._build_package_finder(
                self.options, self.session, target_python=target, ignore_requires_python=True)
            for candidate in finder.find_all_candidates(entry["package"]):
                if candidate.link.filename != entry["archive"]:
                    continue
                answer = self.session.get(candidate.link.url_without_fragment, headers=HEADERS, stream=True)
                answer.raise_for_status()
                if int(answer.headers.get("content-length", 0)) > self.most:
                    raise LookupError(f"{entry['archive']} is larger than --max-mb")
                part = path.with_suffix(".part")
                with part.open("wb") as out:
                    for chunk in answer.raw.stream(1 << 20, decode_content=False):
                        out.write(chunk)
                part.rename(path)
                return
        raise LookupError(f"{entry['archive']} is not to be had")


def members(path: Path) -> dict[str, object]:
    """What reads each file of an archive."""
    if path.suffix == ".deb":
        tree = path.with_suffix(".tree")
        subprocess.run(["dpkg-deb", "-x", path, tree], check=True)
        return {str(file.relative_to(tree)): file.read_bytes for file in tree.rglob("*") if file.is_file()}
    if zipfile.is_zipfile(path):
        archive = zipfile.ZipFile(path)
        return {name: lambda name=name: archive.read(name) for name in archive.namelist()}
    tar = tarfile.open(path)
    return {file.name: lambda file=file: tar.extractfile(file).read() for file in tar.getmembers() if file.isfile()}


def place(folder: Path, entry: dict) -> Path:
    return folder / entry["package"].replace(":", "_") / entry["path"]


def fetch(entries: list[dict], folder: Path, most: int) -> None:
    groups = collections.defaultdict(list)
    for entry in entries:
        if not place(folder, entry).exists():
            groups[entry["archive"]].append(entry)
    if not groups:
        return
    with Archives(folder / ".archives", most) as archives:
        for group in groups.values():
            try:
                files = members(archives.fetched(group[0]))
            except (LookupError, OSError, subprocess.CalledProcessError) as error:
                print(f"{group[0]['package']}: {error}", file=sys.stderr)
                continue
            for entry in group:
                wanted = entry["path"]
                name = next((n for n in files if n.endswith("/" + wanted) or fnmatch.fnmatch(n, wanted)), None)
                data = files[name]() if name else b""
                if sha256(data) != entry["sha256"]:
                    print(f"{entry['package']}: {wanted}: not there, or another file", file=sys.stderr)
                    continue
                target = place(folder, entry)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)


# The exit code of `verify` where a deviation is more than noise, and no proof of a mistake.
INCONCLUSIVE = 5


class Trial:
    """What becomes of one ONNX file."""

    def __init__(self, binary: Path, file: Path, work: Path, bind: list[str]) -> None:
        self.binary, self.file, self.work = binary, file, work
        self.bound = {name: int(value) for name, value in (part.split("=") for part in bind)}
        self.code, self.runtime = 0, ""
        self.bind = [word for part in bind for word in ("--bind", part)]
        start = time.monotonic()
        self.opens = self.run("inspect", file) is None
        self.names = self.fed()
        self.evaluates = self.names is not None and self.run(
            "run", file, "--input", work / "inputs.npz", "-o", work / "run.npz", "--force") is None
        self.reason = self.converted() or ""
        self.seconds = time.monotonic() - start

    def run(self, *arguments: object) -> str | None:
        """Why a command failed; None where it did not."""
        try:
            done = subprocess.run([self.binary, *map(str, arguments)], capture_output=True, text=True, timeout=300)
        except subprocess.TimeoutExpired:
            return "more than 300 seconds"
        self.code = done.returncode
        if done.returncode == 0:
            return None
        # The last lines of an error are its reasons.
        text = " ".join((done.stderr or done.stdout).split()).replace(str(self.file), self.file.name)
        return text.removeprefix("error: ")[:160]

    def converted(self) -> str | None:
        model, back = self.work / "model.rnnw", self.work / "back.onnx"
        return (self.run("convert", self.file, model, "--force", *self.bind)
                or self.run("convert", model, back, "--force")
                or self.run("verify", self.file, back, *self.bind) or self.judged(back))

    def judged(self, back: Path) -> str | None:
        """What onnxruntime makes of the published file, held against the converted one."""
        if not self.names:
            return None
        reason = self.run("verify", back, "--input", self.work / "open.npz", "--no-diagnosis", "--expected", self.work / "outputs.npz",
                          "--runtime", "onnxruntime")
        self.runtime = "equal" if reason is None else "inconclusive" if self.code == INCONCLUSIVE else "no"
        return reason if self.runtime == "no" else None

    def fed(self) -> list[str] | None:
        """Writes inputs, made up by the shapes that the file states, and what onnxruntime makes of them; the outputs' names."""
        try:
            import numpy as np
            import onnxruntime
        except ImportError:
            return None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(self.file, options)
            rng, sizes, feeds = np.random.default_rng(1), {}, {}
            for port in session.get_inputs():
                shape = [size if isinstance(size, int) else self.size(port.name, axis, size, sizes)
                         for axis, size in enumerate(port.shape)]
                if "int" in port.type:
                    kind = np.int32 if "int32" in port.type else np.int64
                    feeds[port.name] = np.full(shape, self.bound.get(port.name, 1), kind)
                else:
                    feeds[port.name] = rng.normal(size=shape).astype(np.float32)
            made = session.run(None, feeds)
        except Exception as error:  # Of a kind for each reason; sizes may be left open without telling which are free.
            print(f"  onnxruntime: {' '.join(str(error).split())[:120]}")
            return None
        names = [port.name for port in session.get_outputs()]
        # A number that was bound is no input of the converted file.
        np.savez(self.work / "inputs.npz", **feeds)
        np.savez(self.work / "open.npz", **{name: value for name, value in feeds.items() if name not in self.bound})
        np.savez(self.work / "outputs.npz", **dict(zip(names, made)))
        return names

    def size(self, name: str, axis: int, symbol: str | None, sizes: dict[str, int]) -> int:
        """What an open size is bound to, or one that all axes of its name get."""
        bound = self.bound.get(symbol or "", self.bound.get(f"{name}:{axis}"))
        return bound or sizes.setdefault(str(symbol), 7 if not sizes or axis == 0 else self.features())

    def features(self) -> int:
        """The size of an axis that the file leaves open where rnnconv knows it."""
        done = subprocess.run([self.binary, "inspect", str(self.file), "--json"], capture_output=True, text=True)
        shape = json.loads(done.stdout)["inputs"][0]["shape"] if done.returncode == 0 else "[7]"
        last = shape.strip("[]").split(",")[-1].split("=")[-1].strip()
        return int(last) if last.isdigit() else 7


def table(rows: list[tuple[dict, Trial]], absent: int) -> str:
    whole = sum(not trial.reason for _, trial in rows)
    lines = [
        "# Published models", "",
        "Made by `make published` on " + time.strftime("%Y-%m-%d") + ": fetches the ONNX files of `fixtures/published.json`, which people published with",
        "their packages, and tries each. *Whole*: ONNX → `.rnnw` → ONNX, `verify` finds both the same, and what onnxruntime makes of the published file is\nnot *different* from what the converted one says (*inconclusive*: more than rounding noise, within what its functions may be off).", "",
        f"**{whole} of {len(rows)} whole**, {sum(t.evaluates for _, t in rows)} evaluate"
        + (f", {absent} could not be fetched" if absent else "") + ".", "",
        "| package | files | what | evaluate | whole | onnxruntime | seconds | why not |", "|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str, str], list[tuple[dict, Trial]]] = {}
    for entry, trial in rows:
        groups.setdefault((f"{entry['package']} {entry['version']}", entry["what"], trial.reason + trial.runtime + str(entry.get("bind", ""))), []).append((entry, trial))
    for (package, what, reason), group in groups.items():
        trials = [trial for _, trial in group]
        files = Path(group[0][0]["path"]).name + (f" and {len(group) - 1} more" if len(group) > 1 else "")
        bind = group[0][0].get("bind")
        cells = [package, files, what + (f" (`{' '.join('--bind ' + part for part in bind)}`)" if bind else ""), f"{sum(t.evaluates for t in trials)}", f"{sum(not t.reason for t in trials)}",
                 trials[0].runtime, f"{max(t.seconds for t in trials):.1f}", trials[0].reason]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/rnnconv")
    parser.add_argument("--folder", type=Path, default=ROOT / ".published")
    parser.add_argument("--max-mb", type=int, default=60)
    parser.add_argument("--only", nargs="*", help="packages")
    parser.add_argument("--no-fetch", action="store_true")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/published-models.md")
    given = parser.parse_args()
    entries = [entry for entry in json.loads((ROOT / "fixtures/published.json").read_text())
               if entry["format"] == "onnx" and (not given.only or entry["package"] in given.only)]
    if not given.no_fetch:
        fetch(entries, given.folder, given.max_mb << 20)
    work = given.folder / ".work"
    work.mkdir(parents=True, exist_ok=True)
    rows, absent = [], 0
    for entry in entries:
        file = place(given.folder, entry)
        if not file.exists():
            absent += 1
            continue
        trial = Trial(given.binary.resolve(), file, work, entry.get("bind", []))
        print(f"{entry['package']} {file.name}: {trial.reason or 'whole'} ({trial.seconds:.1f} s)", flush=True)
        rows.append((entry, trial))
    given.output.write_text(table(rows, absent))


if __name__ == "__main__":
    main()
