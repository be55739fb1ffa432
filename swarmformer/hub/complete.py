"""A model with all that it takes to use it, in memory and on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from safetensors.torch import save as serialised

from swarmformer.contracts import Dims, Model
from swarmformer.data.cut import Cut
from swarmformer.data.files import json_hash
from swarmformer.data.task import Task
from swarmformer.data.tokenizer import BERT, load_tokenizer, pad_id, size_of
from swarmformer.errors import SpecError
from swarmformer.hub import lumenspark, published
from swarmformer.hub.card import card_of
from swarmformer.hub.config import ModelConfig, Origin, checked, read_json
from swarmformer.hub.language_card import language_card
from swarmformer.hub.source import CARD, CONFIG, weights_file
from swarmformer.hub.text import TOKENIZER, TextReader, read_any
from swarmformer.hub.weights import WEIGHTS, filled, load_state, shapes_of, with_state
from swarmformer.records import Result, write_bytes_atomically
from swarmformer.records.base import digest_of, sealed, sha256_of
from swarmformer.spec import RunSpec


@dataclass(frozen=True, eq=False)
class CompleteModel:
    """``classes``: what each class is called, index = class; none of a language model. ``text`` is None of a model that
    reads no text, or whose reading was not saved. ``card``: Markdown, or empty where there is nothing to tell."""

    model: Model
    classes: tuple[str, ...]
    text: TextReader | None = None
    task: dict[str, Any] | None = None
    origin: Origin | None = None
    card: str = ""

    @classmethod
    def of_run(cls, model: Model, spec: RunSpec, task: Task, result: Result) -> CompleteModel:
        """What a finished run leaves, its card written from the run's own numbers."""
        facts = {name: getattr(result, name) for name in Origin.model_fields if hasattr(result, name)}
        origin = Origin.model_validate(
            {**facts, "draw": spec.data.draw(spec.seed), "task_hash": json_hash(task.identity())}
        )
        asked = spec.data.task.to_dict()
        if task.next_token:
            return cls(model, (), TextReader.of_run(spec, task), asked, origin, language_card(spec, result))
        reads = None if task.per_token else TextReader.of_run(spec, task)
        return cls(model, task.class_names, reads, asked, origin, card_of(spec, task, result))

    @property
    def tells_next_token(self) -> bool:
        """Whether it is a language model."""
        return not self.classes


def save(complete: CompleteModel, folder: str | Path) -> None:
    """Write a model's folder; config.json comes last, and knows the others by their checksums."""
    folder, model = Path(folder), complete.model
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.state_dict().items()}
    files = {WEIGHTS: serialised(tensors, {"format": "pt"})}
    if complete.text is not None:
        files[TOKENIZER] = (complete.text.tokenizer.to_str(pretty=True) + "\n").encode()
    for name, content in files.items():
        write_bytes_atomically(folder / name, content)
    if complete.card:
        write_bytes_atomically(folder / CARD, complete.card.encode())
    write_config(complete, folder, {name: digest_of(content) for name, content in files.items()})


def write_config(complete: CompleteModel, folder: Path, files: dict[str, str]) -> None:
    """Write config.json: what is to be known of a model beside ``files`` (name → SHA-256)."""
    config = ModelConfig(
        model=complete.model.spec.to_dict(), classes=complete.classes, task=complete.task, origin=complete.origin,
        text=None if complete.text is None else complete.text.config(), files=files,
    )  # fmt: skip
    text = json.dumps(sealed(config.model_dump(mode="json")), indent=1, ensure_ascii=False)
    write_bytes_atomically(folder / CONFIG, (text + "\n").encode())


def save_model(model: Model, folder: str | Path, classes: Sequence[str] = ()) -> None:
    """Write a model that knows nothing of texts: it comes back by ``load_model`` alone."""
    save(CompleteModel(model, tuple(classes) or _numbers(model.dims.num_classes)), folder)


def load_model(
    source: str | Path, variant: str | None = None, *, revision: str | None = None, trust_code: bool = False
) -> Model:
    """The model alone, in eval mode; as ``read``."""
    return _model_of(weights_file(source, revision), source, variant, trust_code)[0]


def read(
    source: str | Path, variant: str | None = None, *, revision: str | None = None, trust_code: bool = False
) -> CompleteModel:
    """Read a model from a folder or file of ours, or with published weights, or from the hub.

    Args:
        source: a folder, a file in it, the folder of a run that kept its model, or a repository such as
            ``takara-ai/SwarmFormer-Small`` (needs network).
        variant: for published weights of other sizes that no config.json tells: the variant that has them.
        revision: branch, tag or commit on the hub.
        trust_code: import ``package.module:Class`` where config.json names one.

    Raises:
        SpecError: nothing there, unreadable, changed, of a newer version, names and shapes that do not fit, weights
            that are no numbers, or a ``variant`` for weights that bring their own specification.
        DataError: a tokenizer that is missing or cannot be read.
    """
    weights = weights_file(source, revision)
    model, config = _model_of(weights, source, variant, trust_code)
    if isinstance(config, ModelConfig):
        text = None if config.text is None else TextReader.of_config(config.text, _checked_file(weights, config))
        if text is not None:
            _check_fit(text, model.dims, weights)
        card = weights.with_name(CARD)
        words = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
        return CompleteModel(model, config.classes, text, config.task, config.origin, words)
    if model.foresees:
        return CompleteModel(model, (), _published_tokens(weights, model))
    return CompleteModel(model, _published_classes(config, model.dims.num_classes), _published_text(weights, model))


def _model_of(
    weights: Path, source: str | Path, variant: str | None, trust_code: bool
) -> tuple[Model, ModelConfig | dict[str, Any]]:
    """The model and its config.json, of ours or not."""
    path = weights.with_name(CONFIG)
    content = read_json(path) or {}
    if "swarmformer" not in content:
        found = shapes_of(weights)
        layout: Any = lumenspark if lumenspark.is_published(found) else published
        spec = layout.spec_of({layout.our_name(name): s for name, s in found.items()}, variant, content, weights.parent)
        state = {layout.our_name(name): tensor for name, tensor in load_state(weights).items()}
        return with_state(spec, state, str(weights)), content
    if variant is not None:
        raise SpecError(f"{source}: has its own {CONFIG}; leave out variant={variant!r}, it is for published weights")
    config = checked(content, path)
    return filled(config.spec(path, trust_code), weights, config.files.get(WEIGHTS, "")), config


def _check_fit(text: TextReader, dims: Dims, weights: Path) -> None:
    """Raise SpecError where texts become tokens or lengths that the model does not take."""
    if size_of(text.tokenizer) > dims.vocab_size:
        file = weights.with_name(TOKENIZER)
        raise SpecError(f"{file}: {size_of(text.tokenizer):,} tokens, for a model that knows {dims.vocab_size:,}")
    faults = {
        f"text.lengths {list(text.lengths)} do not rise": any(a >= b for a, b in pairwise(text.lengths)),
        f"text.lengths {list(text.lengths)}, for a model of {dims.seq_len} tokens": max(text.lengths) > dims.seq_len,
        f"text.pad_id {text.pad_id}, for a model that knows {dims.vocab_size:,} tokens": text.pad_id >= dims.vocab_size,
    }
    found = [words for words, is_there in faults.items() if is_there]
    if found:
        raise SpecError(f"{weights.with_name(CONFIG)}: {'; '.join(found)}; write what stood there before, or copy or "
                        "download it again")  # fmt: skip


def _checked_file(weights: Path, config: ModelConfig) -> Path:
    """The tokenizer's file, which is what was written."""
    path = weights.with_name(TOKENIZER)
    if not path.is_file():
        raise SpecError(f"{path}: missing; copy or download the whole folder again")
    if sha256_of(path) != config.files.get(TOKENIZER, ""):
        raise SpecError(f"{path}: not what was written: its SHA-256 is not {CONFIG}'s; copy or download it again")
    return path


def _published_text(weights: Path, model: Model) -> TextReader:
    """Texts as the authors' script reads them: BERT's tokenizer, the beginning of each, padded to seq_len."""
    own, cut = weights.with_name(TOKENIZER), Cut(model.dims.seq_len)
    name = str(own) if own.is_file() else BERT
    tokenizer = load_tokenizer(name)
    return TextReader(own.name if own.is_file() else BERT, tokenizer, cut, (cut.seq_len,), pad_id(tokenizer, name))


def _published_tokens(weights: Path, model: Model) -> TextReader | None:
    """As the tokenizer beside the weights has them: GPT-2's, which has no pad."""
    own, cut = weights.with_name(TOKENIZER), Cut(model.dims.seq_len)
    return TextReader(own.name, read_any(own), cut, (cut.seq_len,), pad_id=0) if own.is_file() else None


def _published_classes(config: dict[str, Any], count: int) -> tuple[str, ...]:
    """As transformers writes them (``id2label``), else numbers: the authors' files name none."""
    named = config.get("id2label")
    found = [named.get(str(index)) for index in range(count)] if isinstance(named, dict) else []
    names = tuple(name for name in found if isinstance(name, str))
    return names if len(names) == count else _numbers(count)


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))
