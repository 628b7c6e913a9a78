#!/usr/bin/env python3
"""Says which public declarations have no comment, by the symbol graphs that docs.sh made; exits 1 where there are any.

    scripts/undocumented.py SCRATCH TARGET...

What the compiler makes by itself, such as `!=`, needs none, nor does an extension.
"""

import json
import pathlib
import sys


def undocumented(graph):
    """The graph's public symbols without a comment, as (file, line, name)."""
    for symbol in graph["symbols"]:
        if symbol["accessLevel"] not in ("public", "open") or "docComment" in symbol:
            continue
        if "::SYNTHESIZED::" in symbol["identifier"]["precise"]:
            continue
        if symbol["kind"]["identifier"] == "swift.extension" or "location" not in symbol:
            continue
        place = symbol["location"]
        file = "Sources/" + place["uri"].rpartition("/Sources/")[2]
        yield file, place["position"]["line"] + 1, ".".join(symbol["pathComponents"])


def main(scratch, *targets):
    found = set()
    for target in targets:
        pattern = f"**/extracted-symbols/*/{target}/{target}*.symbols.json"
        graphs = list(pathlib.Path(scratch).glob(pattern))
        if not graphs:
            sys.exit(f"error: {scratch} holds no symbol graph of {target}")
        for path in graphs:
            found.update(undocumented(json.loads(path.read_text())))
    for file, line, name in sorted(found):
        print(f"{file}:{line}: {name}")
    if found:
        sys.exit(f"error: {len(found)} public declarations have no comment")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__.strip())
    main(*sys.argv[1:])
