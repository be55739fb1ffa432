"""Which GPUs of this machine a grid uses: CUDA is asked once, by the grid's own process, for all of its workers.

These are no forks of it (``local``), so that it may. What they are to use they are told: each would find something
else, or fall back to the CPU by itself.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence

import torch

from swarmformer.environment import count_gpus, lacks_kernels, resolve_device

logger = logging.getLogger("swarmformer.grid")
VISIBLE = "CUDA_VISIBLE_DEVICES"


def settle_device(device: str) -> str:
    """``auto``, ``cpu`` or ``cuda`` → ``cpu`` or ``cuda``; then the environment names the GPUs that workers share out.

    They are those that this torch has kernels for, and of one kind unless somebody named them.

    Raises:
        SpecError: ``cuda`` where no GPU can be used.
    """
    lacking = [] if device == "cpu" else [lacks_kernels(index) for index in range(count_gpus())]
    usable = [index for index, words in enumerate(lacking) if not words]
    if not usable:
        return resolve_device(device).type  # says why
    said = os.environ.get(VISIBLE)
    if said is not None and said.startswith("MIG-"):  # of which CUDA shows a process the first alone
        return "cuda"
    for words in filter(None, lacking):
        logger.warning("a GPU is left out: %s", words)
    names = _names(said, len(lacking))
    os.environ[VISIBLE] = ",".join(names[index] for index in _of_one_kind(usable, named=said is not None))
    return "cuda"


def _names(said: str | None, count: int) -> list[str]:
    """Of the GPUs that CUDA counts, as ``CUDA_VISIBLE_DEVICES`` has them."""
    if said is None:
        return [str(index) for index in range(count)]
    names = [name.strip() for name in said.split(",")]
    if names[count:]:
        words = "%s names %s, but CUDA finds only the first %d of them: the others are left out (see nvidia-smi -L)"
        logger.warning(words, VISIBLE, said, count)
    return names[:count]


def _of_one_kind(cards: Sequence[int], *, named: bool) -> Sequence[int]:
    """Those of the kind that there are most of, the first of equally many; all where somebody ``named`` them."""
    kinds = Counter(torch.cuda.get_device_name(card) for card in cards)
    if len(kinds) < 2:
        return cards
    found = ", ".join(f"{count} × {kind}" for kind, count in kinds.items())
    if named:
        words = "%s names GPUs of several kinds (%s): runs of one kind are not compared with those of another"
        logger.warning(words, VISIBLE, found)
        return cards
    ((most, _),) = kinds.most_common(1)
    words = "GPUs of several kinds (%s), whose runs cannot be compared: only %s is used. To use others, name them in %s"
    logger.warning(words, found, most, VISIBLE)
    return [card for card in cards if torch.cuda.get_device_name(card) == most]
