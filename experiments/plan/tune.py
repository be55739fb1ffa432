"""``tune:`` in a grid: options whose values are tried alike for every arm, before the seeds that count.

Every combination of the values is one trial a tuning seed, for every arm the same number. Trials are judged by the
validation split and never see the test split; the best combination of an arm is what its counting seeds run with.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from swarmformer.contracts import Strict
from swarmformer.errors import SpecError
from swarmformer.records import Value
from swarmformer.spec import RunSpec, Seed, TrainSpec

from ..planned import values_said

TUNABLE = ("model", "train")
MAX_TRIALS = 64
Values = dict[str, Value]


def _each_once(seeds: list[int]) -> list[int]:
    if twice := sorted(seed for seed, count in Counter(seeds).items() if count > 1):
        raise ValueError(f"{', '.join(map(str, twice))} is given twice; a seed again is the same run")
    return seeds


Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(_each_once)]


class TuneSpec(Strict):
    """The section as the grid file has it."""

    values: dict[str, Annotated[list[Value], Field(min_length=2)]] = Field(
        min_length=1,
        description="dotted option below `model` or `train` → the values to try, two at least, in any order; every "
        "combination is tried",
    )
    seeds: Seeds = Field(description="of the trials; none of them may be a seed that counts")
    epochs: int | None = Field(
        None,
        ge=1,
        description="of the last stage of a trial, the stages before it keep theirs; as many as the runs that count "
        "have where not given. A cheaper trial may favour options that learn quickly: a schedule that ends with the "
        "last epoch ends sooner too",
    )

    @field_validator("values")
    @classmethod
    def _options_of_a_run(cls, values: dict[str, list[Value]]) -> dict[str, list[Value]]:
        for key, tried in values.items():
            section, dot, option = key.partition(".")
            if section == "data":
                raise ValueError(f"{key}: scores on other data cannot be compared; write a grid for each")
            if section not in TUNABLE or not dot or not option:
                raise ValueError(f"{key}: write an option below model or train with its dots, as train.lr")
            if len(set(tried)) < len(tried):
                raise ValueError(f"{key}: a value is given twice")
        return values

    @model_validator(mode="after")
    def _fits(self) -> TuneSpec:
        if self.epochs is not None and "train.epochs" in self.values:
            raise ValueError("epochs: train.epochs is tuned, so that a trial has as many as it says; leave epochs out")
        if (count := len(list(self.combinations()))) > MAX_TRIALS:
            raise ValueError(f"values: {count} combinations for every arm are more than {MAX_TRIALS}; try fewer values")
        return self

    def combinations(self) -> Iterator[Values]:
        """Every combination of the values, the last option quickest."""
        for combination in product(*self.values.values()):
            yield dict(zip(self.values, combination, strict=True))


@dataclass(frozen=True)
class Candidate:
    """Values of the tuned options, and the run that counts with them."""

    values: Values
    spec: RunSpec

    @cached_property
    def run_key(self) -> str:
        """Of the run that counts."""
        return self.spec.run_key

    def trial(self, tune: TuneSpec, seed: int) -> RunSpec:
        """The run that tries them."""
        train = self.spec.train if tune.epochs is None else _with_epochs(self.spec.train, tune.epochs)
        return self.spec.model_copy(update={"seed": seed, "train": train})

    @cached_property
    def acts(self) -> str:
        """What is computed, as text: the model, and the section ``train`` as each stage has it."""
        train = self.spec.train
        stages = [{**train.of_stage(stage).to_dict(), "stages": [stage.to_dict()]} for stage in train.stages]
        return json.dumps([self.spec.model.model_dump(mode="json"), stages], sort_keys=True)


def _with_epochs(train: TrainSpec, epochs: int) -> TrainSpec:
    """With so many in the last stage, and as many as before in those before it."""
    written = train.to_dict()
    stages = [{**stage.to_dict(), "epochs": train.of_stage(stage).epochs} for stage in train.stages]
    stages[-1]["epochs"] = epochs
    return TrainSpec.from_dict({**written, "epochs": epochs, "stages": stages})


def check_free(sources: Mapping[tuple[str, ...], str], tuned: str, others: Mapping[str, str]) -> None:
    """Raise SpecError where the grid or the arm sets an option that is tuned: it would never be used.

    sources: path of an option → where it was set, before the tuned values were laid over. tuned: the option as written.
    others: where it must not be set → what to call that place.
    """
    for path, source in sources.items():
        if source in others:
            raise SpecError(f"{others[source]} sets {'.'.join(path)}, but tune: chooses {tuned} for every arm alike; "
                            "leave one of them out")  # fmt: skip


def check_apart(candidates: list[Candidate]) -> None:
    """Raise SpecError where two combinations are one configuration: an arm would have fewer trials than another."""
    seen: dict[str, Values] = {}
    for candidate in candidates:
        for made in (candidate.run_key, candidate.acts):
            twin = seen.setdefault(made, candidate.values)
            if twin != candidate.values:
                both = f"{values_said(twin)} and {values_said(candidate.values)}"
                raise SpecError(f"tune: {both} are the same configuration of this arm, which would have fewer trials "
                                "than others; leave that option or value out, here or in its stages")  # fmt: skip
