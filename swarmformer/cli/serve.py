"""Serve a model over HTTP: POST /predict {"texts": ["…"]} gives its answers, / is a page to type a text into.

Texts of requests that come together are answered together. GET /health and /ready say how it is. SIGTERM and Ctrl-C
finish what has begun and take nothing new.

    swarmformer serve my-model --port 8000
    curl -s localhost:8000/predict -H 'Content-Type: application/json' -d '{"texts": ["A film to forget."]}'
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from swarmformer.cli.asking import add_model_options, asked_model, warnings_shown
from swarmformer.cli.command import command_parser, words_of
from swarmformer.extras import require


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    options = _parser().parse_args(words_of(arguments))
    require("serve", "fastapi", "uvicorn")
    from swarmformer.serve.app import RequestLimits
    from swarmformer.serve.batcher import Batching
    from swarmformer.serve.run import listening, serve

    limits = RequestLimits(options.max_bytes, options.max_texts, options.max_characters)
    batching = Batching(options.max_batch, options.max_wait_ms / 1000, options.max_queue)
    with warnings_shown(), listening(options.host, options.port) as listener:
        name = Path(options.model).name or options.model
        serve(asked_model(options), name, listener, limits=limits, batching=batching)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("serve", __doc__)
    add_model_options(parser, batch_size=False)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=8000, help="0: any that is free (default: %(default)s)")
    add = parser.add_argument_group("batches").add_argument
    add("--max-batch", type=int, default=32, help="texts answered together (default: %(default)s)")
    add("--max-wait-ms", type=float, default=5.0, help="that a text waits for others (default: %(default)s)")
    add("--max-queue", type=int, default=1024, help="texts that may wait; more get 503 (default: %(default)s)")
    add = parser.add_argument_group("limits of a request").add_argument
    add("--max-texts", type=int, default=128, help="more get 422 (default: %(default)s)")
    add("--max-characters", type=int, default=100_000, help="of a text; more get 422 (default: %(default)s)")
    add("--max-bytes", type=int, default=2**20, help="of a body; more get 413 (default: %(default)s)")
    return parser
