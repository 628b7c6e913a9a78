"""Reads .rnnw files by what schemas/rnnw.md says, sharing no code with rnnconv.

python rnnw_reader.py FILE ... prints one JSON line a file: the header and, of each tensor, name, dtype, shape and
SHA-256 of its decoded little-endian bytes.
"""
import hashlib, json, struct, sys, zlib

import numpy as np

MAGIC = b"\x89RNN\r\n\x1a\n"
DEFLATE, QUANTIZATION = 1, 2
# numpy has no bfloat16: its bits are given as 16-bit integers.
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
          "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?"}


class Malformed(ValueError):
    pass


def check(condition, message):
    if not condition:
        raise Malformed(message)


def align(offset):
    return (offset + 63) // 64 * 64


def parse_header(text):
    def members(pairs):
        check(len({key for key, _ in pairs}) == len(pairs), "duplicate key")
        return dict(pairs)

    header = json.loads(text.decode("utf-8"), object_pairs_hook=members)
    canonical = json.dumps(
        header, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    check(canonical.encode("utf-8") == text, "header is not canonical")
    keys = {key for key in header if not key.startswith("x-")}
    check(keys == {"name", "inputs", "outputs", "layers", "metadata", "tensors"}, f"header keys {sorted(keys)}")
    return header


def decode(entry, stored):
    check(zlib.crc32(stored) == entry["crc32"], f"CRC-32 of tensor {entry['name']}")
    dtype, shape = np.dtype(DTYPES[entry["dtype"]]), entry["shape"]
    count = 1
    for size in shape:
        check(size >= 0, "negative size")
        count *= size
    length = count * dtype.itemsize
    check(length < 2**63, "shape too large")
    data = stored
    if entry["codec"] == "shuffle+deflate":
        stream = zlib.decompressobj()
        planes = stream.decompress(stored, length + 1)
        check(stream.eof and not stream.unused_data and len(planes) == length, "deflate stream")
        data = np.frombuffer(planes, np.uint8).reshape(dtype.itemsize, count).T.tobytes()
    else:
        check(entry["codec"] == "raw", f"codec {entry['codec']}")
    check(len(data) == length, f"length of tensor {entry['name']}")
    return np.frombuffer(data, dtype).reshape(shape)


def read(path):
    """The header and a dictionary of numpy arrays (quantised tensors as stored)."""
    file = open(path, "rb").read()
    check(file[:8] == MAGIC, "magic")
    version, flags, data_offset, length, crc = struct.unpack_from("<IIQII", file, 8)
    check(version == 1, f"version {version}")
    check(flags & ~(DEFLATE | QUANTIZATION) == 0, f"unknown flags {flags:#x}")
    check(length <= 64 << 20 and data_offset == align(32 + length) <= len(file), "header length")
    check(zlib.crc32(file[:28] + file[32 : 32 + length]) == crc, "CRC-32 of the header")
    check(not any(file[32 + length : data_offset]), "padding behind the header")
    header = parse_header(file[32 : 32 + length])
    used, end, arrays = 0, data_offset, {}
    for entry in header["tensors"]:
        start = data_offset + entry["offset"]
        check(start == align(end), f"tensor {entry['name']} is not where the one before it ends")
        check(not any(file[end:start]), f"padding before tensor {entry['name']}")
        end = start + entry["length"]
        check(entry["length"] >= 0 and end <= len(file), f"tensor {entry['name']} reaches outside the file")
        check(entry["name"] not in arrays, f"duplicate tensor {entry['name']}")
        arrays[entry["name"]] = decode(entry, file[start:end])
        used |= (DEFLATE if entry["codec"] != "raw" else 0) | (QUANTIZATION if "quantization" in entry else 0)
    check(end == len(file), "bytes behind the last tensor")
    check(used == flags, "flags do not say what the tensors use")
    return header, arrays


if __name__ == "__main__":
    for path in sys.argv[1:]:
        header, arrays = read(path)
        tensors = [{"name": e["name"], "dtype": e["dtype"], "shape": e["shape"], "sha256":
                    hashlib.sha256(arrays[e["name"]].tobytes()).hexdigest()} for e in header["tensors"]]
        print(json.dumps({"header": header, "tensors": tensors}))
