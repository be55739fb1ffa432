"""A model as one graph: token ids and attention mask in, logits out, for any number of texts of any length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.contracts import Model
from swarmformer.errors import SpecError
from swarmformer.ops.switch import use_fast

if TYPE_CHECKING:
    from torch.export import ExportedProgram

IDS, MASK, LOGITS = "input_ids", "attention_mask", "logits"
"""Names of inputs and output, those of Hugging Face."""


class Graph(nn.Module):
    """ids int64 [B, N] and mask int64 [B, N], 1 on real tokens → logits [B, K], or [B, N, K] of a model that answers
    at tokens.

    Where pads are part of what a model computes, as in the published ones, every text gets all of them here, up to
    ``seq_len`` tokens, as in training: so that its answer does not depend on how it was padded.
    """

    def __init__(self, model: Model, pad_id: int) -> None:
        super().__init__()
        self.model, self.pad_id = model, pad_id

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        ids_BN, mask_BN, N = input_ids, attention_mask != 0, input_ids.shape[1]
        if not self.model.honours_mask:  # of pads that count there is the same number in every text
            lacks = self.model.dims.seq_len - N
            ids_BN = F.pad(ids_BN.masked_fill(~mask_BN, self.pad_id), (0, lacks), value=self.pad_id)
            mask_BN = F.pad(mask_BN, (0, lacks))
        logits = self.model.detailed(ids_BN, mask_BN).logits_BK
        return logits[:, :N] if self.model.per_token and not self.model.honours_mask else logits


def traced(model: Model, pad_id: int) -> ExportedProgram:
    """The graph of a model in evaluation mode, on a CPU, for texts of 1 to ``seq_len`` tokens.

    Raises:
        SpecError: a component whose operations follow from the length or from numbers.
    """
    from torch.export import Dim, export
    from torch.fx.experimental import _config  # a text of one token, or one text, is like any other

    most = model.dims.seq_len
    sizes = {0: Dim("batch", min=1), 1: Dim("length", min=1, max=most)} if most > 1 else {0: Dim("batch", min=1)}
    ids_BN = torch.zeros(3, max(1, most - 1), dtype=torch.int64)
    with use_fast(False), torch.no_grad(), _config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        try:
            program = export(
                Graph(model, pad_id).eval(),
                (ids_BN, torch.ones_like(ids_BN)),
                dynamic_shapes=(sizes, sizes),
                prefer_deferred_runtime_asserts_over_guards=True,
            )
            _without_assertions(program.graph_module)
        except (Exception, SystemError) as error:  # whatever a component does that no graph can hold
            reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            if isinstance(error, SystemError):  # torch 2.13 cannot leave such values out
                reason += " (is a value made under torch.no_grad that nothing uses? make it in training alone)"
            raise SpecError(
                f"this model cannot be exported as one graph for every length: {reason}. --format safetensors takes "
                "every model"
            ) from error
    return program


def _without_assertions(module: torch.fx.GraphModule) -> None:
    """Of what tracing took for granted where it asked about sizes: that there are several texts, tokens or clusters.

    The operations are right for one as well, which ``check`` holds what is written to.
    """
    for node in list(module.graph.nodes):
        if node.target is torch.ops.aten._assert_scalar.default:
            module.graph.erase_node(node)
    module.graph.eliminate_dead_code()
    module.recompile()
