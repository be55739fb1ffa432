"""What every file has in common: strict and frozen records, a schema number, a checksum, whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar
from uuid import uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ..errors import SwarmformerError
from .aliases import todays_key

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Natural = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
RunKey = Annotated[str, AfterValidator(todays_key)]
"""A run key in the form of today: one that an older version wrote is read as what that configuration has now."""
DocumentT = TypeVar("DocumentT", bound="Document")
CHECKSUM = "checksum"
"""Key of a file's SHA-256 over its JSON value without this key: a new layout changes nothing, a new value is found."""
REMEDY = "restore it from a copy, or move it away and start again"
LARGEST = 1 << 28
"""Bytes of a JSON file that is read at all."""


class UnreadableFileError(SwarmformerError):
    """One file cannot be used; ``reason`` says what is wrong without naming the path."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class Record(BaseModel):
    """Base of every part of a file: types are not coerced, numbers are finite.

    Keys that this version does not know are passed over, so that a newer one may add to a file without a new
    schema number.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class Document(Record):
    """A whole file. ``SCHEMA`` is raised when a key changes its name or its meaning; files of ``SEALED`` and above
    carry a checksum."""

    SCHEMA: ClassVar[int] = 2
    SEALED: ClassVar[int] = 2

    @classmethod
    def upgraded(cls, raw: dict[str, Any], schema: int) -> dict[str, Any]:
        """The content of a file with an older ``schema`` (1 or more) as this version writes it."""
        return raw

    @classmethod
    def checksum_of(cls, raw: dict[str, Any]) -> str:
        """What a file of this content has in ``checksum``, where it has one."""
        return _checksum(_canonical(raw))


def save(path: Path, document: Document, *, flush: bool = True) -> None:
    """Write a file atomically: a reader sees the old one or the new one, never a half.

    Args:
        flush: to the disk, so that it outlives a power cut; not worth its time for what is written every second.

    Raises:
        ValueError: a number that is not finite in a part that takes any JSON value.
    """
    save_json(path, document.model_dump(mode="json", by_alias=True), document.SCHEMA, flush=flush)


def save_json(path: Path, content: Mapping[str, Any], schema: int = 1, *, flush: bool = True) -> None:
    """Write a measurement that has no record of its own as ``save`` writes one.

    Raises:
        ValueError: a number that is not finite.
    """
    text = json.dumps(sealed({"schema": schema, **content}), indent=1)
    write_bytes_atomically(path, (text + "\n").encode(), flush=flush)


def load(path: Path, model: type[DocumentT]) -> DocumentT:
    """Read one file whole.

    Raises:
        UnreadableFileError: it is no JSON, not what was written, has a schema number of another version, or is not
            what ``model`` says.
    """
    raw, text, sealed = _read(path, model)
    schema = raw.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or not 1 <= schema <= model.SCHEMA:
        raise UnreadableFileError(path, f"schema {schema!r}; this version reads schema 1 to {model.SCHEMA}")
    if schema >= model.SEALED and not sealed:
        raise UnreadableFileError(path, f"has no {CHECKSUM}, as files of schema {schema} have; {REMEDY}")
    try:
        if schema < model.SCHEMA:
            text = json.dumps(model.upgraded(raw, schema))
        return model.model_validate_json(text)
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableFileError(path, first_problem(error)) from None


def load_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file, without its checksum.

    Raises:
        UnreadableFileError: unreadable, something else, or not what was written.
    """
    return _read(path)[0]


def _read(path: Path, model: type[Document] = Document) -> tuple[dict[str, Any], str, bool]:
    """A file's mapping without its checksum, its text as it stands, whose order a reader keeps, and whether a checksum
    was there, which then agrees."""
    try:
        if path.stat().st_size > LARGEST:
            raise UnreadableFileError(path, f"{path.stat().st_size:,} bytes; no record has more than {LARGEST:,}")
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableFileError(path, f"cannot be read as JSON: {in_a_line(error)}") from None
    if not isinstance(raw, dict):
        raise UnreadableFileError(path, "schema None: it holds no mapping")
    told = raw.pop(CHECKSUM, None)
    if told is not None and told != model.checksum_of(raw):
        raise UnreadableFileError(path, f"not what was written: its checksum differs; {REMEDY}")
    return raw, text, told is not None


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same as JSON has it, with its checksum."""
    plain = json.loads(json.dumps(content, allow_nan=False))
    return {**plain, CHECKSUM: _checksum(_canonical(plain))}


def unsealed(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """The content of a mapping whose checksum, where it has one, agrees; None where it does not."""
    content = {key: value for key, value in raw.items() if key != CHECKSUM}
    return content if raw.get(CHECKSUM) in (None, _checksum(_canonical(content))) else None


def _canonical(raw: Mapping[str, Any]) -> str:
    """One text for one JSON value, however its file is laid out."""
    return json.dumps(raw, sort_keys=True, separators=(",", ":"))


def _checksum(text: str) -> str:
    return digest_of(text.encode())


def digest_of(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; the file is never in memory as a whole.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes_atomically(path: Path, content: bytes, *, flush: bool = True) -> None:
    """Write, flush to disk, rename: a reader sees the old file or the new one, never a half."""
    # Not by the process's number: threads share it, and so do processes of containers that share a folder.
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:16]}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            if flush:
                os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """A new folder in ``parent`` for what will be called ``name``; whatever is left in it goes with the block."""
    scratch = parent / f".{name}.{uuid4().hex[:16]}.part"
    try:
        scratch.mkdir(parents=True)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def folder_written_whole(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which takes the place of ``folder`` when the block ends.

    An exception leaves what was there. So does a kill, but between two renames: then it lies whole in the scratch
    folder beside.
    """
    with scratch_folder(folder.parent, folder.name) as scratch:
        new, old = scratch / "new", scratch / "old"
        new.mkdir()
        yield new
        try:
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        except BaseException:
            if old.exists() and not folder.exists():
                old.rename(folder)
            raise


def first_problem(error: Exception) -> str:
    """What is wrong with a file, in one line."""
    if not isinstance(error, ValidationError):
        return f"not as its schema number says: {type(error).__name__} {in_a_line(error)}"
    first = error.errors(include_url=False, include_context=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    more = error.error_count() - 1
    return f"{key}: {first['msg']}" + (f" (and {more} more)" if more else "")


def in_a_line(error: Exception) -> str:
    """An error's text; an OSError's own holds the absolute path, which differs from machine to machine."""
    return str(error.strerror) if isinstance(error, OSError) else " ".join(str(error).split())
