"""Sacred, and nothing else imports it.

Sacred gives the command line (``with``, ``print_config``) and a record of every start. What it does not
give we keep elsewhere: overrides pass through our strict resolver before anything runs, the mark of
completion is our own result.json, curves are our own append-only files.
"""

from __future__ import annotations

import ast
import logging
import math
import signal
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from docopt import docopt

warnings.filterwarnings("ignore", message="pkg_resources is deprecated")  # sacred's own concern

from sacred import SETTINGS, Experiment  # noqa: E402
from sacred.observers import FileStorageObserver  # noqa: E402
from sacred.utils import SacredInterrupt  # noqa: E402

from swarmformer.errors import InterruptedRunError, SpecError, UsageError  # noqa: E402
from swarmformer.merge import given_once, leaves, nest  # noqa: E402
from swarmformer.yaml import LONGEST_INT  # noqa: E402

SETTINGS.CAPTURE_MODE = "sys"
SETTINGS.CONFIG.READ_ONLY_CONFIG = False
Config = dict[str, Any]
YAML_WORDS = {"true": True, "false": False, "null": None}
PLAIN = "use text, finite numbers, True/False, None, lists, or mappings with text keys"


class Terminated(InterruptedRunError, SacredInterrupt):  # noqa: N818 - the name sacred's users know
    """SIGTERM or Ctrl-C: recorded as INTERRUPTED; the cell goes on from its checkpoint at the next start."""

    STATUS = "INTERRUPTED"


def _on_signal(number: int, frame: FrameType | None) -> None:
    raise Terminated


class CellObserver(FileStorageObserver):
    """Keeps sacred's record of every start of a cell in the cell's own folder, under ``sacred/``."""

    def __init__(self) -> None:
        super().__init__("unset", copy_sources=False)

    def started_event(self, *, config: Config, **event: Any) -> Any:  # type: ignore[override]
        self.basedir = str(Path(config["folder"]) / "sacred")
        return super().started_event(config=config, **event)


def make_experiment(
    name: str, defaults: Config, resolve: Callable[[Config], Config], main: Callable[..., Any]
) -> Experiment:
    """An experiment whose command line is ``with key=value …``.

    Args:
        defaults: the top-level keys and their values.
        resolve: maps the configuration with its overrides to what is added to it (``folder`` at least);
            raises on anything wrong. ``print_config`` shows its outcome.
        main: gets the final configuration as ``_config``. Top-level keys that may be given new nested keys
            must be parameters too: sacred refuses additions to keys that no function takes.
    """
    experiment = Experiment(name, save_git_info=False)
    experiment.logger = _quiet_logger()  # type: ignore[assignment]
    experiment.add_config(defaults)
    experiment.config_hook(_hook(resolve))
    experiment.main(main)
    return experiment


def _hook(resolve: Callable[[Config], Config]) -> Callable[[Config, str, Any], Config]:
    def hook(config: Config, command_name: str, logger: Any) -> Config:
        return resolve(config)

    return hook


def _quiet_logger() -> logging.Logger:
    """Sacred warns about every nested key it does not know; ours are checked by the resolver."""
    logger = logging.getLogger("sacred")
    logger.setLevel(logging.CRITICAL)
    return logger


def run_recorded(experiment: Experiment, updates: Mapping[str, Any]) -> Any:
    """Run from Python with configuration updates, recorded in the cell's folder."""
    _prepare(experiment)
    return experiment.run(config_updates=dict(updates)).result


def keep_no_output() -> None:
    """Have sacred record starts without what they print: it does so by standing in for the process's own streams."""
    SETTINGS.CAPTURE_MODE = "no"


def run_command_line(experiment: Experiment, words: Sequence[str], *, recorded: bool = True) -> None:
    """Run what the words of a command line ask for, recorded in the cell's folder unless another process does that.

    Sacred's own ``run_commandline`` prints a stack trace and exits on every error; here errors reach the
    caller, who tells faults of the user from faults of the code.
    """
    flags = [word for word in words if word.startswith("-")]
    if flags:  # sacred's own would record elsewhere, run another code, or nothing at all
        style = "; write options as KEY=VALUE: threads=2, not --threads 2" if flags[0].startswith("--") else ""
        raise UsageError(f"{flags[0]}: no flag is read but --help{style}")
    _prepare(experiment, recorded)
    words = words[:-1] if words[-1] == "with" else words  # with nothing: everything as it is by default
    _, _, usage = experiment.get_usage()
    try:
        arguments = docopt(usage, list(words), default_help=False)
    except SystemExit as error:
        raise UsageError(f"{' '.join(words)}: cannot be read; write: with KEY=VALUE …, or print_config with KEY=VALUE …"
                         ) from error  # fmt: skip
    command = arguments.get("COMMAND") or experiment.default_command
    if command not in dict(experiment.gather_commands()) and command != experiment.default_command:
        raise UsageError(f"no command {command!r}; write: with KEY=VALUE …, or print_config with KEY=VALUE …")
    experiment.run(command, read_updates(arguments["UPDATE"]), (), options=arguments)


def read_updates(updates: Sequence[str]) -> Config:
    """``KEY=VALUE`` words as nested values; a value is a Python literal that can be stored, or true, false or
    null as grid files have them, else text.

    Sacred's own reading passes values through jsonpickle, which can make any object.

    Raises:
        SpecError: a word without ``=``; a key twice; a literal that no configuration can hold: a complex number,
            bytes, a set, infinity.
    """
    for update in updates:
        if "=" not in update:
            raise SpecError(f"command line: {update!r}: write KEY=VALUE")
    words = (update.partition("=") for update in _spell_out_names(list(updates)))
    given = given_once(((key, text) for key, _, text in words), "command line")
    values = {key: _value(key, text) for key, text in given.items()}
    given_once(((".".join(path), str(leaf)) for path, leaf in leaves(values)), "command line")
    return nest(values)


def _value(key: str, text: str) -> Any:
    if text in YAML_WORDS:
        return YAML_WORDS[text]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    except (TypeError, MemoryError, RecursionError):  # unhashable keys, or brackets a thousand deep
        raise SpecError(f"command line: {key}: {text[:80]!r} cannot be read; {PLAIN}") from None
    try:
        return _plain(value)
    except ValueError as error:
        raise SpecError(f"command line: {key}: {error}; {PLAIN}, or \"'{text}'\" for the text") from None


def _plain(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > LONGEST_INT:
        raise ValueError(f"a whole number of {value.bit_length():,} bits cannot be stored in a configuration")
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(part) for key, part in value.items()}
    raise ValueError(f"{value!r} ({type(value).__name__}) cannot be stored in a configuration")


def _spell_out_names(updates: list[str]) -> list[str]:
    """``a.b=x a.b.c=1`` → ``a.b.name=x a.b.c=1``: a component by name and its options side by side."""
    keys = [update.partition("=")[0] for update in updates]
    mappings = {key for key in keys if "." in key and any(other.startswith(f"{key}.") for other in keys)}
    pairs = zip(keys, updates, strict=True)
    return [update.replace("=", ".name=", 1) if key in mappings else update for key, update in pairs]


def _prepare(experiment: Experiment, recorded: bool = True) -> None:
    experiment.observers += [CellObserver()] if recorded else []
    signal.signal(signal.SIGTERM, _on_signal)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _on_signal)  # so that a component's own KeyboardInterrupt can be told from it
