"""The peers' side of `rnnconv-bench forward`, behind peers.py.

prepare cell T B I H threads folder        a model and its input in the folder, sessions ready to run
run peer seconds                           the seconds of each pass, for about so long
serve_many threads seconds                 requests a second that so many threads get from onnxruntime
"""

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
runners = {}


def prepare(request):
    import numpy as np

    cell, folder = request["cell"], request["folder"]
    steps, batch, inputs, size = (request[name] for name in "TBIH")
    gates, scale = GATES[cell], size**-0.5
    random = np.random.default_rng(1)
    weights = {
        name: random.uniform(-scale, scale, (1, rows, *rest)).astype(np.float32)
        for name, rows, *rest in (("W", gates * size, inputs), ("R", gates * size, size), ("B", 2 * gates * size))
    }
    x = random.standard_normal((steps, batch, inputs), dtype=np.float32)
    np.save(os.path.join(folder, "x.npy"), x)
    runners.clear()
    prepare_onnxruntime(request, weights, x)
    try:
        prepare_torch(request, weights, x)
    except ImportError:
        pass
    np.save(os.path.join(folder, "y.npy"), runners["onnxruntime"]())
    return {"peers": list(runners)}


def prepare_onnxruntime(request, weights, x):
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    size = request["H"]
    attributes = {"linear_before_reset": 1} if request["cell"] == "GRU" else {}
    node = helper.make_node(request["cell"], ["X", "W", "R", "B"], ["Y"], hidden_size=size, **attributes)
    graph = helper.make_graph(
        [node],
        "bench",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["T", "B", request["I"]])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["T", 1, "B", size])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, os.path.join(request["folder"], "model.onnx"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    runners["onnxruntime"] = lambda: session.run(["Y"], {"X": x})[0]


def prepare_torch(request, weights, x):
    import torch

    torch.set_num_threads(request["threads"])
    size = request["H"]
    # ONNX's gates i, o, f, c and z, r, h are PyTorch's i, f, g, o and r, z, n.
    order = {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2]}[request["cell"]]
    module = getattr(torch.nn, request["cell"])(request["I"], size).eval()
    rows = [row for gate in order for row in range(gate * size, (gate + 1) * size)]
    biases = weights["B"][0].reshape(2, -1)
    with torch.no_grad():
        for name, array in (("weight_ih_l0", weights["W"][0]), ("weight_hh_l0", weights["R"][0])):
            getattr(module, name).copy_(torch.from_numpy(array[rows]))
        for name, array in (("bias_ih_l0", biases[0]), ("bias_hh_l0", biases[1])):
            getattr(module, name).copy_(torch.from_numpy(array[rows]))
    given = torch.from_numpy(x)

    def run():
        with torch.inference_mode():
            return module(given)[0]

    runners["torch"] = run


def run(request):
    runner, times = runners[request["peer"]], []
    runner()
    end = time.perf_counter() + request["seconds"]
    while len(times) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        runner()
        times.append(time.perf_counter() - start)
    return {"times": times}


def serve_many(request):
    """Requests a second of several threads that share onnxruntime's session, which lets go of the interpreter's lock."""
    from concurrent.futures import ThreadPoolExecutor

    runner, threads = runners["onnxruntime"], request["threads"]
    start = time.perf_counter()
    end = start + request["seconds"]

    def ask(_):
        count = 0
        while time.perf_counter() < end:
            runner()
            count += 1
        return count

    with ThreadPoolExecutor(threads) as pool:
        total = sum(pool.map(ask, range(threads)))
    return {"rate": total / (time.perf_counter() - start)}


operations = {"prepare": prepare, "run": run, "serve_many": serve_many}
