"""Texts far longer than a batch holds: the logits of a SwarmFormer, piece by piece, as its forward pass gives them.

Tokens keep one state each and clusters one; everything else is computed for a few thousand tokens at a time:

1. every layer's local mixer runs over pieces with as many tokens around them as it reaches (a halo, cut off again),
   and each piece's clusters are pooled;
2. the cluster mixer is given all clusters and tells them in order, a piece's at a time (``Cluster.stream``);
3. the pieces hear their clusters; after the last layer they are pooled into one running mean.

So memory is D numbers a token and D a cluster, and time is linear where the mixer's is (``hierarchical``, ``latent``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from swarmformer.contracts import Assignment, Model
from swarmformer.errors import SpecError
from swarmformer.models.swarmformer import Layer, SwarmFormer
from swarmformer.ops.running import RunningMean

PIECE = 4096
"""Tokens of a piece; half and twice as many took as long on a CPU, at the sizes of the variant base."""


@torch.no_grad()
def logits(model: Model, ids_BN: Tensor, mask_BN: Tensor | None = None, *, tokens: int = PIECE) -> Tensor:
    """What ``model(ids_BN, mask_BN)`` gives in evaluation, in bounded memory.

    Args:
        ids_BN: integers of any type, on any device; a memory-mapped file's are read a piece at a time.
        mask_BN: True on real tokens.
        tokens: of a piece, about; rounded up to whole clusters and to what the local mixers reach.

    Returns:
        [B, K], or [B, N, K] of a model that answers at tokens.

    Raises:
        SpecError: a model in training mode, or with parts that need the whole text at once; names them.
    """
    checked = _checked(model)
    text = _Text(checked, ids_BN, mask_BN, tokens)
    for layer in _layers(checked):
        _through(layer, text)
    return _answers(checked, text)


def obstacles(model: Model) -> list[str]:
    """Why the model cannot take a text in pieces, a clause for each part; empty where it can."""
    if not isinstance(model, SwarmFormer):
        return [f"{type(model).__qualname__} is no SwarmFormer"]
    layers = _layers(model)
    parts = [model.embedding, model.final_norm]
    parts += [part for layer in layers for part in (layer.local, layer.router, layer.feedback, layer.local_norm)]
    found = [f"{part.slot}.{part.registered_name} needs the whole text" for part in parts if part.reach is None]
    sample = torch.zeros(1, 1, model.dims.d_model, dtype=model.classifier.weight.dtype, device=_device(model))
    if not model.per_token and model.pooling.log_weight(sample) is None:
        found.append(f"pooling.{model.pooling.registered_name} cannot be put together from pieces")
    return list(dict.fromkeys(found))


def _checked(model: Model) -> SwarmFormer:
    if model.training:
        raise SpecError("a text in pieces is for evaluation: call model.eval() first")
    found = obstacles(model)
    if found or not isinstance(model, SwarmFormer):
        raise SpecError(
            f"this model cannot take a text in pieces: {'; '.join(found)}. Parts that can are embedding.token, "
            "router.fixed_chunk, local.windowed_attention, local.depthwise_conv, local.rolling_shift (masked: true), "
            "and those of your own that say their reach"
        )
    return model


def _layers(model: SwarmFormer) -> list[Layer]:
    return [layer for layer in model.layers if isinstance(layer, Layer)]


def _device(model: SwarmFormer) -> torch.device:
    return model.classifier.weight.device


class _Text:
    """The states of all tokens, ``x_BND``, changed in place, and where they are cut."""

    def __init__(self, model: SwarmFormer, ids_BN: Tensor, mask_BN: Tensor | None, tokens: int) -> None:
        (B, N), layers = ids_BN.shape, _layers(model)
        whole = math.lcm(*(layer.cluster_size for layer in layers))
        self.size = whole * -(-max(1, tokens, *(layer.local.reach or 0 for layer in layers)) // whole)
        self.mask_BN, self.device = mask_BN, _device(model)
        self.starts = range(0, N, self.size)
        self.x_BND = torch.empty(B, N, model.dims.d_model, dtype=model.classifier.weight.dtype, device=self.device)
        for a in self.starts:
            ids = ids_BN[:, a : a + self.size].to(self.device, torch.int64)
            self.x_BND[:, a : a + self.size] = model.embedding(ids)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Every piece, a view, with its mask."""
        for a in self.starts:
            yield self.x_BND[:, a : a + self.size], self.mask(a, a + self.size)

    def mask(self, start: int, end: int) -> Tensor | None:
        return None if self.mask_BN is None else self.mask_BN[:, start:end].to(self.device)

    def with_halos(self, reach: int) -> Iterator[tuple[Tensor, Tensor | None, int]]:
        """Every piece with ``reach`` tokens on either side, as they are before it is changed, and how many are left of
        it."""
        left_BRD = self.x_BND[:, :0]
        for a in self.starts:
            left, end = left_BRD.shape[1], a + self.size + reach
            x_BND = torch.cat([left_BRD, self.x_BND[:, a:end]], dim=1)
            left_BRD = x_BND[:, : left + self.size][:, -reach:].clone() if reach else left_BRD
            yield x_BND, self.mask(a - left, end), left


def _through(layer: Layer, text: _Text) -> None:
    """One layer, in place."""
    clusters = _Clusters(layer, text)
    counts = [-(-x_BND.shape[1] // layer.cluster_size) for x_BND, _ in text]
    mixed = layer.cluster.stream(
        clusters.c_BCD, clusters.mask_BC, layer.cluster_norm, clusters.signal_BC, size=max(counts)
    )
    for (x_BND, mask_BN), c in zip(text, _recut(mixed, counts), strict=True):
        assignment = layer.router(x_BND, mask_BN, layer.cluster_size)
        heard = layer.feedback(x_BND, c, assignment, layer.feedback_norm)
        x_BND.copy_(heard if layer.added is None else layer.added(heard))


class _Clusters:
    """The local mixer over all tokens, in place, and their clusters with mask and signal, None where no piece has one.

    Nothing small is kept of a piece: between the large tensors that come and go it would keep their memory from being
    used again.
    """

    def __init__(self, layer: Layer, text: _Text) -> None:
        (B, N, D), size = text.x_BND.shape, layer.cluster_size
        self.c_BCD = text.x_BND.new_empty(B, -(-N // size), D)
        self.mask_BC: Tensor | None = None
        self.signal_BC: Tensor | None = None
        pieces = zip(text, text.with_halos(layer.local.reach or 0), text.starts, strict=True)
        for (own_BND, own_mask), (x_BND, mask_BN, left), start in pieces:
            own_BND.copy_(layer.local(x_BND, mask_BN, layer.local_norm)[:, left : left + own_BND.shape[1]])
            self._add(layer.router(own_BND, own_mask, size), own_BND, start // size)

    def _add(self, assignment: Assignment, x_BND: Tensor, first: int) -> None:
        pooled = assignment.pool(x_BND)
        last = first + pooled.shape[1]
        self.c_BCD[:, first:last] = pooled
        if assignment.cluster_mask_BC is not None:
            if self.mask_BC is None:
                self.mask_BC = self.c_BCD.new_ones(self.c_BCD.shape[:2], dtype=torch.bool)
            self.mask_BC[:, first:last] = assignment.cluster_mask_BC
        if assignment.signal_BC is not None:
            if self.signal_BC is None:
                self.signal_BC = assignment.signal_BC.new_zeros(self.c_BCD.shape[:2])
            self.signal_BC[:, first:last] = assignment.signal_BC


def _recut(parts: Iterator[Tensor], counts: Iterable[int]) -> Iterator[Tensor]:
    """The rows of ``parts`` [B, …, D] so many at a time."""
    held: Tensor | None = None
    for count in counts:
        while held is None or held.shape[1] < count:
            more = next(parts)
            held = more if held is None else torch.cat([held, more], dim=1)
        yield held[:, :count]
        held = held[:, count:]


def _answers(model: SwarmFormer, text: _Text) -> Tensor:
    if model.per_token:
        return torch.cat([model.classifier(model.pooling(model.final_norm(x), mask)) for x, mask in text], dim=1)
    running = RunningMean()
    for x_BND, mask_BN in text:
        x_BND = model.final_norm(x_BND)
        log_BG = model.pooling.log_weight(x_BND, mask_BN)
        running.add(model.pooling(x_BND, mask_BN).unflatten(1, (log_BG.shape[1], -1)), log_BG)
    return model.classifier(running.mean(text.x_BND.dtype).flatten(1))
