"""A vocabulary of fifteen words in the place of BERT's, and a cache of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmformer.settings import CACHE_VARIABLE, DATA_VARIABLE
from tests.data.toy_tasks import WORDS


@pytest.fixture(autouse=True)
def toy_data(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ".data"
    folder.mkdir()
    (folder / "bert-base-uncased-vocab.txt").write_text("\n".join(WORDS) + "\n")
    monkeypatch.setenv(DATA_VARIABLE, str(folder))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path_factory.getbasetemp() / "cache"))
