"""Weights: what a safetensors file says of itself, whether it fits a specification, and its tensors. Never a pickle."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from swarmformer.assembly import assemble, assemble_without_weights
from swarmformer.contracts import Dims, Model
from swarmformer.data.files import file_hash
from swarmformer.errors import SpecError
from swarmformer.spec import ModelSpec

WEIGHTS = "model.safetensors"
Shapes = Mapping[str, tuple[int, ...]]
LARGEST_HEADER = 100_000_000
"""As in the reference implementation."""
SPARE = 1 << 26
"""Numbers that a model may hold beside those of its file: tables that are computed."""
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt", ".joblib")
PICKLED = (
    "is a pickle, which can run any code when it is opened, so it is not. Where you trust it, load it with "
    "torch.load(…, weights_only=True) and write it with safetensors.torch.save_file"
)


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """Name → shape, read off the header alone.

    Raises:
        SpecError: no safetensors file, one that is cut short, or a pickle in its place.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if len(start) < 8 or length > min(size - 8, LARGEST_HEADER):
                raise ValueError("its header is cut short")
            header: dict[str, Any] = json.loads(file.read(length))
        header.pop("__metadata__", None)
        found = {name: tuple(map(int, entry["shape"])) for name, entry in header.items()}
        end = 8 + length + max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        pickled = start[:1] == b"\x80" or start[:4] == b"PK\x03\x04" or path.suffix in PICKLES
        raise SpecError(f"{path}: {PICKLED if pickled else f'not a readable safetensors file: {error}'}") from None
    if size != end:
        words = "is cut short" if size < end else "has something behind its end"
        raise SpecError(f"{path}: {words}: {size:,} bytes, its header speaks of {end:,}; copy or download it again")
    return found


def check_fits(spec: ModelSpec, shapes: Shapes, origin: str) -> None:
    """Raise SpecError unless a specification has just these weights; before any memory is taken for them."""
    dims, numbers = spec.dims, sum(map(math.prod, shapes.values()))
    _check_sizes(dims, len(shapes), numbers, origin)
    try:
        model = assemble_without_weights(spec)
    except (RuntimeError, OverflowError, MemoryError) as error:
        raise SpecError(f"{origin}: sizes that no model can have: {str(error).splitlines()[0]}") from None
    state = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    faults = [f"missing {name}" for name in state.keys() - shapes.keys()]
    faults += [f"unknown {name}" for name in shapes.keys() - state.keys()]
    faults += [
        f"size mismatch for {name}: {shapes[name]} in the file, {state[name]} by the specification"
        for name in state if name in shapes and shapes[name] != state[name]
    ]  # fmt: skip
    if faults:
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        raise SpecError(f"{origin}: do not fit {spec.name}: {'; '.join(faults[:3])}{more}")
    held = sum(tensor.numel() for tensor in (*model.parameters(), *model.buffers()))
    if held > 4 * numbers + SPARE:
        raise SpecError(f"{origin}: the model would hold {held:,} numbers for the {numbers:,} of its file")


def _check_sizes(dims: Dims, tensors: int, numbers: int, origin: str) -> None:
    """What would take long to build, even without memory."""
    limits = {"num_layers": tensors, "d_model": numbers, "cluster_size": max(dims.seq_len, 4096), "seq_len": 1 << 24}
    for name, most in limits.items():
        if getattr(dims, name) > most:
            raise SpecError(
                f"{origin}: {name} = {getattr(dims, name):,} does not fit the {tensors} tensors with {numbers:,} "
                "numbers that the file has; its config.json is of another model, or was changed"
            )


def filled(spec: ModelSpec, path: Path, checksum: str | None = None) -> Model:
    """The model with the weights of a file, in eval mode; torch's global random state stays as it was.

    Raises:
        SpecError: they do not fit, are not those that were written, or are no numbers.
    """
    check_fits(spec, shapes_of(path), str(path))
    if checksum is not None and file_hash(path) != checksum:
        raise SpecError(f"{path}: not what was written: its SHA-256 is not config.json's; copy or download it again")
    return with_state(spec, load_state(path), str(path))


def load_state(path: Path) -> dict[str, Tensor]:
    """Tensors by name.

    Raises:
        SpecError: no readable safetensors file.
    """
    shapes_of(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise SpecError(f"{path}: not a readable safetensors file: {error}") from None


def with_state(spec: ModelSpec, state: Mapping[str, Tensor], origin: str) -> Model:
    """The model with these weights, in eval mode.

    Raises:
        SpecError: they do not fit, or are no numbers.
    """
    check_fits(spec, {name: tuple(tensor.shape) for name, tensor in state.items()}, origin)
    broken = [name for name, tensor in state.items() if not bool(tensor.isfinite().all())]
    if broken:
        raise SpecError(f"{origin}: {broken[0]} is not finite (and {len(broken) - 1} more): the weights are damaged, "
                        "or of a training that diverged")  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        model = assemble(spec)
    model.load_state_dict(dict(state), strict=True)
    return model.eval()
