"""``swarmformer evaluate`` of a language model: how well it predicts a text."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from swarmformer.cli.asking import says_form
from swarmformer.cli.examples import task_spec
from swarmformer.data.tasks.language_model import read_text
from swarmformer.errors import UsageError
from swarmformer.hub.source import KEPT, weights_file
from swarmformer.records import read_losses, save_json

if TYPE_CHECKING:
    from swarmformer.generation import TextGenerator

SHOWN = {"bits_per_byte": ".4f", "perplexity": ",.3f", "loss": ".4f", "accuracy": ".4f", "n": ",d"}


class AskedTexts(NamedTuple):
    """Texts, what they are called, and by how many tokens windows move on (0: they lie side by side). ``own_test``:
    they are the test split of the model's own task."""

    words: str
    texts: list[str]
    stride: int = 0
    own_test: bool = False


def evaluate_text(model: TextGenerator, options: argparse.Namespace) -> int:
    """Score a file, or a split of a task, as a command line asks; 0 when it is printed.

    Raises:
        UsageError: another kind of task, or answers of examples are asked for.
    """
    if options.examples:
        raise UsageError("--examples: a language model predicts every token of a text, and has no examples")
    if options.text or options.label or says_form(options):
        words = "--text, --label, --encoding, --delimiter and --quote are of a table"
        raise UsageError(f"{words}: FILE of a language model is a plain text, and has no columns")
    if options.file is not None:
        asked = AskedTexts(str(options.file), [read_text(options.file)])
    else:
        asked = _of_task(model, options)
    metrics, nats = model.score(asked.texts, stride=asked.stride, batch_size=options.batch_size)
    print(f"{options.model} on {asked.words}: {model.seq_len} tokens a window ({model.precision}, {model.device})")
    print("   ".join(f"{name} {format(metrics[name], how)}" for name, how in SHOWN.items()))
    if asked.own_test and Path(options.model).exists():
        _against_stored(options.model, nats)
    if options.json:
        save_json(options.json, {"model": str(options.model), "data": asked.words, **metrics})
    return 0


def _of_task(model: TextGenerator, options: argparse.Namespace) -> AskedTexts:
    """A split of the task that is named, or else of the model's own."""
    spec, split = task_spec(options.task, model.complete.task), options.split or "test"
    task = spec.make()
    if not task.next_token:
        raise UsageError(f"task {spec.name!r} has answers of its own, and this model predicts text")
    own_test = split == "test" and spec.to_dict() == model.complete.task
    stride = 0 if split == "train" else task.stride
    return AskedTexts(f"{split} of task {spec.name}", list(task.load()[split].texts), stride, own_test)


def _against_stored(source: str, nats: np.ndarray) -> None:
    """Where the model lies in the folder of its run."""
    kept = weights_file(source).parent
    stored = read_losses(kept.parent) if kept.name == KEPT else None
    if stored is not None and len(stored.nats) == len(nats):
        most = np.abs(stored.nats - nats).max()
        print(f"the run's stored losses: {len(nats):,} windows, their sums differ by {most:.2g} nats at most")
