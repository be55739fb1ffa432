"""What a result says of its run: metrics, seconds, operations, how far mechanisms were exercised, facts of its data."""

from __future__ import annotations

from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from .base import Count, Natural, Record, Share


class Metrics(Record):
    """Of a split; ``n`` counts labels.

    Where the next token is predicted, also ``perplexity`` = exp(loss), of a token, and ``bits_per_byte`` of the text.
    """

    accuracy: Share
    precision: Share
    recall: Share
    f1: Share
    loss: float
    n: Natural
    perplexity: float | None = None
    bits_per_byte: float | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_not_asked(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = dump(self)
        return {key: value for key, value in content.items() if value is not None or key not in OF_TEXT}


class Elsewhere(Metrics):
    """Of the test split of another task; ``data_key``: of its texts and their tokens, whatever the task is called."""

    data_key: str


OF_TEXT = ("perplexity", "bits_per_byte")
"""Metrics that only running text has."""


class SplitMetrics(Record):
    validation: Metrics
    test: Metrics


class Truncated(Record):
    """Examples cut at the length limit, by split."""

    train: Count
    validation: Count
    test: Count


class Seconds(Record):
    """Of training alone, and of the whole run: of every start up to the checkpoint that the next went on from. In runs
    from before that was counted ``total`` is of the last start alone.
    """

    train: float
    total: float


class PaddedFlops(Record):
    """``padded`` is what is computed, ``real`` what the real tokens take, ``wasted`` = 1 − real / padded."""

    padded: Count
    real: Count
    wasted: float


class EpochFlops(Record):
    forward: PaddedFlops
    training: PaddedFlops


class AttentionUse(Record):
    """Which back end took a kind of call, and why."""

    kind: str
    backend: str
    reason: str


class Exercise(Record):
    """How far the mechanism of a component was exercised, over the validation split at the end of training.

    ``place`` is the component's within the model (``layers.0.router``). Below ``least`` or above ``most`` it was not.
    """

    place: str
    slot: str
    component: str
    measure: str
    value: float
    least: float | None = None
    most: float | None = None


class Unlabelled(Record):
    """``texts`` without labels that a stage was given; ``copies`` stand in a split of the task and were left out."""

    texts: Count
    copies: Count


class SharedTexts(Record):
    """Texts of one split that also stand in another: as they are, and after normalisation."""

    exact: Count
    normalised: Count


class DataFacts(Record):
    """What was counted when the data was encoded.

    ``examples`` and ``empty`` texts by split, ``shared`` by "train in test" and the like as the source has it;
    ``dropped`` of these from train; ``added`` to train, by augmentation. ``redrawn``: every run draws the split anew.
    ``sources`` by split: which own files, and how they were read. ``classes``: what each is
    called, index = label.
    """

    examples: dict[str, Count] = {}
    empty: dict[str, Count] = {}
    shared: dict[str, SharedTexts] = {}
    dropped: Count = 0
    added: dict[str, Count] = {}
    split_seed: int = 0
    redrawn: bool = False
    sources: dict[str, str] = {}
    classes: list[str] = []


class PublishedReading(Record):
    """The best of ``readings`` of the test split, one after each epoch, at ``epoch``: selected on test, as the authors
    did. It is no result."""

    accuracy: Share
    epoch: Natural
    readings: Natural


class Computing(Record):
    """How training was computed, which changes no more than random draws and last digits.

    ``processes`` shared the batches, in the order of starts where they differ; ``micro_batch`` texts were computed at
    once in the end, 0: all of a process's share. ``reduced``: memory ran out, and they became fewer. ``compiled``: by
    torch.compile, in the last stage; ``compile_fault``: why that failed, where it was only an attempt. ``captured``:
    steps of full batches were replayed as CUDA graphs, in the last stage; ``capture_fault``: why not, where that was
    attempted. ``tf32``: products in fp32 might round their operands to it. ``together``: seeds whose gradients one pass
    gave, at most, in the last start; ``together_fault``: why they were computed one by one, where it was attempted.
    """

    processes: tuple[Natural, ...] = (1,)
    micro_batch: Count = 0
    reduced: bool = False
    compiled: bool = False
    compile_fault: str = ""
    captured: bool = False
    capture_fault: str = ""
    tf32: bool = False
    together: Natural = 1
    together_fault: str = ""
