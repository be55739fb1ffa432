"""What a call of ``attend`` asks for, in words and numbers that never change while a graph is traced."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from swarmformer.errors import SwarmformerError
from swarmformer.ops.switch import enabled


class AttentionError(SwarmformerError, ValueError):
    """Arguments that do not fit together, or a back end that was asked for and cannot do the job."""


class Request(NamedTuple):
    """The static facts of one call, enough to choose a back end.

    Lengths and batch sizes are left out on purpose: a choice that followed them would change amid a run.
    """

    device: str
    """Type of the device: ``cpu``, ``cuda``, ``meta`` …"""
    dtype: torch.dtype
    """Of the query, key and value, after autocast."""
    head_width: int
    window: int | None = None
    mask: bool = False
    signal: bool = False
    bias: bool = False
    dropout: bool = False
    gradient: bool = False
    """Whether anything needs a gradient."""
    bias_gradient: bool = False
    compiling: bool = False
    """Whether the call is being traced by torch.compile."""
    fast: bool = True
    """Whether fast paths are switched on (``swarmformer.ops``)."""
    causal: bool = False
    """Whether a query sees no later key."""

    @property
    def kind(self) -> str:
        """One line for logs and tables, such as ``window 16, mask, gradient; cpu float32, heads of 48``."""
        flags = ("causal", "mask", "signal", "bias", "dropout", "gradient", "compiling")
        words = [flag for flag in flags if getattr(self, flag)]
        reach = "full" if self.window is None else f"window {self.window}"
        dtype = str(self.dtype).removeprefix("torch.")
        return f"{', '.join((reach, *words))}; {self.device} {dtype}, heads of {self.head_width}"


def request_of(
    q_BHND: Tensor,
    k_BHMD: Tensor,
    v_BHMD: Tensor,
    mask_BM: Tensor | None,
    signal_BM: Tensor | None,
    window: int | None,
    bias_HR: Tensor | None,
    dropout_p: float,
    causal: bool = False,
) -> Request:
    """The request that these arguments make; reads no values, so it works on meta and traced tensors."""
    recorded = torch.is_grad_enabled()
    learned = (q_BHND, k_BHMD, v_BHMD, signal_BM, bias_HR)
    return Request(
        device=q_BHND.device.type,
        dtype=q_BHND.dtype,
        head_width=q_BHND.shape[-1],
        window=window,
        mask=mask_BM is not None,
        signal=signal_BM is not None,
        bias=bias_HR is not None,
        dropout=dropout_p > 0,
        gradient=recorded and any(tensor is not None and tensor.requires_grad for tensor in learned),
        bias_gradient=recorded and bias_HR is not None and bias_HR.requires_grad,
        compiling=torch.compiler.is_compiling(),
        fast=enabled(),
        causal=causal,
    )
