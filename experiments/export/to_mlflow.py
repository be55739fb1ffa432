"""A folder with an MLflow database: ``mlflow ui --backend-store-uri sqlite:///DIR/mlflow.db``.

A grid is an experiment, a cell a run: options are parameters, the curve metrics by step, facts tags. ``result/…`` is
there for completed runs alone. Which cell is which run stands in tags, so that a second export finds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would ask the network, and tell it what was called

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from ..status import Status
from .runs import Run

DATABASE = "mlflow.db"
PLACE, DIGEST = "swarmformer.cell", "swarmformer.digest"
ENDS = {
    Status.COMPLETED: "FINISHED", Status.FAILED: "FAILED", Status.UNREADABLE: "FAILED", Status.INTERRUPTED: "KILLED",
}  # fmt: skip
"""What is not among them still runs."""
AT_ONCE = 100
"""Parameters that MLflow takes in one call; it would take more metrics."""
OneT = TypeVar("OneT")


def export(run: Run, out: Path) -> bool:
    """Write a run unless it is there as it should be; whether it was written.

    One that has changed takes the place of the one before, which MLflow keeps as deleted until ``mlflow gc``.
    """
    client = MlflowClient(f"sqlite:///{(out / DATABASE).resolve()}")
    experiment = _experiment(client, run.grid, out)
    for before in client.search_runs([experiment], f"tags.`{PLACE}` = '{run.place}'"):
        if before.data.tags.get(DIGEST) == run.digest:
            return False
        client.delete_run(before.info.run_id)
    begun = round(1000 * run.started_s)
    facts = {PLACE: run.place, **run.facts}
    name = client.create_run(experiment, begun, facts, run.place).info.run_id
    for options in _parts([Param(key, str(value)) for key, value in run.options.items()]):
        client.log_batch(name, params=options)
    for metrics in _parts([Metric(key, value, begun, step) for key, value, step in _metrics(run)]):
        client.log_batch(name, metrics=metrics)
    client.set_tag(name, DIGEST, run.digest)  # last: a run without it was not written whole
    if run.status in ENDS:
        client.set_terminated(name, ENDS[run.status], begun + round(1000 * run.seconds))
    return True


def _experiment(client: MlflowClient, grid: str, out: Path) -> str:
    found = client.get_experiment_by_name(grid)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(grid, (out / "artifacts" / grid).resolve().as_uri()))


def _metrics(run: Run) -> Iterator[tuple[str, float, int]]:
    for step, values in run.curve:
        yield from ((name, value, step) for name, value in values.items())
    last = run.curve[-1][0] if run.curve else 0
    yield from ((f"result/{name}", value, last) for name, value in run.results.items())


def _parts(whole: Sequence[OneT]) -> Iterator[Sequence[OneT]]:
    return (whole[start : start + AT_ONCE] for start in range(0, len(whole), AT_ONCE))
