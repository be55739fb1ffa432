"""Hashes of Python sources that words do not change.

Comments, docstrings, blank lines and trailing spaces are left out, so that words part no runs. What is left is hashed
as text: dumps of syntax trees and tokens of the standard library differ between versions of Python, and take seconds.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

OWN = {"swarmformer", "torch", *sys.stdlib_module_names}
"""Top-level modules that are no suppliers: this library, and what ``packages`` of an environment tells."""

_TOKEN = re.compile(
    r"""(?P<string>(?:\b[rRbBfFuU]{1,2})?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}
        |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))|(?P<comment>\#[^\n]*)|(?P<open>[(\[{])|(?P<close>[)\]}])""",
    re.DOTALL | re.VERBOSE,
)


def hash_of(files: Iterable[Path], below: Path | None = None) -> str:
    """Over the names of files (their paths below a folder, where it is given) and what they do."""
    named = {(path.relative_to(below).as_posix() if below else path.name): path for path in files}
    return short_hash("\0".join(f"{name}\0{without_words(named[name].read_text('utf-8'))}" for name in sorted(named)))


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def without_words(source: str) -> str:
    """Python source without what cannot change its arithmetic."""
    kept, depth, end = [], 0, 0
    for token in _TOKEN.finditer(source):
        kept.append(source[end : token.start()])
        end = token.end()
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        statement = token.lastgroup == "string" and depth == 0 and _stands_alone(source, token)
        if token.lastgroup != "comment" and not statement:
            kept.append(token[0].replace("\n", "\0"))  # blank lines of a text belong to it
    lines = ("".join(kept) + source[end:]).splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _stands_alone(source: str, token: re.Match[str]) -> bool:
    """Whether a string outside brackets is a statement: a docstring, or the words below an attribute."""
    before = source[: token.start()].rstrip(" \t")
    after = source[token.end() :].split("\n", 1)[0].strip()
    return before[-1:] in ("\n", "") and not before.endswith("\\\n") and (not after or after.startswith("#"))


def modules_of(cls: type) -> list[str]:
    """The modules outside of ``OWN`` that a class and those that it is made from stand in, its own first."""
    found = [one.__module__ for one in cls.__mro__]
    return [module for module in dict.fromkeys(found) if module.partition(".")[0] not in OWN]


@cache
def hash_of_module(module: str) -> str:
    """Of its file, as it was when it was first asked for; empty where it has none."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return hash_of([Path(file)]) if file else ""
