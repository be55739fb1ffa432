"""The committed runs, laid out from what they were sealed into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from swarmformer.records import ARCHIVE, opened

RESULTS = Path(__file__).parents[1] / "reports" / "results"
SEALED = sorted(path.parent for path in RESULTS.glob(f"*/{ARCHIVE}"))


def runs_of(name: str) -> Path:
    """The folder of cells of a committed grid."""
    return opened(RESULTS / name)


def every(name: str) -> Iterator[Path]:
    """All files of this name of all committed grids and cells."""
    for folder in SEALED:
        yield from sorted(opened(folder).rglob(name))
