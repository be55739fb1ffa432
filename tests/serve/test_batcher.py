"""Texts of many callers in few calls: every answer is that of its own text, and there are limits to what waits."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Coroutine
from itertools import chain
from typing import Any

import pytest

from swarmformer.errors import SpecError
from swarmformer.serve.batcher import Batcher, Batching, ClosingError, QueueFullError


class Upper:
    """Answers with capitals, and keeps what it was asked; it may have to be let go, and fails on a "fault"."""

    def __init__(self, held: bool = False) -> None:
        self.calls: list[list[str]] = []
        self.running, self.go = 0, threading.Event()
        if not held:
            self.go.set()

    def __call__(self, texts: list[str]) -> list[str]:
        self.calls.append(texts)
        self.running += 1
        assert self.running == 1, "never two calls at a time"
        assert self.go.wait(10)
        self.running -= 1
        if "fault" in texts:
            raise ValueError("a fault")
        return [text.upper() for text in texts]


def run(what: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(what, 30))


async def until(true: Any) -> None:
    while not true():
        await asyncio.sleep(0.001)


def test_every_answer_is_that_of_its_own_text() -> None:
    model = Upper()

    async def scenario() -> None:
        asked = [[f"text {n}, {part}" for part in range(1 + n % 5)] for n in range(300)]
        async with Batcher(model, Batching(max_batch=7, max_wait_s=0.002, max_queue=2000)) as batcher:
            found = await asyncio.gather(*(batcher.answers(texts) for texts in asked))
        assert found == [[text.upper() for text in texts] for texts in asked]
        assert sorted(chain(*model.calls)) == sorted(chain(*asked))
        assert max(map(len, model.calls)) == 7 and len(model.calls) < 200

    run(scenario())


def test_a_full_batch_does_not_wait_and_another_no_longer_than_it_may() -> None:
    model = Upper()

    async def scenario() -> None:
        async with Batcher(model, Batching(max_batch=3, max_wait_s=20)) as batcher:
            assert await batcher.answers(["a", "b", "c"]) == ["A", "B", "C"]
        async with Batcher(model, Batching(max_batch=3, max_wait_s=0.05)) as batcher:
            started = time.monotonic()
            found = await asyncio.gather(batcher.answers(["d"]), batcher.answers(["e"]))
            assert found == [["D"], ["E"]] and 0.04 < time.monotonic() - started < 5
        assert model.calls == [["a", "b", "c"], ["d", "e"]]

    run(scenario())


def test_a_full_queue_takes_nothing_and_goes_on() -> None:
    model = Upper(held=True)

    async def scenario() -> None:
        async with Batcher(model, Batching(max_batch=1, max_wait_s=0, max_queue=3)) as batcher:
            first = asyncio.create_task(batcher.answers(["running"]))
            await until(lambda: model.calls)
            others = asyncio.create_task(batcher.answers(["a", "b"]))
            await asyncio.sleep(0)
            with pytest.raises(QueueFullError, match="room for 1 more texts, not for 2"):
                await batcher.answers(["c", "d"])
            model.go.set()
            assert await first == ["RUNNING"] and await others == ["A", "B"]
            assert await batcher.answers(["e", "f"]) == ["E", "F"]
        assert "c" not in chain(*model.calls)

    run(scenario())


def test_the_loop_is_free_while_the_model_works() -> None:
    model = Upper(held=True)

    async def scenario() -> None:
        async with Batcher(model, Batching(max_wait_s=0)) as batcher:
            waiting = asyncio.create_task(batcher.answers(["a"]))
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert model.calls == [["a"]] and not waiting.done()
            model.go.set()
            assert await waiting == ["A"]

    run(scenario())


def test_one_text_that_fails_fails_no_other() -> None:
    async def scenario() -> None:
        async with Batcher(Upper(), Batching(max_batch=4, max_wait_s=5)) as batcher:
            asked = (batcher.answers(["a"]), batcher.answers(["fault"]), batcher.answers(["b", "c"]))
            good, bad, others = await asyncio.gather(*asked, return_exceptions=True)
            assert good == ["A"] and others == ["B", "C"]
            assert isinstance(bad, ValueError) and str(bad) == "a fault"
            assert await batcher.answers(["d", "e", "f", "g"]) == ["D", "E", "F", "G"]

    run(scenario())


def test_what_waits_at_the_end_is_answered_and_nothing_new_is_taken() -> None:
    model = Upper(held=True)

    async def scenario() -> None:
        async with Batcher(model, Batching(max_batch=1, max_wait_s=0)) as batcher:
            waiting = [asyncio.create_task(batcher.answers([text])) for text in "abc"]
            await until(lambda: model.calls)
            batcher.close()
            assert not batcher.open
            with pytest.raises(ClosingError):
                await batcher.answers(["d"])
            model.go.set()
        assert await asyncio.gather(*waiting) == [["A"], ["B"], ["C"]]

    run(scenario())


def test_what_nobody_waits_for_is_not_computed() -> None:
    model = Upper(held=True)

    async def scenario() -> None:
        async with Batcher(model, Batching(max_batch=1, max_wait_s=0)) as batcher:
            first = asyncio.create_task(batcher.answers(["a"]))
            await until(lambda: model.calls)
            gone, last = (asyncio.create_task(batcher.answers([text])) for text in ("gone", "b"))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.sleep(0)
            model.go.set()
            assert await first == ["A"] and await last == ["B"]
        assert model.calls == [["a"], ["b"]]

    run(scenario())


@pytest.mark.parametrize("wrong", [
    {"max_batch": 0}, {"max_wait_s": -1}, {"max_wait_s": math.nan}, {"max_wait_s": math.inf}, {"max_queue": 0},
], ids=str)  # fmt: skip
def test_numbers_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"must be at least 1 and max-wait-ms from 0 to 60000"):
        Batching(**wrong)
