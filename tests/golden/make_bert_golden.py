#!/usr/bin/env python3
"""Writes a small BERT with random weights, in Hugging Face's layout, and what it computes.

    tests/golden/make_bert_golden.py [FOLDER]      default: bert/ beside this file

The forward pass is a transcription of the published model (Devlin et al. 2018) in plain Python, in double precision, text by text and
head by head; nothing of lemur is used. It needs Python 3.8 or newer and no package, and the seed is fixed: every run writes the same bytes.

Files: config.json, vocab.txt, model.safetensors (float32, names with the prefix "bert.", pooler included) and expected.json:
{"texts": [[token, ...], ...], "cls": [[state of the first token behind the last layer, width numbers], ...]}.
"""
import json
import math
import random
import struct
import sys
from pathlib import Path

CONFIG = {"architectures": ["BertForPreTraining"], "model_type": "bert", "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2,
          "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 24, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
          "hidden_act": "gelu", "position_embedding_type": "absolute", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
          "pad_token_id": 0}
TEXTS = [[2, 3], [2, 7, 31, 12, 3], [2, 39, 5, 5, 18, 22, 9, 3, 14, 27, 33, 6, 3]]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SEED = 20181011  # the day on which BERT appeared


def shapes():
    """Returns the checkpoint's tensors: name -> shape."""
    width, hidden = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    tensors = {"embeddings.word_embeddings.weight": [CONFIG["vocab_size"], width],
               "embeddings.position_embeddings.weight": [CONFIG["max_position_embeddings"], width],
               "embeddings.token_type_embeddings.weight": [CONFIG["type_vocab_size"], width],
               "embeddings.LayerNorm.weight": [width], "embeddings.LayerNorm.bias": [width]}
    for layer in range(CONFIG["num_hidden_layers"]):
        stem = f"encoder.layer.{layer}."
        linear = {"attention.self.query": (width, width), "attention.self.key": (width, width), "attention.self.value": (width, width),
                  "attention.output.dense": (width, width), "intermediate.dense": (hidden, width), "output.dense": (width, hidden)}
        for name, (rows, columns) in linear.items():
            tensors[f"{stem}{name}.weight"], tensors[f"{stem}{name}.bias"] = [rows, columns], [rows]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            tensors[f"{stem}{name}.weight"], tensors[f"{stem}{name}.bias"] = [width], [width]
    tensors["pooler.dense.weight"], tensors["pooler.dense.bias"] = [width, width], [width]
    return tensors


def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def draw(tensors):
    """Returns random float32 numbers for each tensor, flat; LayerNorm weights lie around 1."""
    source = random.Random(SEED)
    weights = {}
    for name in sorted(tensors):
        center = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        weights[name] = [float32(center + source.uniform(-0.4, 0.4)) for _ in range(math.prod(tensors[name]))]
    return weights


def rows(weights, name, width):
    flat = weights[name]
    return [flat[i:i + width] for i in range(0, len(flat), width)]


def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b))


def add(*vectors):
    return [math.fsum(parts) for parts in zip(*vectors)]


def linear(weights, name, x):
    return [dot(row, x) + bias for row, bias in zip(rows(weights, name + ".weight", len(x)), weights[name + ".bias"])]


def layer_norm(weights, name, x):
    mean = math.fsum(x) / len(x)
    variance = math.fsum((value - mean) ** 2 for value in x) / len(x)
    scale = 1 / math.sqrt(variance + CONFIG["layer_norm_eps"])
    return [(value - mean) * scale * gain + bias for value, gain, bias in zip(x, weights[name + ".weight"], weights[name + ".bias"])]


def gelu(value):
    return 0.5 * value * (1 + math.erf(value / math.sqrt(2)))


def attend(queries, keys, values, heads):
    """Softmax attention of every token to every token; [length][width] each."""
    size = len(queries[0]) // heads
    output = []
    for query in queries:
        row = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores = [dot(query[part], key[part]) / math.sqrt(size) for key in keys]
            largest = max(scores)
            powers = [math.exp(score - largest) for score in scores]
            total = math.fsum(powers)
            row += [math.fsum(power / total * value[part][i] for power, value in zip(powers, values)) for i in range(size)]
        output.append(row)
    return output


def encode(weights, tokens):
    """Returns the state of the first token behind the last layer."""
    width = CONFIG["hidden_size"]
    words, positions, types = (rows(weights, f"embeddings.{kind}_embeddings.weight", width) for kind in ("word", "position", "token_type"))
    x = [layer_norm(weights, "embeddings.LayerNorm", add(words[token], positions[i], types[0])) for i, token in enumerate(tokens)]
    for layer in range(CONFIG["num_hidden_layers"]):
        stem = f"encoder.layer.{layer}."
        parts = [[linear(weights, f"{stem}attention.self.{kind}", row) for row in x] for kind in ("query", "key", "value")]
        attended = attend(*parts, CONFIG["num_attention_heads"])
        x = [layer_norm(weights, stem + "attention.output.LayerNorm", add(linear(weights, stem + "attention.output.dense", a), row))
             for a, row in zip(attended, x)]
        hidden = [[gelu(value) for value in linear(weights, stem + "intermediate.dense", row)] for row in x]
        x = [layer_norm(weights, stem + "output.LayerNorm", add(linear(weights, stem + "output.dense", h), row)) for h, row in zip(hidden, x)]
    return x[0]


def write_safetensors(path, tensors, weights):
    header, data = {}, b""
    for name in sorted(tensors):
        part = struct.pack(f"<{len(weights[name])}f", *weights[name])
        header["bert." + name] = {"dtype": "F32", "shape": tensors[name], "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "bert"
    folder.mkdir(parents=True, exist_ok=True)
    tensors = shapes()
    weights = draw(tensors)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    words = SPECIAL + [chr(ord("a") + i) for i in range(26)] + [f"##{chr(ord('a') + i)}" for i in range(9)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    write_safetensors(folder / "model.safetensors", tensors, weights)
    expected = {"texts": TEXTS, "cls": [encode(weights, tokens) for tokens in TEXTS]}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
