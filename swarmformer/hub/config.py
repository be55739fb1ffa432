"""``config.json`` of a model folder: strict, versioned, and nothing in it is run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from swarmformer.data.cut import Where
from swarmformer.errors import SpecError
from swarmformer.records.base import CHECKSUM, Record, RunKey, Share, first_problem, unsealed
from swarmformer.records.result_parts import SplitMetrics
from swarmformer.spec import ModelSpec

FORMAT = 2
"""Raise it when a key changes its name or its meaning; new keys need no new number."""
LARGEST = 64 << 20
"""Bytes of a config.json that is read at all."""
LONGEST = 1 << 24
"""Tokens of a text at most: what a file may ask to be padded to."""
Length = Annotated[int, Field(gt=0, le=LONGEST)]


class TextConfig(Record):
    """How texts are read; ``words``: they are tokens of the vocabulary joined by spaces.

    ``tokenizer`` is what the run called it; the file beside is what counts. ``lengths``: what texts are padded to.
    """

    tokenizer: str
    seq_len: Length
    cut: Where = "head"
    cut_share: Share = 0.25
    lengths: Annotated[tuple[Length, ...], Field(min_length=1)]
    pad_id: Annotated[int, Field(ge=0)]
    words: bool = False


class Origin(Record):
    """The run that a model comes from, as its result.json has it; ``draw``: how its splits were drawn; ``task_hash``:
    of what its examples were made of."""

    variant: str
    arm: str
    run_key: RunKey
    seed: int
    metrics: SplitMetrics
    precision: str = ""
    data_key: str = ""
    code_revision: str = ""
    code_hash: str = ""
    device: str = ""
    started_at: str = ""
    draw: dict[str, Any] = {}
    task_hash: str


class ModelConfig(Record):
    """The whole file. ``files``: SHA-256 of those beside it, which tells accidents, not forgeries."""

    swarmformer: int = FORMAT
    model: dict[str, Any]
    classes: tuple[str, ...]
    task: dict[str, Any] | None = None
    text: TextConfig | None = None
    origin: Origin | None = None
    files: dict[str, str]

    def spec(self, path: Path, trust_code: bool) -> ModelSpec:
        """The model's specification.

        Raises:
            SpecError: it is none, or names code that is not trusted.
        """
        if not trust_code and (named := list(_code_in(self.model))):
            raise SpecError(
                f"{path}: names code of its own ({', '.join(named)}), which is not imported unasked: it could do "
                "anything. Read it, and where you trust it pass trust_code=True (--trust-code)"
            )
        spec = ModelSpec.from_dict(self.model, lambda key: f"{path}: ")
        nameless = not self.classes and spec.dims.num_classes == spec.dims.vocab_size
        each = len(self.classes) == spec.dims.num_classes and len(set(self.classes)) == len(self.classes)
        if not (each or nameless):
            raise SpecError(f"{path}: classes: {len(set(self.classes))} different names for {spec.dims.num_classes}")
        return spec


def _code_in(model: Mapping[str, Any]) -> Iterator[str]:
    """Names of the form ``package.module:Class``, of the model itself and of what fills its slots."""
    for value in model.values():
        name = value.get("name") if isinstance(value, Mapping) else value
        if isinstance(name, str) and ":" in name:
            yield name


def read_json(path: Path) -> dict[str, Any] | None:
    """The mapping in a config.json; None where there is no file, or something else in it.

    Raises:
        SpecError: it is no JSON, or not what was written.
    """
    if not path.is_file():
        return None
    if path.stat().st_size > LARGEST:
        raise SpecError(f"{path}: {path.stat().st_size:,} bytes are no configuration")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{path}: not JSON: {error}") from None
    if not isinstance(content, dict):
        return None
    if _is_newer(content.get("swarmformer")):
        return content  # what its checksum is, that version knows
    if (found := unsealed(content)) is None:
        raise SpecError(f"{path}: not what was written: its {CHECKSUM} differs; copy or download it again, or take the "
                        f"key {CHECKSUM} out where you changed the file yourself")  # fmt: skip
    return found


def _is_newer(number: Any) -> bool:
    return isinstance(number, int) and number > FORMAT


def checked(content: Mapping[str, Any], path: Path) -> ModelConfig:
    """The file of one of our own models.

    Raises:
        SpecError: of another version, or not what its format number says.
    """
    number = content["swarmformer"]
    if number != FORMAT:
        newer = "a newer version wrote it: pip install -U swarmformer"
        remedy = newer if _is_newer(number) else "save the model again"
        raise SpecError(f"{path}: format {number!r}, this version reads {FORMAT}; {remedy}")
    try:
        return ModelConfig.model_validate_json(json.dumps(content))
    except (ValidationError, ValueError) as error:
        raise SpecError(f"{path}: {first_problem(error)}") from None
