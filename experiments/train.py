"""Train one variant: ``swarmformer train with variant=original_small data.task=imdb seed=0``.

Keys: variant, seed, device (auto, cpu, cuda, cuda:1), runs (folder), threads (0 = all cores, or OMP_NUM_THREADS),
keep_weights, retry (sets a failure of this run aside), and any key below model, data and train. ``print_config`` in
place of ``with`` shows the resolved configuration. The run is kept in ``<runs>/<cell>/`` and continued if it was
stopped; its model is in ``model/`` there, ready for ``swarmformer predict <runs>/<cell>``, unless keep_weights is
false.

On several GPUs ``torchrun --nproc-per-node 2 -m swarmformer train with …`` trains it by as many processes, each
with its share of every batch.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from swarmformer.cli.command import assignments, command_parser
from swarmformer.contracts import Strict
from swarmformer.environment import resolve_device, use_threads
from swarmformer.errors import SpecError
from swarmformer.merge import nest
from swarmformer.rehearsal import rehearse
from swarmformer.spec import RunSpec, Seed
from swarmformer.training.ranks import Ranks, joined
from swarmformer.variants import SECTIONS, resolve_run

from .cells import CONFIG, cell_folder
from .execute.failures import set_failure_aside
from .plan.data import read_own
from .progress import logged_exit_status
from .runner import assist, run_cell
from .settings import check_keys, defaults_of
from .store import Config, make_experiment, run_command_line
from .watch import Watch

logger = logging.getLogger("swarmformer")


class Settings(Strict):
    """The keys that are no section."""

    variant: str = "base"
    seed: Seed = 0
    device: str = "auto"
    runs: str = "runs/train"
    threads: int = Field(0, ge=0)
    keep_weights: bool = True
    retry: bool = False


def resolve(config: Config) -> Config:
    """The configuration with every option filled in, its run key and its folder."""
    settings = check_keys(config, Settings, SECTIONS)
    resolve_device(settings.device)
    patch = nest({key: config[key] for key in SECTIONS})
    spec = resolve_run(settings.variant, [(patch, "command line")], seed=settings.seed)
    rehearse(spec)
    folder = cell_folder(Path(settings.runs), settings.variant, spec)
    if not (folder / CONFIG).exists():  # a fault of own files is found before there is a run to be set aside
        for words in (*spec.idle(), *read_own(spec).warnings):
            logger.warning("%s", words)
    return {**spec.to_dict(), "run_key": spec.run_key, "folder": str(folder)}


def train_by(config: Config, ranks: Ranks) -> dict[str, Any] | None:
    spec = RunSpec.from_dict({key: config[key] for key in ("variant", "seed", *SECTIONS)})
    if spec.run_key != config["run_key"]:
        raise SpecError(f"the configuration changed after it was resolved ({config['run_key']} → {spec.run_key})")
    use_threads(config["threads"])
    folder, device = Path(config["folder"]), ranks.device(config["device"])
    if not ranks.first:
        assist(folder, spec, device, ranks)
        return None
    if config["retry"] and set_failure_aside(folder):
        print(f"set aside what failed before in {folder}")
    with Watch() as watch:
        watch.begin(folder.name, config["variant"], folder)
        result = run_cell(folder, config["variant"], spec, device, config["keep_weights"], ranks)
    print(f"{'finished before' if result is None else 'finished'}: {folder / 'result.json'}")
    return None if result is None else result.metrics.model_dump()


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: ``swarmformer train``."""
    parser = command_parser("train", __doc__)

    def run() -> None:
        words = assignments(parser, arguments, "with variant=base data.task=listops")
        with joined() as ranks:
            if not ranks.first:  # what all have to say, the first says
                logging.getLogger("swarmformer").setLevel(logging.WARNING)

            def main(_config: Config, model: Config, data: Config, train: Config) -> dict[str, Any] | None:
                return train_by(_config, ranks)

            experiment = make_experiment("train", defaults_of(Settings, SECTIONS), resolve, main)
            run_command_line(experiment, words, recorded=ranks.first)

    return logged_exit_status(run, "stopped; the same command goes on from the last checkpoint")


if __name__ == "__main__":
    sys.exit(main())
