"""Text from a language model, as it is written.

PROMPT is what it goes on from; - for standard input; without it, the model begins a text of its own. The prompt is
printed first. --max-length counts tokens, those of the prompt included.

    swarmformer generate runs/train/transformer_lm-s0-1a2b3c4d "ROMEO:" --temperature 0.8 --top-p 0.9 --seed 0
    swarmformer generate my-model - --max-length 500 --stop "THE END" < beginning.txt
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from swarmformer.cli.asking import warnings_shown
from swarmformer.cli.command import command_parser, count, words_of
from swarmformer.errors import DataError, UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = command_parser("generate", __doc__)
    parser.add_argument("model", metavar="MODEL", help="a folder, the folder of a run, or OWNER/NAME on the hub")
    parser.add_argument("prompt", nargs="?", default="", metavar="PROMPT", help="what to go on from")
    parser.add_argument("--max-length", type=int, default=200, help="tokens, the prompt included")
    parser.add_argument("--temperature", type=float, default=1.0, help="0: the likeliest token each time")
    parser.add_argument("--top-k", type=int, default=0, help="draw from so many of the likeliest; 0: from all")
    parser.add_argument("--top-p", type=float, default=1.0, help="draw from the likeliest that have this probability")
    parser.add_argument("--repetition-penalty", type=float, default=1.0, help="above 1: what is there is less likely")
    parser.add_argument("--seed", type=int, help="of the draws; without it each time others")
    parser.add_argument("--stop", action="append", default=[], metavar="TEXT", help="end before it; may be repeated")
    parser.add_argument("--no-cache", action="store_true", help="compute all of the text for each token")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=count, default=0, help="of the processor; 0: all that this process may use")
    parser.add_argument("--revision", help="branch, tag or commit on the hub")
    parser.add_argument("--trust-code", action="store_true", help="import package.module:Class that the model names")
    options = parser.parse_args(words_of(arguments))
    with warnings_shown():
        return generate(options)


def generate(options: argparse.Namespace) -> int:
    """Write what a command line asks for; 0 when it is written."""
    from swarmformer.environment import use_threads
    from swarmformer.generation import TextGenerator
    from swarmformer.pipeline import load

    use_threads(options.threads)
    model = load(options.model, device=options.device, revision=options.revision, trust_code=options.trust_code)
    if not isinstance(model, TextGenerator):
        raise UsageError(f"{options.model} is no language model: ask it by swarmformer predict {options.model}")
    prompt = _standard_input() if options.prompt == "-" else options.prompt
    pieces = model.stream(
        prompt, max_length=options.max_length, temperature=options.temperature, top_k=options.top_k,
        top_p=options.top_p, repetition_penalty=options.repetition_penalty, seed=options.seed, stop=options.stop,
        use_cache=not options.no_cache,
    )  # fmt: skip
    print(prompt, end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()
    return 0


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise DataError(f"standard input is not {error.encoding} ({error.reason} at byte {error.start}): save it as "
                        "UTF-8") from None  # fmt: skip
