"""Records what torch.nn.RNN, LSTM and GRU compute in Float64: writes torch.json beside itself.

Run: python record.py (torch 2.13.0). Weights are torch's own, gates in torch's order.
"""

import json
import pathlib

import torch

I, H, T, B = 3, 2, 5, 3
LENGTHS = [5, 2, 4]


def flat(tensor):
    return [float(x) for x in tensor.detach().reshape(-1)]


def case(name, module, bidirectional, ragged, states, hidden):
    directions = 2 if bidirectional else 1
    x = torch.randn(T, B, I, dtype=torch.float64)
    state = None
    record = {"name": name, "bidirectional": bidirectional, "x": flat(x)}
    if states:
        h0 = torch.randn(directions, B, hidden, dtype=torch.float64)
        c0 = torch.randn(directions, B, H, dtype=torch.float64)
        state = (h0, c0) if isinstance(module, torch.nn.LSTM) else h0
        record["h0"] = flat(h0)
        if isinstance(module, torch.nn.LSTM):
            record["c0"] = flat(c0)
    sequence = x
    if ragged:
        record["lengths"] = LENGTHS
        sequence = torch.nn.utils.rnn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False)
    y, last = module(sequence, state)
    if ragged:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, total_length=T)
    record["y"] = flat(y)
    if isinstance(module, torch.nn.LSTM):
        record["h"], record["c"] = flat(last[0]), flat(last[1])
    else:
        record["h"] = flat(last)
    record["weights"] = {key: flat(value) for key, value in module.state_dict().items()}
    return record


def main():
    torch.manual_seed(20261125)
    cases = []
    for name in ["LSTM", "GRU", "RNN", "RNN-relu", "LSTM-projection"]:
        for bidirectional in [False, True]:
            for ragged in [False, True]:
                for states in [False, True]:
                    options = {"bidirectional": bidirectional, "dtype": torch.float64}
                    if name == "RNN-relu":
                        options["nonlinearity"] = "relu"
                    if name == "LSTM-projection":
                        options["proj_size"] = 1
                    module = getattr(torch.nn, name.split("-")[0])(I, H, **options)
                    hidden = 1 if name == "LSTM-projection" else H
                    cases.append(case(name, module, bidirectional, ragged, states, hidden))
    path = pathlib.Path(__file__).with_name("torch.json")
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
