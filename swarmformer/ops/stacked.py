"""One pass for several models of one shape (``torch.func.vmap``), each with random draws of its own.

What a model draws must not depend on who is computed beside it. So there is a stream of random numbers for each, and
whatever draws meanwhile does so once for each from its stream: in the shape, and thus with the numbers, that it would
have alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from swarmformer.seeding import Draws

_streams: Streams | None = None


class Streams:
    """The streams of a stack, one for each model in the order of the stack. ``inside``: whether one is drawn from."""

    def __init__(self, draws: Sequence[Draws]) -> None:
        self.draws, self.inside = list(draws), False

    def __len__(self) -> int:
        return len(self.draws)

    @contextmanager
    def of(self, number: int) -> Iterator[None]:
        """Draw from one stream meanwhile, and compute as if its model were alone."""
        self.draws[number].restore()
        self.inside = True
        try:
            yield
        finally:
            self.inside = False
            self.draws[number] = Draws.on(self.draws[number].device)


@contextmanager
def stacked(streams: Streams) -> Iterator[None]:
    """Within it a pass under ``torch.func.vmap(…, randomness="different")`` draws from the streams."""
    global _streams
    _streams = streams
    try:
        with _DrawnByEach(streams):
            yield
    finally:
        _streams = None


def in_stack() -> bool:
    """Whether several models are computed at once here, so that a tensor has a hidden dimension of models."""
    return _streams is not None and not _streams.inside


def by_each(function: Callable[..., Tensor], *arguments: Any, **named: Any) -> Tensor:
    """``function(*arguments, **named)`` for one model after the other: what draws in a way of its own, or cannot be
    stacked. One of the arguments at least is a tensor that differs between models.
    """
    known = len(arguments)

    def call(*values: Any) -> Tensor:
        return function(*values[:known], **dict(zip(named, values[known:], strict=True)))

    found: Tensor = _Each.apply(call, *arguments, *named.values())
    return found


class _Each(torch.autograd.Function):
    """``vmap`` gives way to its rule, which works on tensors as they are, with gradients as usual."""

    @staticmethod
    def forward(function: Callable[..., Tensor], *arguments: Any) -> Tensor:
        raise RuntimeError("nothing here differs between the models of a stack")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None: ...

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], function: Callable[..., Tensor], *arguments: Any) -> Any:
        assert _streams is not None
        found = []
        for number in range(info.batch_size):
            pairs = zip(in_dims[1:], arguments, strict=True)
            own = [part if dim is None else part.select(dim, number) for dim, part in pairs]
            with _streams.of(number):
                found.append(function(*own))
        return torch.stack(found), 0


class _DrawnByEach(TorchDispatchMode):
    """Beneath ``vmap``, where tensors have the models as their first dimension: splits whatever draws."""

    def __init__(self, streams: Streams) -> None:
        super().__init__()
        self.streams = streams

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self.streams.inside or torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        return self._drawn(func, args, kwargs)

    def _drawn(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not any(map(self._is_of_all, args)):
            raise RuntimeError(f"{func} draws in a way that cannot be parted by model")
        found = []
        for number in range(len(self.streams)):
            with self.streams.of(number):
                found.append(func(*[self._own(part, number) for part in args], **kwargs))
        if func._schema.is_mutable:
            return args[0]
        if isinstance(found[0], Tensor):
            return torch.stack(found)
        return tuple(torch.stack(parts) for parts in zip(*found, strict=True))

    def _is_of_all(self, part: Any) -> bool:
        """Whether an argument has the models as its first dimension: a tensor, or the size of what is to be drawn."""
        sizes = part.shape if isinstance(part, Tensor) else part
        return isinstance(sizes, Sequence) and len(sizes) > 0 and sizes[0] == len(self.streams)

    def _own(self, part: Any, number: int) -> Any:
        if not self._is_of_all(part):
            return part
        return part[number] if isinstance(part, Tensor) else part[1:]
