"""``swarmformer evaluate`` of a language model: how well it predicts a text."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from swarmformer.cli.asking import says_form
from swarmformer.cli.examples import chosen_task
from swarmformer.data.tasks.language_model import read_text
from swarmformer.errors import UsageError
from swarmformer.hub.source import KEPT, weights_file
from swarmformer.records import read_losses, save_json
from swarmformer.spec import ComponentSpec, nowhere

if TYPE_CHECKING:
    from swarmformer.generation import TextGenerator

SHOWN = {"bits_per_byte": ".4f", "perplexity": ",.3f", "loss": ".4f", "accuracy": ".4f", "n": ",d"}


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
    words, own, stride, split = str(options.file), False, 0, options.split or "test"
    if options.file is not None:
        texts = [read_text(options.file)]
    else:
        if not options.task and model.complete.task is None:
            raise UsageError("this model does not say what it was trained on: name a FILE or a --task")
        chosen = chosen_task(options.task) if options.task else dict(model.complete.task or {})
        spec = ComponentSpec.from_dict("task", chosen, ("task",), nowhere)
        task = spec.make()
        if not task.next_token:
            raise UsageError(f"task {spec.name!r} has answers of its own, and this model predicts text")
        texts, stride = list(task.load()[split].texts), 0 if split == "train" else task.stride
        words, own = f"{split} of task {spec.name}", spec.to_dict() == model.complete.task
    metrics, nats = model.score(texts, stride=stride, batch_size=options.batch_size)
    print(f"{options.model} on {words}: {model.seq_len} tokens a window ({model.precision}, {model.device})")
    print("   ".join(f"{name} {format(metrics[name], how)}" for name, how in SHOWN.items()))
    if own and split == "test" and Path(options.model).exists():
        _against_stored(options.model, nats)
    if options.json:
        save_json(options.json, {"model": str(options.model), "data": words, **metrics})
    return 0


def _against_stored(source: str, nats: np.ndarray) -> None:
    """Where the model lies in the folder of its run."""
    kept = weights_file(source).parent
    stored = read_losses(kept.parent) if kept.name == KEPT else None
    if stored is not None and len(stored.nats) == len(nats):
        most = np.abs(stored.nats - nats).max()
        print(f"the run's stored losses: {len(nats):,} windows, their sums differ by {most:.2g} nats at most")
