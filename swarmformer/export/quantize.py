"""Weights of an ONNX graph in eight bits."""

from __future__ import annotations

import logging
from pathlib import Path

BLOCK, INT8_PRODUCTS = 32, 4
"""Weights of a matrix that share a scale; and the level at which onnxruntime multiplies in int8."""


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
