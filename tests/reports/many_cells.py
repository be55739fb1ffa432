"""Finished grids of any size: one cell is really trained, the others are its files with numbers that are drawn.

``python -m tests.reports.many_cells GRID.yaml FOLDER --arms 500 --seeds 20`` writes one to look at or to measure.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.cells import identity, prepare
from experiments.execute.scheduler import store_plan
from experiments.plan import Cell, Plan, load_plan
from experiments.plan.registration import register
from experiments.runner import run_cell
from swarmformer import records
from swarmformer.cli.command import CommandParser
from swarmformer.scores import Tally

MEASURES = ("accuracy", "precision", "recall", "f1", "loss", "n")
EXAMPLES, LINES = 100, 60
MOST_SIZED = 250
"""Arms with sizes of their own; more of them would be deeper than anyone builds."""


def write_grid_file(path: Path, arms: int, seeds: int) -> Path:
    """A grid file; half of its arms differ in their learning rate, the others in their sizes."""
    sized = [f"  - {{name: sized{number}, variant: base+windowed, model: {{dims: {{d_model: {16 + 4 * (number % 50)}, "
             f"num_layers: {1 + number // 50}}}}}}}" for number in range(min(arms // 2, MOST_SIZED))]  # fmt: skip
    rated = [f"  - {{name: rated{number}, variant: base, train: {{lr: {(number + 1) / 1e6:.6f}}}}}"
             for number in range(arms - len(sized))]  # fmt: skip
    data = f"{{task: {{name: streams, num_train: 64, num_validation: 20, num_test: {EXAMPLES}}}}}"
    head = ["base: rated0", f"seeds: [{', '.join(map(str, range(seeds)))}]", "latency: null",
            "primary: {margin: 1.0}", f"data: {data}",
            "model: {dims: {cluster_size: 4, seq_len: 16}}",
            "train: {epochs: 2, batch_size: 32, precision: fp32}"]  # fmt: skip
    path.write_text("\n".join([*head, "arms:", *rated, *sized]) + "\n", encoding="utf-8")
    return path


@dataclass(frozen=True)
class Trained:
    """What the cell that was really trained left."""

    result: records.Result
    environment: records.Environment
    curve: list[records.CurveLine]
    predictions: records.Predictions

    @classmethod
    def read(cls, cell: Path) -> Trained:
        predictions = records.read_predictions(cell)
        assert predictions is not None
        return cls(
            records.load(cell / records.RESULT, records.Result),
            records.load(cell / records.ENVIRONMENT, records.Environment),
            records.read_curve(cell),
            predictions,
        )


def finish(grid_file: Path, folder: Path) -> Plan:
    """Register and store the plan, and write the floors and every cell as if all of it had run."""
    plan = load_plan(grid_file)
    register(plan, folder)
    store_plan(plan, folder)
    first, *others = plan.cells()
    run_cell(first.folder(folder), first.arm, first.spec, "cpu", keep_weights=False)
    trained = Trained.read(first.folder(folder))
    floor = records.Floor(name="majority", accuracy=0.1, n=EXAMPLES, split="test")
    floors = records.Floors(task=trained.result.task, data_key=trained.result.data_key, floors=(floor,))
    records.save(folder / records.FLOORS, floors)
    for number, cell in enumerate(others):
        write_like(trained, cell, folder, np.random.default_rng(number))
    return plan


def write_like(trained: Trained, cell: Cell, folder: Path, rng: np.random.Generator) -> None:
    """The files of a finished cell: those of the trained one, with answers and times of its own."""
    place, asked = cell.folder(folder), trained.predictions
    logits = rng.normal(size=asked.logits_NK.shape).astype("f4")
    logits[np.arange(len(asked.labels)), asked.labels] += rng.uniform(1, 2)
    prepare(place, cell.arm, cell.spec)
    records.save_predictions(place, records.Predictions(asked.names, asked.labels, logits))
    test = metrics(asked.labels, logits)
    own: dict[str, object] = {
        **identity(cell.arm, cell.spec),
        "metrics": trained.result.metrics.model_copy(update={"test": test}),
        "seconds": records.Seconds(train=rng.uniform(50, 60), total=rng.uniform(60, 70)),
    }
    lines = [records.TrainLine(step=step, loss=2 / step, norm=1.0, lr=0.001) for step in range(1, LINES)]
    lines += [line.model_copy(update=dict(test)) if line.kind == "test" else line for line in trained.curve]
    (place / records.CURVE).write_text("".join(line.to_line() for line in lines), encoding="utf-8")
    own["files"] = records.hashes_of(place, (records.CURVE, records.PREDICTIONS))
    records.save(place / records.ENVIRONMENT, trained.environment, flush=False)
    records.save(place / records.RESULT, trained.result.model_copy(update=own), flush=False)


def metrics(labels: np.ndarray, logits: np.ndarray) -> records.Metrics:
    tally = Tally([str(number) for number in range(logits.shape[1])])
    tally.add(labels, logits)
    scores = tally.scores()
    return records.Metrics(**{name: getattr(scores, name) for name in MEASURES})


def main(arguments: Sequence[str] | None = None) -> int:
    parser = CommandParser(description=__doc__)
    parser.add_argument("grid", type=Path, help="the grid file that is written")
    parser.add_argument("folder", type=Path, help="the grid's folder, below one for --runs")
    parser.add_argument("--arms", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args(arguments)
    finish(write_grid_file(options.grid, options.arms, options.seeds), options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
