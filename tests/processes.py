"""Our commands in processes of their own, forked from a server that has imported them.

An interpreter that imports torch takes seconds before it does anything. Where no test is of the interpreter, a fork
does as well; what is of it (signals, kills, what is imported, hash seeds) starts one.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import runpy
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
PRELOADED = "tests.preload"


@dataclass(frozen=True)
class Done:
    """How a process ended, as ``subprocess.run`` says it."""

    returncode: int
    stdout: str
    stderr: str


def run_forked(
    *words: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None, timeout: float = 240
) -> Done:
    """Run ``swarmformer …``, ``python -m MODULE …`` (its ``main``), ``python -c CODE`` or ``python FILE …``.

    Args:
        env: of the process, ``PYTHONPATH`` included; that of the tests unless given.
    """
    with TemporaryDirectory() as scratch:
        said = [Path(scratch) / name for name in ("stdout", "stderr")]
        process = start_forked(*words, cwd=cwd, env=env, said=said)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"{' '.join(map(str, words))}: not done after {timeout:g} s")
        return Done(process.exitcode, *(path.read_text(encoding="utf-8", errors="replace") for path in said))


def start_forked(
    *words: str | Path,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    said: Sequence[Path] = (Path(os.devnull), Path(os.devnull)),
) -> BaseProcess:
    """The same without waiting; ``said`` are the files for its output and its errors."""
    start_server()
    environment = {**(os.environ if env is None else env), "OMP_NUM_THREADS": "1"}
    arguments = ([str(word) for word in words], cwd, environment, said)
    process = multiprocessing.get_context("forkserver").Process(target=_run, args=arguments)
    process.start()
    return process


def start_server() -> None:
    """Start the server that grids of this process use too, unless it runs; its interpreter finds us in our root."""
    forkserver.set_forkserver_preload([PRELOADED])
    with chdir(ROOT):
        forkserver.ensure_running()


def wait_for(condition: Callable[[], object], seconds: float = 120) -> object:
    """What the condition says once it says something."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return result


def _run(words: Sequence[str], cwd: Path, environment: Mapping[str, str], said: Sequence[Path]) -> None:
    """In the fork: become what the words name, with its output in files."""
    for descriptor, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    places = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[:] = [*places, *(place for place in sys.path if place and place not in places)]
    # The server that forked this process forks the cells of its grids too; the standard library would start another.
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[attr-defined]
    sys.exit(_call(words))


def _call(words: Sequence[str]) -> int | None:
    program, *arguments = words
    if program == "swarmformer":
        sys.argv, module = list(words), "swarmformer.cli"
    elif arguments[0] == "-m":
        module, *arguments = arguments[1:]
        sys.path.insert(0, os.getcwd())
        sys.argv = [module, *arguments]
    elif arguments[0] == "-c":
        exec(arguments[1], {"__name__": "__main__"})
        return None
    else:
        sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")
        return None
    status: int | None = importlib.import_module(module).main(arguments)
    return status
