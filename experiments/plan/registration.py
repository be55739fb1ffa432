"""The registered plan: ``registered.json`` says what was planned before the first run, and is not changed afterwards.

``plan`` and ``run`` write it. As long as no cell has started it follows the grid file; from then on it stays as it is,
so that a report can say whether the runs followed it.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from swarmformer.environment import code_revision

from ..cells import read_json, write_json
from ..plan import Plan

logger = logging.getLogger("swarmformer.grid")
NAME = "registered.json"


def register(plan: Plan, folder: Path) -> str:
    """Register a plan in its grid's folder, unless a cell has started there; returns the registered hash.

    Raises:
        CellError: a registered.json that cannot be read; it is left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content, path = plan.to_dict(), folder / NAME
    with FileLock(folder / "plan.lock"):
        found = str(read_json(path).get("hash", "")) if path.exists() else None
        if found is not None and found == content["hash"]:
            return found
        if found is not None and _has_started(folder):
            logger.warning("runs have started under the plan registered as %s, so the changed plan is not "
                           "registered; reports will say so", found[:12])  # fmt: skip
            return found
        now = datetime.now(UTC).isoformat(timespec="seconds")
        record = {"hash": content["hash"], "registered_at": now, "code_revision": code_revision(), "plan": content}
        write_json(path, record)
    return str(content["hash"])


def _has_started(folder: Path) -> bool:
    return any(folder.glob("*/config.json"))
