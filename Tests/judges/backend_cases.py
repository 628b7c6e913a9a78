"""Take the recurrent backend node cases out of an onnx wheel, and check that they are the ones we know."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import zipfile
from pathlib import Path, PurePosixPath

PREFIX = "onnx/backend/test/data/node/"
CASES = [
    "test_gru_batchwise", "test_gru_defaults", "test_gru_seq_length", "test_gru_with_initial_bias",
    "test_lstm_batchwise", "test_lstm_defaults", "test_lstm_with_initial_bias", "test_lstm_with_peepholes",
    "test_rnn_seq_length", "test_simple_rnn_batchwise", "test_simple_rnn_defaults",
    "test_simple_rnn_with_initial_bias",
]
# Over the sorted relative paths and contents of the extracted files, of onnx 1.16.2.
SHA256 = "4a80b145d20c840616f95bb31af38c5a83c1d1c0f7e87f94569d7eb6d200a95f"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.out, ignore_errors=True)
    digest = hashlib.sha256()
    found = set()
    with zipfile.ZipFile(arguments.wheel) as wheel:
        for name in sorted(wheel.namelist()):
            path = PurePosixPath(name)
            if not name.startswith(PREFIX) or name.endswith("/"):
                continue
            relative = path.relative_to(PREFIX)
            case = relative.parts[0]
            if not case.startswith(("test_rnn", "test_simple_rnn", "test_lstm", "test_gru")):
                continue
            found.add(case)
            data = wheel.read(name)
            digest.update(str(relative).encode() + b"\0" + data)
            target = arguments.out / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    if sorted(found) != CASES:
        raise SystemExit(f"expected the {len(CASES)} cases {CASES}, found {sorted(found)}")
    if digest.hexdigest() != SHA256:
        raise SystemExit(f"the cases have changed: sha256 {digest.hexdigest()}")
    print(f"{len(found)} backend node cases in {arguments.out}")


if __name__ == "__main__":
    main()
