"""Reads .rnnw files, version 1, by rnnw.md alone. Checks the layout, not whether the layers make a model.

python rnnw_reader.py FILE ... prints one JSON line a file: its header, and name, dtype, shape and SHA-256 of each tensor.
"""
import hashlib, json, struct, sys, zlib
import numpy

DTYPES = dict(zip("F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL".split(),  # BF16 as bit patterns
                  "<f8 <f4 <f2 <u2 <i8 <i4 <i2 i1 <u8 <u4 <u2 u1 ?".split()))
HEADER = {"name": str, "inputs": list, "outputs": list, "layers": list, "metadata": dict, "tensors": list}
ENTRY = {"name": str, "dtype": str, "shape": list, "codec": str, "offset": int, "length": int, "crc32": int}
QUANTIZED = ENTRY | {"quantization": {"scale": float, "zeroPoint": int}}
CHOICES = ("direction", "selection", "arithmetic", "pool", "mode", "function", "divisor", "rounding", "coordinates")  # every other attribute that is a string names a tensor


class RNNWError(ValueError):
    """The file cannot be read, or is not one that rnnw.md allows."""


def require(condition, message):
    if not condition:
        raise RNNWError(message)


def types(value):
    return {key: types(value[key]) for key in value} if type(value) is dict else type(value)


def decode(entry, stored):
    dtype, shape = numpy.dtype(DTYPES[entry["dtype"]]), entry["shape"]
    size = dtype.itemsize
    for axis in shape:
        require(type(axis) is int and axis >= 0 and size * axis < 2**63, "a shape is wrong or too large")
        size *= axis or 1
    size = 0 if 0 in shape else size
    if entry["codec"] != "raw":
        stream = zlib.decompressobj()
        planes = stream.decompress(stored, size + 1)
        require(stream.eof and not stream.unused_data, "the zlib stream does not end with the tensor")
        require(len(planes) == size, f"unfolds to {len(planes)} bytes instead of {size}")
        stored = numpy.frombuffer(planes, "u1").reshape(dtype.itemsize, -1).T.tobytes()
    require(len(stored) == size, f"{len(stored)} bytes for a tensor of {size}")
    return numpy.ndarray(shape, dtype, stored)


def parse(data):
    require(len(data) >= 32 and data[:8] == b"\x89RNN\r\n\x1a\n", "not an .rnnw file")
    version, features, start, length, crc = struct.unpack_from("<IIQII", data, 8)
    require(version == 1 and features < 8, f"unknown version {version} or required features {features:#x}")
    stop, end, needed, tensors = 32 + length, start, 0, {}
    require(length <= 2**26 and start == -(-stop // 64) * 64 <= len(data), "wrong header length, or wrong D")
    require(zlib.crc32(data[:28] + data[32:stop]) == crc, "wrong CRC of the header")
    require(not any(data[stop:start]), "the bytes behind the header are not zero")
    header = json.loads(data[32:stop].decode(), parse_int=lambda digits: int(numpy.int64(int(digits))))
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    right = type(header) is dict and text.encode() == data[32:stop]  # false, too, if a key stands twice
    require(right, "the header is not an object in canonical JSON")
    require(HEADER == {k: type(header[k]) for k in header if k[:2] != "x-"}, "wrong keys in the header")
    level = [header]
    for _ in range(64):
        level = [v for a in level for v in (a.values() if type(a) is dict else a) if type(v) in (dict, list)]
    require(not level, "the header nests more than 64 levels deep")
    for entry in header["tensors"]:
        require(types(entry) in (ENTRY, QUANTIZED), "a tensor's entry does not have the right keys and types")
        name, dtype, codec, begin = entry["name"], entry["dtype"], entry["codec"], start + entry["offset"]
        require(name not in tensors, f"two tensors are named {name!r}")
        require(codec in ("raw", "shuffle+deflate") and dtype in DTYPES, f"{name!r}: unknown codec or dtype")
        require("quantization" not in entry or dtype[0] in "IU", f"{name!r}: {dtype} is not quantized")
        stop = begin + entry["length"]
        require(begin == (end + 63) // 64 * 64 <= stop <= len(data), f"{name!r}: wrong offset or length")
        require(not any(data[end:begin]), f"{name!r}: the bytes before it are not zero")
        require(zlib.crc32(data[begin:stop]) == entry["crc32"], f"{name!r}: wrong CRC")
        tensors[name], end = decode(entry, data[begin:stop]), stop
        needed |= (codec != "raw") + 2 * ("quantization" in entry)
    needed |= 4 * any("droppedAtOne" in axis for port in header["outputs"] for axis in port["axes"])
    require(end == len(data) and needed == features, "bytes behind the tensors, or wrong required features")
    layers = [b for a in header["layers"] for b in (a, *a["attributes"].get("body", ()))]
    parts = [p for a in layers for p in (a["attributes"], *a["attributes"].get("directions", ()))]
    used = [part[key] for part in parts for key in part if type(part[key]) is str and key not in CHOICES]
    require(sorted(used) == sorted(tensors), "the layers do not name every tensor exactly once")
    return header, tensors


def read(path):
    try:
        with open(path, "rb") as file:
            return parse(file.read())
    except Exception as error:  # RNNWError, and what json, zlib, numpy and open raise
        raise RNNWError(f"{path}: {error}") from error


if __name__ == "__main__":
    for path in sys.argv[1:]:
        try:
            table, arrays = read(path)
        except RNNWError as fault:
            sys.exit(f"error: {fault}")
        print(json.dumps({"header": table, "tensors": [
            {"name": e["name"], "dtype": e["dtype"], "shape": e["shape"],
             "sha256": hashlib.sha256(arrays[e["name"]].tobytes()).hexdigest()} for e in table["tensors"]]}))
