"""The model of `lemur bench step` in PyTorch, as one would write it: padded batches, nn.Modules, autograd. Parameters have lemur's names."""

import math

import torch
from torch import nn
from torch.nn import functional

TEMPERATURE, ALIGNMENT_WEIGHT, KEPT = 50.0, 0.1, 64


class EncoderLayer(nn.Module):
    """Pre-LayerNorm block over x [n, L, d]; `mask` bool [n, L], true where there is a token."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.attention_norm, self.ffn_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.attention_output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.ffn_input, self.ffn_output = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, mask):
        n, length, width = x.shape
        q, k, v = self.qkv(self.attention_norm(x)).view(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / math.sqrt(width // self.heads)
        attended = scores.masked_fill(~mask[:, None, None, :], -math.inf).softmax(-1) @ v
        x = x + self.attention_output(attended.transpose(1, 2).reshape(n, length, width))
        return x + self.ffn_output(functional.gelu(self.ffn_input(self.ffn_norm(x))))


class Encoder(nn.Module):
    """Encodes padded texts [n, L] to [n, r]: the first token's final state, mapped."""

    def __init__(self, weights, name, heads=4):
        super().__init__()
        width = weights[f"{name}.final_norm.weight"].numel()
        table = lambda key: nn.Embedding(*weights[f"{name}.{key}.weight"].shape)
        self.position_embedding, self.type_embedding = table("position_embedding"), table("type_embedding")
        self.num_layers = 0
        while f"{name}.layer_{self.num_layers}.qkv.weight" in weights:
            self.add_module(f"layer_{self.num_layers}", EncoderLayer(width, heads))
            self.num_layers += 1
        self.final_norm, self.output = nn.LayerNorm(width), nn.Linear(width, weights[f"{name}.output.weight"].shape[0])

    def forward(self, words, texts):
        x = words(texts["tokens"]) * math.sqrt(words.embedding_dim) + self.position_embedding(texts["positions"]) + self.type_embedding(texts["types"])
        for l in range(self.num_layers):
            x = getattr(self, f"layer_{l}")(x, texts["mask"])
        return self.output(self.final_norm(x[:, 0]))


class DecoderLayer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.context_norm, self.output_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ffn_input, self.ffn_output = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, query, elements, mask, empty):
        scores = torch.einsum("br,bnr->bn", query, elements) / math.sqrt(query.shape[1])
        weights = scores.masked_fill(~mask, -1e30).softmax(1)
        context = torch.where(mask.any(1, keepdim=True), torch.einsum("bn,bnr->br", weights, elements), empty)
        return self.output_norm(query + self.ffn_output(functional.gelu(self.ffn_input(self.context_norm(context)))))


class HistoryDecoder(nn.Module):
    def __init__(self, weights, name):
        super().__init__()
        self.input = nn.Linear(*reversed(weights[f"{name}.input.weight"].shape))
        width = self.input.out_features
        self.gap_embedding = nn.Embedding(*weights[f"{name}.gap_embedding.weight"].shape)
        self.action_embedding = nn.Embedding(*weights[f"{name}.action_embedding.weight"].shape)
        self.empty = nn.Parameter(torch.zeros(width))
        self.layer_0, self.layer_1 = DecoderLayer(width), DecoderLayer(width)

    def forward(self, features, vectors, history):
        elements = vectors + self.gap_embedding(history["gaps"]) + self.action_embedding(history["actions"])
        query = self.input(features)
        for layer in (self.layer_0, self.layer_1):
            query = layer(query, elements, history["mask"], self.empty)
        return query


class TokenLinear(nn.Module):
    """A linear map of its own for each token: [B, T, input] to [B, T, output]."""

    def __init__(self, shape):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(shape)), nn.Parameter(torch.zeros(shape[:2]))

    def forward(self, x):
        return torch.baddbmm(self.bias.unsqueeze(1), x.transpose(0, 1), self.weight.transpose(1, 2)).transpose(0, 1)


class RankMixerBlock(nn.Module):
    def __init__(self, weights, name):
        super().__init__()
        self.ffn_input, self.ffn_output = TokenLinear(weights[f"{name}.ffn_input.weight"].shape), TokenLinear(weights[f"{name}.ffn_output.weight"].shape)
        self.mix_norm, self.ffn_norm = nn.LayerNorm(self.ffn_output.weight.shape[1]), nn.LayerNorm(self.ffn_output.weight.shape[1])

    def forward(self, x):
        b, t, d = x.shape
        mixed = x.view(b, t, t, d // t).transpose(1, 2).reshape(b, t, d)
        x = self.mix_norm(mixed + x)
        return self.ffn_norm(self.ffn_output(functional.gelu(self.ffn_input(x))) + x)


class RankMixer(nn.Module):
    def __init__(self, weights, name):
        super().__init__()
        self.input = TokenLinear(weights[f"{name}.input.weight"].shape)
        self.block_0, self.block_1 = RankMixerBlock(weights, f"{name}.block_0"), RankMixerBlock(weights, f"{name}.block_1")

    def forward(self, features):
        tokens, _, size = self.input.weight.shape
        padded = functional.pad(features, (0, tokens * size - features.shape[1]))
        return self.block_1(self.block_0(self.input(padded.view(-1, tokens, size)))).mean(1)


class Ranker(nn.Module):
    """The dense part; embedding tables and the bank belong to the worker."""

    FEATURES = (4, 5, 0, 1, 2, 3, 6, 7)  # user, document, context

    def __init__(self, weights):
        super().__init__()
        self.document_encoder, self.query_encoder = Encoder(weights, "document_encoder"), Encoder(weights, "query_encoder")
        self.document_encoder.word_embedding = nn.Embedding(*weights["document_encoder.word_embedding.weight"].shape)
        self.content_decoder_long = HistoryDecoder(weights, "content_decoder_long")
        self.rankmixer = RankMixer(weights, "rankmixer")
        self.head = nn.Linear(*reversed(weights["head.weight"].shape))
        self.load_state_dict(weights)

    def encode_documents(self, texts):
        return self.document_encoder(self.document_encoder.word_embedding, texts)

    def encode_queries(self, texts):
        return self.query_encoder(self.document_encoder.word_embedding, texts)

    def forward(self, features, documents, queries, history, vectors):
        """Logits [B] of features (list of [B, width]), documents and queries [B, r], and the histories' vectors [B, N, r]."""
        groups = [features[f] for f in self.FEATURES]
        decoded = self.content_decoder_long(torch.cat([*groups, documents, queries], 1), vectors, history)
        similarity = self.similarity(documents, vectors, history["mask"])
        return self.head(self.rankmixer(torch.cat([*groups, decoded, documents, queries, documents * queries, similarity], 1))).squeeze(1)

    @staticmethod
    def similarity(documents, vectors, mask):
        """Histories are padded in front and stored oldest first."""
        cosines = functional.cosine_similarity(documents.unsqueeze(1), vectors, dim=2)
        count = mask.sum(1, keepdim=True)
        recent = (cosines * mask).flip(1)[:, :KEPT]
        largest = cosines.masked_fill(~mask, -math.inf).topk(min(KEPT, cosines.shape[1]), dim=1).values
        largest = largest.masked_fill(largest == -math.inf, 0.0)
        mean = (cosines * mask).sum(1, keepdim=True) / count.clamp(min=1)
        pad = lambda x: functional.pad(x, (0, KEPT - x.shape[1]))
        return torch.cat([pad(recent), pad(largest), torch.log1p(count.float()) / 8, mean, largest[:, :1]], 1)


def sqdc(queries, documents, labels, requests, document_of):
    """Session-masked contrastive loss of clicked samples."""
    clicked = labels > 0.5
    scores = TEMPERATURE * functional.normalize(queries[clicked], dim=1) @ functional.normalize(documents[clicked], dim=1).T
    same = lambda key: key[clicked].unsqueeze(1) == key[clicked].unsqueeze(0)
    masked = (same(requests) | same(document_of)) & ~torch.eye(len(scores), dtype=torch.bool)
    return functional.cross_entropy(scores.masked_fill(masked, -math.inf), torch.arange(len(scores)))
