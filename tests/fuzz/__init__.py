"""Bad words, files and folders by the hundred: no traceback, no endless run, and a message that says what to do.

``python -m tests.fuzz [--count 1000] [--seed 0]`` runs them all and prints what was tried and what came out.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType

from swarmformer import cli, registry

LIMIT_S, PATIENCE_S = 20.0, 240.0
"""Seconds of CPU that a case may take, and of the clock, where others need the machine too."""
MEMORY = 1 << 30
"""Bytes that a case may take beside what its process has: what asks for more would take all that there is."""
PRELOADED = ("swarmformer.cli.predict", "swarmformer.cli.check", "swarmformer.cli.show", "swarmformer.cli.components",
             "swarmformer.cli.export", "swarmformer.cli.variants", "swarmformer.cli.evaluate", "swarmformer.pipeline",
             "experiments.train", "experiments.grid", "experiments.plan.data", "experiments.execute.scheduler",
             "reports.build", "reports.page", "reports.trace", "sklearn.metrics")  # fmt: skip
BATCH = 25
"""Cases that share a process."""


@dataclass(frozen=True)
class Case:
    """``words`` of the front door; ``write`` makes what they name in the working folder."""

    kind: str
    name: str
    words: tuple[str, ...]
    write: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Outcome:
    """``fault`` says what must not be: traceback, endless, killed, or silent; empty where it is well."""

    kind: str
    name: str
    status: int | None
    said: str
    fault: str = ""
    seconds: float = 0.0


class EndlessError(BaseException):
    """No command may catch it."""


def _endless(number: int, frame: FrameType | None) -> None:
    raise EndlessError


def run_cases(cases: Sequence[Case], folder: Path) -> Iterator[Outcome]:
    """Run cases in forked processes, a folder of its own for each; a process that dies costs the case it died of."""
    for name in PRELOADED:  # once, and not in every fork
        importlib.import_module(name)
    registry.load_builtins()
    places = list(enumerate(cases))
    while places:
        batch = places[:BATCH]
        done = list(_forked(batch, folder))
        if len(done) < len(batch):
            lost = batch[len(done)][1]
            done.append(Outcome(lost.kind, lost.name, None, "", "killed"))
        yield from done
        places = places[len(done) :]


def _forked(batch: Sequence[tuple[int, Case]], folder: Path) -> Iterator[Outcome]:
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reader)
        try:
            _in_child(batch, folder, writer)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        for line in stream:
            yield Outcome(**json.loads(line))
    os.waitpid(child, 0)


def _in_child(batch: Sequence[tuple[int, Case]], folder: Path, writer: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, resource.RLIM_INFINITY))
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, _endless)
    for number, case in batch:
        place = folder / str(number)
        place.mkdir(parents=True)
        os.chdir(place)
        signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
        began = time.process_time()
        outcome = replace(run_case(case), seconds=time.process_time() - began)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.write(writer, (json.dumps(asdict(outcome)) + "\n").encode())


def run_case(case: Case, run: Callable[[Case], int] = lambda case: cli.main(case.words)) -> Outcome:
    """Run one in the working folder: its whole command, or what else ``run`` makes of it."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors, write_through=True)
                for errors in ("strict", "backslashreplace"))  # fmt: skip
    status, fault = None, ""
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            case.write()
            status = run(case)
        except EndlessError:
            fault = "endless"
        except BaseException:
            fault = traceback.format_exc(limit=-3)
    said = err.buffer.getvalue().decode("utf-8", "replace").strip()  # type: ignore[attr-defined]
    if not fault and "Traceback (most recent call last)" in said:
        fault = said[-800:]
    if not fault and status not in (0, 1, 2, 130):
        fault = f"exit status {status}"
    if not fault and status in (1, 2) and len(said) < 15:
        fault = f"exit status {status} with {said!r}"
    return Outcome(case.kind, case.name, status, said[-300:], fault)


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """By kind how many were tried, taken and refused, and every fault."""
    yield f"{'kind':10} {'tried':>6} {'taken':>6} {'refused':>8} {'faults':>7}"
    for kind in dict.fromkeys(outcome.kind for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.kind == kind]
        well = [outcome for outcome in mine if not outcome.fault]
        taken = sum(outcome.status == 0 for outcome in well)
        yield f"{kind:10} {len(mine):6} {taken:6} {len(well) - taken:8} {len(mine) - len(well):7}"
    for outcome in outcomes:
        if outcome.fault:
            yield f"\n{outcome.kind}: {outcome.name}\n{outcome.fault}"
