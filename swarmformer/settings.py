"""What the environment says: where data, caches and variants live, how things are computed. Nothing else is hidden."""

from __future__ import annotations

import os
from pathlib import Path

from swarmformer.errors import SpecError

DATA_VARIABLE = "SWARMFORMER_DATA"
CACHE_VARIABLE = "SWARMFORMER_CACHE"
VARIANTS_VARIABLE = "SWARMFORMER_VARIANTS"
ATTENTION_VARIABLE = "SWARMFORMER_ATTENTION"
FAST_VARIABLE = "SWARMFORMER_FAST"


def data_dir() -> Path | None:
    """Folder of local data sets (``SWARMFORMER_DATA``), or None where it is not set."""
    value = os.environ.get(DATA_VARIABLE)
    return _expanded(value, DATA_VARIABLE) if value else None


def cache_dir() -> Path:
    """Folder of tokenised data (``SWARMFORMER_CACHE``, else ``~/.cache/swarmformer``)."""
    return _expanded(os.environ.get(CACHE_VARIABLE) or "~/.cache/swarmformer", CACHE_VARIABLE)


def _expanded(text: str, variable: str) -> Path:
    return expanded(text, f"set {variable} to a folder")


def expanded(text: str | Path, remedy: str = "write the whole path") -> Path:
    """A path with the home directory in the place of ``~`` or ``~name``.

    Raises:
        SpecError: there is none; ``remedy`` says what to do.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:  # a name that no user has, or a container without HOME whose user has no entry
        raise SpecError(f"{text}: there is no such home directory; {remedy}") from None


def variant_dirs() -> list[Path]:
    """Folders of one's own variants, factors and grids (``SWARMFORMER_VARIANTS``, separated as in ``PATH``)."""
    value = os.environ.get(VARIANTS_VARIABLE, "")
    return [_expanded(part, VARIANTS_VARIABLE) for part in value.split(os.pathsep) if part]


def attention_backend() -> str | None:
    """Name of the attention back end to use (``SWARMFORMER_ATTENTION``), or None to let each call choose."""
    return os.environ.get(ATTENTION_VARIABLE) or None


def fast_paths() -> bool:
    """Whether fast paths may be taken (``SWARMFORMER_FAST``, 1 or 0; else yes).

    Raises:
        SpecError: it is set to anything else.
    """
    value = os.environ.get(FAST_VARIABLE) or "1"
    if value not in ("0", "1"):
        raise SpecError(f"{FAST_VARIABLE} = {value!r}; use 1 for the fast paths or 0 for their plain twins")
    return value == "1"
