"""How good a trained model is: on a split of a task, or on a file of your own with texts and labels.

Without FILE and --task it is the task that the model was trained on. FILE is a table (.csv, .jsonl, .parquet); its
labels are the names of the model's classes, or their numbers (from 0) where no class is called by a number. Figures of
a run's own test split are held against the predictions that it stored, example by example. Of a
language model FILE is a plain text; it has perplexity and bits per byte.

    swarmformer evaluate runs/train/base-s0-1a2b3c4d
    swarmformer evaluate my-model --task imdb limit=1000 --examples examples.jsonl
    swarmformer evaluate my-model reviews.csv --text review --label stars --json scores.json
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmformer.cli.asking import (
    add_example_options,
    add_model_options,
    any_model,
    check_example_options,
    ending,
    form_asked,
    pace,
    warnings_shown,
)
from swarmformer.cli.command import command_parser, words_of
from swarmformer.cli.examples import Asked, Example, Stored, of_file, of_task
from swarmformer.data.answers import (
    NUMBER,
    PROBABILITIES,
    TEXT,
    TRUTH,
    check_output,
    check_place,
    flat_columns,
    writer,
)
from swarmformer.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from swarmformer.generation import TextGenerator
    from swarmformer.pipeline import TextClassifier
    from swarmformer.scores import Scores

CHUNK = 1024
COLUMNS = {"example": TEXT, "label": TEXT, "answer": TEXT, "correct": TRUTH, "loss": NUMBER, PROBABILITIES: NUMBER}
WIDE = 12
"""Classes up to which a matrix of confusions is printed whole."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = command_parser("evaluate", __doc__)
    add_model_options(parser)
    add_example_options(parser)
    parser.add_argument("--examples", type=Path, metavar="FILE", help="write every answer (.csv, .tsv, .jsonl, "
                        ".parquet)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores")
    options = parser.parse_intermixed_args(words_of(arguments))  # FILE may stand anywhere
    with warnings_shown():
        return evaluate(options)


def evaluate(options: argparse.Namespace) -> int:
    """Score what a command line asks; 0 when it is printed."""
    from swarmformer.cli.evaluate_text import evaluate_text
    from swarmformer.pipeline import TextClassifier
    from swarmformer.records import save_json

    check_example_options(options, own_task=True)
    check_output(options.examples, "--examples", options.file)
    check_place(options.json, "--json", options.file)
    if options.examples and options.json and options.examples.resolve() == options.json.resolve():
        raise UsageError(f"--json {options.json}: is the file of --examples, and one of both would be lost; name "
                         "another")  # fmt: skip
    model = _own_precision(options)
    if not isinstance(model, TextClassifier):
        return evaluate_text(model, options)
    if options.file is not None:
        asked = of_file(model, options.file, options.text, options.label, form_asked(options))
    else:
        asked = of_task(model, options.task, options.split, options.trust_code)
    for file in asked.files:
        check_place(options.examples, "--examples", file)
        check_place(options.json, "--json", file)
    stored = Stored.of(options.model, asked, options.split)
    with pace() as counter:
        scores = _scored(model, asked, options, counter, stored)
    print(f"{options.model} on {asked.words}: {ending(counter, model)}")
    print("\n".join(_lines(scores)))
    if stored is not None:
        print(stored.words())
    if options.json:
        save_json(options.json, {"model": str(options.model), "data": asked.words, **scores.to_dict()})
    return 0


def _own_precision(options: argparse.Namespace) -> TextClassifier | TextGenerator:
    """The model, in the precision that its run was tested in unless another is asked for."""
    model = any_model(options, precision="fp32")
    origin = model.complete.origin
    if options.precision is None and origin is not None and origin.precision == "bf16":
        model.precision = "bf16"
    return model


def _scored(
    model: TextClassifier, asked: Asked, options: argparse.Namespace, counter: Any, stored: Stored | None
) -> Scores:
    """Ask all, count, and write down each where that is asked for."""
    from contextlib import nullcontext

    import numpy as np

    from swarmformer.scores import Tally

    tally = Tally(model.classes)
    columns = flat_columns(COLUMNS, model.classes)
    with writer(options.examples, "", columns) if options.examples else nullcontext() as write:
        for examples, logits_NK in _chunks(model, asked, options.batch_size):
            logs_NK = tally.add(np.array([one.label for one in examples]), logits_NK)
            for one, logits_K, logs_K in zip(examples, logits_NK, logs_NK, strict=True):
                counter.step()
                if stored is not None:
                    stored.compare(logits_K)
                if write is not None:
                    write(_record(model, one, logs_K))
    if not counter.done:
        raise DataError(f"{asked.words} has no examples")
    return tally.scores()


def _chunks(model: TextClassifier, asked: Asked, batch_size: int) -> Iterator[tuple[list[Example], np.ndarray]]:
    """Examples with logits [n, K], some at a time."""
    from collections import deque

    import numpy as np

    waiting: deque[Example] = deque()

    def read() -> Iterator[tuple[str, str | None]]:
        for example in asked.examples:
            waiting.append(example)
            yield example.text, example.name if asked.own_names else None

    held: list[np.ndarray] = []
    for logits_K in model.named_logits(read(), batch_size=batch_size):
        held.append(logits_K)
        if len(held) == CHUNK:
            yield [waiting.popleft() for _ in held], np.stack(held)
            held = []
    if held:
        yield [waiting.popleft() for _ in held], np.stack(held)


def _record(model: TextClassifier, example: Example, logs_K: np.ndarray) -> dict[str, Any]:
    import numpy as np

    answer = int(logs_K.argmax())
    return {
        "example": example.name, "label": model.classes[example.label], "answer": model.classes[answer],
        "correct": answer == example.label, "loss": float(-logs_K[example.label]),
        "probabilities": dict(zip(model.classes, np.exp(logs_K).tolist(), strict=True)),
    }  # fmt: skip


def _lines(scores: Scores) -> Iterator[str]:
    """What is printed."""
    low, high = scores.interval
    yield (f"accuracy {scores.accuracy:.4f} [{low:.4f}, {high:.4f}]   loss {scores.loss:.4f}   n {scores.n:,}")
    yield from ("", *_table(("class", "precision", "recall", "F1", "n"), [
        *((one.name, *map(_rate, (one.precision, one.recall, one.f1)), f"{one.n:,}") for one in scores.classes),
        ("macro mean", *map(_rate, (scores.precision, scores.recall, scores.f1)), f"{scores.n:,}"),
    ]))  # fmt: skip
    names = [one.name for one in scores.classes]
    yield ""
    if len(names) <= WIDE:
        rows = zip(names, scores.confusion_KK, strict=True)
        yield from _table(("right \\ answered", *names), [(name, *(f"{n:,}" for n in row)) for name, row in rows])
    else:
        yield from _table(("right", "answered", "n"), [(a, b, f"{n:,}") for n, a, b in _confused(scores)])
    yield from ("", f"expected calibration error {scores.ece:.4f}")
    yield from _table(("confidence", "accuracy", "mean confidence", "n"), [
        (f"{one.low:.3f}-{one.high:.3f}", _rate(one.accuracy), _rate(one.confidence), f"{one.n:,}")
        for one in scores.bins
    ])  # fmt: skip


def _confused(scores: Scores) -> list[tuple[int, str, str]]:
    """The commonest mistakes: how many, what is right, what was answered."""
    names = [one.name for one in scores.classes]
    found = [
        (n, names[right], names[answered]) for right, row in enumerate(scores.confusion_KK)
        for answered, n in enumerate(row) if n and right != answered
    ]  # fmt: skip
    return sorted(found, key=lambda one: -one[0])[:WIDE]


def _rate(value: float) -> str:
    return f"{value:.4f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        first, *others = row
        yield "  ".join([first.ljust(widths[0]), *map(str.rjust, others, widths[1:])]).rstrip()
