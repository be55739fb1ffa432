"""The starts of a run, and what of code, machine and time its result owes to them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from swarmformer import records
from swarmformer.code import code_of, start
from swarmformer.records import CHECKPOINT, ENVIRONMENT, Environment, Start, Supplier
from swarmformer.spec import RunSpec

logger = logging.getLogger("swarmformer")
RESULT_SOURCES = tuple(Path(__file__).with_name(name) for name in ("runner.py", "outcome.py", "data.py"))
"""What of the experiments can change a result."""


def begin(folder: Path, spec: RunSpec, device: torch.device) -> list[Start]:
    """Add a start to environment.json; returns the starts that have a part in the result: since the last from nothing.

    Raises:
        UnreadableFileError: an environment.json that cannot be read; it is left alone.
    """
    path, continued = folder / ENVIRONMENT, (folder / CHECKPOINT).exists()
    before = records.load(path, Environment).starts if path.exists() else ()
    code = code_of(spec, RESULT_SOURCES)
    now = start(device, code, continued=continued).model_copy(update={"registered": _registered(folder.parent)})
    starts = (*before, now)
    records.save(path, Environment(starts=starts))
    own = list(starts[max(number for number, start in enumerate(starts) if number == 0 or not start.continued) :])
    if len({start.is_like for start in own}) > 1:
        logger.warning("continuing a run of code %s with %s", own[-2].code_revision, code.revision)
    return own


def facts_of(starts: Sequence[Start]) -> dict[str, Any]:
    """What a record says of the starts that have a part in it."""
    return {
        "code_revision": _joined([start.code_revision for start in starts]),
        "code_hash": _joined([start.code for start in starts]),
        "suppliers": _suppliers(starts),
        "device": _joined([str(start.device["name"]) for start in starts]),
        "started_at": starts[0].started_at,
        "registered": starts[0].registered,
    }


def _registered(grid: Path) -> tuple[str, ...]:
    """Of the plans that a grid has registered, those that can be read: proof that they came first, whatever the clocks
    of two machines say."""
    found = list[str]()
    with suppress(FileNotFoundError, records.UnreadableFileError):
        found.append(records.load(grid / records.REGISTERED, records.Registration).hash)
        found += [one.hash for one in records.load(grid / records.EXTENDED, records.Extensions).registrations]
    return tuple(found)


def _joined(names: Sequence[str]) -> str:
    """``old+new`` where a run was continued with other code or on another device, so that reports keep it apart."""
    return "+".join(dict.fromkeys(names))


def _suppliers(starts: Sequence[Start]) -> tuple[Supplier, ...]:
    """Those of the last start; their hashes are joined as the code is."""
    every = [supplier for start in starts for supplier in start.suppliers]
    return tuple(
        supplier.model_copy(update={"hash": _joined([one.hash for one in every if one.module == supplier.module])})
        for supplier in starts[-1].suppliers
    )
