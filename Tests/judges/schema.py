"""Hold schemas/onnx.proto against the pinned onnx package: every message, field number, type and label.

Prints how many fields were compared; exits with an error that names the first difference.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import onnx
from google.protobuf.descriptor import FieldDescriptor

TYPES = {
    "float": FieldDescriptor.TYPE_FLOAT, "double": FieldDescriptor.TYPE_DOUBLE, "int32": FieldDescriptor.TYPE_INT32,
    "int64": FieldDescriptor.TYPE_INT64, "uint64": FieldDescriptor.TYPE_UINT64, "string": FieldDescriptor.TYPE_STRING,
    "bytes": FieldDescriptor.TYPE_BYTES,
}
FIELD = re.compile(r"^\s*(?:(optional|repeated)\s+)?([A-Za-z0-9]+)\s+(\w+)\s*=\s*(\d+)\s*(?:\[packed = true\])?;")
VALUE = re.compile(r"^\s*([A-Z0-9_]+)\s*=\s*(\d+);")


def main() -> None:
    stack: list[tuple[str, object]] = []
    compared = 0
    for line in Path(sys.argv[1]).read_text().splitlines():
        if opened := re.match(r"^\s*(message|enum|oneof)\s+(\w+)\s*\{", line):
            kind, name = opened.groups()
            if kind == "oneof":
                stack.append((kind, stack[-1][1]))
            else:
                parent = stack[-1][1] if stack else onnx.ModelProto.DESCRIPTOR.file
                if kind == "message":
                    table = parent.nested_types_by_name if stack else parent.message_types_by_name
                else:
                    table = parent.enum_types_by_name
                stack.append((kind, table[name]))
        elif line.strip() == "}":
            stack.pop()
        elif stack and stack[-1][0] == "enum":
            if value := VALUE.match(line):
                name, number = value.groups()
                assert stack[-1][1].values_by_name[name].number == int(number), f"{name} = {number}"
                compared += 1
        elif stack and (field := FIELD.match(line)):
            label, kind, name, number = field.groups()
            theirs = stack[-1][1].fields_by_name[name]
            where = f"{stack[-1][1].name}.{name}"
            assert theirs.number == int(number), f"{where}: {number}, onnx has {theirs.number}"
            repeated = theirs.is_repeated if hasattr(theirs, "is_repeated") else theirs.label == 3
            assert repeated == (label == "repeated"), f"{where}: {label}"
            if kind in TYPES:
                assert theirs.type == TYPES[kind], f"{where}: {kind}"
            else:
                named = theirs.message_type or theirs.enum_type
                assert named is not None and named.name == kind, f"{where}: {kind}"
            compared += 1
    print(compared)


main()
