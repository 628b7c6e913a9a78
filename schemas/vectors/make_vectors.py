"""Makes the test vectors of rnnw.md: writes each file by the document, not with rnnconv, so that they prove it.

python make_vectors.py writes NAME.rnnw and NAME.json beside itself, and prints the hexadecimal dumps for rnnw.md.
"""
import hashlib, json, pathlib, struct, zlib

import numpy as np

DTYPES = {"F32": "<f4", "BF16": "<u2", "U8": "u1"}
FLAGS = {"raw": 0, "shuffle+deflate": 1}
SIGMOID, TANH = {"kind": "sigmoid"}, {"kind": "tanh"}


def align(offset):
    return (offset + 63) // 64 * 64


def stored_bytes(array, codec):
    if codec == "raw":
        return array.tobytes()
    return zlib.compress(np.frombuffer(array.tobytes(), np.uint8).reshape(array.size, -1).T.tobytes(), 6)


def write(name, header, tensors):
    data, table, expected, flags = b"", [], [], 0
    for tensor_name, dtype, shape, values, codec, quantization in tensors:
        if dtype == "BF16":
            array = (np.array(values, "<f4").view("<u4") >> 16).astype("<u2")
        else:
            array = np.array(values, DTYPES[dtype])
        stored = stored_bytes(array, codec)
        data += bytes(align(len(data)) - len(data))
        entry = {"name": tensor_name, "dtype": dtype, "shape": shape, "codec": codec, "offset": len(data),
                 "length": len(stored), "crc32": zlib.crc32(stored)}
        if quantization:
            entry["quantization"] = quantization
        data += stored
        flags |= FLAGS[codec] | (2 if quantization else 0)
        table.append(entry)
        expected.append({"name": tensor_name, "dtype": dtype, "shape": shape,
                         "sha256": hashlib.sha256(array.tobytes()).hexdigest(), "values": values})
    header = header | {"tensors": table}
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    fields = b"\x89RNN\r\n\x1a\n" + struct.pack("<IIQI", 1, flags, align(32 + len(text)), len(text))
    file = fields + struct.pack("<I", zlib.crc32(fields + text)) + text
    file += bytes(align(len(file)) - len(file)) + data
    folder = pathlib.Path(__file__).parent
    (folder / f"{name}.rnnw").write_bytes(file)
    (folder / f"{name}.json").write_text(json.dumps({"header": header, "tensors": expected}, indent=1) + "\n")
    print(f"### {name}\n\n```hex")
    for row in range(0, len(file), 16):
        part = file[row : row + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        print(f"{row:08x}  {part.hex(' '):<47}  {text}")
    print("```\n")


def port(name, kind, dtype, axes, features=None):
    result = {"name": name, "value": name, "kind": kind, "dtype": dtype, "axes": axes}
    return result if features is None else result | {"features": features}


TIME, BATCH = {"factors": ["time"], "symbol": "time"}, {"factors": ["batch"], "symbol": "batch"}


def features(count):
    # One feature is an axis of size 1, which holds no factor.
    return {"factors": [{"stride": 1, "count": count}] if count != 1 else [], "size": count}


write("empty", {"name": "", "inputs": [], "outputs": [], "layers": [], "metadata": {}}, [])

write(
    "lstm-raw",
    {
        "name": "one LSTM cell",
        "inputs": [port("x", "sequence", "F32", [TIME, BATCH, features(1)], 1)],
        "outputs": [port("y", "sequence", "F32", [TIME, BATCH, features(1)], 1)],
        "layers": [{
            "name": "lstm", "operation": "LSTM", "inputs": ["x"], "outputs": ["y", None, None],
            "attributes": {
                "direction": "forward", "inputSize": 1, "hiddenSize": 1, "clip": 5.5, "inputForget": False,
                "directions": [{
                    "inputWeight": "lstm.forward.inputWeight",
                    "recurrentWeight": "lstm.forward.recurrentWeight", "inputBias": "lstm.forward.inputBias",
                    "gateActivation": {"kind": "hardSigmoid", "alpha": 0.2, "beta": 0.5},
                    "candidateActivation": TANH, "outputActivation": TANH}]}}],
        "metadata": {"author": "Zoë", "line": "one\ntwo"},
    },
    [
        ("lstm.forward.inputWeight", "F32", [4, 1], [0.5, -1.25, 2.0, 0.75], "raw", None),
        ("lstm.forward.recurrentWeight", "F32", [4, 1], [-0.5, 0.125, 1.0, -2.0], "raw", None),
        ("lstm.forward.inputBias", "F32", [4], [1.0, 0.0, -0.0, 0.25], "raw", None),
    ])

write(
    "dense-deflate",
    {
        "name": "dense",
        "inputs": [port("x", "vector", "F32", [BATCH, features(8)], 8)],
        "outputs": [port("y", "vector", "F32", [BATCH, features(4)], 4)],
        "layers": [{"name": "dense", "operation": "Dense", "inputs": ["x"], "outputs": ["y"],
                    "attributes": {"weight": "dense.weight", "bias": "dense.bias"}}],
        "metadata": {},
    },
    [
        ("dense.weight", "F32", [4, 8], [(k - 16) / 8 for k in range(32)], "shuffle+deflate", None),
        ("dense.bias", "BF16", [4], [1.0, -0.5, 3.140625, 0.0], "shuffle+deflate", None),
    ])

write(
    "embedding-quantized",
    {
        "name": "embedding",
        "inputs": [port("ids", "tokens", "I64", [BATCH, TIME])],
        "outputs": [port("y", "sequence", "F32", [BATCH, TIME, features(2)], 2)],
        "layers": [{"name": "embedding", "operation": "Embedding", "inputs": ["ids"], "outputs": ["y"],
                    "attributes": {"table": "embedding.table"}}],
        "metadata": {},
    },
    [("embedding.table", "U8", [3, 2], [0, 128, 255, 1, 127, 129], "raw", {"scale": 0.1, "zeroPoint": 128})])
