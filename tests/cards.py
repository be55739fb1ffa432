"""A machine that seems to have cards."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

Card = tuple[str, tuple[int, int]]
"""Name and compute capability."""


def pretend(
    monkeypatch: pytest.MonkeyPatch, cards: Sequence[Card], *, archs: Sequence[str] = (), known: int | None = None
) -> None:
    """Let CUDA count these cards, and NVML as many unless ``known`` says how many; ``archs``: what torch is built for.

    NVML counts the cards of a driver that is too old for this torch too.
    """
    by_nvml = len(cards) if known is None else known
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: by_nvml > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: by_nvml)
    monkeypatch.setattr(torch._C, "_cuda_getDeviceCount", lambda: len(cards), raising=False)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: list(archs))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: cards[index][0])
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: cards[index][1])
