"""Answers over HTTP are the pipeline's own; what is too much or malformed is refused, and nothing leaks or blocks."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import re
import threading
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest

pytest.importorskip("fastapi")

import swarmformer
from swarmformer.errors import DataError, MemoryExhaustedError, SpecError
from swarmformer.pipeline import Answer, TextClassifier
from swarmformer.serve.app import LIMITS, RequestLimits, create_app
from swarmformer.serve.batcher import BATCHING, Batching
from tests.data.toy_tasks import WORDS
from tests.hub.conftest import toy_data as toy_data
from tests.hub.models import CLASSES, complete_model
from tests.serve.asking import Reply, ask, living


class Echo:
    """In the place of a model: its answer is the text; it may have to be let go."""

    classes, seq_len = ("a", "b"), 8

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()

    def __call__(self, texts: list[str]) -> list[Answer]:
        assert self.go.wait(10)
        if "unknown" in texts:
            raise DataError("token 'unknown' is not in the vocabulary")
        if "long" in texts:
            raise MemoryExhaustedError("memory does not hold one text")
        if "fault" in texts:
            raise RuntimeError("a fault of the code")
        return [Answer(text, {text: 1.0}) for text in texts]


def run(what: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(what, 60))


def echoing(limits: RequestLimits = LIMITS, batching: Batching = BATCHING) -> Any:
    return create_app(Echo(), "echo", limits=limits, batching=batching)  # type: ignore[arg-type]


def test_answers_are_those_of_the_pipeline() -> None:
    classify = TextClassifier(complete_model(), precision="fp32")
    draw = random.Random(0)
    asked = [[" ".join(draw.choices(WORDS[5:], k=draw.randrange(40))) for _ in range(draw.randrange(1, 4))]
             for _ in range(150)]  # fmt: skip

    async def scenario() -> None:
        app = create_app(classify, "toy", batching=Batching(max_batch=8, max_queue=1000))
        async with living(app):
            replies = await asyncio.gather(*(ask(app, "/predict", {"texts": texts}) for texts in asked))
            one = await ask(app, "/predict", {"texts": asked[0][0]})
        for texts, reply in zip([*asked, asked[0][:1]], [*replies, one], strict=True):
            expected = classify(texts)
            assert [told["label"] for told in reply.content["answers"]] == [answer.label for answer in expected]
            for told, answer in zip(reply.content["answers"], expected, strict=True):
                assert told["probabilities"] == pytest.approx(answer.probabilities, abs=1e-5)
                assert tuple(told["probabilities"]) == CLASSES

    run(scenario())


def test_a_thousand_requests_at_once_are_answered_or_told_to_come_again() -> None:
    async def scenario() -> None:
        app = echoing(batching=Batching(max_queue=700))
        async with living(app):
            replies = await asyncio.gather(*(ask(app, "/predict", {"texts": [f"text {n}"]}) for n in range(1000)))
            assert (await ask(app, "/predict", {"texts": ["after"]})).content["answers"][0]["label"] == "after"
        for n, reply in enumerate(replies):
            if reply.status == 200:
                assert [answer["label"] for answer in reply.content["answers"]] == [f"text {n}"]
            else:
                assert reply.status == 503 and int(reply.headers["retry-after"]) >= 1
        assert Counter(reply.status for reply in replies) == {200: 700, 503: 300}

    run(scenario())


FEW = RequestLimits(body_bytes=400, texts=2, characters=10, read_s=5)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"texts": ["a"', 400, "JSON"),
        (b"\xff\xfe{}", 400, ""),
        (b"", 422, ""),
        (b"[]", 422, ""),
        (b'{"text": ["a"]}', 422, "texts: Field required"),
        (b'{"texts": ["a"], "secret": 1}', 422, "secret: Extra inputs"),
        (b'{"texts": []}', 422, "texts: List should have at least 1 item"),
        (b'{"texts": ["a", "b", "c"]}', 422, "texts: List should have at most 2 items"),
        (b'{"texts": ["a", 1]}', 422, "texts.1: Input should be a valid string"),
        (b'{"texts": "secret text, too long"}', 422, "texts.0: String should have at most 10 characters"),
        (b'{"texts": ["secret \\ud83d"]}', 422, "texts.0: Input should be a valid string"),
        (b'{"texts": null}', 422, "texts: "),
        (b'{"texts": ' + b"[" * 300 + b"]" * 50 + b"}", 400, ""),
        (b'{"texts": ["unknown"]}', 422, "not in the vocabulary"),
        (b'{"texts": ["secret"], "x": "' + b"x" * 400 + b'"}', 413, "400 bytes"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_refused(body: bytes, status: int, words: str) -> None:
    async def scenario() -> None:
        app = echoing(FEW)
        async with living(app):
            reply = await ask(app, "/predict", parts=[body])
            assert reply.status == status, reply.body
            assert words in reply.content["error"] and "secret text" not in reply.content["error"]
            assert (await ask(app, "/predict", {"texts": ["a", ""]})).status == 200

    run(scenario())


def test_errors_have_one_form_whoever_finds_them() -> None:
    async def scenario() -> None:
        app = echoing()
        async with living(app):
            for kinds in ((), ((b"content-type", b"text/plain"),)):
                reply = await ask(app, "/predict", {"texts": "x"}, headers=kinds)
                assert reply.status == 415 and "Content-Type: application/json" in reply.content["error"]
            missing, posted = await ask(app, "/no-such-place"), await ask(app, "/health", {"texts": "x"})
            assert (missing.status, missing.content) == (404, {"error": "Not Found"})
            assert (posted.status, posted.content) == (405, {"error": "Method Not Allowed"}) and posted.headers["allow"]

    run(scenario())


def test_a_large_body_is_not_held_and_a_slow_one_not_waited_for() -> None:
    async def scenario() -> None:
        app = echoing(RequestLimits(body_bytes=100, read_s=0.2))
        async with living(app):
            endless = await ask(app, "/predict", parts=[b" " * 1000] * 10_000)
            slow = asyncio.create_task(ask(app, "/predict", parts=[b" "] * 50, pause_s=0.1))
            assert (await ask(app, "/predict", {"texts": "meanwhile"})).status == 200
            assert (endless.status, (await slow).status) == (413, 408)

    run(scenario())


@pytest.mark.parametrize(("text", "cause"), [("fault", "a fault of the code"), ("long", "memory does not hold one")])
def test_a_fault_of_the_code_is_told_to_the_log_alone(caplog: pytest.LogCaptureFixture, text: str, cause: str) -> None:
    async def scenario() -> None:
        app = echoing()
        async with living(app):
            faulty, good = await asyncio.gather(
                ask(app, "/predict", {"texts": [text]}), ask(app, "/predict", {"texts": ["good"]})
            )
            assert (faulty.status, faulty.content) == (500, {"error": "internal error"})
            assert good.content["answers"][0]["label"] == "good"

    run(scenario())
    assert cause in caplog.text


def test_health_and_readiness() -> None:
    async def scenario() -> None:
        app = echoing()
        async with living(app):
            health = await ask(app, "/health")
            assert health.content == {"status": "ok", "version": swarmformer.__version__, "model": "echo",
                                      "classes": ["a", "b"], "seq_len": 8}  # fmt: skip
            assert (await ask(app, "/ready")).status == 200
        assert (await ask(app, "/ready")).status == 503
        late: Reply = await ask(app, "/predict", {"texts": ["late"]})
        assert late.status == 503 and "retry-after" in late.headers

    run(scenario())


def test_the_page_needs_nothing_from_elsewhere_and_takes_nothing_for_markup() -> None:
    model = Echo()
    model.classes = ("<b>good</b>", "bad & worse")
    app = create_app(model, "<script>alert(1)</script>")  # type: ignore[arg-type]

    async def scenario() -> None:
        async with living(app):
            reply = await ask(app, "/")
        page, policy = reply.body.decode(), reply.headers["content-security-policy"]
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "&lt;b&gt;good&lt;/b&gt;" in page
        assert page.count("<script") == 1 and not re.search(r"https?:|src=|href=|innerHTML", page)
        for tag in ("script", "style"):
            [content] = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy
        assert policy.startswith("default-src 'none'")

    run(scenario())


def test_limits_that_make_no_sense() -> None:
    with pytest.raises(SpecError, match="limits must be at least 1"):
        RequestLimits(texts=0)
    with pytest.raises(SpecError, match="may have 128 texts, but only 10 may wait"):
        echoing(batching=Batching(max_queue=10))
