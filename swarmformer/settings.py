"""What the environment says: where data and caches live, how attention is computed. Nothing else is hidden there."""

from __future__ import annotations

import os
from pathlib import Path

DATA_VARIABLE = "SWARMFORMER_DATA"
CACHE_VARIABLE = "SWARMFORMER_CACHE"
ATTENTION_VARIABLE = "SWARMFORMER_ATTENTION"


def data_dir() -> Path | None:
    """Folder of local data sets (``SWARMFORMER_DATA``), or None where it is not set."""
    value = os.environ.get(DATA_VARIABLE)
    return Path(value).expanduser() if value else None


def cache_dir() -> Path:
    """Folder of tokenised data (``SWARMFORMER_CACHE``, else ``~/.cache/swarmformer``)."""
    value = os.environ.get(CACHE_VARIABLE)
    return Path(value).expanduser() if value else Path.home() / ".cache" / "swarmformer"


def attention_backend() -> str | None:
    """Name of the attention back end to use (``SWARMFORMER_ATTENTION``), or None to let each call choose."""
    return os.environ.get(ATTENTION_VARIABLE) or None
