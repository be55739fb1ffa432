"""A server in a process of its own: slow and greedy clients, and a stop that finishes what has begun."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

pytest.importorskip("uvicorn")

from swarmformer.hub import save
from tests.hub.conftest import toy_data as toy_data
from tests.hub.models import complete_model
from tests.processes import start_forked

pytestmark = pytest.mark.waits
CHROMIUM = shutil.which("chromium")
BODY = json.dumps({"texts": ["a good film", "bad"]}).encode()
HEAD = b"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def port_of(said: Path) -> int:
    """Wait until the server says where it is."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        found = re.search(r"serving model on http://127\.0\.0\.1:(\d+)\n", said.read_text() if said.exists() else "")
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise TimeoutError("the server does not start")


def post(port: int, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    return reply.status, reply.read()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[BaseProcess, int]]:
    """A process and the port that it listens to."""
    save(replace(complete_model(), classes=("<b>bad</b>", "so so", "good")), tmp_path / "model")
    said = [tmp_path / "stdout", tmp_path / "stderr"]
    process = start_forked("swarmformer", "serve", tmp_path / "model", "--port", "0", said=said)
    try:
        yield process, port_of(said[0])
        assert "Traceback" not in said[1].read_text()
    finally:
        process.kill()
        process.join()


def test_a_server_outlives_its_clients_and_ends_when_it_has_answered(server: tuple[BaseProcess, int]) -> None:
    process, port = server
    status, content = post(port, BODY)
    assert status == 200 and len(json.loads(content)["answers"]) == 2
    assert post(port, b" " * 10_000_000)[0] == 413
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]  # say nothing
    begun = socket.create_connection(("127.0.0.1", port), timeout=60)
    begun.sendall(HEAD % len(BODY) + BODY[:5])
    assert post(port, BODY) == (200, content)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    with pytest.raises(OSError):
        while True:  # until nobody listens any more
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            time.sleep(0.02)
    begun.sendall(BODY[5:])
    reply = http.client.HTTPResponse(begun)
    reply.begin()
    assert (reply.status, reply.read()) == (200, content)
    process.join(60)
    assert process.exitcode == 0
    for connection in (*silent, begun):
        connection.close()


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
def test_the_page_shows_answers_and_takes_nothing_for_markup(server: tuple[BaseProcess, int]) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text))
        page.goto(f"http://127.0.0.1:{server[1]}/")
        page.fill("textarea", "a good film <script>alert(1)</script>")
        page.click("button")
        page.wait_for_selector("output tr")
        assert sorted(page.locator("output th").all_text_contents()) == sorted(["<b>bad</b>", "so so", "good"])
        shares = [float(text.removesuffix(" %")) for text in page.locator("output td:last-child").all_text_contents()]
        assert shares == sorted(shares, reverse=True) and abs(sum(shares) - 100) < 0.2
        assert page.locator("b").count() == 0
        page.fill("textarea", "x" * 100_001)
        page.click("button")
        page.locator("output", has_text="Error: texts.0").wait_for()  # the policy forbids to evaluate words of a test
        browser.close()
    assert [fault for fault in faults if "422" not in fault] == [], "the policy of the page forbids nothing it needs"
