"""Texts of requests that come at the same time, answered together, in a thread beside the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

from swarmformer.errors import SpecError, SwarmformerError

Answer = TypeVar("Answer")
LONGEST_WAIT_S = 60.0
"""What a text may be made to wait for others: longer than whoever asked waits for an answer."""


class QueueFullError(SwarmformerError):
    """No room for so many texts now."""


class ClosingError(SwarmformerError):
    """It finishes what it has and takes no more."""


@dataclass(frozen=True)
class Batching:
    """How texts are put together.

    max_batch: texts of one call of the model. max_wait_s: that the first of them waits for others. max_queue: texts
    that may wait, those of the running call aside.
    """

    max_batch: int = 32
    max_wait_s: float = 0.005
    max_queue: int = 1024

    def __post_init__(self) -> None:
        if self.max_batch < 1 or not 0 <= self.max_wait_s <= LONGEST_WAIT_S or self.max_queue < 1:  # nan is no time
            raise SpecError("max-batch and max-queue must be at least 1 and max-wait-ms from 0 to "
                            f"{1000 * LONGEST_WAIT_S:.0f}, got {self}")  # fmt: skip


BATCHING = Batching()


@dataclass
class _Waiting(Generic[Answer]):
    text: str
    since: float
    answer: asyncio.Future[Answer] = field(repr=False)


class Batcher(Generic[Answer]):
    """``classify`` is called with up to ``max_batch`` texts, never twice at a time, and gives an answer for each.

    ``async with`` starts it; at the end it takes no more texts and answers those that wait.
    """

    def __init__(self, classify: Callable[[list[str]], Sequence[Answer]], batching: Batching = BATCHING) -> None:
        self._classify, self._batching = classify, batching
        self._queue: deque[_Waiting[Answer]] = deque()
        self._closing = False

    async def __aenter__(self) -> Self:
        self._changed = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()
        await self._task
        self._thread.shutdown()

    def close(self) -> None:
        """Take no more texts."""
        self._closing = True
        self._changed.set()

    @property
    def open(self) -> bool:
        return not self._closing

    async def answers(self, texts: Sequence[str]) -> list[Answer]:
        """An answer for each text, in their order.

        Raises:
            QueueFullError: more texts than there is room for; none of them is taken.
            ClosingError: after ``close``.
        """
        if self._closing:
            raise ClosingError("shutting down")
        room = self._batching.max_queue - len(self._queue)
        if len(texts) > room:
            raise QueueFullError(f"room for {room} more texts, not for {len(texts)}")
        loop = asyncio.get_running_loop()
        waiting = [_Waiting[Answer](text, loop.time(), loop.create_future()) for text in texts]
        self._queue.extend(waiting)
        self._changed.set()
        return await asyncio.gather(*(one.answer for one in waiting))

    async def _run(self) -> None:
        while await self._next():
            await self._answer(self._take())

    async def _next(self) -> bool:
        """Wait until a batch is due; False where none will come."""
        while not self._queue and not self._closing:
            await self._change()
        loop = asyncio.get_running_loop()
        while self._queue and not self._closing and len(self._queue) < self._batching.max_batch:
            left_s = self._queue[0].since + self._batching.max_wait_s - loop.time()
            if left_s <= 0:
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(self._change(), left_s)
        return bool(self._queue)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _take(self) -> list[_Waiting[Answer]]:
        """The next texts, those left out that nobody waits for any more."""
        count = min(self._batching.max_batch, len(self._queue))
        return [one for one in (self._queue.popleft() for _ in range(count)) if not one.answer.done()]

    async def _answer(self, batch: Sequence[_Waiting[Answer]]) -> None:
        """Call the model. Where it fails each text is asked alone, so that one fails no other."""
        if not batch:
            return
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._thread, self._classify, [one.text for one in batch])
            told = list(zip(batch, answers, strict=True))
        except Exception as error:
            if len(batch) > 1:
                for one in batch:
                    await self._answer([one])
            elif not batch[0].answer.done():
                batch[0].answer.set_exception(error)
            return
        for one, answer in told:
            if not one.answer.done():
                one.answer.set_result(answer)
