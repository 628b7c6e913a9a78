"""Take the backend node cases out of an onnx wheel, and check that they are the ones we know: the recurrent ones to one
folder, all of them to another."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import zipfile
from pathlib import Path, PurePosixPath

import onnx

PREFIX = "onnx/backend/test/data/node/"
CASES = [
    "test_gru_batchwise", "test_gru_defaults", "test_gru_seq_length", "test_gru_with_initial_bias",
    "test_lstm_batchwise", "test_lstm_defaults", "test_lstm_with_initial_bias", "test_lstm_with_peepholes",
    "test_rnn_seq_length", "test_simple_rnn_batchwise", "test_simple_rnn_defaults",
    "test_simple_rnn_with_initial_bias",
]
# Over the sorted relative paths and contents of the extracted files, of onnx 1.16.2.
SHA256 = "4a80b145d20c840616f95bb31af38c5a83c1d1c0f7e87f94569d7eb6d200a95f"
ALL = 1282
ALL_SHA256 = "9cedf3de8df8c45b44c120e17e8d49df4914832db6ae4de41c5473e80e5d8a98"


def is_recurrent(case: str) -> bool:
    return case.startswith(("test_rnn", "test_simple_rnn", "test_lstm", "test_gru"))


def raised(model: bytes) -> bytes:
    """A model of an opset below 7, which no reader of ours takes, as one of 7: the operators of these few cases did not
    change in between."""
    proto = onnx.load_from_string(model)
    for entry in proto.opset_import:
        if entry.domain == "" and entry.version < 7:
            entry.version = 7
            return proto.SerializeToString()
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("recurrent", type=Path)
    parser.add_argument("everything", type=Path)
    arguments = parser.parse_args()
    recurrent, everything = hashlib.sha256(), hashlib.sha256()
    found = set()
    for folder in (arguments.recurrent, arguments.everything):
        shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(arguments.wheel) as wheel:
        for name in sorted(wheel.namelist()):
            path = PurePosixPath(name)
            if not name.startswith(PREFIX) or name.endswith("/"):
                continue
            relative = path.relative_to(PREFIX)
            case = relative.parts[0]
            found.add(case)
            data = wheel.read(name)
            everything.update(str(relative).encode() + b"\0" + data)
            targets = [arguments.everything / relative]
            if is_recurrent(case):
                recurrent.update(str(relative).encode() + b"\0" + data)
                targets.append(arguments.recurrent / relative)
            for target in targets:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(raised(data) if path.name == "model.onnx" else data)
    known = sorted(case for case in found if is_recurrent(case))
    if known != CASES:
        raise SystemExit(f"expected the {len(CASES)} cases {CASES}, found {known}")
    if len(found) != ALL:
        raise SystemExit(f"expected {ALL} cases, found {len(found)}")
    for name, digest, expected in [("recurrent", recurrent, SHA256), ("all", everything, ALL_SHA256)]:
        if digest.hexdigest() != expected:
            raise SystemExit(f"the {name} cases have changed: sha256 {digest.hexdigest()}")
    print(f"{len(known)} recurrent backend node cases in {arguments.recurrent}, {len(found)} in {arguments.everything}")


if __name__ == "__main__":
    main()
