"""The grid file, and the runs that it asks for.

``docs/grids.md`` has every key, with type and default, made of the descriptions here.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from swarmformer.contracts import Strict
from swarmformer.merge import Tree, nest
from swarmformer.records import Primary, TrialMetric
from swarmformer.schema import validate
from swarmformer.spec import RunSpec
from swarmformer.variants import SECTIONS, Override, load_variant, resolve_run
from swarmformer.yaml import display, read_yaml

from ..limits import StartLimits
from ..plan.design import DesignSpec, Levels, Patch, levels_of, variant_of
from ..plan.matched import MatchedSpec
from ..plan.tune import Candidate, Seeds, TuneSpec, check_apart, check_free
from ..settings import nearest_key


class Latency(Strict):
    """Batch sizes to time, whether to time training too, and the seconds to spend on it."""

    batches: list[Annotated[int, Field(gt=0)]] = Field(
        default=[1, 32], min_length=1, description="texts in a batch of a forward pass, each size"
    )
    training: bool = Field(
        default=False, description="time a training step of every arm too, of a batch as large as in its runs"
    )
    budget_s: float = Field(default=30.0, gt=0, description="seconds to spend on all arms together")


UNPRINTABLE = {"Cc": "a control character", "Cs": "half of a surrogate pair", "Zl": "a line end", "Zp": "a line end"}


def _in_a_line(name: str) -> str:
    """An arm's name stands in tables, figures and terminals: any characters but those that break a line."""
    for character in name:
        if (category := unicodedata.category(character)) in UNPRINTABLE:
            raise ValueError(f"{name!r} has {UNPRINTABLE[category]} ({character!r}); name the arm in one line")
    return name


Name = Annotated[str, Field(min_length=1), AfterValidator(_in_a_line)]


class ArmSpec(Strict):
    """An arm that is more than the name of a variant."""

    name: Name = Field(description="in tables and folders; in one line")
    variant: str = Field(description="what it is made of: `base+windowed`")
    model: Patch = Field(default={}, description="laid over the variant's and the grid's model")
    data: Patch = Field(default={}, description="laid over the variant's and the grid's data")
    train: Patch = Field(default={}, description="laid over the variant's and the grid's training")


def _written_as(arm: Any) -> str:
    return "name" if isinstance(arm, str) else "mapping"


Arm = Annotated[Annotated[Name, Tag("name")] | Annotated[ArmSpec, Tag("mapping")], Discriminator(_written_as)]


class PrimarySpec(Strict):
    """The metric of the test split that a grid decides by; ``margin`` in points (hundredths)."""

    metric: TrialMetric = Field(
        "accuracy",
        description="of the test split; trials are judged by it too. `f1` is that of the second of two classes, in the "
        "order that `grid plan` shows, and the mean over classes of more",
    )
    margin: float = Field(gt=0, description="points (hundredths) within which two arms are equivalent")

    def record(self) -> Primary:
        return Primary(metric=self.metric, margin_points=self.margin)


class GridSpec(Strict):
    """A grid file as written; ``docs/grids.md`` is made of these descriptions."""

    description: str = Field("", description="what is asked, in a sentence; stands above the tables")
    base: str | None = Field(None, description="name of the arm that the others are compared with")
    arms: list[Arm] = Field([], description="variants by name, or arms with patches of their own")
    designs: list[DesignSpec] = Field([], description="arms made by a design over factors, beside or instead of `arms`")
    matched: list[MatchedSpec] = Field([], description="pairs of arms that are to cost the same")
    primary: PrimarySpec | None = Field(None, description="what the grid decides by; no verdict without it")
    seeds: Seeds = Field(description="seeds of the runs that count; every arm runs with each")
    tune: TuneSpec | None = Field(None, description="options tried alike for every arm before the seeds that count")
    model: Patch = Field({}, description="laid over the model of every arm")
    data: Patch = Field({}, description="laid over the data of every arm")
    train: Patch = Field({}, description="laid over the training of every arm")
    floors: bool = Field(True, description="compute majority, NB-SVM and the task's trivial predictors and oracles")
    latency: Latency | None = Field(Latency(), description="time every arm after the runs; null: time none")
    threads: int = Field(
        1, gt=0, description="CPU threads per run; it changes the last digit, so only equal numbers are compared"
    )
    limits: StartLimits = Field(
        StartLimits.model_validate({}), description="what a start of a cell may use; then it is stopped"
    )
    keep_weights: bool | Literal["best"] = Field(
        False,
        description="models that are kept: true: of every run; best: of each arm one, by the primary metric on "
        "validation; false: none",
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> GridSpec:
        if not self.arms and not self.designs:
            raise ValueError("no arms: give arms, or designs")
        if self.tune is not None and (shared := {*self.seeds} & {*self.tune.seeds}):
            raise ValueError(f"tune.seeds: {', '.join(map(str, sorted(shared)))} is a seed that counts; a seed that "
                             "chose the values would favour them: give trials seeds of their own")  # fmt: skip
        return self


def first_spec(path: Path) -> RunSpec:
    """Specification of a grid's first arm, resolved but not built: for what needs only the task that all arms share.

    Raises:
        SpecError: a fault in the grid's own keys or in this arm.
    """
    grid = read_grid(path)
    arm = (arms_of(grid) or designed_arms(grid.designs[0]))[0]
    return resolve_arm(grid, arm, display(path))


def read_grid(path: Path) -> GridSpec:
    """Read and check a grid's own keys.

    Raises:
        SpecError: an unknown key or a value that does not fit.
    """
    return validate(GridSpec, read_yaml(path), (), lambda key: f"{display(path)}: ", nearest=_nearest)


def _nearest(place: tuple[str, ...], known: list[str]) -> str:
    """Of a grid and of its arms, the place in a section where an unknown key stands."""
    sections = SECTIONS if len(place) == 1 or (len(place) == 3 and place[0] == "arms") else ()
    return nearest_key(place[-1], sections, known)


def arms_of(grid: GridSpec) -> list[ArmSpec]:
    """The arms that are listed one by one, in full."""
    return [arm if isinstance(arm, ArmSpec) else ArmSpec(name=arm, variant=arm) for arm in grid.arms]


def designed_arms(design: DesignSpec) -> list[ArmSpec]:
    """The arms of a design, in the order of ``levels_of``."""
    levels = levels_of(design)
    names = [variant_of(design, on) for on in levels]
    return [
        ArmSpec(name=name, variant=name, model=_model(design, on), data=design.data, train=design.train)
        for name, on in zip(names, levels, strict=True)
    ]


def _model(design: DesignSpec, on: Levels) -> Patch:
    tree = Tree()
    for patch in (design.model, *(design.when.get(factor, {}) for factor in on)):
        tree.merge(patch, "")
    return tree.values


def resolve_arm(grid: GridSpec, arm: ArmSpec, where: str) -> RunSpec:
    """The run of an arm with the first seed; ``where`` names the file in errors."""
    return resolve_run(arm.variant, _patches(grid, arm, where), seed=grid.seeds[0])


def _patches(grid: GridSpec, arm: ArmSpec, where: str) -> list[Override]:
    return [
        ({section: getattr(grid, section) for section in SECTIONS}, where),
        ({section: getattr(arm, section) for section in SECTIONS}, f"{where} ({arm.name})"),
    ]


def candidates_of(grid: GridSpec, arm: ArmSpec, where: str) -> tuple[Candidate, ...]:
    """What is tried for an arm, each with the first seed that counts; nothing where the grid tunes nothing.

    Raises:
        SpecError: an option that the arm has not or that is set elsewhere too, a value that it refuses, or two
            combinations that are one configuration.
    """
    if grid.tune is None:
        return ()
    patches, tuned = _patches(grid, arm, where), f"{where}: tune"
    _check_unset(grid.tune, arm, patches, tuned)
    candidates = [
        Candidate(values, resolve_run(arm.variant, [*patches, (nest(values), tuned)], seed=grid.seeds[0]))
        for values in grid.tune.combinations()
    ]
    check_apart(candidates)
    return tuple(candidates)


def _check_unset(tune: TuneSpec, arm: ArmSpec, patches: list[Override], tuned: str) -> None:
    """What tune: chooses may be set by a variant, which is laid below it, but not by the grid or the arm."""
    before = load_variant(arm.variant, patches).tree.sources
    written = {source: place for (_, source), place in zip(patches, ("the grid", f"{arm.name!r}"), strict=True)}
    for key, values in tune.values.items():
        laid = load_variant(arm.variant, [*patches, (nest({key: values[0]}), tuned)]).tree.sources
        option = key.rpartition(".")[2]
        paths = [path for path, source in laid.items() if source == tuned and path[-1] == option]
        check_free({path: before.get(path, "") for path in paths}, key, written)
