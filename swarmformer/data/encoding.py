"""A task's examples encoded once, and read again from plain arrays.

The cache holds one folder ``<task>-<key>`` for every combination of task, tokenizer, length and split.
Reading it needs neither the tokenizer nor what the task's loading needs (``datasets``, pyarrow).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from swarmformer.data.array_store import read_arrays, write_arrays
from swarmformer.data.augment import Augmentations, augmented
from swarmformer.data.cut import Cut, Where
from swarmformer.data.encode import Tokens, check_asked, encode_text, encode_vocabulary
from swarmformer.data.encoded import EncodedData, Split
from swarmformer.data.files import json_hash
from swarmformer.data.known_tokens import NONE, KnownTokens, known_tokens
from swarmformer.data.leakage import HeldOut, shared_texts
from swarmformer.data.questions import Questions
from swarmformer.data.running_text import windows_of
from swarmformer.data.split import load_only_test, load_splits, without_copies
from swarmformer.data.task import RawSplit, Task
from swarmformer.data.tokenizer import MASK, load_tokenizer, pad_id, size_of, special_ids, tokenizer_hash
from swarmformer.errors import DataError
from swarmformer.settings import cache_dir
from swarmformer.source_code import hash_of_supplier, suppliers_of_class

FORMAT = 1
"""Raise it when the arrays, the split or the encoding change meaning."""
LAYOUT = 3
"""Raise it when an entry holds something else that changes no meaning: older entries are then left alone."""
SPLITS = ("train", "validation", "test")
COLUMNS = ("ids", "offsets", "labels", "names")
ASKED = ("positions", "questions")
"""Two arrays more where a task asks at tokens: ``Questions.positions`` and ``Questions.offsets``."""


def load_encoded(
    task: Task,
    *,
    tokenizer: str,
    seq_len: int,
    cut: Where = "head",
    cut_share: float = 0.25,
    augment: Augmentations | None = None,
    **draw: Any,
) -> EncodedData:
    """Load a task from the cache, encoding it first where it is not there yet.

    Args:
        tokenizer: a name for ``load_tokenizer``; not used by tasks with their own vocabulary.
        seq_len: longer examples are cut to so many tokens, special tokens included.
        cut, cut_share: what is kept of them, as in ``Cut``.
        augment: what adds texts to train, drawn with ``split_seed``.
        draw: how the splits are drawn, as for ``load_splits``.

    Raises:
        DataError: missing or malformed data, or a damaged cache entry.
    """
    if seq_len < 3:
        raise DataError(f"seq_len must be at least 3 ([CLS], one token, [SEP]), got {seq_len}")
    kept = Cut(seq_len, cut, cut_share)
    common = {**identity_of(task, tokenizer), **kept.identity(), **_drawn(draw)}
    added = {"augment": {name: one.identity() for name, one in augment.items()}} if augment else {}
    identity = common | ({"split_seed": draw["split_seed"]} if draw.get("redrawn") else {}) | added
    key, source_key = json_hash(identity), json_hash(common)
    folder = folder_of(task, key)

    def encode() -> None:
        splits, source, facts = _prepared(task, augment or {}, draw)
        known = _known(task, tokenizer, source) if draw.get("redrawn") else NONE
        facts = {"key": key, "identity": identity, "facts": facts}
        _encode(folder, task, splits, tokenizer, kept, facts, known)

    _once(folder, encode)
    data = _read(folder, key, source_key)
    return replace(data, facts={**data.facts, "sources": task.sources()})


def load_test(task: Task, *, tokenizer: str, seq_len: int, cut: Where = "head", cut_share: float = 0.25) -> Split:
    """The test split alone, as the source has it, encoded once as ``load_encoded`` does.

    Raises:
        DataError: missing or malformed data, or a damaged cache entry.
    """
    kept = Cut(seq_len, cut, cut_share)
    key = json_hash({**identity_of(task, tokenizer), **kept.identity(), "split": "test"})
    folder = folder_of(task, key, "test")

    def encode() -> None:
        _encode(folder, task, {"test": load_only_test(task)}, tokenizer, kept, {"key": key}, NONE)

    _once(folder, encode)
    arrays, manifest = _checked(folder, key)
    return _split(arrays, "test", manifest["truncated"]["test"], None)


def _once(folder: Path, encode: Callable[[], None]) -> None:
    """Have an entry of the cache written by one process, where it is not there yet."""
    if folder.exists():
        return
    lock = folder.with_name(f".{folder.name}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    except OSError as error:
        raise DataError(f"{folder.parent}: cannot be written: {error.strerror}; set SWARMFORMER_CACHE to a folder "
                        "that can") from None  # fmt: skip
    with FileLock(lock):
        if not folder.exists():
            encode()


def _known(task: Task, tokenizer: str, source: Mapping[str, RawSplit]) -> KnownTokens:
    """The texts of a task that every run draws anew, encoded for all of them; ``source``: as any of them drew them."""
    if task.vocabulary is not None or task.next_token:
        return NONE
    folder = folder_of(task, texts_key(task, tokenizer), "texts")
    return known_tokens(folder, (split.texts for split in source.values()), load_tokenizer(tokenizer))


def _drawn(draw: Mapping[str, Any]) -> dict[str, Any]:
    """What all runs have in common of how the splits are drawn."""
    seed = {"split_seed": "run", "redrawn": True} if draw.get("redrawn") else {"split_seed": draw["split_seed"]}
    kept = {"duplicates": "drop"} if draw.get("drop_copies") else {}
    shares = {"stratify": True} if draw.get("stratify") else {}
    return {"validation_fraction": draw["validation_fraction"], **seed, **kept, **shares}


def _prepared(
    task: Task, augment: Augmentations, draw: Mapping[str, Any]
) -> tuple[dict[str, RawSplit], dict[str, RawSplit], dict[str, Any]]:
    """The splits to encode, the same as the source has them, and what is to be known of them."""
    whole = load_splits(task, **{**draw, "drop_copies": False})
    splits = without_copies(whole, task) if draw.get("drop_copies") else dict(whole)
    facts = {**shared_texts(whole, task), "dropped": len(whole["train"]) - len(splits["train"])}
    facts |= {"split_seed": draw["split_seed"], "redrawn": bool(draw.get("redrawn"))}
    if augment:
        splits["train"], facts["added"] = augmented(splits["train"], augment, HeldOut(splits, task), draw["split_seed"])
    facts |= {"classes": list(task.classes or ())}
    return splits, whole, {**facts, "examples": {name: len(split) for name, split in splits.items()}}


def texts_key(task: Task, tokenizer: str) -> str:
    """Of a task's texts and their tokens, whole and in the source's order."""
    return json_hash(identity_of(task, tokenizer))


def identity_of(task: Task, tokenizer: str) -> dict[str, Any]:
    """What examples depend on, but for their length and how they are split."""
    own = task.vocabulary
    return {
        "format": FORMAT,
        "class": f"{type(task).__module__}:{type(task).__qualname__}",
        "task": task.identity(),
        **_maker(type(task)),
        **({} if task.next_token else {"num_classes": task.num_classes}),
        "tokens": tokenizer_hash(tokenizer) if own is None else json_hash(list(own)),
    }


def _maker(task: type[Task]) -> dict[str, Any]:
    """What tells other examples of the same options: the task's VERSION, and the sources of a task of one's own."""
    sources = {supplier: hash_of_supplier(supplier) for supplier in suppliers_of_class(task)}
    return {**({"version": task.VERSION} if task.VERSION != 1 else {}), **({"sources": sources} if sources else {})}


def folder_of(task: Task, key: str, *words: str) -> Path:
    """Where what has this key is kept; the name has these words too."""
    name = getattr(task, "registered_name", None) or type(task).__qualname__
    return cache_dir() / "-".join((re.sub(r"[^\w.-]", "_", name), *words, key[:24], str(LAYOUT)))


def _encode(
    folder: Path, task: Task, splits: dict[str, RawSplit], tokenizer: str, cut: Cut, facts: dict[str, Any],
    known: KnownTokens,
) -> None:  # fmt: skip
    """Encode all splits and write the entry."""
    arrays: dict[str, np.ndarray] = {}
    truncated: dict[str, int] = {}
    encode, sizes = encoder(task, tokenizer, cut, known)
    if task.next_token:
        write_arrays(folder, *_windows(task, splits, tokenizer, cut, {**facts, **sizes}))
        return
    for name, split in splits.items():
        tokens = encode(split)
        truncated[name] = tokens.truncated
        columns = (tokens.ids, tokens.offsets, np.asarray(split.labels, dtype=np.int64), np.array(split.ids))
        arrays |= {f"{name}.{column}": array for column, array in zip(COLUMNS, columns, strict=True)}
        if split.questions is not None:
            check_asked(tokens, split.questions, split.ids, cut.seq_len)
            asked = (split.questions.positions, split.questions.offsets)
            arrays |= {f"{name}.{column}": array for column, array in zip(ASKED, asked, strict=True)}
    write_arrays(folder, arrays, {**facts, **sizes, "num_classes": task.num_classes, "truncated": truncated})


def _windows(
    task: Task, splits: dict[str, RawSplit], tokenizer: str, cut: Cut, facts: dict[str, Any]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and manifest of documents in windows."""
    arrays: dict[str, np.ndarray] = {}
    text_bytes = {}
    for name, split in splits.items():
        made = windows_of(split, tokenizer, cut.seq_len, 0 if name == "train" else task.stride)
        names = np.array([f"{name}/{number}" for number in range(len(made.questions))])
        columns = (made.ids, made.offsets, made.labels, names, made.questions.positions, made.questions.offsets)
        arrays |= {f"{name}.{column}": array for column, array in zip((*COLUMNS, *ASKED), columns, strict=True)}
        text_bytes[name] = made.text_bytes
    truncated = dict.fromkeys(splits, 0)
    return arrays, {**facts, "num_classes": facts["vocab_size"], "truncated": truncated, "text_bytes": text_bytes}


def encoder(
    task: Task, tokenizer: str, cut: Cut, known: KnownTokens = NONE
) -> tuple[Callable[[RawSplit], Tokens], dict[str, Any]]:
    """What encodes a split, and the sizes and ids that go with it."""
    own = task.vocabulary
    if task.per_token and cut.where != "head":
        raise DataError(f"{type(task).__qualname__} asks at places counted from the front: set data.cut: head")
    if own is not None:

        def encode_own(split: RawSplit) -> Tokens:
            return encode_vocabulary(split.texts, own, cut, split.ids)

        return encode_own, {"vocab_size": len(own), "pad_id": 0, "special": [0], "mask_id": 0}
    if task.per_token and not task.next_token:
        raise DataError(f"{type(task).__qualname__} asks at tokens, so it must have its own vocabulary")
    loaded = load_tokenizer(tokenizer)

    def encode(split: RawSplit) -> Tokens:
        return encode_text(split.texts, loaded, cut, split.ids, known)

    pad = pad_id(loaded, tokenizer)
    special, mask = special_ids(loaded), loaded.token_to_id(MASK)
    ids = {"pad_id": pad, "special": sorted({pad, *special}), "mask_id": pad if mask is None else mask}
    return encode, {"vocab_size": size_of(loaded), **ids}


def _read(folder: Path, key: str, source_key: str) -> EncodedData:
    arrays, manifest = _checked(folder, key)
    text_bytes = manifest.get("text_bytes", {})
    splits = {name: _split(arrays, name, manifest["truncated"][name], text_bytes.get(name)) for name in SPLITS}
    sizes = {name: manifest[name] for name in ("vocab_size", "num_classes", "pad_id", "mask_id")}
    facts = {"special": tuple(manifest["special"]), "source_key": source_key, "facts": manifest["facts"]}
    return EncodedData(splits, key=key, **sizes, **facts)


def _checked(folder: Path, key: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays, manifest = read_arrays(folder)
    if manifest["key"] != key:
        raise DataError(f"{folder} holds other data than its name says. Delete this folder and start again.")
    return arrays, manifest


def _split(arrays: dict[str, np.ndarray], name: str, truncated: int, text_bytes: int | None) -> Split:
    ids, offsets, labels, names = (arrays[f"{name}.{column}"] for column in COLUMNS)
    asked = [arrays[f"{name}.{column}"] for column in ASKED if f"{name}.{column}" in arrays]
    return Split(ids, offsets, labels, names, truncated, Questions(*asked) if asked else None, text_bytes)
