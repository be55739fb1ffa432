"""Save and load models: safetensors and JSON, local folders, published checkpoints, the hub.

Published checkpoints (Legg & Sturmanis 2025) name their parameters differently; ``from_published``
translates. They do not store T_local, cluster size or sequence length: these come from the variant.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from swarmformer.assembly import assemble
from swarmformer.contracts import Model
from swarmformer.errors import SpecError
from swarmformer.records import write_bytes_atomically
from swarmformer.spec import ModelSpec
from swarmformer.variants import load_variant

WEIGHTS, CONFIG = "model.safetensors", "config.json"
PUBLISHED_BY_WIDTH = {128: "original_small", 192: "original_base"}

PUBLISHED_NAMES = (
    (r"embedding\.embed\.weight", r"embedding.embed.weight"),
    (r"layers\.(\d+)\.local_agg\.mlp\.([03])\.(\w+)", r"layers.\1.local.mlp.\2.\3"),
    (r"layers\.(\d+)\.local_agg\.gate_net\.([02])\.(\w+)", r"layers.\1.local.gate.net.\2.\3"),
    (r"layers\.(\d+)\.global_attn\.(query|key|value)\.(\w+)", r"layers.\1.cluster.projections.\2.\3"),
    (r"layers\.(\d+)\.broadcast\.linear\.(\w+)", r"layers.\1.feedback.linear.\2"),
    (r"layers\.(\d+)\.broadcast\.gate_net\.([02])\.(\w+)", r"layers.\1.feedback.gate.net.\2.\3"),
    (r"classifier\.(\w+)", r"classifier.\1"),
)
"""Published parameter name → ours."""


def save_model(model: Model, folder: str | Path) -> None:
    """Write ``model.safetensors`` and ``config.json`` (the ModelSpec) into ``folder``."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.state_dict().items()}
    write_bytes_atomically(folder / WEIGHTS, save(tensors, {"format": "pt"}))
    text = json.dumps({"swarmformer": 1, "model": model.spec.to_dict()}, indent=1)
    write_bytes_atomically(folder / CONFIG, (text + "\n").encode())


def load(source: str | Path, variant: str | None = None) -> Model:
    """Load a model in eval mode.

    Args:
        source: a folder or file written by ``save_model``; a folder or ``.safetensors`` file with
            published weights; or a hub repository such as ``takara-ai/SwarmFormer-Small`` (needs network).
        variant: for published weights of other sizes: the variant that has them.

    Raises:
        SpecError: nothing there, unreadable, names and shapes that do not fit, or a ``variant`` for weights
            that bring their own specification.
    """
    weights = _weights_file(Path(source)) if Path(source).exists() else _download(str(source))
    try:
        state = load_file(weights)
    except (SafetensorError, OSError) as error:
        raise SpecError(f"{weights}: not a readable safetensors file: {error}") from None
    spec = _own_spec(weights.with_name(CONFIG))
    if spec is None:
        return from_published(state, variant)
    if variant is not None:
        raise SpecError(f"{source}: has its own {CONFIG}; leave out variant={variant!r}, it is for published weights")
    model = assemble(spec)
    _check_and_load(model, state, str(weights))
    return model.eval()


def from_published(state_dict: Mapping[str, Tensor], variant: str | None = None) -> Model:
    """A ready model (eval mode) from published parameter names.

    The variant is chosen by width (128: original_small, 192: original_base) unless given; number of
    layers, vocabulary and classes are read off the weights.

    Raises:
        SpecError: a name or shape that is not of the published model.
    """
    renamed = {_our_name(name): tensor for name, tensor in state_dict.items()}
    sizes = _published_sizes(renamed)
    variant = variant or PUBLISHED_BY_WIDTH.get(sizes["d_model"])
    if variant is None:
        raise SpecError(
            f"no published model has width {sizes['d_model']}; pass variant= with the name or file of one that has "
            "these sizes (a variant gives T_local, cluster_size and seq_len)"
        )
    spec = load_variant(variant, [({"model": {"dims": sizes}}, "published weights")]).model_spec()
    model = assemble(spec)
    _check_and_load(model, renamed, "published weights")
    return model.eval()


def _our_name(name: str) -> str:
    for pattern, ours in PUBLISHED_NAMES:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, ours, name)
    known = ", ".join(pattern.replace("\\", "") for pattern, _ in PUBLISHED_NAMES)
    raise SpecError(f"{name!r} is not a parameter of the published model; known: {known}")


def _published_sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    for needed in ("embedding.embed.weight", "classifier.weight"):
        if needed not in state:
            raise SpecError(f"published weights lack {needed!r}")
    layers = {int(match[1]) for name in state if (match := re.match(r"layers\.(\d+)\.", name))}
    vocab_size, d_model = state["embedding.embed.weight"].shape
    num_classes = state["classifier.weight"].shape[0]
    return {"vocab_size": vocab_size, "d_model": d_model, "num_layers": len(layers), "num_classes": num_classes}


def _check_and_load(model: Model, state: Mapping[str, Tensor], origin: str) -> None:
    try:
        model.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        faults = [line.strip() for line in str(error).splitlines()[1:]]
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        raise SpecError(f"{origin}: do not fit {model.spec.name}: {' '.join(faults[:3])}{more}") from None


def _own_spec(path: Path) -> ModelSpec | None:
    """The ModelSpec in a config.json of ours; None where there is none, or one of the published repositories."""
    if not path.exists():
        return None
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SpecError(f"{path}: not JSON: {error}") from None
    if not isinstance(content, dict) or "swarmformer" not in content:
        return None
    if content["swarmformer"] != 1:
        raise SpecError(f"{path}: format {content['swarmformer']!r}, this version reads 1")
    return ModelSpec.from_dict(content.get("model"), lambda place: f"{path}: ")


def _weights_file(path: Path) -> Path:
    weights = path / WEIGHTS if path.is_dir() else path
    if not weights.is_file():
        raise SpecError(f"{path}: no {WEIGHTS} in this folder")
    return weights


def _download(repository: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError

    try:
        weights = hf_hub_download(repository, WEIGHTS)
        with contextlib.suppress(EntryNotFoundError):
            hf_hub_download(repository, CONFIG)  # published repositories may have none
    except (HFValidationError, OSError) as error:  # failures of the network and the hub are OSErrors
        raise SpecError(
            f"{repository!r} is no local folder or file, and cannot be had from the hub: {error}"
        ) from None
    return Path(weights)
