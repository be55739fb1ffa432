"""A Ray cluster: how it is reached, and what its nodes have room for."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import Any

from pydantic import Field

from swarmformer.contracts import Strict
from swarmformer.errors import SpecError
from swarmformer.extras import require


class Options(Strict):
    """Where the cluster is and what a cell gets of it."""

    address: str = Field("", description="of a cluster: auto, or HOST:PORT; one is started here unless given")
    cpus: float | None = Field(None, gt=0, description="of a cell; as many as it has threads unless given")
    gpus: float | None = Field(None, ge=0, description="of a cell, 0.25 shares one among four; 1 where there are any")
    stream: bool = Field(False, description="nodes share no disk: files come through the object store")
    retries: int = Field(5, ge=0, description="of a cell whose worker or node is lost")


def connected(said: Options) -> Any:
    """Ray, connected to the cluster; one is started here where no address is given."""
    require("ray", "ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if not ray.is_initialized():
        here: dict[str, Any] = {} if said.address else {"include_dashboard": False}
        ours = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(address=said.address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise SpecError(f"executor 'ray': no cluster at {said.address!r}: {error}") from None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ours)  # Ray's own ends the program before the grid has stopped its cells
    return ray


def cpus_of(ray: Any, said: Options, threads: int) -> float:
    """Of a cell; a measurement by all threads that there are has the largest node for itself."""
    if not threads:
        return max(1.0, *(node.get("CPU", 0.0) for node in _nodes(ray)))
    return said.cpus or threads


def _nodes(ray: Any) -> list[dict[str, float]]:
    """What each has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def gpus_of(ray: Any, said: Options, device: str) -> float:
    if said.gpus is not None or device == "cpu":
        return said.gpus or 0.0
    return 1.0 if ray.cluster_resources().get("GPU") else 0.0


def room(ray: Any, cpus: float, gpus: float) -> int:
    """Places that all nodes have room for; a share of a GPU is of one GPU."""
    found = 0
    for node in _nodes(ray):
        fit = int(node.get("CPU", 0) / cpus)
        if gpus:
            fit = min(fit, int(node.get("GPU", 0)) * int(1 / gpus) if gpus < 1 else int(node.get("GPU", 0) / gpus))
        found += fit
    return found
