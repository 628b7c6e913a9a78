"""Prints the signatures of the operators that the evaluator knows, as the pinned onnx package defines them; those of
com.microsoft as onnxruntime does.

One line a version: name, opset, inputs, outputs, attributes with their defaults. `?` marks what may be left out,
`*` what may repeat; `deprecated` ends an operator. SignatureTable.swift holds this text; a test compares the two.
"""

import sys

import onnx
from onnx import defs
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

NEWEST = 28
# In ONNX's domain, but only onnxruntime has it.
FOREIGN = ["SimplifiedLayerNormalization"]


def parameters(items, least):
    marks = []
    for position, item in enumerate(items):
        option = str(item.option).split(".")[-1]
        mark = {"Optional": "?", "Variadic": "*"}.get(option, "")
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
            value = "|".join(v.decode() if isinstance(v, bytes) else str(v) for v in value)
        text += f"={value}"
    return text


def foreign(name):
    """The signature of an operator that onnxruntime alone defines: of its domain, or of ONNX's by name."""
    domain, _, plain = name.rpartition(".")
    schema = next(s for s in get_all_operator_schema() if (s.domain, s.name) == (domain, plain))
    attributes = []
    for a in schema.attributes.values():
        text = f"{a.name}:{str(a.type).split('.')[-1].lower()}" + ("!" if a.required else "")
        standard = onnx.AttributeProto.FromString(a._default_value)
        if standard.name:
            value = onnx.helper.get_attribute_value(standard)
            text += f"={value.decode() if isinstance(value, bytes) else value}"
        attributes.append(text)
    body = f"{parameters(schema.inputs, 0)} {parameters(schema.outputs, 0)} {' '.join(sorted(attributes))}".rstrip()
    yield f"{name} 7 {body}"


def lines(name):
    if name in FOREIGN or "." in name:
        yield from foreign(name)
        return
    versions = sorted(
        (s for s in defs.get_all_schemas_with_history() if s.domain == "" and s.name == name),
        key=lambda s: s.since_version,
    )
    versions = [s for s in versions if s.since_version <= NEWEST]
    # Given up for another operator; one that only became a better one (GroupNormalization 18) still has its meaning.
    ended = versions.pop() if versions[-1].deprecated else None
    old = [s for s in versions if s.since_version <= 7]
    previous = None
    for s in old[-1:] + [s for s in versions if s.since_version > 7]:
        attributes = " ".join(sorted(attribute(a) for a in s.attributes.values()))
        body = f"{parameters(s.inputs, s.min_input)} {parameters(s.outputs, s.min_output)} {attributes}".rstrip()
        if body != previous:
            yield f"{name} {max(s.since_version, 7)} {body}"
        previous = body
    if ended is not None:
        yield f"{name} {ended.since_version} - - deprecated"


for name in sys.argv[1:]:
    print("\n".join(lines(name)))
