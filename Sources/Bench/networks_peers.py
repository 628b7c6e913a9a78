"""The peers' side of `rnnconv-bench networks`, behind peers.py: networks as people publish them, in onnxruntime.

prepare network B T threads folder         a model, its input and onnxruntime's output in the folder
run seconds                                the seconds of each pass, for about so long
"""

runner = None


class Graph:
    """Nodes one after another, weights drawn so that values keep their size."""

    def __init__(self):
        import numpy as np

        self.random = np.random.default_rng(1)
        self.nodes, self.weights = [], {}

    def weight(self, *shape, scale=None):
        import numpy as np

        scale = scale or (3 / max(1, np.prod(shape[1:]))) ** 0.5
        return self.constant(self.random.uniform(-scale, scale, shape).astype(np.float32))

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights[name] = array
        return name

    def ints(self, *values):
        import numpy as np

        return self.constant(np.array(values, np.int64))

    def node(self, operator, *inputs, **attributes):
        from onnx import helper

        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def conv(self, x, inputs, outputs, kernel, groups=1, **attributes):
        weight, bias = self.weight(outputs, inputs // groups, *kernel), self.weight(outputs, scale=0.1)
        return self.node("Conv", x, weight, bias, kernel_shape=list(kernel), group=groups, **attributes)

    def norm(self, x, channels):
        import numpy as np

        variance = self.constant(self.random.uniform(0.5, 1.5, channels).astype(np.float32))
        one = self.constant(np.ones(channels, np.float32))
        return self.node("BatchNormalization", x, one, *(self.weight(channels, scale=0.1) for _ in range(2)), variance)

    def recurrent(self, cell, x, inputs, size, directions=1):
        """x `[T, B, I]`; returns `[T, B, D·H]`."""
        gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[cell]
        scale = size**-0.5
        weights = [
            self.weight(directions, gates * size, width, scale=scale) for width in (inputs, size)
        ] + [self.weight(directions, 2 * gates * size, scale=scale)]
        extra = {"linear_before_reset": 1} if cell == "GRU" else {}
        if directions == 2:
            extra["direction"] = "bidirectional"
        y = self.node(cell, x, *weights, hidden_size=size, **extra)
        if directions == 1:
            return self.node("Squeeze", y, self.ints(1))
        return self.node("Reshape", self.node("Transpose", y, perm=[0, 2, 1, 3]), self.ints(0, 0, 2 * size))

    def dense(self, x, inputs, outputs):
        return self.node("Add", self.node("MatMul", x, self.weight(inputs, outputs)), self.weight(outputs, scale=0.1))


def crnn(graph, x):
    """Reading a line of text, 32 high (Shi et al. 2015): image [B, 1, 32, W] to letters."""
    for inputs, outputs, pool in ((1, 32, (2, 2)), (32, 64, (2, 2)), (64, 128, (2, 1)), (128, 128, (4, 1))):
        x = graph.conv(x, inputs, outputs, (3, 3), pads=[1, 1, 1, 1])
        x = graph.node("Relu", graph.norm(x, outputs))
        x = graph.node("MaxPool", x, kernel_shape=list(pool), strides=list(pool))
    x = graph.node("Transpose", graph.node("Squeeze", x, graph.ints(2)), perm=[2, 0, 1])
    x = graph.recurrent("LSTM", x, 128, 128, directions=2)
    return graph.node("LogSoftmax", graph.dense(x, 256, 80), axis=-1)


def speech(graph, x):
    """Letters of a spectrogram [B, 1, 161, T] (Amodei et al. 2016)."""
    x = graph.conv(x, 1, 32, (41, 11), strides=[2, 2], pads=[20, 5, 20, 5])
    x = graph.node("Relu", graph.norm(x, 32))
    x = graph.conv(x, 32, 32, (21, 11), strides=[2, 1], pads=[10, 5, 10, 5])
    x = graph.node("Relu", graph.norm(x, 32))
    x = graph.node("Transpose", graph.node("Reshape", x, graph.ints(0, 32 * 41, -1)), perm=[2, 0, 1])
    x = graph.recurrent("GRU", x, 32 * 41, 256)
    return graph.dense(graph.recurrent("GRU", x, 256, 256), 256, 29)


def voice(graph, x):
    """Whether somebody speaks: features [B, 129, T], four convolutions along time, an LSTM."""
    for inputs, outputs, stride in ((129, 128, 1), (128, 64, 2), (64, 64, 2), (64, 128, 1)):
        x = graph.node("Relu", graph.conv(x, inputs, outputs, (3,), strides=[stride], pads=[1, 1]))
    x = graph.recurrent("LSTM", graph.node("Transpose", x, perm=[2, 0, 1]), 128, 128)
    return graph.node("Sigmoid", graph.dense(x, 128, 1))


def wake(graph, x):
    """A wake word in [B, 40, T]: depthwise and pointwise convolutions in turn, a GRU."""
    x = graph.node("Relu", graph.conv(x, 40, 64, (5,), pads=[2, 2]))
    for dilation in (1, 2, 4):
        x = graph.conv(x, 64, 64, (9,), groups=64, dilations=[dilation], pads=[4 * dilation] * 2)
        x = graph.node("Relu", graph.norm(graph.conv(x, 64, 64, (1,)), 64))
    x = graph.recurrent("GRU", graph.node("Transpose", x, perm=[2, 0, 1]), 64, 64)
    return graph.node("Sigmoid", graph.dense(x, 64, 4))


def sleep(graph, x):
    """Stages of sleep from EEG [B, 8, T]: a long kernel, a pool, an LSTM."""
    x = graph.node("Relu", graph.conv(x, 8, 64, (50,), strides=[6], pads=[24, 24]))
    x = graph.node("MaxPool", x, kernel_shape=[8], strides=[8])
    for _ in range(3):
        x = graph.node("Relu", graph.conv(x, 64, 64, (8,), pads=[4, 3]))
    x = graph.node("MaxPool", x, kernel_shape=[4], strides=[4])
    x = graph.recurrent("LSTM", graph.node("Transpose", x, perm=[2, 0, 1]), 64, 128, directions=2)
    return graph.dense(x, 256, 5)


def tagger(graph, x):
    """Letters' vectors [B, 64, T], kernels of 2, 3 and 5 beside one another, an LSTM both ways."""
    parts = [
        graph.conv(x, 64, 64, (kernel,), pads=[(kernel - 1) // 2, kernel // 2]) for kernel in (2, 3, 5)
    ]
    x = graph.node("Tanh", graph.node("Concat", *parts, axis=1))
    x = graph.recurrent("LSTM", graph.node("Transpose", x, perm=[2, 0, 1]), 192, 128, directions=2)
    return graph.node("Softmax", graph.dense(x, 256, 20), axis=-1)


# Network, and what stands between batch and time in its input.
networks = {
    "crnn": (crnn, (1, 32)), "speech": (speech, (1, 161)), "voice": (voice, (129,)), "wake": (wake, (40,)),
    "sleep": (sleep, (8,)), "tagger": (tagger, (64,)),
}


def prepare(request):
    global runner
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    network, middle = networks[request["network"]]
    graph = Graph()
    y = network(graph, "X")
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "bench",
            [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["B", *middle, "T"])],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, None)],
            [numpy_helper.from_array(array, name) for name, array in graph.weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    folder = request["folder"]
    onnx.save(model, os.path.join(folder, "model.onnx"))
    x = np.random.default_rng(2).standard_normal((request["B"], *middle, request["T"]), dtype=np.float32)
    np.save(os.path.join(folder, "x.npy"), x)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    runner = lambda: session.run(None, {"X": x})[0]
    np.save(os.path.join(folder, "y.npy"), runner())
    return {"peers": ["onnxruntime"]}


def run(request):
    times = []
    runner()
    end = time.perf_counter() + request["seconds"]
    while len(times) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        runner()
        times.append(time.perf_counter() - start)
    return {"times": times}


operations = {"prepare": prepare, "run": run}
