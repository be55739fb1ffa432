"""Texts in, labels out: the authors' inference script against ``swarmformer.load``, with tokenisation in both.

The script (takara-ai/SwarmFormer, commit 1b2f015) tokenises one text at a time, pads each to seq_len, and asks the
model in batches of 256 in the order of the data. It tokenises through transformers; here with the library below that,
which is quicker, so that the ratio says less rather than more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

import swarmformer
from swarmformer.data.batching import bucket_lengths
from swarmformer.data.cut import Cut
from swarmformer.data.tasks.imdb import Imdb
from swarmformer.data.tokenizer import load_tokenizer
from swarmformer.hub import CompleteModel, TextReader, from_published
from swarmformer.pipeline import TextClassifier
from swarmformer.settings import data_dir
from swarmformer.testing import assert_close

from ..speed.evaluation import AGREEMENT, BATCH, MISSING_DATA
from ..speed.figure import Arm, Group, Target
from ..speed.published import PublishedSwarmFormer


@dataclass(frozen=True)
class Size:
    """A published size, our twin of it whose padding is masked, and how many times faster it must be and may be."""

    name: str
    masked: str
    width: int
    cluster_size: int
    length: int
    least: float = 1.0
    aim: float = 1.0

    def published(self) -> PublishedSwarmFormer:
        torch.manual_seed(0)
        return PublishedSwarmFormer(width=self.width, cluster_size=self.cluster_size).eval()


BASE = Size("Base", "masked_base", 192, 4, 768, 4.0, 8.0)
"""What the authors' script asks unless told otherwise."""
SMALL = Size("Small", "masked_small", 128, 8, 256, 2.0, 4.0)
"""Its texts, cut to 256 tokens, have little padding to leave out."""


def group(size: Size, limit: int, texts: int) -> Group:
    """``texts`` reviews of IMDb's test split, drawn at random.

    Args:
        limit: of the task, see ``Imdb``.

    Raises:
        ViolationError: the published weights give other logits through our pipeline.
    """
    title = f"{size.name}, predict over real IMDb texts, tokenisation included, {{}}"
    if data_dir() is None:
        return Group({}, (), {"real texts": MISSING_DATA})
    reviews = _reviews(limit, texts)
    published = size.published()
    ours = _classifier(size, "fp32")
    sizes = {"cluster_size": size.cluster_size, "seq_len": size.length, "T_local": 3}
    renamed = from_published(published.state_dict(), config=sizes)
    same = TextClassifier(CompleteModel(renamed, ("0", "1"), _reader(size, (size.length,))), "cpu", "fp32")
    expected = _script(published, size.length, reviews[:8])
    assert_close("logits", expected, torch.from_numpy(np.stack(list(same.logits(reviews[:8])))), atol=AGREEMENT)
    arms = {
        "the authors' script": Arm(lambda: _script(published, size.length, reviews), texts),
        "predict, published weights": Arm(_asked(same, reviews), texts),
        "predict": Arm(_asked(ours, reviews), texts),
        "predict, bf16": Arm(_asked(_classifier(size, "bf16"), reviews), texts, None, "bf16"),
    }
    figures = [
        Target(title.format(words), ("the authors' script",), arm, size.least, size.aim)
        for words, arm in (("fp32", "predict"), ("bf16", "predict, bf16"))
    ]
    return Group(arms, tuple(figures))


def _reviews(limit: int, texts: int) -> list[str]:
    test = Imdb(limit=limit).load()["test"]
    return [test.texts[row] for row in np.random.default_rng(0).permutation(len(test))[:texts]]


def _reader(size: Size, lengths: tuple[int, ...]) -> TextReader:
    return TextReader("bert", load_tokenizer("bert"), Cut(size.length), lengths, 0)


def _classifier(size: Size, precision: str) -> TextClassifier:
    """With random weights, which take as long as trained ones."""
    torch.manual_seed(0)
    model = swarmformer.build_model(size.masked).eval()
    reader = _reader(size, bucket_lengths(size.length, 4))
    return TextClassifier(CompleteModel(model, ("0", "1"), reader), "cpu", precision)


def _asked(classifier: TextClassifier, texts: Sequence[str]) -> Callable[[], object]:
    return lambda: list(classifier.logits(texts))


@torch.inference_mode()
def _script(model: PublishedSwarmFormer, length: int, texts: Sequence[str]) -> torch.Tensor:
    """logits_NK as the authors' script has them."""
    tokenizer = load_tokenizer("bert")
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length)
    ids_NL = torch.stack([torch.tensor(tokenizer.encode(text).ids) for text in texts])
    return torch.cat([model(ids_BL) for ids_BL in ids_NL.split(BATCH)])
