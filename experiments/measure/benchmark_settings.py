"""The keys of ``experiments.benchmark``, and how a command line's keys are checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

from pydantic import Field

from swarmformer.contracts import Strict
from swarmformer.cost.passes import Mode
from swarmformer.cost.precision import Precision
from swarmformer.cost.streams import Scenario
from swarmformer.errors import SpecError, suggest
from swarmformer.schema import validate

from ..measure.measured import as_list
from ..store import Config

AtLeastOne = Annotated[int, Field(gt=0)]
SettingsT = TypeVar("SettingsT", bound=Strict)
SECTIONS = ("model", "data", "train")
LISTS = ("variants", "lengths", "batches", "threads", "precision", "modes")


class Settings(Strict):
    """The keys that are no section, lists as lists."""

    variants: list[str] = Field(min_length=1)
    lengths: list[AtLeastOne] = Field(min_length=1)
    batches: list[AtLeastOne] = Field(min_length=1)
    threads: list[AtLeastOne] = Field(min_length=1)
    precision: list[Precision] = Field(min_length=1)
    modes: list[Mode | Scenario] = Field(min_length=1)
    texts: AtLeastOne
    budget_s: float = Field(gt=0)
    memory: bool
    compile: bool
    device: str
    runs: str
    name: str
    seed: int = Field(ge=0)


DEFAULTS: Config = {
    "variants": ["original_small", "base", "base+windowed", "enhanced"],
    "lengths": [256],
    "batches": [1, 32],
    "threads": [1],
    "precision": ["fp32"],
    "modes": ["forward"],
    "texts": 256,
    "budget_s": 60.0,
    "memory": True,
    "compile": False,
    "device": "auto",
    "runs": "runs/benchmark",
    "name": "benchmark",
    "seed": 0,
    "model": {},
    "data": {},
    "train": {},
}


def check_keys(config: Config, defaults: Config, model: type[SettingsT], lists: Sequence[str]) -> SettingsT:
    """The keys that ``model`` has, checked; those of ``lists`` may be one value or a list in a shell's words.

    Raises:
        SpecError: an unknown key, a wrong type or value; says which is nearest.
    """
    for key in set(config) - set(defaults):
        raise SpecError(f"command line: unknown key {key!r}.{suggest(key, defaults)} Keys: {', '.join(defaults)}")
    plain = {key: value for key, value in config.items() if key in model.model_fields}
    plain |= {key: as_list(config[key]) for key in lists}
    return validate(model, plain, (), lambda path: "command line: ")
