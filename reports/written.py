"""Files that are written together: aside first, so that a full disk leaves what was there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from swarmformer.records import scratch_folder

from .errors import ReportError


def write_together(out: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files`` (path below ``out``, with slashes → content); others that are there stay.

    All are written aside and flushed before the first is renamed. Raises ReportError where one cannot
    be; ``out`` is as it was then, unless renaming itself failed midway.
    """
    if out.exists() and not out.is_dir():
        raise ReportError(f"{out}: not a folder. Name a new one, or one that is there, with --out.")
    # Within the folder where it is there: what is beside it may be another disk, or not ours.
    parent = out if out.is_dir() else out.parent
    try:
        with scratch_folder(parent, out.name) as scratch:
            for name, content in files.items():
                (scratch / name).parent.mkdir(parents=True, exist_ok=True)
                with (scratch / name).open("wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
            for name in files:
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                (scratch / name).replace(out / name)
    except OSError as error:
        raise ReportError(f"{out}: cannot be written: {error.strerror}; what was there is left. Make room, or name "
                          "another folder with --out.") from error  # fmt: skip
