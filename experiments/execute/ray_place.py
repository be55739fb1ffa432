"""Where Ray runs a job: an actor with our local executor, and what travels of a streamed cell. Imports no Ray."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from swarmformer.records import (
    CHECKPOINT,
    CONFIG,
    CURVE,
    ENVIRONMENT,
    FAILURE,
    LOG,
    OUTPUT,
    PROGRESS,
    RESULT,
    TRIAL,
    write_bytes_atomically,
)

from ..owner import LOCK, OWNER, Hold
from . import Job
from .local import Local
from .supervise import signature

ENDS = (TRIAL, FAILURE, RESULT)
"""What says how a cell ended: these come last, and only once its process is over."""
Files = dict[str, bytes]


class Place:
    """In a process of Ray's: a local executor for one job at a time. No method waits for a job."""

    def __init__(self, device: str, threads: int, folder: str) -> None:
        if Path(folder).is_dir():
            os.chdir(folder)
        vars(sys.modules["__main__"]).pop("__file__", None)  # else every fork would import Ray's own main module
        self.local = Local(1, device, threads)
        self.scratch: Path | None = None
        self.sent: dict[str, tuple[int, int] | None] = {}

    def start(self, module: str, arguments: tuple[str, ...], output: str, cell: str, files: Files | None) -> None:
        """Begin a job; with ``files``, on a copy of its cell."""
        self._clear()
        if files is not None:
            self.scratch = Path(tempfile.mkdtemp(prefix="swarmformer-")) / Path(cell).name
            for name, content in files.items():
                (self.scratch / name).parent.mkdir(parents=True, exist_ok=True)
                (self.scratch / name).write_bytes(content)
            self.sent = {name: signature(self.scratch / name) for name in files}
            arguments = tuple(str(self.scratch) if word == cell else word for word in arguments)
            output = str(self.scratch / Path(output).name)
        self.local.submit(Job("", module, arguments, Path(output)))

    def look(self) -> tuple[int | None, Files]:
        """Exit status of the job once it has ended, and the files that it wrote since the last look."""
        status = next(iter(self.local.ended().values()), None)
        files = {} if self.scratch is None else self._written(self.scratch, status is not None)
        if status is not None:
            self._clear()
        return status, files

    def stop(self) -> None:
        """End the job; it keeps its checkpoint, a copy of a cell what has been sent of it."""
        self.local.cancel()
        self._clear()

    def _clear(self) -> None:
        """Leave nothing of a copy on the node."""
        if self.scratch is not None:
            shutil.rmtree(self.scratch.parent, ignore_errors=True)
        self.scratch, self.sent = None, {}

    def _written(self, scratch: Path, over: bool) -> Files:
        # The checkpoint first: a curve that is longer than it is cut, one that is shorter has a hole.
        names = [CHECKPOINT, *(path.relative_to(scratch).as_posix() for path in scratch.rglob("*") if path.is_file())]
        found = Files()
        for name in dict.fromkeys(names):
            path = scratch / name
            if path.name.startswith(".") or name in (LOCK, OWNER) or (name in ENDS and not over):
                continue
            with suppress(FileNotFoundError):  # a cell that ends removes its checkpoint
                if (now := signature(path)) != self.sent.get(name):
                    found[name], self.sent[name] = path.read_bytes(), now
        return found


def files_of(folder: Path) -> Files:
    """What a cell goes on from; of sacred's records of former starts what makes it number the next one."""
    wanted = [CONFIG, ENVIRONMENT, CHECKPOINT, CURVE, LOG, OUTPUT]
    wanted += [path.relative_to(folder).as_posix() for path in folder.glob("sacred/*/run.json")]
    return {name: (folder / name).read_bytes() for name in wanted if (folder / name).exists()}


def write_files(hold: Hold, files: Files) -> None:
    """Of a streamed cell, what has come: the checkpoint behind its curve, how it ended last."""
    for name in sorted(files, key=lambda name: (name in ENDS, name == CHECKPOINT)):
        (hold.folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name in ENDS:
            hold.check()
        write_bytes_atomically(hold.folder / name, files[name], flush=name in (*ENDS, CHECKPOINT))
    if any(name in files for name in (RESULT, TRIAL)):
        for name in (CHECKPOINT, PROGRESS):
            (hold.folder / name).unlink(missing_ok=True)
