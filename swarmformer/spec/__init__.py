"""What a run is: ModelSpec, DataSpec, TrainSpec, RunSpec. Strict, frozen, hashable by ``run_key``.

A specification is made from plain mappings by ``from_dict`` (unknown keys, wrong types and values out
of range are refused, with the place of the key) and goes back by ``to_dict``.
"""

from .component import ComponentSpec, Seed, nowhere
from .data import DataSpec
from .model import ModelSpec
from .run import SPEC_VERSION, RunName, RunSpec
from .train import StageSpec, TrainSpec

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
