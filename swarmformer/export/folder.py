"""A folder for others: the model in their format, tokenizer, configuration, and what was checked, or nothing at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmformer.cost.timing import torch_threads
from swarmformer.environment import describe_machine
from swarmformer.errors import SpecError
from swarmformer.export import measured
from swarmformer.export.check import TEXTS, TOLERANCE, Checker, Rows
from swarmformer.export.formats import FORMATS, pad_id, to_int8
from swarmformer.hub import CompleteModel
from swarmformer.hub.complete import write_config
from swarmformer.hub.source import EXPORT
from swarmformer.hub.text import TOKENIZER, TextReader
from swarmformer.hub.weights import WEIGHTS
from swarmformer.records import folder_written_whole, save_json, write_bytes_atomically
from swarmformer.records.base import sha256_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, eq=False)
class Examples:
    """Texts to hold an export to: token ids, and where they are known their classes."""

    rows: Rows = ()
    labels_N: np.ndarray | None = None

    @classmethod
    def of(cls, complete: CompleteModel, texts: Sequence[str] = TEXTS, labels: Sequence[int] | None = None) -> Examples:
        """Encoded as the model reads them; none for a model that reads no text, or words that ``TEXTS`` are not."""
        if complete.text is None or (complete.text.words and texts is TEXTS):
            return cls()
        tokens = complete.text.encode(texts, [None] * len(texts))
        rows = np.split(tokens.ids.astype(np.int64), tokens.offsets[1:-1])
        return cls(rows, None if labels is None else np.array(labels))


def export(
    complete: CompleteModel, out: Path, name: str, *, examples: Examples, threads: int, int8: bool = False
) -> dict[str, Any]:
    """Write ``out``, which is made whole beside and renamed when every check has passed. Nothing is replaced.

    Args:
        name: of the format, see ``FORMATS``.
        int8: weights in eight bits; of onnx alone.
        threads: of the processor, for what is timed.

    Returns:
        What export.json says.

    Raises:
        SpecError: a model that cannot be exported, a difference that is too large, or an ``out`` that is not empty or
            the current folder.
    """
    if int8 and name != "onnx":
        raise SpecError(f"--quantize int8 is there for --format onnx, not for {name}")
    if os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise SpecError(f"{out}: is there already; choose another --out, or move it away")
    if out.is_dir() and out.samefile("."):
        raise SpecError(f"{out}: is the folder that you are in, which cannot be replaced; choose another --out")
    with folder_written_whole(out) as folder:
        with torch_threads(threads):
            record = {"format": name, **_made(complete, folder, name, examples, threads, int8)}
        save_json(folder / EXPORT, record)
    return record


def _made(
    complete: CompleteModel, folder: Path, name: str, examples: Examples, threads: int, int8: bool
) -> dict[str, Any]:
    """Write, check and time; what the record says."""
    form, checker = FORMATS[name], Checker(complete.model, pad_id(complete))
    file = folder / form.file
    form.write(complete, file)
    exact = form.open(file, threads)
    runs = {measured.MODEL: checker.reference, measured.EXPORTED: exact}
    checks = measured.differences(checker, exact, examples.rows, exact=True)
    if int8:
        to_int8(file)
        runs = {**runs, measured.FP32: exact, measured.EXPORTED: form.open(file, threads)}
        checks = measured.differences(checker, runs[measured.EXPORTED], examples.rows, exact=False)
    known = examples.labels_N
    correct = None if known is None else measured.accuracy(checker, runs, examples.rows, known)
    if form.file != WEIGHTS:
        _accompany(complete, folder)
    return {
        "file": form.file, "int8": int8, "bytes": {path.name: path.stat().st_size for path in folder.iterdir()},
        "weights_bytes": sum(tensor.nbytes for tensor in complete.model.state_dict().values()),
        "tolerance": None if int8 else TOLERANCE, "checks": checks, "accuracy": correct,
        "speed": measured.speed(checker, runs), "threads": threads, "machine": describe_machine(),
        "versions": measured.versions(),
    }  # fmt: skip


def _accompany(complete: CompleteModel, folder: Path) -> None:
    """What somebody without swarmformer needs beside the graph."""
    if complete.text is not None:
        text = plain_tokenizer(complete.text).to_str(pretty=True) + "\n"
        write_bytes_atomically(folder / TOKENIZER, text.encode())
    write_config(complete, folder, {path.name: sha256_of(path) for path in folder.iterdir()})


def plain_tokenizer(text: TextReader) -> Tokenizer:
    """A copy that cuts longer texts by itself, at their end, and pads those of a batch to the longest.

    The same as the model reads where its cut is ``head``; other cuts no tokenizer knows, and config.json names them.
    """
    from tokenizers import Tokenizer

    copy = Tokenizer.from_str(text.tokenizer.to_str())
    copy.enable_truncation(text.cut.seq_len)
    copy.enable_padding(pad_id=text.pad_id, pad_token=text.tokenizer.id_to_token(text.pad_id))
    return copy
