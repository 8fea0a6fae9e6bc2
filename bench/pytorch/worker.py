"""Runs steps of the PyTorch model at the command of compare.py: one for each line of standard input, answered by a line of JSON."""

import argparse
import json
import math
import resource
import struct
import sys
import time
from pathlib import Path

import numpy
import torch
from torch import nn

from model import ALIGNMENT_WEIGHT, Ranker, sqdc


def load(path):
    """Reads a safetensors file: a length, a JSON header, the data."""
    data = Path(path).read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    kinds = {"F32": numpy.float32, "I64": numpy.int64}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = numpy.frombuffer(data[8 + size + begin : 8 + size + end], kinds[entry["dtype"]])
        tensors[name] = torch.from_numpy(values.copy()).view(entry["shape"])
    return tensors


def padded(values, offsets, in_front=False):
    """Returns rows [n, longest] of the ragged values, zeros beside them, and the mask of what is there."""
    lengths = offsets[1:] - offsets[:-1]
    longest = max(int(lengths.max()), 1)
    place = torch.arange(longest).unsqueeze(0)
    mask = place >= longest - lengths.unsqueeze(1) if in_front else place < lengths.unsqueeze(1)
    rows = torch.zeros(mask.shape, dtype=values.dtype)
    rows[mask] = values
    return rows, mask


class Batch:
    """What a data loader would hand over, padded."""

    def __init__(self, tensors, dedup):
        self.features = [tensors[f"feature_{f}.index"] for f in range(8)]
        self.labels, self.requests, self.document_of, self.query_of = (tensors[key] for key in ("labels", "requests", "document_of", "query_of"))
        self.graph, self.documents_index = tensors["documents.graph"], tensors["documents.index"]
        self.documents, self.queries = self.texts(tensors, "documents"), self.texts(tensors, "queries")
        if not dedup:
            self.documents = {key: values[self.document_of] for key, values in self.documents.items()}
        index, mask = padded(tensors["history.documents"], tensors["history.offsets"], in_front=True)
        self.history = {"documents": index, "mask": mask}
        for key in ("gaps", "actions"):
            self.history[key] = padded(tensors[f"history.{key}"], tensors["history.offsets"], in_front=True)[0]

    @staticmethod
    def texts(tensors, name):
        texts = {}
        for key in ("tokens", "positions", "types"):
            texts[key], texts["mask"] = padded(tensors[f"{name}.{key}"], tensors[f"{name}.offsets"])
        return texts


class Worker:
    def __init__(self, folder, dedup, share):
        self.dedup, self.share = dedup, share
        self.files = sorted(folder.glob("batch_*.safetensors"), key=lambda path: int(path.stem.split("_")[1]))
        self.model = Ranker(load(folder / "weights.safetensors"))
        self.bank = load(folder / "bank.safetensors")["vectors"].half()
        self.tables = self.load_tables()
        matrices = [p for p in self.model.parameters() if p.dim() > 1]
        vectors = [p for p in self.model.parameters() if p.dim() == 1]
        self.dense = torch.optim.AdamW([{"params": matrices}, {"params": vectors, "weight_decay": 0}], lr=1e-3, foreach=True)
        self.sparse = torch.optim.Adagrad(self.tables.parameters(), lr=0.05)
        self.steps, self.batch = 0, None

    def load_tables(self):
        """Embedding tables of the eight features, with lemur's first rows."""
        uses = [load(path) for path in self.files]
        tables = nn.ModuleList()
        for f in range(8):
            rows = 1 + max(int(use[f"feature_{f}.index"].max()) for use in uses)
            table = nn.Embedding(rows, uses[0][f"feature_{f}.values"].shape[1], sparse=True)
            with torch.no_grad():
                for use in uses:
                    table.weight[use[f"feature_{f}.index"]] = use[f"feature_{f}.values"]
            tables.append(table)
        return tables

    def prepare(self):
        """Makes the next batch, as a data loader would meanwhile."""
        self.batch = Batch(load(self.files[self.steps % len(self.files)]), self.dedup)

    def encode(self, batch):
        """Returns the representations of the batch's documents: of its samples without dedup."""
        if self.share == 1:
            return self.model.encode_documents(batch.documents)
        part = {key: values[batch.graph] for key, values in batch.documents.items()}
        longest = int(part["mask"].sum(1).max())
        fresh = self.model.encode_documents({key: values[:, :longest] for key, values in part.items()})
        return self.bank[batch.documents_index].float().index_copy(0, batch.graph, fresh)

    def gradients(self, batch):
        """Forward and backward; returns the loss."""
        self.dense.zero_grad(set_to_none=True)
        self.sparse.zero_grad(set_to_none=True)
        encoded = self.encode(batch)
        documents = encoded[batch.document_of] if self.dedup else encoded
        if self.dedup:
            self.bank[batch.documents_index] = encoded.detach().half()
        else:
            self.bank[batch.documents_index[batch.document_of]] = encoded.detach().half()
        queries = self.model.encode_queries(batch.queries)[batch.query_of]
        features = [table(index) for table, index in zip(self.tables, batch.features)]
        vectors = self.bank[batch.history["documents"]].float()
        logits = self.model(features, documents, queries, batch.history, vectors)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, batch.labels)
        loss = loss + ALIGNMENT_WEIGHT * sqdc(queries, documents, batch.labels, batch.requests, batch.document_of)
        loss.backward()
        return loss.item()

    def step(self):
        loss = self.gradients(self.batch)
        self.dense.step()
        self.sparse.step()
        self.steps += 1
        return loss

    def check(self, folder):
        """Returns the largest relative distance of a parameter's gradient from lemur's, and its name."""
        expected = load(folder / "gradients.safetensors")
        worst = (0.0, "")
        for name, parameter in self.model.named_parameters():
            distance = ((parameter.grad - expected.pop(name)).norm() / parameter.grad.norm().clamp(min=1e-12)).item()
            worst = max(worst, (math.inf if math.isnan(distance) else distance, name))
        assert not expected, f"lemur has parameters that are missing here: {sorted(expected)}"
        return worst


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--padded", action="store_true", help="encode every sample's document, also where several have the same")
    parser.add_argument("--share", type=float, default=1)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    worker = Worker(arguments.folder, dedup=not arguments.padded, share=arguments.share)
    worker.prepare()
    answer = {"loss": worker.step()}
    answer["distance"], answer["parameter"] = worker.check(arguments.folder)
    print(json.dumps(answer), flush=True)
    for _ in sys.stdin:
        worker.prepare()
        begin = time.perf_counter()
        loss = worker.step()
        milliseconds = 1e3 * (time.perf_counter() - begin)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"ms": milliseconds, "loss": loss, "peak_rss_bytes": peak}), flush=True)


if __name__ == "__main__":
    main()
