"""From what a user names to files: paths, folders, patterns, or several of them."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from swarmformer.data.tables import READERS
from swarmformer.errors import DataError
from swarmformer.settings import expanded


def located(named: str | Sequence[str], key: str) -> tuple[Path, ...]:
    """The files that are named, those of a folder or a pattern in the order of their names; none where nothing is.

    ``~`` and ``$VARIABLES`` are understood, and ``**`` in patterns.

    Args:
        key: of the option, for errors.

    Raises:
        DataError: a file that is not there, a folder or pattern without any, a file that comes twice.
    """
    names = [named] if isinstance(named, str) else list(named)
    files = [file for name in names if name for file in _files(name, key)]
    twice = [file for file, count in Counter(files).items() if count > 1]
    if twice:
        raise DataError(f"task files: {key}: {twice[0]} is named twice")
    return tuple(files)


def _files(name: str, key: str) -> Iterator[Path]:
    path = expanded(os.path.expandvars(name))
    if path.is_file():
        yield path
        return
    if path.is_dir():
        found, words = [file for file in path.iterdir() if not file.name.startswith(".")], "folder"
    elif glob.has_magic(str(path)):
        found, words = [Path(file) for file in glob.glob(str(path), recursive=True)], "pattern"
    else:
        raise DataError(f"task files: {key}: {path} not found (looked in {Path.cwd()})")
    known = sorted(file for file in found if file.is_file() and file.suffix.lower() in READERS)
    if not known:
        raise DataError(f"task files: {key}: the {words} {path} has no file ending in {', '.join(READERS)} "
                        f"(looked in {Path.cwd()})")  # fmt: skip
    yield from known
