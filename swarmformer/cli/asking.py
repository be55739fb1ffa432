"""What the commands that ask a model have in common: their options, the model, and how fast it answers."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from swarmformer.cli.command import at_least_one, count, logged_by
from swarmformer.errors import SpecError, UsageError

if TYPE_CHECKING:
    from swarmformer.data.delimited import Form
    from swarmformer.generation import TextGenerator
    from swarmformer.pipeline import TextClassifier

EVERY_S = 10.0
"""Seconds between lines where the errors go to a file."""


def add_model_options(parser: argparse.ArgumentParser, *, batch_size: bool = True) -> None:
    """MODEL and how to run it; ``batch_size``: whether texts come in batches of a size that is asked for."""
    parser.add_argument("model", metavar="MODEL", help="a folder, the folder of a run, or OWNER/NAME on the hub")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), help="auto: whichever is faster here")
    parser.add_argument("--threads", type=count, default=0, help="of the processor; 0: all that this process may use")
    if batch_size:
        parser.add_argument("--batch-size", type=at_least_one, default=256, help="texts in a batch")
    parser.add_argument("--variant", help="for published weights: the variant that has their sizes")
    parser.add_argument("--revision", help="branch, tag or commit on the hub")
    parser.add_argument("--trust-code", action="store_true", help="import package.module:Class that the model names")


def add_example_options(parser: argparse.ArgumentParser) -> None:
    """FILE or --task: labelled examples; ``check_example_options`` refuses what goes with neither."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a table with texts and labels")
    parser.add_argument("--task", nargs="+", metavar=("NAME", "KEY=VALUE"), help="a task, and its options")
    parser.add_argument("--split", choices=("train", "validation", "test"), help="of the task (default: test)")
    parser.add_argument("--text", metavar="COLUMN", help="column of the texts in FILE (default: text)")
    parser.add_argument("--label", metavar="COLUMN", help="column of the labels in FILE (default: label)")
    add_table_options(parser)


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """How a table is written, where that cannot be found; as the options of the same names of task ``files``."""
    parser.add_argument("--encoding", default="", help="of a table (default: found)")
    parser.add_argument("--delimiter", default="", help="between the fields of a CSV table (default: found)")
    parser.add_argument("--quote", default='"', help="around fields of a CSV table; '' where quotes are characters "
                        "like others")  # fmt: skip


def form_asked(options: argparse.Namespace) -> Form:
    """What a command line says of how a table is written.

    Raises:
        SpecError: what cannot stand between fields, or around them.
    """
    from swarmformer.data.delimited import form_said

    try:
        return form_said(options.encoding, options.delimiter, options.quote)
    except SpecError as error:
        raise SpecError(f"--{error}") from error


def says_form(options: argparse.Namespace) -> bool:
    """Whether it says anything of it."""
    return bool(options.encoding or options.delimiter or options.quote != '"')


def check_example_options(options: argparse.Namespace, *, own_task: bool) -> None:
    """Refuse an option that would have no effect. ``own_task``: without FILE and --task it is that of the model's run.

    Raises:
        UsageError: there is one.
    """
    if options.file is not None and options.task:
        raise UsageError("name a FILE or a --task, not both")
    if options.file is None and (options.text or options.label or says_form(options)):
        raise UsageError("--text, --label, --encoding, --delimiter and --quote are of a FILE, and none is given")
    if options.split and (options.file is not None or not (options.task or own_task)):
        raise UsageError("--split is of a --task, and none is given")


def asked_model(options: argparse.Namespace, precision: str = "auto") -> TextClassifier:
    """The classifier that a command line names.

    Raises:
        UsageError: it is a language model.
    """
    from swarmformer.pipeline import TextClassifier

    loaded = any_model(options, precision)
    if not isinstance(loaded, TextClassifier):
        raise UsageError(f"{options.model} is a language model, which writes: swarmformer generate {options.model}")
    return loaded


def any_model(options: argparse.Namespace, precision: str = "auto") -> TextClassifier | TextGenerator:
    """The model that a command line names."""
    if options.threads:
        os.environ["RAYON_NUM_THREADS"] = str(options.threads)  # of the tokenizer, read when it first works
    from swarmformer.environment import use_threads
    from swarmformer.ops.memory import keep_freed_memory
    from swarmformer.pipeline import load

    use_threads(options.threads)
    keep_freed_memory()
    return load(
        options.model, device=options.device, precision=options.precision or precision, variant=options.variant,
        revision=options.revision, trust_code=options.trust_code,
    )  # fmt: skip


class Pace:
    """Counts texts, and says on standard error how fast they are answered."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.done, self.began = progress, 0, time.monotonic()
        self.task = progress.add_task("", total=None) if progress else None
        self.said = self.began

    def step(self) -> None:
        self.done += 1
        now = time.monotonic()
        if self.progress is not None and self.task is not None:
            if now - self.said > 0.1:
                self.progress.update(self.task, description=self.words())
                self.said = now
        elif now - self.said >= EVERY_S:
            print(self.words(), file=sys.stderr, flush=True)
            self.said = now

    def words(self) -> str:
        seconds = max(time.monotonic() - self.began, 1e-9)
        return f"{self.done:,} text{'s' * (self.done != 1)} in {seconds:.1f} s, {self.done / seconds:,.0f} texts/s"


@contextmanager
def pace() -> Iterator[Pace]:
    """A bar on a terminal, lines elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Pace(None)
        return
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=console, transient=True) as progress:
        yield Pace(progress)


def ending(pace: Pace, model: TextClassifier) -> str:
    """What was done, in a line."""
    cut = f", {model.truncated:,} of them cut to {model.seq_len} tokens" if model.truncated else ""
    return f"{pace.words()}{cut} ({model.precision}, {model.device})"


def is_file(word: str) -> bool:
    """Whether a word of a command line means a file: one that is there, or one that has the ending of a table."""
    from swarmformer.data.tables import READERS

    named = Path(word).suffix.lower() in (*READERS, ".txt") and not any(letter.isspace() for letter in word)
    return named or os.path.isfile(word)  # not Path.is_file, which raises where a name is longer than one can be


@contextmanager
def warnings_shown() -> Iterator[None]:
    """Warnings of the library on standard error meanwhile."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    with logged_by(handler):
        yield
