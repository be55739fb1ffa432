"""DataSpec: the section ``data``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from swarmformer.contracts import Strict
from swarmformer.data.cut import Where
from swarmformer.data.draw import USUAL_SHARE
from swarmformer.errors import SpecError
from swarmformer.run_key import Content, departures
from swarmformer.schema import Locate, dotted, validate

from .component import ComponentSpec, Seed, mapping, names_of, nowhere, taken


class DataSpec(Strict):
    """Task, tokenizer, split and batches."""

    task: ComponentSpec = Field(description="what is learned, by name with the task's own options")
    tokenizer: str = Field(
        "bert",
        description="`bert`, `bytes`, or the path of a tokenizer.json; tasks with a vocabulary of their own ignore it",
    )
    validation_fraction: float = Field(
        USUAL_SHARE, gt=0, lt=1,
        description="share of train that becomes validation, where the source has no such split",
    )
    split_seed: Seed | Literal["run"] = Field(
        0, description="of that cut, and of what is added to train; `run`: the run's own seed (Bouthillier et al. 2021)"
    )
    stratify: bool = Field(False, description="draw the same share of every class for validation")
    duplicates: Literal["keep", "drop"] = Field(
        "keep", description="what becomes of training texts that also stand in validation or test"
    )
    augment: dict[str, ComponentSpec] = Field(
        {}, description="augmentations of training texts with their options, by name; null leaves one out, or all"
    )
    buckets: int = Field(4, ge=1, le=16, description="fixed lengths that batches are padded to")
    pad_to_max: bool = Field(False, description="pad every text to `model.dims.seq_len`")
    cut: Where = Field("head", description="what is kept of texts longer than `model.dims.seq_len`")
    cut_share: float = Field(0.25, ge=0, le=1, description="of `head_tail`: the share that is the beginning")
    out_of_domain: tuple[ComponentSpec, ...] = Field(
        (), description="other tasks with the same classes, whose test splits the trained model answers too"
    )

    OUTSIDE_KEY: ClassVar[frozenset[str]] = frozenset({"out_of_domain"})
    """Read when all is trained and chosen, so that it changes nothing else of a result."""

    @classmethod
    def from_dict(cls, value: Any, locate: Locate = nowhere, path: tuple[str, ...] = ("data",)) -> DataSpec:
        given = dict(mapping(value, path, locate))
        task = ComponentSpec.from_dict("task", taken(given, "task", path, locate), (*path, "task"), locate)
        augment = _augment(given.pop("augment", {}), (*path, "augment"), locate)
        others = _tasks(given.pop("out_of_domain", ()), (*path, "out_of_domain"), locate)
        known = [name for name in cls.model_fields if name != "task"]
        plain = validate(_DataOptions, given, path, locate, known)
        return cls(task=task, **{**plain.model_dump(), "augment": augment, "out_of_domain": others})

    def to_dict(self) -> dict[str, Any]:
        augment = {name: dict(part.options) for name, part in self.augment.items()}
        others = [other.to_dict() for other in self.out_of_domain]
        return {**self.model_dump(), "task": self.task.to_dict(), "augment": augment, "out_of_domain": others}

    @property
    def called(self) -> str:
        """What reports call the task."""
        return called(self.task)

    def draw(self, seed: int) -> dict[str, Any]:
        """How the splits of a run with this seed are drawn, as ``swarmformer.data.split.load_splits`` takes it."""
        redrawn = self.split_seed == "run"
        return {
            "validation_fraction": self.validation_fraction, "split_seed": seed if redrawn else self.split_seed,
            "redrawn": redrawn, "drop_copies": self.duplicates == "drop", "stratify": self.stratify,
        }  # fmt: skip

    def key_content(self, *, versions: bool = True) -> Content:
        """Without what has no effect beside the rest."""
        idle: dict[str, Any] = {} if self.cut == "head_tail" else {"cut_share": _usual("cut_share")}
        idle |= {"buckets": 1, "pad_to_max": False} if self.pad_to_max else {}
        return departures(self.model_copy(update=idle), versions=versions)

    def idle(self) -> Iterator[str]:
        """The keys that are set and do nothing beside the rest, with what they need."""
        if self.cut != "head_tail" and self.cut_share != _usual("cut_share"):
            yield "data.cut_share does nothing unless data.cut is head_tail: set that too, or leave it out"


def _usual(key: str) -> Any:
    return DataSpec.model_fields[key].default


def called(task: ComponentSpec) -> str:
    """What reports call a task: its title where it was given one, else its name."""
    return str(task.options.get("title") or task.name)


class _DataOptions(DataSpec):
    task: ClassVar[None] = None  # type: ignore[assignment, misc]


def _augment(value: Any, path: tuple[str, ...], locate: Locate) -> dict[str, ComponentSpec]:
    """``{"name": {option: …}}`` → checked specifications by name; null leaves one out, or all."""
    given = {} if value is None else dict(mapping(value, path, locate))
    for name, options in given.items():
        if isinstance(options, Mapping) and "name" in options:
            place = (*path, str(name), "name")
            raise SpecError(f"{locate(place)}{dotted(place)}: the key above it is the name; leave this one out")
    return {
        name: ComponentSpec.from_dict("text_augmentation", {"name": name, **options}, (*path, name), locate)
        for name, options in sorted(
            (name, mapping(options, (*path, name), locate)) for name, options in given.items() if options is not None
        )
    }


def _tasks(value: Any, path: tuple[str, ...], locate: Locate) -> tuple[ComponentSpec, ...]:
    """A list of tasks, each called otherwise."""
    if not isinstance(value, list | tuple):
        raise SpecError(f"{locate(path)}{dotted(path)}: expected a list of tasks, of {names_of('task')}; got {value!r}")
    tasks = tuple(ComponentSpec.from_dict("task", task, (*path, str(n)), locate) for n, task in enumerate(value))
    names = [re.sub(r"[^\w+-]+", "-", called(task)) for task in tasks]  # as tables of them are called in a folder
    twice = next((called(task) for task, name in zip(tasks, names, strict=True) if names.count(name) > 1), None)
    if twice is not None:
        words = f"two tasks are called {twice!r} or alike; give one a title, where it takes one, or leave it out"
        raise SpecError(f"{locate(path)}{dotted(path)}: {words}")
    return tasks
