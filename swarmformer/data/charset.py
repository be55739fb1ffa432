"""The encoding of a text file: told by its first bytes, or by what all of it decodes as."""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO

from swarmformer.errors import DataError

logger = logging.getLogger("swarmformer.data")

UTF_8, WESTERN = "utf-8", "cp1252"
KEY = "data.task.encoding (--encoding)"
"""The option of a task, and that of commands that read a table."""
BLOCK = 1 << 20
SAMPLE = 4096
"""Bytes by which UTF-16 without a mark is known, and lines by which Western European letters are."""
MARKS = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MARKED = ("utf-16", "utf-32")
"""Cannot be read without their mark."""
OTHERS = {
    b"PK\x03\x04": "a workbook (.xlsx) or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old workbook (.xls)",
    b"\x1f\x8b": "compressed by gzip",
    b"PAR1": "parquet",
    b"%PDF": "a PDF",
    b"SQLite": "a database",
}
MOST_LETTERS = 0.4
"""Of a Western European text's letters outside ASCII; it is nearly all of them in Greek or Russian."""
IN_WORD = re.compile(r"[^\W\d_]([^\w\s])[^\W\d_]")
APOSTROPHES = "’‘´`·"


def encoding_of(path: Path, said: str = "") -> str:
    """The encoding of a text file: the one that was ``said``, by the name that Python has for it, else what is found.

    Found are UTF-8, UTF-16 and UTF-32 (by their mark; UTF-16 without one by its zeros), and Windows-1252 where
    nothing speaks against it; that one is a guess, and a warning shows what it gives.

    Raises:
        DataError: no text, another encoding than the file's mark, an unknown one, or one that cannot be told.
    """
    status = path.stat()
    found = _found(path, status.st_size, status.st_mtime_ns) if not said else ""
    return found or _said(path, said)


def _said(path: Path, said: str) -> str:
    try:
        "".encode(said)  # refuses codecs that are none of text, such as rot13
        name = codecs.lookup(said).name
    except (LookupError, UnicodeError):
        raise DataError(f"{KEY}: no encoding {said!r}; utf-8, utf-16, windows-1252, latin-1, …") from None
    with path.open("rb") as file:
        start = file.read(4)
    mark = _by_mark(start)
    name = UTF_8 if name == "utf-8-sig" else name
    if mark and name in (mark, f"{mark}-{_order(start)}"):
        return mark  # the codec that passes over the mark
    if mark:
        raise DataError(f"{path} begins with the mark of {mark}, but {KEY} is {said!r}: leave it out")
    if start and not mark and name in MARKED:
        raise DataError(f"{path} does not begin with the mark of {name}, which tells the order of its bytes: set {KEY} "
                        f"to {name}-le or {name}-be")  # fmt: skip
    return name


def _order(start: bytes) -> str:
    """Of the bytes of a character, as a mark tells it."""
    return "le" if start.startswith(codecs.BOM_UTF16_LE) else "be"


def _by_mark(start: bytes) -> str:
    return next((name for mark, name in MARKS if start.startswith(mark)), "")


@lru_cache(maxsize=64)
def _found(path: Path, size: int, changed_ns: int) -> str:
    """Size and time of change are there to notice another content."""
    with path.open("rb") as file:
        start = file.read(SAMPLE)
    for mark, kind in OTHERS.items():
        if start.startswith(mark):
            raise DataError(f"{path} is no text but {kind}: save it as CSV, JSONL or parquet, named so")
    if known := _by_mark(start) or _by_zeros(start):
        return known
    line = first_fault(path, UTF_8)
    return UTF_8 if line is None else _western(path, line)


def _by_zeros(start: bytes) -> str:
    """UTF-16 of mostly ASCII: every second byte is zero."""
    half = len(start) // 2
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if half and max(even, odd) > half / 2 and min(even, odd) < half / 20:
        return "utf-16-le" if odd > even else "utf-16-be"
    return ""


def first_fault(path: Path, encoding: str) -> int | None:
    """The line of the first byte that the encoding does not know, from 1; None where there is none."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with path.open("rb") as file:
        while True:
            block = file.read(BLOCK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return line + error.object[: error.start].count(b"\n")
            except UnicodeError:  # punycode and idna tell no place
                return line
            if not block:
                return None
            line += text.count("\n")


def _western(path: Path, line: int) -> str:
    with path.open("rb") as file:
        lines = [part for part in islice(file, line - 1, line + SAMPLE) if not part.isascii()]
    if any(b"\0" in part for part in lines):
        raise DataError(f"{path}, line {line}: no text: neither UTF-8 nor without NUL; is it a binary file?")
    try:
        texts = [part.decode(WESTERN) for part in lines]
    except UnicodeDecodeError:
        texts = []
    if not texts or not _looks_western(texts):
        raise DataError(f"{path}, line {line}: not UTF-8, and which encoding it is cannot be told: set {KEY} "
                        "(windows-1250, windows-1251, gb18030, shift_jis, …) or save the file as UTF-8")  # fmt: skip
    logger.warning("%s, line %d: not UTF-8; read as Windows-1252, which gives %r. If that is wrong, set %s or save the "
                   "file as UTF-8", path, line, _around_first(texts[0]), KEY)  # fmt: skip
    return WESTERN


def _looks_western(texts: Sequence[str]) -> bool:
    """Few letters outside ASCII, and no signs inside words (``³`` for a Polish ``ł``)."""
    text = "".join(texts)
    letters = [character for character in text if character.isalpha()]
    beyond = sum(not letter.isascii() for letter in letters)
    signs = [sign for sign in IN_WORD.findall(text) if not sign.isascii() and sign not in APOSTROPHES]
    return beyond <= MOST_LETTERS * len(letters) and len(signs) <= beyond / 10


def _around_first(text: str) -> str:
    """A few words around the first character outside ASCII."""
    place = next(place for place, character in enumerate(text) if not character.isascii())
    return text[max(0, place - 20) : place + 20].strip()


@contextmanager
def decoded(path: Path, encoding: str) -> Iterator[IO[str]]:
    """A file opened as text with its line ends as they are.

    Raises:
        DataError: a byte that the encoding does not know, with its line.
    """
    with path.open(encoding="utf-8-sig" if encoding == UTF_8 else encoding, newline="") as file:
        try:
            yield file
        except UnicodeError as error:
            why = getattr(error, "reason", error)
            raise DataError(f"{path}, line {first_fault(path, encoding)}: not {encoding}: {why}; set {KEY} or save the "
                            "file as UTF-8") from error  # fmt: skip
