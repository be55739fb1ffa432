"""The pre-norm Transformer: the peer that everybody knows, as an encoder or, ``causal``, as a language model.

ids_BN → embedding → num_layers × (attention, feed-forward) → norm → pooling → dropout → linear → logits.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn

from swarmformer.components.shared import check_heads, dropout_now
from swarmformer.contracts import AtLeastOne, Cache, Dims, Model, ModelOutput, Past, Probability
from swarmformer.models.parts import Parts, linear_flops
from swarmformer.ops.attention import attend
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register


class EncoderLayer(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)); pads are no keys, and with ``causal`` later tokens are none."""

    def __init__(self, parts: Parts, place: str, heads: int, hidden: int, dropout: float, causal: bool) -> None:
        super().__init__()
        D = parts.dims.d_model
        self.heads, self.weight_dropout, self.causal = heads, dropout, causal
        self.attention_norm = parts.build("norm", f"{place}.attention_norm")
        self.feedforward_norm = parts.build("norm", f"{place}.feedforward_norm")
        with parts.stream(place):
            self.qkv, self.out = nn.Linear(D, 3 * D), nn.Linear(D, D)
            self.feedforward = nn.Sequential(nn.Linear(D, hidden), nn.GELU(), Dropout(dropout), nn.Linear(hidden, D))
        self.dropout = Dropout(dropout)

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None, past: Past | None = None) -> Tensor:
        """``past``: keys and values of the tokens before these, to which theirs are added."""
        x_BND = x_BND + self.dropout(self._attention(self.attention_norm(x_BND), mask_BN, past))
        return x_BND + self.dropout(self.feedforward(self.feedforward_norm(x_BND)))

    def _attention(self, x_BND: Tensor, mask_BN: Tensor | None, past: Past | None) -> Tensor:
        q, k, v = rearrange(self.qkv(x_BND), "b n (three h e) -> three b h n e", three=3, h=self.heads)
        if past is not None:
            k, v = (torch.cat([past[name], new], dim=2) if name in past else new for name, new in (("k", k), ("v", v)))
            past.update(k=k, v=v)
        dropout_p = dropout_now(self, self.weight_dropout)
        mixed = attend(q, k, v, mask_BM=mask_BN, dropout_p=dropout_p, causal=self.causal)
        return self.out(rearrange(mixed, "b h n e -> b n (h e)"))

    def flops(self, B: int, N: int) -> int:
        return linear_flops(self, B * N) + 2 * 2 * B * N * N * self.out.in_features


@register("model", "transformer")
class Transformer(Model):
    """Pre-norm Transformer (Vaswani et al. 2017; Xiong et al. 2020 for the norm's place), encoder unless ``causal``.

    Positions are the embedding's: ``token_position``, learned or sinusoidal.

    Options:
        heads: must divide d_model.
        causal: a token attends to itself and what comes before it alone.
        feedforward: hidden width of the MLP, as a multiple of d_model.
        dropout: on attention weights, inside the MLP, and on what either adds.
        final_dropout: on what the pooling gives to the classifier.
    """

    slots: ClassVar[tuple[str, ...]] = ("embedding", "norm", "pooling")
    gives_states = True

    def __init__(
        self,
        dims: Dims,
        parts: Parts,
        *,
        heads: int = 4,
        causal: bool = False,
        feedforward: AtLeastOne = 4,
        dropout: Probability = 0.0,
        final_dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        check_heads("model.transformer", heads, dims.d_model, path=("model", "heads"))
        self.dims, self.causal, self.sees_order = dims, causal, causal
        self.embedding = parts.build("embedding", "embedding")
        self.layers = nn.ModuleList(
            EncoderLayer(parts, f"layers.{i}", heads, feedforward * dims.d_model, dropout, causal)
            for i in range(dims.num_layers)
        )
        self.final_norm = parts.build("norm", "final_norm")
        self.pooling = parts.build("pooling", "pooling")
        self.per_token, self.honours_mask = self.pooling.per_token, self.pooling.honours_mask
        self.final_dropout = Dropout(final_dropout)
        with parts.stream("classifier"):
            self.classifier = nn.Linear(dims.d_model, dims.num_classes)

    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput:
        x_BND = self.embedding(ids_BN)
        for layer in self.layers:
            x_BND = layer(x_BND, mask_BN)
        x_BND = self.final_norm(x_BND)
        pooled_BD = self.pooling(x_BND, mask_BN)
        return ModelOutput(self.classifier(self.final_dropout(pooled_BD)), states_BND=x_BND)

    def new_cache(self) -> Cache | None:
        """Keys and values, which grow with the text."""
        return Cache([{} for _ in self.layers]) if self.causal and self.per_token else None

    def continued(self, ids_BN: Tensor, cache: Cache) -> Tensor:
        x_BMD = self.embedding(ids_BN)[:, cache.length :]
        for layer, past in zip(self.layers, cache.layers, strict=True):
            x_BMD = layer(x_BMD, None, past)
        cache.length = ids_BN.shape[1]
        return self.classifier(self.pooling(self.final_norm(x_BMD)))

    def flops(self, B: int, N: int) -> int:
        layers = sum(layer.flops(B, N) for layer in self.layers)  # type: ignore[operator]
        classifier = linear_flops(self.classifier, B * N if self.per_token else B)
        return self.embedding.flops(B, N) + layers + self.pooling.flops(B, N) + classifier
