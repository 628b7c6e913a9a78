"""Prints the signatures of the operators that the evaluator knows, as the pinned onnx package defines them.

One line a version: name, opset, inputs, outputs, attributes with their defaults. `?` marks what may be left out,
`*` what may repeat. SignatureTable.swift holds this text; a test compares the two.
"""

import sys

import onnx
from onnx import defs

NEWEST = 28
OPTIONAL = defs.OpSchema.FormalParameterOption.Optional
VARIADIC = defs.OpSchema.FormalParameterOption.Variadic


def parameters(items, least):
    marks = []
    for position, item in enumerate(items):
        mark = "?" if item.option == OPTIONAL else "*" if item.option == VARIADIC else ""
        marks.append(item.name + mark)
    return ",".join(marks) or "-"


def attribute(a):
    kind = str(a.type).split(".")[-1].lower()
    text = f"{a.name}:{kind}"
    if a.required:
        return text + "!"
    if a.default_value.name:
        value = onnx.helper.get_attribute_value(a.default_value)
        if isinstance(value, bytes):
            value = value.decode()
        if isinstance(value, list):
            value = "|".join(v.decode() for v in value)
        text += f"={value}"
    return text


def lines(name):
    versions = sorted(
        (s for s in defs.get_all_schemas_with_history() if s.domain == "" and s.name == name and not s.deprecated),
        key=lambda s: s.since_version,
    )
    versions = [s for s in versions if s.since_version <= NEWEST]
    old = [s for s in versions if s.since_version <= 7]
    previous = None
    for s in old[-1:] + [s for s in versions if s.since_version > 7]:
        attributes = " ".join(sorted(attribute(a) for a in s.attributes.values()))
        body = f"{parameters(s.inputs, s.min_input)} {parameters(s.outputs, s.min_output)} {attributes}".rstrip()
        if body != previous:
            yield f"{name} {max(s.since_version, 7)} {body}"
        previous = body


for name in sys.argv[1:]:
    print("\n".join(lines(name)))
