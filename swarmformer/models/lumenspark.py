"""Lumenspark: Linformer attention, low-rank layers, RMS norm after each block (Therrien 2024, PyPI 0.1.4).

ids_BN → embedding → num_layers × (norm(x + attention(x)), norm(x + MLP(x))) → pooling → dropout → linear → logits.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from swarmformer.components.shared import check_heads
from swarmformer.contracts import AtLeastOne, Cache, Dims, Model, ModelOutput, Past, Probability
from swarmformer.errors import SpecError
from swarmformer.models.lumenspark_layers import LinformerAttention, LowRankLinear, RMSNorm
from swarmformer.models.parts import Parts, linear_flops
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register


class LumensparkLayer(nn.Module):
    """norm1(x + attention(x)), then norm2(x + MLP(x)) with an MLP of two low-rank layers, D → D/2 → D."""

    def __init__(self, D: int, rank: int, dropout: float, attention: LinformerAttention) -> None:
        super().__init__()
        self.attn = attention
        self.norm1, self.norm2 = RMSNorm(D), RMSNorm(D)
        self.ffn = nn.Sequential(
            LowRankLinear(D, D // 2, rank), nn.GELU(), LowRankLinear(D // 2, D, rank), Dropout(dropout)
        )

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None, past: Past | None = None, start: int = 0) -> Tensor:
        x_BND = self.norm1(x_BND + self.attn(x_BND, mask_BN, past, start))
        return self.norm2(x_BND + self.ffn(x_BND))

    def flops(self, B: int, N: int) -> int:
        return self.attn.flops(B, N) + linear_flops(self.ffn, B * N)


@register("model", "lumenspark")
class Lumenspark(Model):
    """Lumenspark as a text classifier, or with ``pooling: tokens`` one that answers at tokens.

    With ``pooling: tokens``, ``num_classes`` = ``vocab_size`` and ``published: true`` the logits are the package's
    next-token logits. Those are no language model: each is computed from all tokens of the text, the one it
    should predict among them. ``causal`` is the same model without that leak. For an answer about the
    whole text, seeing all of it is right, and ``causal`` is off.

    Options:
        heads: must divide d_model.
        k: mixtures of tokens that each layer attends to. The package's default is 256, its description says
            128; both for texts of 512.
        rank: of the low-rank layers.
        shared_kv: values are the keys; single_kv_head: all heads share them. Both as the package's model has it.
        causal: a token sees what comes before it alone; attention is then quadratic in the length.
        published: as the package does it. Pads are taken for tokens, and linear layers and tables start with
            standard deviation 0.02 and biases of zero, not as torch starts them.
        dropout: on attention weights and on what the MLP adds.
        final_dropout: on what the pooling gives to the classifier; the package has none.
    """

    slots: ClassVar[tuple[str, ...]] = ("embedding", "pooling")
    gives_states = True

    def __init__(
        self,
        dims: Dims,
        parts: Parts,
        *,
        heads: int = 4,
        k: AtLeastOne = 128,
        rank: AtLeastOne = 32,
        shared_kv: bool = True,
        single_kv_head: bool = True,
        causal: bool = False,
        published: bool = False,
        dropout: Probability = 0.0,
        final_dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        if published and causal:
            raise SpecError("the published model is not causal: set one of the two to false", path=("model", "causal"))
        if published and parts.slots["embedding"].options.get("init_std", 1.0) != 1.0:
            place = ("model", "embedding", "init_std")
            raise SpecError("the published model starts its tables at 0.02: leave init_std out", path=place)
        check_heads("model.lumenspark", heads, dims.d_model, path=("model", "heads"))
        self.dims, self.published, self.causal = dims, published, causal
        self.embedding = parts.build("embedding", "embedding")
        self.layers = nn.ModuleList()
        for i in range(dims.num_layers):
            with parts.stream(f"layers.{i}"):
                attention = LinformerAttention(
                    dims.d_model,
                    dims.seq_len,
                    k=k,
                    heads=heads,
                    rank=rank,
                    shared_kv=shared_kv,
                    single_kv_head=single_kv_head,
                    causal=causal,
                    dropout=dropout,
                )
                self.layers.append(LumensparkLayer(dims.d_model, rank, dropout, attention))
        self.pooling = parts.build("pooling", "pooling")
        self.per_token = self.pooling.per_token
        self.foresees = published and self.per_token
        self.honours_mask = self.pooling.honours_mask and not published
        self.final_dropout = Dropout(final_dropout)
        with parts.stream("classifier"):
            self.classifier = nn.Linear(dims.d_model, dims.num_classes)
        if published:
            with parts.stream("published"):
                self.apply(_start_as_published)

    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput:
        x_BND = self.embedding(ids_BN)
        for layer in self.layers:
            x_BND = layer(x_BND, None if self.published else mask_BN)
        pooled_BD = self.pooling(x_BND, mask_BN)
        return ModelOutput(self.classifier(self.final_dropout(pooled_BD)), states_BND=x_BND)

    def new_cache(self) -> Cache | None:
        """Mixtures of keys and values, of one size whatever the length of the text."""
        return Cache([{} for _ in self.layers]) if self.causal and self.per_token else None

    def continued(self, ids_BN: Tensor, cache: Cache) -> Tensor:
        x_BMD = self.embedding(ids_BN)[:, cache.length :]
        for layer, past in zip(self.layers, cache.layers, strict=True):
            x_BMD = layer(x_BMD, None, past, cache.length)
        cache.length = ids_BN.shape[1]
        return self.classifier(self.pooling(x_BMD))

    def remarks(self) -> tuple[str, ...]:
        if not self.foresees or self.dims.num_classes != self.dims.vocab_size:
            return ()
        return ("sees the tokens that it predicts, as the package does: its perplexity says nothing of predicting",)

    def flops(self, B: int, N: int) -> int:
        layers = sum(layer.flops(B, N) for layer in self.layers)  # type: ignore[operator]
        classifier = linear_flops(self.classifier, B * N if self.per_token else B)
        return self.embedding.flops(B, N) + layers + self.pooling.flops(B, N) + classifier


def _start_as_published(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
