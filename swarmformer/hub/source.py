"""Where a model is: a folder, a file, the folder of a run, or a repository of the hub."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from swarmformer.errors import SpecError, listed
from swarmformer.hub.text import TOKENIZER
from swarmformer.hub.weights import PICKLED, PICKLES, WEIGHTS
from swarmformer.records import RESULT
from swarmformer.settings import expanded

logger = logging.getLogger("swarmformer.hub")
CONFIG = "config.json"
CARD = "README.md"
FILES = (WEIGHTS, CONFIG, TOKENIZER, CARD)
EXPORT = "export.json"
"""What ``swarmformer.export`` writes beside what it made."""
OF_AN_EXPORT = ("which is an export for programs without swarmformer: name the model that it was made of, or export "
                "that with --format safetensors")  # fmt: skip
KEPT = "model"
"""Where a run keeps its model, in its own folder."""
PATIENCE_S = 0.7
PATIENCE_VARIABLE = "HF_HUB_ETAG_TIMEOUT"
"""Of huggingface_hub: how long to wait for the hub; here for a connection too, where it is set."""


def weights_file(source: str | Path, revision: str | None = None) -> Path:
    """The weights of a model; the other files lie beside them.

    Args:
        source: a folder, a file in it, the folder of a run that kept its model, or ``owner/name`` on the hub.
        revision: branch, tag or commit on the hub.

    Raises:
        SpecError: there is nothing of the kind; says what to do.
    """
    path = expanded(source)
    if path.is_dir():
        return _in_folder(path)
    if path.name != WEIGHTS and path.with_name(EXPORT).is_file():
        raise SpecError(f"{path}: {OF_AN_EXPORT}")
    return path if path.is_file() else _downloaded(str(source), revision) / WEIGHTS


def _in_folder(folder: Path) -> Path:
    for place in (folder, folder / KEPT):
        if (place / WEIGHTS).is_file():
            return place / WEIGHTS
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    if pickles:
        raise SpecError(f"{folder / pickles[0]}: {PICKLED} as {WEIGHTS}")
    raise SpecError(f"{folder}: no {WEIGHTS} in this folder{_hint(folder)}")


def _hint(folder: Path) -> str:
    """What to name instead of a folder that is no model, or how to come by one."""
    if (folder / EXPORT).is_file():
        return f", {OF_AN_EXPORT}"
    if (folder / RESULT).is_file():
        return ("; the run kept none: move its result.json away and train again with keep_weights=true, in a grid file "
                "keep_weights: true")  # fmt: skip
    below = [path for depth in ("*", "*/*") for path in sorted(folder.glob(depth)) if path.name != KEPT]
    if kept := [path for path in below if (path / KEPT / WEIGHTS).is_file()]:
        return f", but in runs below it: name one, {listed(kept, most=3)}"
    if any((path / RESULT).is_file() for path in below):
        return ("; it is a folder of runs, none of which kept its model: write keep_weights: best into a grid file "
                "before it is run, or train one model with swarmformer train")  # fmt: skip
    return ""


def _downloaded(repository: str, revision: str | None) -> Path:
    """The folder of a repository in the hub's cache, asked for anew where the hub can be reached."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError

    offline = bool(constants.HF_HUB_OFFLINE)
    missing = f"{repository!r} is no local folder or file, and cannot be had from the hub"
    try:
        local = offline or not _reachable(constants.ENDPOINT)
        asked: dict[str, Any] = {"allow_patterns": list(FILES), "local_files_only": local}
        folder = Path(snapshot_download(repository, revision=revision, **asked))
    except Exception as error:  # the hub's client fails in many ways
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, HFValidationError):
            raise SpecError(f"{missing}: {why}") from None
        words = "HF_HUB_OFFLINE is set" if offline else f"{constants.ENDPOINT} does not answer" if local else why
        raise SpecError(
            f"{missing}: {words}. With a network: hf download {repository}, or copy the folder with {WEIGHTS} here and "
            f"name it; {PATIENCE_VARIABLE}=10 waits longer for the hub"
        ) from None
    if not (folder / WEIGHTS).is_file():
        raise SpecError(f"{repository!r} on the hub has no {WEIGHTS}: {_others(folder)}")
    return folder


def _others(folder: Path) -> str:
    return f"its files are {', '.join(sorted(path.name for path in folder.iterdir())) or 'none that are known here'}"


def _reachable(endpoint: str) -> bool:
    """Whether the hub, or the proxy before it, takes a connection within a moment.

    The hub's own client tries again and again: half a minute without a network. A name server that does not answer
    cannot be interrupted, so it is asked in a thread.
    """
    parts = urlsplit(endpoint)
    proxies = {} if proxy_bypass(parts.hostname or "") else getproxies()
    asked = urlsplit(proxies[parts.scheme]) if parts.scheme in proxies else parts
    place = asked.hostname or "", asked.port or (80 if asked.scheme == "http" else 443)
    patience = float(os.environ.get(PATIENCE_VARIABLE) or PATIENCE_S)
    found: list[bool] = []

    def connect() -> None:
        try:
            socket.create_connection(place, timeout=patience).close()
            found.append(True)
        except OSError as error:
            logger.debug("%s: %s", endpoint, error)

    thread = Thread(target=connect, daemon=True)
    thread.start()
    thread.join(patience)
    return bool(found)
