"""RunSpec: all of a training run."""

from __future__ import annotations

from typing import Any

from swarmformer.contracts import Strict
from swarmformer.data.batching import bucket_lengths
from swarmformer.once import kept_by
from swarmformer.run_key import Content, content_of, digest
from swarmformer.schema import Locate, validate

from .component import Seed, mapping, nowhere, taken
from .data import DataSpec
from .model import ModelSpec
from .train import TrainSpec

SPEC_VERSION = 2
"""Part of every run key: raise it when the meaning of a specification changes, or a default of data or training."""


class RunSpec(Strict):
    """One training run. ``variant`` is its readable name; the specification itself is what counts."""

    variant: str
    model: ModelSpec
    data: DataSpec
    train: TrainSpec
    seed: Seed = 0

    @property
    def run_key(self) -> str:
        """16 hex digits over all that changes a result and departs from its default; not seed, device and names.

        What a tokenizer or data file contains is not in it but in the data key (``EncodedData.key``).
        """
        sections = {name: _content_of(getattr(self, name)) for name in ("model", "data", "train")}
        return digest({"version": SPEC_VERSION, **sections})

    @property
    def padded_lengths(self) -> tuple[int, ...]:
        """The fixed lengths that batches are padded to, rising; the last is seq_len."""
        limit = self.model.dims.seq_len
        return (limit,) if self.data.pad_to_max else bucket_lengths(limit, self.data.buckets)

    def idle(self) -> tuple[str, ...]:
        """The keys of data and training that are set and do nothing beside the rest, with what they need. ``buckets``
        beside ``pad_to_max`` is none: a grid sets them for its other arms."""
        return (*self.data.idle(), *self.train.idle())

    def to_dict(self) -> dict[str, Any]:
        """Sections ``model``, ``data``, ``train``; variant and seed stand beside them."""
        return {
            "variant": self.variant,
            "seed": self.seed,
            "model": self.model.to_dict(),
            "data": self.data.to_dict(),
            "train": self.train.to_dict(),
        }

    @classmethod
    def from_dict(cls, value: Any, locate: Locate = nowhere) -> RunSpec:
        """Inverse of ``to_dict``.

        Raises:
            SpecError: a section that is missing, unknown or at fault.
        """
        given = dict(mapping(value, (), locate))
        model = ModelSpec.from_dict(taken(given, "model", (), locate), locate)
        data = DataSpec.from_dict(taken(given, "data", (), locate), locate)
        train = TrainSpec.from_dict(taken(given, "train", (), locate), locate)
        name = validate(RunName, given, (), locate)
        return cls(variant=name.variant, seed=name.seed, model=model, data=data, train=train)


@kept_by(lambda section: (type(section), section.model_dump_json()))
def _content_of(section: Strict) -> Content:
    content: Content = content_of(section)
    return content


class RunName(Strict):
    """What stands beside the sections of a run."""

    variant: str
    seed: Seed
