"""Where a number comes from, as short names that a link can carry."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


class Sources:
    """Lists of sources, each under a digest of its content: the same list has the same name in every page."""

    def __init__(self) -> None:
        self._lists: dict[str, tuple[str, ...]] = {}

    def name(self, sources: Iterable[str]) -> str:
        """The name of this list of sources; empty for an empty list."""
        listed = tuple(dict.fromkeys(sources))
        if not listed:
            return ""
        name = hashlib.sha256("\n".join(listed).encode("utf-8", "surrogatepass")).hexdigest()[:12]
        self._lists[name] = listed
        return name

    def listed(self) -> dict[str, list[str]]:
        """Name → sources, of all lists that were named."""
        return {name: list(self._lists[name]) for name in sorted(self._lists)}
