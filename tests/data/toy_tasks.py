"""Small tasks made of given texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from swarmformer.data.task import RawSplit, Task

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "bad", "film", "##s", ".", "<", ">", "/", "br")


def make_split(name: str, texts: list[str], groups: list[str] | None = None) -> RawSplit:
    """Texts with alternating labels."""
    labels = np.arange(len(texts)) % 2
    return RawSplit(texts, labels, [f"{name}/{row}" for row in range(len(texts))], groups)


class Toy(Task):
    """Given splits, counting how often they are loaded."""

    num_classes = 2

    def __init__(self) -> None:
        self.splits = {
            "train": make_split("train", [f"{'good ' * row}film" for row in range(20)]),
            "test": make_split("test", ["bad films", "", "a bad film ."]),
        }
        self.loads = 0
        self.version = 1

    def load(self) -> dict[str, RawSplit]:
        self.loads += 1
        return self.splits

    def identity(self) -> dict[str, Any]:
        return {"version": self.version}
