"""Hashes of Python sources that words do not change.

Comments, docstrings, blank lines and trailing spaces are left out, so that words part no runs. What is left is hashed
as text: dumps of syntax trees and tokens of the standard library differ between versions of Python, and take seconds.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

OWN = {"swarmformer", "torch", *sys.stdlib_module_names}
"""Top-level modules that are no suppliers: this library, and what ``packages`` of an environment tells."""
INSTALLED = ("site-packages", "dist-packages")
"""Names of folders whose modules have nothing to do with each other."""

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


def suppliers_of_class(cls: type) -> list[str]:
    """Who outside of ``OWN`` supplied a class and those that it is made from, its own first: the package that each
    stands in, where it is one; a module found by its file is itself."""
    modules = [one.__module__ for one in cls.__mro__ if one.__module__.partition(".")[0] not in OWN]
    return list(dict.fromkeys(map(_top, modules)))


def _top(module: str) -> str:
    top = module.partition(".")[0]
    return top if hasattr(sys.modules.get(top), "__path__") else module


@cache
def hash_of_supplier(supplier: str) -> str:
    """Of its sources, as they were when they were first asked for; empty where it has none."""
    sources = sources_of(supplier)
    folders = [place for place in sources if place.is_dir()]
    if folders:
        return "".join(hash_of(folder.rglob("*.py"), below=folder) for folder in folders)
    return hash_of(sources, below=sources[0].parent) if sources else ""


def sources_of(supplier: str) -> list[Path]:
    """The folders of a package; of a module found by its file that file, and its helpers beside it."""
    loaded = sys.modules.get(supplier)
    if folders := getattr(loaded, "__path__", None):
        return [Path(folder) for folder in folders]
    file = getattr(loaded, "__file__", None)
    return _with_helpers(Path(file)) if file else []


def _with_helpers(file: Path) -> list[Path]:
    """A file, and those below its folder that it imports, and what these import in turn.

    Neither all that lies there, which may be somebody's home, nor all of it that is loaded: that differs between the
    processes of one grid, and their hashes must agree.
    """
    found, waiting = set[Path](), [file]
    if file.parent.name in INSTALLED:
        return [file]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(path, file.parent)
    return [file, *sorted(found - {file})]


def _imported(path: Path, folder: Path) -> Iterator[Path]:
    """The files below a folder that this one imports, wherever in it that is written."""
    for words in _imports(path, path.parent.relative_to(folder).parts):
        for depth in range(1, len(words) + 1 if words[0] not in OWN else 0):
            place = folder.joinpath(*words[:depth])
            yield from filter(Path.is_file, (place.with_name(f"{place.name}.py"), place / "__init__.py"))


def _imports(path: Path, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """What is imported, by its whole name: ``("package", "module", "name")``."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # of a file that is imported later, or never
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(name.name.split(".")) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: max(0, len(package) - node.level + 1)] if node.level else ()
            module = (*above, *(node.module.split(".") if node.module else ()))
            yield from ((*module, name.name) for name in node.names)
