"""Faults for real: rnnconv killed while it writes (at over 1,000 points), full disks, folders it may not write to, links
to another file system, files cut short while they are mapped, and two writers at once.

Whatever happens, each file is the old one or the new one, whole, and no temporary file outlives the next write.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import resource
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tool import forced

BINARY = str(Path(os.environ.get("RNNCONV_BINARY", ".build-tests/release/rnnconv")).resolve())
NOBODY = 65534
HIDDEN = 192


def model(path: Path, seed: int) -> Path:
    """An LSTM of about 1 MiB."""
    generator = np.random.default_rng(seed)
    rows = 4 * HIDDEN
    shapes = {"W": (1, rows, HIDDEN), "R": (1, rows, HIDDEN), "B": (1, 2 * rows)}
    node = helper.make_node("LSTM", ["x", *shapes], ["y"], hidden_size=HIDDEN)
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "B", HIDDEN])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["T", 1, "B", HIDDEN])],
        [numpy_helper.from_array(generator.normal(0, 0.1, shape).astype(np.float32), name)
         for name, shape in shapes.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(*arguments, **options) -> subprocess.CompletedProcess:
    return subprocess.run([BINARY, *forced(*arguments)], capture_output=True, text=True, timeout=60, **options)


def converting(source: Path, target: Path, *more) -> list[str]:
    return [BINARY, "convert", str(source), str(target), "--no-verify", "--force", *map(str, more)]


def killed(place: Path, sources: list[Path], points: int, pair: bool) -> str:
    """Kills conversions of the sources, in turn, to one target, until `points` of them died."""
    folder = place / ("pair" if pair else "single")
    folder.mkdir()
    target = folder / ("m.onnx" if pair else "m.rnnw")
    names = [target.name] + (["w.bin"] if pair else [])
    more = ["--external-data", "w.bin"] if pair else []
    whole, times = [], []
    for source in sources * 5:
        start = time.monotonic()
        subprocess.run(converting(source, target, *more), check=True, capture_output=True)
        times.append(time.monotonic() - start)
        whole.append(tuple(digest(folder / name) for name in names))
    versions = set(whole)
    assert len(versions) == len(sources), "a conversion is not reproducible"
    duration = statistics.median(times)
    generator = random.Random(5)
    deaths = replaced = strays = mixed = 0
    before = whole[-1]
    turn = 0
    while deaths < points:
        process = subprocess.Popen(
            converting(sources[turn % len(sources)], target, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        turn += 1
        time.sleep(generator.uniform(0, duration))
        process.kill()
        deaths += process.wait() == -9
        after = tuple(digest(folder / name) for name in names)
        for index, part in enumerate(after):
            assert part in {version[index] for version in versions}, f"{names[index]} is damaged after {turn} kills"
        mixed += after not in versions
        replaced += after != before
        before = after
        strays += len(os.listdir(folder)) > len(names)
        assert turn < 20 * points, "hardly any conversion dies"
    subprocess.run(converting(sources[0], target, *more), check=True, capture_output=True)
    assert sorted(os.listdir(folder)) == sorted(names), f"left behind: {os.listdir(folder)}"
    return (f"{deaths} of {turn} writes of {' and '.join(names)} killed: 0 files damaged or lost, {replaced} times the "
            f"new content was there, {strays} times a temporary file (gone after the next write)"
            + (f", {mixed} times one new file beside one old" if pair else ""))


def full(place: Path, source: Path) -> str:
    """A file system of 256 KiB where mounting is allowed, and the system's limit on file sizes everywhere."""
    results = []
    for way in ("tmpfs", "limit"):
        folder = place / f"full-{way}"
        folder.mkdir()
        command = " ".join(converting(source, folder / "m.rnnw"))
        prepare = f"printf precious > {folder}/m.rnnw"
        look = f"cat {folder}/m.rnnw; ls -A {folder}"
        if way == "tmpfs":
            script = f"mount -t tmpfs -o size=256k none {folder} || exit 99; {prepare}; {command}; echo code $?; {look}"
            shell = ["unshare", "--map-root-user", "--mount", "sh", "-c", script]
        else:
            # The message is written to a file as well, hence not a limit of nothing.
            shell = ["sh", "-c", f"{prepare}; ulimit -f 200; {command}; echo code $?; {look}"]
        done = subprocess.run(shell, capture_output=True, text=True, timeout=60)
        if done.returncode in (1, 99) and way == "tmpfs" and "code" not in done.stdout:
            results.append(f"no tmpfs here ({done.stderr.strip()})")
            continue
        assert done.stdout == "code 4\npreciousm.rnnw\n", (way, done)
        assert ("no space left" if way == "tmpfs" else "file too large") in done.stderr, (way, done)
        results.append(f"{way}: {done.stderr.strip().split(': ', 2)[-1]}")
    return "disk full: exit 4, old file whole; " + "; ".join(results)


def forbidden(place: Path, source: Path) -> str:
    """As a user who may not write to the folder, or read the model."""
    folder = place / "read-only"
    folder.mkdir()
    target = folder / "m.rnnw"
    target.write_text("precious")
    hidden = shutil.copy(source, place / "hidden.onnx")
    os.chmod(hidden, 0)
    os.chmod(folder, 0o555)
    who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        for path in (target, folder / "new.rnnw"):
            done = run("convert", source, path, **who)
            assert done.returncode == 4 and f"{path}: cannot create: permission denied" in done.stderr, done
        done = run("inspect", hidden, **who)
        assert done.returncode == 4 and "hidden.onnx: cannot open: permission denied" in done.stderr, done
        assert os.listdir(folder) == ["m.rnnw"] and target.read_text() == "precious"
    finally:
        os.chmod(folder, 0o755)
    return "permission denied, read-only folder: exit 4, nothing changed"


def elsewhere(place: Path, source: Path) -> str:
    """A target that is a link to another file system: the temporary file has to be made there."""
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == place.stat().st_dev:
        return "no second file system here"
    with tempfile.TemporaryDirectory(dir=other) as folder:
        target = Path(folder) / "m.rnnw"
        target.write_text("old")
        link = place / "link.rnnw"
        link.symlink_to(target)
        assert run("convert", source, link).returncode == 0
        assert link.is_symlink() and target.stat().st_size > 1 << 20 and os.listdir(folder) == ["m.rnnw"]
    return "target on another file system: written there, the link stays"


def cut_short(place: Path, source: Path) -> str:
    """A mapped model is truncated before it is used: its inputs come through a pipe that is read again afterwards."""
    mapped, pipe, inputs = place / "mapped.rnnw", place / "inputs.npz", place / "x.npz"
    assert run("convert", source, mapped).returncode == 0
    np.savez(inputs, x=np.ones((3, 1, HIDDEN), np.float32))
    os.mkfifo(pipe)

    def feed() -> None:
        pipe.write_bytes(inputs.read_bytes())
        time.sleep(0.5)  # The first reader has closed it; opening waits for the second.
        with open(pipe, "wb") as again:
            os.truncate(mapped, 0)
            again.write(inputs.read_bytes())

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    done = run("run", mapped, "--input", pipe, "-o", place / "y.npy")
    feeder.join(10)
    assert done.returncode == 4 and done.stderr == (
        f"error: {mapped}: cannot read: it was cut short while it was in use; run again when nobody writes to it\n"), done
    assert not (place / "y.npy").exists()
    return "model cut short while mapped: exit 4 and a message"


def together(place: Path, sources: list[Path]) -> str:
    folder = place / "together"
    folder.mkdir()
    target = folder / "m.onnx"
    versions = set()
    for source in sources:
        subprocess.run(converting(source, target, "--external-data", "w.bin"), check=True, capture_output=True)
        versions.add((digest(target), digest(folder / "w.bin")))
    rounds = 20
    for _ in range(rounds):
        writers = [subprocess.Popen(converting(source, target, "--external-data", "w.bin"), stdout=subprocess.DEVNULL)
                   for source in sources * 2]
        assert [writer.wait() for writer in writers] == [0] * len(writers)
        assert (digest(target), digest(folder / "w.bin")) in versions
        assert sorted(os.listdir(folder)) == ["m.onnx", "w.bin"]
    return f"{rounds} times four writers at once: both files of one of them, nothing else"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1000, help="kills of a conversion to one file")
    points = parser.parse_args().points
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        os.chmod(place, 0o755)
        sources = [model(place / f"{seed}.onnx", seed) for seed in (1, 2)]
        for check in (
            lambda: full(place, sources[0]), lambda: forbidden(place, sources[0]), lambda: elsewhere(place, sources[0]),
            lambda: cut_short(place, sources[0]), lambda: together(place, sources),
            lambda: killed(place, sources, points, False), lambda: killed(place, sources, points // 5, True),
        ):
            start = time.monotonic()
            print(f"{check()} ({time.monotonic() - start:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
