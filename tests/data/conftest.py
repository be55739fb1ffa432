"""A small task, a private cache, and the real data where it is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from swarmformer.settings import CACHE_VARIABLE, data_dir
from tests.data.toy_tasks import WORDS, Toy


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private cache folder."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def vocabulary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a small vocabulary in the place of BERT's."""
    path = tmp_path / "data" / "bert-base-uncased-vocab.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(WORDS) + "\n")
    monkeypatch.setenv("SWARMFORMER_DATA", str(path.parent))
    return path


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """Path of a real data file; the test is skipped where it is missing."""

    def find(name: str) -> Path:
        folder = data_dir()
        if folder is None or not (folder / name).exists():
            pytest.skip(f"needs {name} under SWARMFORMER_DATA")
        return folder / name

    return find
