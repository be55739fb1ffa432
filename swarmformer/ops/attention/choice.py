"""Which back end takes a call: a pure function of the request, the machine, and what was asked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch

from swarmformer.errors import suggest
from swarmformer.ops.attention import xformers_ops
from swarmformer.ops.attention.request import AttentionError, Request

HALF = (torch.float16, torch.bfloat16)
FLASH_CAPABILITY = (8, 0)
FLASH_WIDTH = 256


class Machine(NamedTuple):
    """What a device has. ``…_fault`` says why a back end cannot be used at all; empty where it can."""

    capability: tuple[int, int] | None = None
    """Compute capability of an NVIDIA GPU; None on everything else."""
    flex_fault: str = ""
    xformers_fault: str = ""


class Choice(NamedTuple):
    backend: str
    reason: str


@cache
def machine_of(device: str, index: int | None) -> Machine:
    """Look at a device once per process. xformers is imported only where there is a GPU for it."""
    if device != "cuda" or not torch.cuda.is_available():
        return Machine()
    triton = importlib.util.find_spec("triton") is not None
    return Machine(
        capability=torch.cuda.get_device_capability(index) if torch.version.hip is None else None,
        flex_fault="" if triton else "Triton is not installed",
        xformers_fault=xformers_ops.fault(torch.device(device, index or 0)),
    )


def choose(request: Request, machine: Machine, asked: str | None = None, asked_by: str = "") -> Choice:
    """The back end for a request, and why.

    Args:
        asked: a name to use instead of the best fit; ``asked_by`` says in errors who wants it.

    Raises:
        AttentionError: ``asked`` is unknown, or cannot do this: says what it lacks and which others can.
    """
    if asked is not None:
        return _asked_for(request, machine, asked, asked_by)
    if request.window is None:
        return Choice("sdpa", "fused attention takes every call without a window")
    passed_over: list[str] = []
    for name, advantage, hindrance in PREFERENCE:
        why_not = LACKS[name](request, machine) or hindrance(request)
        if not why_not:
            return Choice(name, "; ".join((advantage, *passed_over)))
        passed_over.append(f"not {name}: {why_not}")
    return Choice("sdpa", "; ".join(("windows as chunks", *passed_over)))


def check_name(name: str, asked_by: str) -> None:
    """Raise AttentionError unless there is a back end of this name."""
    if name not in LACKS:
        raise AttentionError(
            f"{asked_by}: unknown attention back end {name!r}.{suggest(name, LACKS)} Available: {', '.join(LACKS)}"
        )


def _asked_for(request: Request, machine: Machine, asked: str, asked_by: str) -> Choice:
    check_name(asked, asked_by)
    lack = LACKS[asked](request, machine)
    if lack:
        able = [name for name, lacks in LACKS.items() if not lacks(request, machine)]
        raise AttentionError(
            f"{asked_by} asks for the attention back end {asked!r}, which cannot do this call ({request.kind}): "
            f"{lack}. These can: {', '.join(able)}"
        )
    return Choice(asked, f"asked for by {asked_by}")


def _nothing_lacks(request: Request, machine: Machine) -> str:
    return ""


def _banded_lacks(request: Request, machine: Machine) -> str:
    """What products in pieces of the cache cannot do here; empty where they can do the call."""
    if request.window is None:
        return "it needs a window"
    if request.device not in ("cpu", "meta"):
        return f"its pieces are made for the cache of a CPU, not {request.device}"
    if request.compiling:
        return "torch.compile cannot trace its buffers and its own backward pass"
    return ""


def _flex_lacks(request: Request, machine: Machine) -> str:
    """What flex_attention cannot do here; empty where it can do the call."""
    if request.causal:
        return "it is given no causal mask here"
    if request.device not in ("cuda", "cpu"):
        return f"it needs a CUDA device, or a CPU without gradients, not {request.device}"
    if request.device == "cpu" and request.gradient:
        return "it has no backward pass on a CPU"
    if request.dropout:
        return "it has no dropout"
    if request.dtype not in (torch.float32, *HALF):
        return f"it takes fp32, fp16 and bf16, not {request.dtype}"
    if request.device == "cuda" and request.head_width < 16:
        return f"heads must be at least 16 wide, not {request.head_width}"
    return machine.flex_fault


FLAGS_OF_XFORMERS = {
    "causal": "a causal mask", "mask": "a mask of keys", "signal": "signals of keys", "bias": "a position bias",
}  # fmt: skip
"""What its flash operators cannot take."""


def _xformers_lacks(request: Request, machine: Machine) -> str:
    """What xformers' flash operators cannot do here; empty where they can do the call."""
    if request.device != "cuda":
        return f"it needs a CUDA device, not {request.device}"
    if machine.capability is None or machine.capability < FLASH_CAPABILITY:
        return "it needs an NVIDIA GPU of compute capability 8.0 or more"
    for flag, words in FLAGS_OF_XFORMERS.items():
        if getattr(request, flag):
            return f"it cannot take {words}"
    if request.dtype not in HALF:
        return f"it takes fp16 and bf16, not {request.dtype}"
    if request.head_width > FLASH_WIDTH or request.head_width % 8:
        return f"heads must be a multiple of 8 and at most {FLASH_WIDTH} wide, not {request.head_width}"
    if request.head_width > 224 and request.dropout and request.gradient and machine.capability not in ((8, 0), (9, 0)):
        return "heads wider than 224 have no backward pass with dropout on this GPU"
    return machine.xformers_fault


def _prefer_not_banded(request: Request) -> str:
    if not request.fast:
        return "fast paths are switched off"
    return "nothing is computed" if request.device == "meta" else ""


def _prefer_not_xformers(request: Request) -> str:
    return "torch.compile would break the graph at it" if request.compiling else ""


def _prefer_not_flex(request: Request) -> str:
    if request.device == "cpu":
        return "on a CPU it would compile for each shape"
    if request.bias_gradient:
        return "it adds up the gradient of a bias atomically, slow and in no fixed order"
    # 7 to 15 s in each process for the evaluation of a small model on an H100, which takes a second without.
    return "" if request.compiling else "outside torch.compile it would first compile for each shape"


LACKS: dict[str, Callable[[Request, Machine], str]] = {
    "plain": _nothing_lacks,
    "sdpa": _nothing_lacks,
    "banded": _banded_lacks,
    "flex": _flex_lacks,
    "xformers": _xformers_lacks,
}

PREFERENCE = (
    ("xformers", "a fused kernel for windows", _prefer_not_xformers),
    ("flex", "a fused kernel for windows", _prefer_not_flex),
    ("banded", "windows in pieces that fit the cache", _prefer_not_banded),
)
"""For a call with a window: who is asked, in this order, its advantage, and what speaks against it though it could."""
