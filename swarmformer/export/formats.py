"""What a model is written as, and how each is run again as somebody else's program would."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from swarmformer.errors import SpecError
from swarmformer.export.graph import IDS, LOGITS, MASK, traced
from swarmformer.extras import require
from swarmformer.hub import CompleteModel, load_model, save

if TYPE_CHECKING:
    from torch.export import ExportedProgram

Run = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""ids int64 [B, N], mask int64 [B, N] → logits."""
BLOCK, INT8_PRODUCTS = 32, 4
"""Weights of a matrix that share a scale; and the level at which onnxruntime multiplies in int8."""


@dataclass(frozen=True)
class Format:
    """``write`` puts ``file`` into a folder; ``open`` gives what runs it with so many threads."""

    file: str
    write: Callable[[CompleteModel, Path], None]
    open: Callable[[Path, int], Run]


def pad_id(complete: CompleteModel) -> int:
    """What stands where a batch has no token."""
    return 0 if complete.text is None else complete.text.pad_id


def _graph(complete: CompleteModel) -> ExportedProgram:
    model, text = complete.model, complete.text
    if text is not None and not model.honours_mask and text.lengths != (model.dims.seq_len,):
        raise SpecError(
            f"pads are part of what this model computes, and it pads a text to the next of {text.lengths} tokens, "
            "which one graph cannot: train with data.pad_to_max: true, or with its padding masked (see masked_small)"
        )
    return traced(model, pad_id(complete))


def _write_onnx(complete: CompleteModel, path: Path) -> None:
    """One file of ONNX's own operators."""
    require("export", "onnx", "onnxscript", "onnxruntime")
    names = {0: "batch", 1: "length"}
    graph = _graph(complete)
    with _quiet():
        try:
            program = torch.onnx.export(
                graph, input_names=[IDS, MASK], output_names=[LOGITS], dynamic_shapes=(names, names), verbose=False
            )
        except Exception as error:  # an operation that ONNX, or torch's translation to it, does not have
            raise SpecError(f"this model cannot be written as ONNX: {_reason(error)}. See --format") from error
    if program is None:
        raise SpecError("torch.onnx.export gave no program for this model. See --format")
    program.save(path, external_data=False)


def _reason(error: BaseException) -> str:
    """The first of a chain of errors, in a line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _open_onnx(path: Path, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    with _told_of_onnxruntime():
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(ids_BN: np.ndarray, mask_BN: np.ndarray) -> np.ndarray:
        with _told_of_onnxruntime():
            logits: np.ndarray = session.run([LOGITS], {IDS: ids_BN, MASK: mask_BN})[0]
        return logits

    return run


@contextmanager
def _told_of_onnxruntime() -> Iterator[None]:
    """Its errors have no class in common."""
    try:
        yield
    except Exception as error:
        raise SpecError(f"onnxruntime cannot run this graph: {_reason(error)}. Try --format torch-export") from error


def to_int8(path: Path) -> None:
    """Rewrite a graph in place: tables in int8, matrices in int8 by blocks, products in int8.

    Scales of activations are those of a token (onnxruntime's ``MatMulNBits``), where ``quantize_dynamic`` has one for a
    whole batch, so that a text would give another answer in other company.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    logger, level = logging.getLogger(), logging.getLogger().level
    logger.setLevel(logging.ERROR)  # it advises steps that were taken, for each node
    try:
        quantize_dynamic(path, path, op_types_to_quantize=["Gather"], weight_type=QuantType.QInt8)
        by_blocks = MatMulNBitsQuantizer(
            onnx.load(path), bits=8, block_size=BLOCK, is_symmetric=True, accuracy_level=INT8_PRODUCTS
        )
        by_blocks.process()
        onnx.save(by_blocks.model.model, path)
    finally:
        logger.setLevel(level)


def _write_torch(complete: CompleteModel, path: Path) -> None:
    torch.export.save(_graph(complete), path)


def _open_torch(path: Path, threads: int) -> Run:
    """With torch's threads."""
    program = torch.export.load(path).module()

    @torch.inference_mode()
    def run(ids_BN: np.ndarray, mask_BN: np.ndarray) -> np.ndarray:
        logits: np.ndarray = program(torch.from_numpy(ids_BN), torch.from_numpy(mask_BN)).numpy()
        return logits

    return run


def _write_safetensors(complete: CompleteModel, path: Path) -> None:
    save(complete, path.parent)


def _open_safetensors(path: Path, threads: int) -> Run:
    """With torch's threads."""
    model = load_model(path.parent)

    @torch.inference_mode()
    def run(ids_BN: np.ndarray, mask_BN: np.ndarray) -> np.ndarray:
        logits: np.ndarray = model(torch.from_numpy(ids_BN), torch.from_numpy(mask_BN != 0)).numpy()
        return logits

    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of itself."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


FORMATS: Mapping[str, Format] = {
    "onnx": Format("model.onnx", _write_onnx, _open_onnx),
    "torch-export": Format("model.pt2", _write_torch, _open_torch),
    "safetensors": Format("model.safetensors", _write_safetensors, _open_safetensors),
}
