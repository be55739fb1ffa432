"""What the commands that measure cost do alike: check their keys, measure into a folder of their own, leave costs.json.

costs.json    what was asked, code, packages and machine, limits, rows, and what is missing with its reason
sacred/       sacred's record, from before anything is measured
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import torch

from swarmformer.code import library_code, start
from swarmformer.contracts import Strict
from swarmformer.cost.machine import Limits
from swarmformer.cost.timing import torch_threads
from swarmformer.environment import describe_machine, device_name, resolve_device
from swarmformer.errors import SpecError
from swarmformer.merge import nest
from swarmformer.records import COSTS, FIGURES, GPU, LimitsOf, MeasuredCosts, save
from swarmformer.records.costs import highest

from ..cells import CellError
from ..settings import check_keys, defaults_of
from ..store import Config


class Measuring(Protocol):
    """What a command measures: ``run`` measures, and fills ``limits`` by threads and precision."""

    threads: int
    limits: dict[tuple[int, str], Limits]

    def run(self) -> None: ...

    def record(self, **head: Any) -> MeasuredCosts:
        """What was measured; ``head``: the fields of ``MeasuredCosts`` but for what is missing."""


@dataclass(frozen=True)
class CostCommand:
    """A command's keys, and how what it measures is made of them, of the patch of its sections and of the device."""

    settings: type[Strict]
    sections: tuple[str, ...]
    lists: tuple[str, ...]
    make: Callable[[Any, Config, torch.device], Measuring]

    @property
    def defaults(self) -> Config:
        return defaults_of(self.settings, self.sections)

    def resolve(self, config: Config) -> Config:
        """The configuration checked: every variant can be read, and the folder is free."""
        asked, folder = self._checked(config), new_folder(config["runs"], config["name"])
        self._made(asked)
        return {**asked, "folder": str(folder)}

    def _checked(self, config: Config) -> Config:
        # Sacred keeps what the command line said, lists in a shell's words among it.
        settings = check_keys(config, self.settings, self.sections, self.lists)
        return {**settings.model_dump(), **nest({key: config[key] for key in self.sections})}

    def _made(self, asked: Config) -> Measuring:
        patch = {section: asked[section] for section in self.sections}
        settings = self.settings(**{key: asked[key] for key in self.settings.model_fields})
        return self.make(settings, patch, resolve_device(asked["device"]))

    def measure(self, config: Config) -> Path:
        """Measure what a resolved configuration asks for; the file that was written."""
        asked = self._checked({key: config[key] for key in self.defaults})
        device, folder, measuring = resolve_device(asked["device"]), Path(config["folder"]), self._made(asked)
        with torch_threads(measuring.threads):
            begun = begin(folder, asked, device)
            measuring.run()
            return _write(folder / COSTS, measuring, device, begun)


def free_name(runs: str, stem: str) -> str:
    """The first of ``stem-1``, ``stem-2``, … that nothing in ``runs`` is called."""
    return next(name for name in (f"{stem}-{number}" for number in count(1)) if not (Path(runs) / name).exists())


def sacred_words(words: Sequence[str], *fixed: str) -> list[str]:
    """A command line as sacred reads it: commands, then ``with``, what is ``fixed``, and every ``name=value``."""
    commands = [word for word in words if "=" not in word and word != "with"]
    return [*commands, "with", *fixed, *(word for word in words if "=" in word)]


def new_folder(runs: str, name: str) -> Path:
    """``runs/name``, which must hold no measurement yet.

    Raises:
        SpecError: it does, or the name is no plain name.
    """
    if not name or name != os.path.basename(name) or name.startswith("."):
        raise SpecError(f"command line: name: {name!r} must be the plain name of a folder")
    folder = Path(runs) / name
    if any((folder / file).exists() for file in (COSTS, FIGURES, GPU)):
        raise SpecError(f"{folder} holds a measurement already; choose another name=…, or move it away")
    return folder


def begin(folder: Path, settings: Config, device: torch.device) -> dict[str, Any]:
    """Make the folder; the fields of ``Measurement``: what was asked, and on what, before anything is measured."""
    folder.mkdir(parents=True, exist_ok=True)
    return {"settings": settings, "start": start(device, library_code())}


def _write(path: Path, measuring: Measuring, device: torch.device, begun: Mapping[str, Any]) -> Path:
    """The outcome, the highest limits at the top as well."""
    if path.exists():
        raise CellError(f"{path.parent}: {path.name} appeared while measuring; nothing was overwritten")
    limits = {key: found.record() for key, found in measuring.limits.items()}
    record = measuring.record(
        **begun,
        machine=describe_machine(),
        device=device_name(device),
        threads=measuring.threads,
        limits=highest(limits.values()),
        limits_by=tuple(
            LimitsOf(threads=n, measured_for=word, **found.model_dump()) for (n, word), found in limits.items()
        ),
    )
    save(path, record)
    return path
