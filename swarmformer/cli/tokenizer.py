"""Train the tokenizer of a language model, and keep it as a file: byte-level BPE, which gives every text back.

It sees the training part of the task alone. Name the file as data.tokenizer of runs: what is in it, by its SHA-256, is
part of what their data is.

    swarmformer tokenizer shakespeare.json --size 2000
    swarmformer tokenizer mine.json --size 8000 --task language_model corpus=own train=texts
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from swarmformer.cli.command import at_least_one, command_parser, words_of
from swarmformer.errors import DataError, UsageError

LARGEST = 1 << 24
"""Tokens: far more than any model has an embedding for, and their numbers fit into 32 bits."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = command_parser("tokenizer", __doc__)
    parser.add_argument("file", type=Path, metavar="FILE.json", help="where it is written")
    parser.add_argument("--size", type=_size, required=True, help="tokens, the 256 bytes and 2 special ones included")
    parser.add_argument("--task", nargs="+", default=["language_model"], metavar=("NAME", "KEY=VALUE"),
                        help="whose training text it is trained on, and its options")  # fmt: skip
    options = parser.parse_args(words_of(arguments))
    if options.file.suffix != ".json" or options.file.exists():
        raise UsageError(f"{options.file}: name a .json file that is not there yet: runs may rest on one that is")
    from swarmformer.cli.examples import task_spec
    from swarmformer.data.split import check_documents
    from swarmformer.data.tokenizer import train_bpe

    spec = task_spec(options.task)
    task = spec.make()
    if not task.next_token:
        raise UsageError(f"task {spec.name!r} predicts no text; only such tasks have a tokenizer of their own")
    splits = task.load()
    check_documents(splits)
    _check_place(options.file.parent)
    digest = train_bpe(splits["train"].texts, options.size, options.file)
    print(f"{options.file}: {options.size:,} tokens, SHA-256 {digest}")
    return 0


def _size(word: str) -> int:
    """A number of tokens, as argparse reads an option."""
    found = at_least_one(word)
    if found > LARGEST:
        raise argparse.ArgumentTypeError(f"must be at most {LARGEST:,}")
    return found


def _check_place(folder: Path) -> None:
    """Make the folder of what is trained, before hours are spent on it.

    Raises:
        DataError: it cannot be made, or nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise DataError(f"{folder}: nothing can be written there ({error.strerror}); name another place") from error
