"""Whether a model, its task and its training fit together: seen before any memory is taken for weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import functional_call

from swarmformer.assembly import (
    assemble_without_weights,
    make_ingredient,
    make_ingredients,
    trains_on_unlabelled,
    without_weights,
)
from swarmformer.contracts import Dims, Model
from swarmformer.contracts.objective import why_whole
from swarmformer.data.classes import check_readable
from swarmformer.data.task import Task
from swarmformer.errors import ComponentError, DataError, SpecError, SwarmformerError
from swarmformer.once import kept_by
from swarmformer.places import frame_of, is_own, with_place
from swarmformer.sections.data import called
from swarmformer.shapes import shapes_compared
from swarmformer.spec import RunSpec, TrainSpec

SMALL_PARAMETERS, SMALL_LENGTH = 10_000_000, 1024
"""Up to these sizes a model is rehearsed with numbers: on the meta device torch does every operation in Python, which
takes five to ten times as long."""


def rehearse(spec: RunSpec) -> Model:
    """Build a run's model without weights and see that it fits its task and takes every padded length.

    Returns:
        The model, on the meta device.

    Raises:
        SpecError: the model cannot take a length that training will give it, or answers elsewhere than
            the task asks.
    """
    model = assemble_without_weights(spec.model)
    task = spec.data.task.part
    check_answers(model, spec, task.per_token, task.next_token)
    check_task(spec)
    with without_weights():
        check_objectives(model, spec.train)
    try:
        check_lengths(model, spec.padded_lengths)
    except SpecError as error:
        raise SpecError(f"variant {spec.variant!r} {error}") from error
    return model


def check_answers(model: Model, spec: RunSpec, per_token: bool, next_token: bool) -> None:
    """Raise SpecError unless the model answers where the task asks: at tokens (``per_token``) or once per text.

    Or where an augmentation moves the tokens that are asked about, or the model sees the token that it is to predict
    (``next_token``).
    """
    if next_token:
        _check_foresight(model, spec)
    if per_token:
        _check_places(model, spec)
    if model.per_token == per_token:
        return
    asks, gives = ("at tokens", "once per text") if per_token else ("once per text", "at every token")
    pooled = "pooling" in spec.model.slots
    remedy = f"set model.pooling: {'tokens' if per_token else 'mean'}" if pooled else "choose another model or task"
    raise SpecError(f"variant {spec.variant!r} answers {gives}, but task {spec.data.task.name!r} asks {asks}: {remedy}")


def _check_foresight(model: Model, spec: RunSpec) -> None:
    """Raise SpecError where a model sees the token that it is to predict, and does not say so."""
    if model.per_token and not (model.causal or model.foresees):
        causal = "causal" in spec.model.options
        remedy = "set model.causal: true" if causal else "choose a causal one, as transformer_lm or lumenspark_lm"
        words = "sees the tokens that it is to predict"
        raise SpecError(f"variant {spec.variant!r} {words}: {remedy}", path=("model", *(("causal",) if causal else ())))


def _check_places(model: Model, spec: RunSpec) -> None:
    """Raise SpecError where tokens that are asked about do not stay at their places."""
    for stage in spec.train.stages:
        augmentation = spec.train.of_stage(stage).augmentation
        if not make_ingredient("augmentation", augmentation, model.dims).keeps_places:
            words = f"asks at tokens, but augmentation {augmentation.name!r} moves them"
            raise SpecError(f"task {spec.data.task.name!r} {words}")
    if spec.data.cut != "head":
        words = "asks at places counted from the front: set data.cut: head"
        raise SpecError(f"task {spec.data.task.name!r} {words}", path=("data", "cut"))


def check_task(spec: RunSpec) -> None:
    """Raise SpecError where a stage trains on texts that the task does not have, windows leave tokens out, or another
    task cannot be answered."""
    task: Task = spec.data.task.make()
    for other in spec.data.out_of_domain:
        try:
            check_readable(task, other.make(), called(other))
        except (SpecError, DataError) as error:
            raise SpecError(f"data.out_of_domain: {error}") from error
    stride, seq_len = getattr(task, "stride", 0), spec.model.dims.seq_len
    if stride > seq_len:
        words = f"{stride} is longer than a window of {seq_len} tokens (model.dims.seq_len): tokens would be left out"
        raise SpecError(f"task {spec.data.task.name!r}: stride {words}", path=("data", "task", "stride"))
    asking = [chosen.name for chosen in spec.train.stages if trains_on_unlabelled(chosen)]
    if asking and not task.has_unlabelled:
        raise SpecError(
            f"stage {asking[0]!r} trains on texts without labels, but task {spec.data.task.name!r} has none: set its "
            "texts to train, or (files) name some with data.task.unlabelled"
        )


@kept_by(lambda train, dims: (train.model_dump_json(), dims.model_dump_json()))
def check_ingredients(train: TrainSpec, dims: Dims) -> None:
    """Raise SpecError, as making them would, where the ingredients of a stage do not fit."""
    with without_weights():
        for stage in train.stages:
            make_ingredients(train.of_stage(stage), dims)


@kept_by(lambda model, train: (model.spec.model_dump_json(), train.model_dump_json()))
def check_objectives(model: Model, train: TrainSpec) -> None:
    """Raise SpecError where the objective of a stage cannot train the model as the stage says."""
    for stage in train.stages:
        section = train.of_stage(stage)
        objective = make_ingredient("objective", section.objective, model.dims)
        try:
            objective.check_model(model)
        except SpecError as error:
            raise SpecError(f"objective {section.objective.name!r} {error}", path=("train", "objective")) from error
        if objective.needs_labels and trains_on_unlabelled(stage):
            words = f"needs labels, but stage {stage.name!r} trains on texts without them"
            raise SpecError(f"objective {section.objective.name!r} {words}", path=("train", "objective"))
        if objective.settles and stage is not train.stages[-1]:
            words = f"sets weights by validation, with which stages after {stage.name!r} would train: only in the last"
            raise SpecError(f"objective {section.objective.name!r} {words}", path=("train", "stages"))
        if section.micro_batch and (why := why_whole(model, objective)):
            raise SpecError(f"a batch cannot be parted: {why}", path=("train", "micro_batch"))
        if objective.hooks and section.compile is True:
            words = "hooks into the model, which a compiled model does not notice: set train.compile: false"
            raise SpecError(f"objective {section.objective.name!r} {words}", path=("train", "compile"))


@kept_by(lambda model, lengths: (model.spec.model_dump_json(), tuple(lengths)))
def check_lengths(model: Model, lengths: Sequence[int]) -> None:
    """Pass two texts of each length through a model on the meta device; torch's global random state stays as it was.

    Raises:
        SpecError: a length that it cannot take, or whatever a component raises, with its place.
    """
    weights, device = _stand_in(model)
    with torch.random.fork_rng(devices=[]), torch.no_grad(), shapes_compared(model):
        for length in lengths:
            ids_BN = torch.zeros(2, length, dtype=torch.int64, device=device)
            try:
                functional_call(model, weights, (ids_BN, ids_BN == 0))
            except Exception as error:
                raise SpecError(_why_not(length, error)) from error


def _why_not(length: int, error: Exception) -> str:
    """Of a pass that raised: our own words where we refused, else the error and the place where somebody's code is."""
    if isinstance(error, ComponentError):
        return f"fails in a trial pass over {length} tokens: {error}"
    frame = frame_of(error)
    ours = isinstance(error, ValueError) and is_own(frame)
    if ours or isinstance(error, SwarmformerError):
        return f"cannot take {length} tokens: {error}"
    return f"fails in a trial pass over {length} tokens with {with_place(error)}"


def _stand_in(model: Model) -> tuple[dict[str, Tensor], str]:
    """Zeros for the weights of a small model, nothing for a large one, which stays on the meta device; the device."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters > SMALL_PARAMETERS or model.dims.seq_len > SMALL_LENGTH:
        return {}, "meta"
    named = (*model.named_parameters(), *model.named_buffers())
    return {name: torch.zeros(tensor.shape, dtype=tensor.dtype) for name, tensor in named}, "cpu"
