"""What a run is: ModelSpec, DataSpec, TrainSpec, RunSpec. Strict, frozen, hashable by ``run_key``.

A specification is made from plain mappings by ``from_dict`` (unknown keys, wrong types and values out
of range are refused, with the place of the key) and goes back by ``to_dict``.
"""

from swarmformer.sections.component import ComponentSpec, Seed, nowhere
from swarmformer.sections.data import DataSpec
from swarmformer.sections.model import ModelSpec
from swarmformer.sections.run import SPEC_VERSION, RunName, RunSpec
from swarmformer.sections.train import StageSpec, TrainSpec

__all__ = [
    "SPEC_VERSION",
    "ComponentSpec",
    "DataSpec",
    "ModelSpec",
    "RunName",
    "RunSpec",
    "Seed",
    "StageSpec",
    "TrainSpec",
    "nowhere",
]
