"""Writing the page into a folder in such a way that nothing of anyone else is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter

from ..errors import ReportError
from ..written import write_together

MARK = "swarmformer-page.json"
"""Lists the files that belong to the page. A folder without it is not ours."""


def write_site(out: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files`` (path below ``out``, with slashes → content), and remove what a former page left.

    Files that no page wrote are kept. Raises ReportError, before anything is written, where ``out`` is not a folder,
    is not empty and holds no page of ours, or has a file of another's where one of ours would go.
    """
    former = _former(out)
    taken = [name for name in files if name not in former and (out / name).exists()]
    if taken:
        raise ReportError(f"{out}: {taken[0]} is not of a former page. Move it away, or name another --out.")
    # The mark comes first, so that a run that is cut short can be repeated.
    write_together(out, {MARK: _mark({*former, *files}), **files})
    for name in sorted(former - files.keys()):
        (out / name).unlink(missing_ok=True)
    write_together(out, {MARK: _mark(set(files))})


def _former(out: Path) -> set[str]:
    """What the mark lists; nothing of a folder that is empty or not there."""
    mark, where = out / MARK, out.resolve()
    if not mark.is_file():
        if out.exists() and not out.is_dir():
            raise ReportError(f"{out}: not a folder. Name a new or an empty one with --out.")
        if out.exists() and any(out.iterdir()):
            raise ReportError(f"{out}: not empty, and not a page of ours ({MARK} is missing). Name another with --out.")
        return set()
    try:
        names = TypeAdapter(list[str]).validate_python(json.loads(mark.read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{mark}: cannot be read ({error}). Name another folder with --out.") from error
    if not all((where / name).resolve().is_relative_to(where) for name in names):
        raise ReportError(f"{mark}: names files outside its folder. Name another folder with --out.")
    return set(names)


def _mark(names: set[str]) -> bytes:
    text = json.dumps({"about": "swarmformer page wrote these files", "files": sorted(names)}, indent=1)
    return (text + "\n").encode()
