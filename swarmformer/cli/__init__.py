"""``swarmformer``: train and compare models, and look at what there is.

train        one variant: ``train with variant=base data.task=listops seed=0``
grid         plan, run and watch many: ``grid plan|run|status|retry|export GRID``
report       run folders → tables and pictures
page         run folders → one page for a browser
trace        the runs behind one number of a report
bench        what variants cost: ``bench quick|full`` or ``bench with variants=[base,base+windowed]``
predict      labels and probabilities of texts, from a trained model
evaluate     how good a trained model is, on a task or a file of your own
generate     text from a language model
tokenizer    train the tokenizer of a language model
export       a model for programs that know nothing of swarmformer: ONNX, torch.export, safetensors
serve        a model over HTTP, texts of requests answered together
check        hold components and variants to their contracts
components   every component: options, origin, parameters, FLOPs, faults
variants     every variant, factor and grid that can be named, with its origin
show         a variant resolved, by slot, with parameters and FLOPs

``swarmformer COMMAND --help`` says more, ``swarmformer --version`` which version this is. Exit status: 0 done; 1 a
fault that the message on standard error tells how to mend, or a check or a run that failed; 2 a command line that
cannot be read; 130 stopped.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points

from swarmformer import __version__
from swarmformer.cli.command import HELP, USAGE, exit_status
from swarmformer.errors import SpecError, UsageError, suggest

GROUP = "swarmformer.commands"
"""Entry points of commands that live outside the library: ``main(arguments) -> exit status``."""

OWN = (
    "predict", "evaluate", "generate", "tokenizer", "export", "serve", "check", "components", "variants", "show",
)  # fmt: skip
Command = Callable[[Sequence[str]], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; the exit status of the command, see ``swarmformer.cli.command``."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if len(words) > 1 and "help" in words[:2]:  # help COMMAND, or COMMAND help
        words = [words[1] if words[0] == "help" else words[0], "--help"]
    if not words or words[0] in HELP:
        print(_overview(), file=sys.stdout if words else sys.stderr)
        return 0 if words else USAGE
    if words[0] == "--version":
        print(f"swarmformer {__version__}")
        return 0
    return exit_status(lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    try:
        here = os.getcwd()
    except FileNotFoundError as error:
        raise SpecError("the current folder was deleted; change to one that is there") from error
    if here not in sys.path:  # for package.module:Class of the current folder, as under python -m
        sys.path.append(here)
    return _command(words[0])(words[1:])


def _command(name: str) -> Command:
    points = _points()
    if name not in (*OWN, *points):
        known = [*points, *OWN]
        stale = f"\n{name} " in (__doc__ or "")
        hint = " Its entry point is not installed: pip install again." if stale else suggest(name, known)
        raise UsageError(f"no command {name!r}.{hint} Commands: {', '.join(known)}")
    if name in OWN:
        if name in points:
            raise SpecError(f"command {name!r} is swarmformer's own and of {_origins(points[name])}; uninstall that")
        command: Command = importlib.import_module(f"swarmformer.cli.{name}").main
        return command
    if len(points[name]) > 1:
        raise SpecError(f"command {name!r} is declared twice, by {_origins(points[name])}; uninstall one of them")
    try:
        loaded: Command = points[name][0].load()
    except ImportError as error:
        raise SpecError(f"command {name!r} of {_origins(points[name])} cannot be loaded: {error}") from error
    return loaded


def _points() -> dict[str, list[EntryPoint]]:
    """Commands by name; more than one entry point a name is a fault of whoever asks for it."""
    points: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        points.setdefault(point.name, []).append(point)
    return points


def _origins(points: Sequence[EntryPoint]) -> str:
    return " and ".join(f"{point.dist.name if point.dist else '?'} ({point.value})" for point in points)


def _overview() -> str:
    text = (__doc__ or "").strip()
    others = [name for name in _points() if f"\n{name} " not in text]
    lines = [f"{name:12} from {_origins(_points()[name])}" for name in others]
    return "\n".join(["usage: swarmformer COMMAND …\n", text, *(["", *lines] if lines else [])])
