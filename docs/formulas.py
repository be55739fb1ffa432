"""Cost formulas of the cards: evaluated as plain arithmetic, and held against the components they are of.

A formula is a block of Python. Its first line names what it is of, as in ``# local.windowed_attention(window=W)``: a
component with its options, a variant in quotes, or a difference of two. The other lines are assignments.
"""

from __future__ import annotations

import ast
import operator
import re
from typing import Any

import torch

from swarmformer import registry
from swarmformer.assembly import assemble_without_weights
from swarmformer.contracts import Dims
from swarmformer.cost.variants import spec_of

FORMULA = re.compile(r"```python\n# ([^\n]+)\n(.*?)```", flags=re.DOTALL)
QUANTITIES = ("parameters", "flops", "broadcast")
OPERATORS: dict[type[ast.AST], Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Pow: operator.pow, ast.USub: operator.neg,
}  # fmt: skip


def arithmetic(node: ast.expr, names: dict[str, Any]) -> Any:
    """Value of an expression of numbers, known names and + − * / // **.

    Raises:
        ValueError: it is anything else; nothing is ever run.
    """
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](arithmetic(left, names), arithmetic(right, names))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -arithmetic(operand, names)
    raise ValueError(f"not arithmetic over known sizes: {ast.unparse(node)}")


def evaluated(body: str, sizes: dict[str, Any]) -> dict[str, Any]:
    """All names after the assignments of a block; C follows from N and S.

    Raises:
        ValueError: a statement that is no assignment of arithmetic to a name.
    """
    names = {**sizes, "C": -(-sizes["N"] // sizes["S"])}
    for statement in ast.parse(body).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                names[name] = arithmetic(value, names)
            case _:
                raise ValueError(f"not an assignment: {ast.unparse(statement)}")
    return names


def measured(what: str, quantity: str, names: dict[str, Any]) -> int:
    """A quantity of what the first line of a block names, at the sizes ``names``.

    Raises:
        ValueError: it is neither a component, nor a variant, nor a difference of two.
        SpecError: no such component or variant, or sizes that it refuses.
    """
    return _measured(ast.parse(what, mode="eval").body, quantity, names)


def _measured(what: ast.expr, quantity: str, names: dict[str, Any]) -> int:
    match what:
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _measured(left, quantity, names) - _measured(right, quantity, names)
        case ast.Constant(value=str(variant)):
            return _of_variant(variant, quantity, names)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=slot), attr=name), args=[], keywords=keywords):
            options = {keyword.arg: _option(keyword.value, names) for keyword in keywords if keyword.arg}
            return _of_component(slot, name, options, quantity, names)
    raise ValueError(f"neither a component, nor a variant, nor a difference: {ast.unparse(what)}")


def _option(node: ast.expr, names: dict[str, Any]) -> Any:
    match node:
        case ast.Constant(value=str() | bool() as value):
            return value
    return arithmetic(node, names)


def _of_variant(variant: str, quantity: str, names: dict[str, Any]) -> int:
    model = assemble_without_weights(spec_of(variant).model_copy(update={"dims": _dims_of(names)}))
    if quantity == "parameters":
        return sum(parameter.numel() for parameter in model.parameters())
    return model.flops(names["B"], names["N"])


def _of_component(slot: str, name: str, options: dict[str, Any], quantity: str, names: dict[str, Any]) -> int:
    with torch.device("meta"):
        component = registry.get(slot, name)(_dims_of(names), **options)
    B, N, C, S = (names[size] for size in "BNCS")
    if quantity == "parameters":
        return sum(parameter.numel() for parameter in component.parameters())
    if quantity == "broadcast":
        return component.broadcast_flops(B, N, S, names["E"])
    arguments = {"local": (B, N), "router": (B, N, S), "cluster": (B, C), "feedback": (B, N, C)}
    return component.flops(*arguments[slot])


def _dims_of(names: dict[str, Any]) -> Dims:
    D, L, S, M = (names[size] for size in "DLSM")
    return Dims(vocab_size=11, d_model=D, num_layers=L, cluster_size=S, seq_len=M, num_classes=3)
