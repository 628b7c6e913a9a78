"""What the peers' sides of rnnconv-bench share: one JSON request a line on standard input, one JSON answer a line.

hello           versions of the packages that are there
"""

import json
import os
import sys
import time


def hello(_):
    versions = {"python": sys.version.split()[0]}
    for name in ("numpy", "onnx", "onnxruntime", "safetensors", "torch"):
        try:
            versions[name] = __import__(name).__version__
        except ImportError:
            pass
    return versions


def serve(operations):
    operations = {"hello": hello, **operations}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = operations[request["op"]](request)
        except Exception as error:  # The answer tells; the other side decides.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


