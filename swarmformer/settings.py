"""Where data and caches live: two environment variables, nothing hidden."""

from __future__ import annotations

import os
from pathlib import Path

DATA_VARIABLE = "SWARMFORMER_DATA"
CACHE_VARIABLE = "SWARMFORMER_CACHE"


def data_dir() -> Path | None:
    """Folder of local data sets (``SWARMFORMER_DATA``), or None where it is not set."""
    value = os.environ.get(DATA_VARIABLE)
    return Path(value).expanduser() if value else None


def cache_dir() -> Path:
    """Folder of tokenised data (``SWARMFORMER_CACHE``, else ``~/.cache/swarmformer``)."""
    value = os.environ.get(CACHE_VARIABLE)
    return Path(value).expanduser() if value else Path.home() / ".cache" / "swarmformer"
