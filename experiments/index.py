"""What finished cells said when they were last read, kept in their grid's folder. Imports no torch.

It is a cache and nothing else. A cell counts as known only while its file is the one that was read: same inode, size
and times, which no write leaves as they were. Anything else, a cell that is not finished above all, is read from its
own files. An index that is missing, damaged or of another version is made anew; drivers that share a folder replace
each other's whole, and what one of them lost is read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from swarmformer import records
from swarmformer.records import RESULT, TRIAL, UnreadableFileError, write_bytes_atomically

from .status import Status, done_of, glance

INDEX = ".index.json"
SETTLED_S = 2.0
"""A file that changed less long ago may change again without another time: clocks of file systems are coarse."""
Signature = tuple[int, int, int, int]


class Done(NamedTuple):
    """What a finished cell said. ``signature``: of its file; ``seconds``: all that it took; ``data_key``: as in it."""

    signature: Signature
    seconds: float
    data_key: str


ENTRIES = TypeAdapter(dict[str, Done])


class Index:
    """Looks at the cells of a grid's folder; ``keep`` writes what was found where it is new."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.read = folder, 0
        """How many finished cells had to be read."""
        self._done = _stored(folder / INDEX)
        self._changed = False

    def look(self, place: Path) -> tuple[Status, str, Done | None]:
        """Status, cause, and what it said if it is finished, of a cell somewhere below the folder."""
        if (known := self._known(place)) is not None:
            return Status.COMPLETED, "", known
        if (before := _signature(place)) is None:
            return *glance(place), None
        try:
            document = done_of(place)
        except UnreadableFileError as error:
            return Status.UNREADABLE, str(error), None
        if document is None:  # moved away meanwhile
            return *glance(place), None
        self.read += 1
        done = Done(before, document.seconds.total, document.data_key)
        if before == _signature(place) and time.time() - max(before[2:]) / 1e9 > SETTLED_S:
            self._done[self._name(place)] = done
            self._changed = True
        return Status.COMPLETED, "", done

    def glance(self, place: Path) -> tuple[Status, str]:
        """As ``status.glance``."""
        return self.look(place)[:2]

    def keep(self) -> None:
        """Write the index; a folder that cannot be written to goes without."""
        if self._changed:
            content = {"reader": _reader(), "done": self._done}
            with suppress(OSError):
                write_bytes_atomically(self.folder / INDEX, json.dumps(content).encode(), flush=False)
                self._changed = False

    def _name(self, place: Path) -> str:
        return place.relative_to(self.folder).as_posix()

    def _known(self, place: Path) -> Done | None:
        known = self._done.get(self._name(place))
        return known if known is not None and known.signature == _signature(place) else None


def _signature(place: Path) -> Signature | None:
    """Of the mark of completion that counts: a result before a trial."""
    for name in (RESULT, TRIAL):
        with suppress(OSError):
            found = os.stat(place / name)
            return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    return None


def _stored(path: Path) -> dict[str, Done]:
    with suppress(OSError, ValueError, RecursionError, ValidationError):
        content = json.loads(path.read_bytes())
        if isinstance(content, dict) and content.get("reader") == _reader():
            return ENTRIES.validate_python(content.get("done"))
    return {}


@cache
def _reader() -> str:
    """Hash of what judges a file: another version may find one unreadable that this one could read, or the reverse."""
    sources = (*sorted(Path(records.__file__).parent.iterdir()), Path(__file__).with_name("status.py"), Path(__file__))
    digest = hashlib.sha256()
    for path in sources:
        if path.suffix in (".py", ".yaml"):
            digest.update(path.read_bytes())
    return digest.hexdigest()
