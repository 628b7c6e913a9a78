"""The peers' side of `rnnconv-bench files`, behind peers.py.

prepare folder        m.safetensors and m.pt of the weights in m.onnx, where the packages are there; names of the steps
run step folder       the seconds of one step, and the bytes that memory grew by at most meanwhile
"""

held = {}


def weights(folder):
    """The arrays of m.onnx, in memory of their own."""
    if "weights" not in held:
        import onnx
        from onnx import numpy_helper

        model = onnx.load(os.path.join(folder, "m.onnx"))
        held["weights"] = {each.name: numpy_helper.to_array(each).copy() for each in model.graph.initializer}
    return held["weights"]


def loaded(folder):
    if "model" not in held:
        import onnx

        held["model"] = onnx.load(os.path.join(folder, "m.onnx"))
    return held["model"]


def torch_map(path):
    import torch

    def step():
        tensors = torch.load(path("m.pt"), weights_only=True, mmap=True)
        # One number of each page, so that each page has been there.
        return tensors, sum(float(each.view(-1)[::1024].sum()) for each in tensors.values())

    return step


def safetensors_read(path):
    from safetensors.numpy import load_file

    return lambda: load_file(path("m.safetensors"))


def safetensors_write(path):
    from safetensors.numpy import save_file

    arrays = weights(path(""))
    return lambda: save_file(arrays, path("written"))


def raw_sync(path):
    arrays = weights(path(""))

    def step():
        with open(path("written"), "wb", buffering=0) as file:
            for array in arrays.values():
                view = memoryview(array.reshape(-1)).cast("B")
                while len(view):
                    view = view[file.write(view) :]
            os.fsync(file.fileno())

    return step


def onnx_read(path):
    import onnx
    from onnx import numpy_helper

    def step():
        model = onnx.load(path("m.onnx"))
        return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}

    return step


def onnx_write(path):
    import onnx

    model = loaded(path(""))
    return lambda: onnx.save(model, path("written"))


def onnx_convert(path):
    import onnx

    return lambda: onnx.save(onnx.load(path("m.onnx")), path("written"))


steps = {
    "torch-map": (torch_map, ["torch"]),
    "safetensors-read": (safetensors_read, ["safetensors"]),
    "safetensors-write": (safetensors_write, ["safetensors"]),
    "raw-sync": (raw_sync, []),
    "onnx-read": (onnx_read, []),
    "onnx-write": (onnx_write, []),
    "onnx-convert": (onnx_convert, []),
}


def prepare(request):
    folder = request["folder"]
    versions = hello(None)
    if "safetensors" in versions:
        from safetensors.numpy import save_file

        save_file(weights(folder), os.path.join(folder, "m.safetensors"))
    if "torch" in versions:
        import torch

        torch.save({name: torch.from_numpy(each) for name, each in weights(folder).items()}, os.path.join(folder, "m.pt"))
    os.sync()
    return {"steps": [name for name, (_, packages) in steps.items() if all(each in versions for each in packages)]}


def memory(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field + ":"))


def run(request):
    path = lambda name: os.path.join(request["folder"], name)
    if os.path.exists(path("written")):
        os.remove(path("written"))
    step = steps[request["step"]][0](path)
    before = memory("VmRSS")
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")
    start = time.perf_counter()
    kept = step()
    seconds = time.perf_counter() - start
    grown = max(0, memory("VmHWM") - before)
    del kept
    return {"seconds": seconds, "grownBytes": grown}


operations = {"prepare": prepare, "run": run}
