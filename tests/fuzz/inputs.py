"""Cases of every kind, the same for the same seed."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from experiments.plan.grid_file import read_grid as read_grid_file
from experiments.status import glance
from experiments.store import read_updates
from reports.study.read import read_grid
from swarmformer import records
from swarmformer.cli.command import exit_status
from swarmformer.data.tasks.files import Files
from swarmformer.hub import config as hub_config
from swarmformer.hub.weights import shapes_of
from swarmformer.records import UnreadableFileError
from tests.experiments.conftest import TINY
from tests.fuzz import Case
from tests.fuzz.values import BYTES, NAMES, YAML_TEXTS, broken, changed, values

SHARES = {"yaml": 0.35, "words": 0.25, "data": 0.15, "records": 0.15, "models": 0.1}
"""Of all cases, by kind."""
PLAN = ("grid", "plan", "grid.yaml", "--runs", "runs")


def cases(count: int, seed: int = 0) -> list[Case]:
    """So many, each kind its share."""
    found: list[Case] = []
    for kind, share in SHARES.items():
        made, draw = MAKERS[kind](random.Random(f"{kind} {seed}")), round(count * share)
        found += [next(made) for _ in range(draw)]
    return found


def _file(name: str, content: bytes) -> Callable[[], object]:
    return partial(_written, name, content)


def _written(name: str, content: bytes) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content)


MODULES = {
    "exits.py": "import sys\nsys.exit(0)\n", "stops.py": "raise KeyboardInterrupt\n", "fails.py": "1 / 0\n",
    "syntax.py": "def (:\n", "empty.py": "", "own.py": "class Own: pass\n",
    "deep.py": "def f(): f()\nf()\n",
}  # fmt: skip


def _modules() -> None:
    for name, content in MODULES.items():
        _written(name, content.encode())


def _yaml(draw: random.Random) -> Iterator[Case]:
    texts = {**{name: text.encode("utf-8", "surrogatepass") for name, text in YAML_TEXTS.items()}, **BYTES}
    yield from (Case("yaml", f"plan {name}", PLAN, _file("grid.yaml", content)) for name, content in texts.items())
    others = [("show", "grid.yaml"), ("train", "print_config", "with", "variant=grid.yaml")]
    waiting = [Case("yaml", f"{place[0]} {name}", place, _file("grid.yaml", content))
               for place in others for name, content in texts.items()]  # fmt: skip
    while True:
        if waiting:
            yield waiting.pop(0)
        tree, said = changed(copy.deepcopy(TINY), draw)
        text = yaml.safe_dump(tree, allow_unicode=True)
        if draw.random() < 0.3:
            content, said = broken(text.encode("utf-8", "surrogatepass"), draw), f"{said}, broken"
        else:
            content = text.encode("utf-8", "surrogatepass")
        yield Case("yaml", f"plan {said}", PLAN, _file("grid.yaml", content))


def _words(draw: random.Random) -> Iterator[Case]:
    shape = ("variant=base", "data.task=listops", "train.epochs=1")
    lines: list[tuple[str, ...]] = [
        *(("train", *flag.split(), "with", *shape, "train.lr=x")
          for flag in ("-s", "-S x", "-t x", "-C no", "-P 3", "-b x", "-l DEBUG", "-e", "-m db", "-F /x", "-d", "-u")),
        *(("train", "print_config", "with", word) for word in ("x.pickle", "x.json", "x.yaml", "x", "=", "=1", ".=1")),
        *(("train", "print_config", "with", *shape, f"{key}={value}") for key in ("train", "data", "model", "seed", "runs")
          for value in ('{"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["true"]}]}', "", "[]", "1j",
                        "9" * 5000, "(" * 200, "nan", "2**32", str(2**32), str(2**70), "-1")),
        *(("train", "print_config", "with", *shape, f"data.split_seed={value}") for value in (-1, 2**32, 2**70, "run")),
        *(("train", "print_config", "with", *shape, f"model.dims.{name}={value}")
          for name in ("num_layers", "d_model", "seq_len", "cluster_size", "vocab_size")
          for value in (0, -1, 10**6, 10**7, 2**40, 2**70)),
        *(("check", name) for name in ("exits:X", "stops:X", "fails:X", "syntax:X", "empty:X", "own:Own", "deep:X", "os:",
                                       ":", "a:b:c", "local.", ".", "", "nope", "local.nope", "base+", "-", "+windowed")),
        *(("check", "local.identity", "--slot", slot) for slot in ("nope", "router", "local", "")),
        ("check", "base", "--slot", "nope"), ("check", "--all", "--slot", "local"),
        *(("grid", "plan", name) for name in ("exits.yaml", "", ".", "..", "/", "/proc/self/mem", "nope", "demo.txt")),
        *(("grid", "plan", "demo", "--runs", place) for place in ("/proc/x", "file.txt", "file.txt/below", "/dev/null")),
        ("grid", "retry", "demo", "--runs", "/proc/x"), ("grid", "run", "demo", "--workers", "-1"),
        ("grid", "run", "demo", "--executor", "nope"), ("grid", "run", "demo", "--workers", "1" * 5000),
        *(("report", "grid", "--out", place) for place in ("file.txt", "file.txt/x", "/proc/x", "/dev/null", "")),
        *(("page", "grid", "--out", place) for place in ("file.txt", "file.txt/x", "/proc/x", "/dev/null", "")),
        ("report", "grid", "--out", "new", "--tables", "/nonexistent"), ("report", "nowhere", "--out", "new"),
        ("page", "grid", "--out", "new", "--tables", "/nonexistent"), ("report", "grid", "--out", "n", "--mix", "x"),
        ("page", "grid", "--out", "new", "--texts", "imdb=nowhere"), ("trace", "nowhere", "1", "1"),
        ("trace", "file.txt", "x", "y"), ("trace",), ("predict",), ("predict", "nowhere", "text"),
        ("predict", "file.txt", "text"), ("evaluate", "nowhere", "x.csv"), ("export", "nowhere", "x"),
        ("serve", "nowhere"), ("generate", "nowhere", "x"), ("tokenizer", "nowhere"), ("bench", "nope"),
        ("bench", "with", "variants=[nope]"), ("bench", "with", "repeats=-1"), ("nope",), ("",), ("-",), ("--",),
        ("show", "exits.yaml"), ("components", "nope"), ("variants", "nope"), ("show", "base+windowed+windowed"),
    ]  # fmt: skip
    for words in lines:
        yield Case("words", " ".join(words)[:70], words, _grid_beside)
    pool = [*NAMES, "with", "print_config", "--out", "--runs", "--help", "-h", "help", "base", "grid", "plan", "status",
            "seed=1", "train.lr=x", "data.task=nope", "--", "-x", "--nope=1", "\udcff", "own:Own"]  # fmt: skip
    commands = ("train", "grid", "report", "page", "trace", "predict", "check", "components", "variants", "show", "export")
    while True:
        words = (draw.choice(commands), *(str(draw.choice(pool)) for _ in range(draw.randint(1, 4))))
        if words[0] == "train":  # nothing is to train here
            words = ("train", "print_config", "with", *words[1:])
        yield Case("words", " ".join(words)[:70], words, _grid_beside)


def _grid_beside() -> None:
    """What words may name: modules that misbehave, a file, and a small grid."""
    from tests.reports import synthetic_runs as runs

    _modules()
    _written("file.txt", b"words\n")
    _written("exits.yaml", yaml.safe_dump({**TINY, "arms": [{"name": "x", "variant": "base", "model": {
        "local": "exits:X"}}]}).encode())  # fmt: skip
    runs.write_grid(Path("grid"), {"base": {0: 0.4}, "x": {0: 0.5}}, seeds=[0])


TABLES = {
    "csv": b"id,text,label\n" + b"".join(b'%d,"some, words %d",%s\n' % (n, n, b"pn"[n % 2 : n % 2 + 1]) for n in range(12)),
    "tsv": b"text\tlabel\n" + b"".join(b"words %d\t%d\n" % (n, n % 2) for n in range(12)),
    "jsonl": b"".join(b'{"text": "words %d", "label": %d}\n' % (n, n % 2) for n in range(12)),
}  # fmt: skip
ODD_TABLES = {
    "empty.csv": b"", "head.csv": b"text,label\n", "nul.csv": b"text,label\n\0,1\n", "twice.csv": b"label,label\n1,2\n",
    "wide.csv": b"text,label\n" + b"a," * 5000 + b"\n", "long.csv": b"text,label\n" + b"a" * 300_000 + b",1\nb,0\n",
    "quote.csv": b'text,label\n"never closed,1\n', "formula.csv": b"text,label\n=1+1,@x\n-2,=y\nb,@x\nc,=y\n",
    "surrogate.jsonl": b'{"text": "\\ud83d", "label": 1}\n' * 4, "deep.jsonl": b"[" * 100_000, "null.jsonl": b"null\n",
    "digits.jsonl": b'{"text": "a", "label": ' + b"9" * 5000 + b"}\n", "list.jsonl": b"[1, 2]\n", "nan.jsonl": b"NaN\n",
    "twice.jsonl": b'{"text": "a", "text": "b", "label": 1}\n', "bad.parquet": b"PAR1" + b"\0" * 40 + b"PAR1",
    "zip.csv": b"PK\x03\x04" + b"\0" * 50, "gz.csv": b"\x1f\x8b\x08" + b"\0" * 50, "png.csv": b"\x89PNG\r\n" + b"\0" * 50,
    "bom.csv": "\ufefftext,label\na,1\nb,0\nc,1\nd,0\n".encode(), "utf16.csv": "text,label\na,1\nb,0\n".encode("utf-16"),
    "one.csv": b"text,label\na,1\nb,1\nc,1\n", "blank.csv": b"text,label\n,1\n ,0\n,1\n ,0\n",
}  # fmt: skip


def _data(draw: random.Random) -> Iterator[Case]:
    for name, content in ODD_TABLES.items():
        yield Case("data", name, _reading(name), _file(name, content))
    for odd in ("nowhere.csv", ".", "/", "/dev/null", "/proc/self/mem", "x" * 300 + ".csv", "a\nb.csv"):
        yield Case("data", odd[:30], _reading(odd))
    while True:
        ending, content = draw.choice(list(TABLES.items()))
        name = f"table.{ending if draw.random() < 0.9 else draw.choice(list(TABLES))}"
        yield Case("data", f"broken {ending} as {name}", _reading(name), _file(name, broken(content, draw)))


def _reading(name: str) -> tuple[str, ...]:
    return ("train", "print_config", "with", "data.task=files", f"data.task.train={name}", f"data.task.test={name}")


RECORDS = ("plan.json", "registered.json", "floors.json", "costs.json", "tuning.json", "precision.json",
           "base-0/result.json", "base-0/config.json", "base-0/curve.jsonl", "base-0/predictions.npz", "base-0/environment.json",
           "x-0/failure.json", "x-0/progress.json", "base-0/lock", "x-0/lock", "base-0/losses.npz")  # fmt: skip
DAMAGES: dict[str, bytes | None] = {
    "0xff": b"\xff", "null": b"null", "empty": b"", "list": b"[]", "schema 1": b'{"schema": 1}', "zeros": b"\0" * 999,
    "a folder": None, "deep": b"[" * 100_000, "digits": b'{"schema": ' + b"9" * 5000 + b"}", "nan": b'{"schema": NaN}',
    "text": b"words", "schema 99": b'{"schema": 99}', "lines": b"null\n[]\n3\n", "true": b'{"schema": true}',
}  # fmt: skip
LOOKS = (("grid", "status", "grid.yaml", "--runs", "runs"), ("report", "runs/grid", "--out", "made"),
         ("grid", "export", "grid.yaml", "--runs", "runs", "--to", "tensorboard", "made"),
         ("page", "runs/grid", "--out", "made"))  # fmt: skip


def _records(draw: random.Random) -> Iterator[Case]:
    while True:
        name, look = draw.choice(RECORDS), draw.choice(LOOKS[:2] if draw.random() < 0.9 else LOOKS)
        damage = draw.choice((*DAMAGES, "broken", "broken", "broken", "broken", "changed", "changed"))
        seed = draw.random()
        yield Case("records", f"{look[0]} {look[1]}: {name}: {damage}", look, partial(_damaged, name, damage, seed))


def _damaged(name: str, damage: str, seed: float) -> None:
    """A grid with one damaged file."""
    shutil.copytree(_whole_grid(), "runs")
    _written("grid.yaml", yaml.safe_dump(TINY).encode())
    path, draw = Path("runs/grid") / name, random.Random(seed)
    path.parent.mkdir(exist_ok=True)
    before = path.read_bytes() if path.exists() else b'{"schema": 1}'
    if damage in DAMAGES:
        content = DAMAGES[damage]
    elif damage == "changed" and path.suffix == ".json":
        content = json.dumps(changed(json.loads(before), draw)[0]).encode()
    else:
        content = broken(before, draw)
    path.unlink(missing_ok=True)
    path.mkdir() if content is None else path.write_bytes(content)


@cache
def _whole_grid() -> Path:
    """Made once a process, in its first case's folder."""
    from swarmformer.records import save_tuning
    from tests.reports import synthetic_curves as curves
    from tests.reports import synthetic_runs as runs
    from tests.reports import synthetic_tuning

    grid = Path("whole").resolve() / "grid"
    runs.write_grid(grid, {"base": {0: 0.4}}, seeds=[0])
    runs.write(grid / "plan.json", runs.plan(["base", "x"], [0], grid="grid"))
    runs.write_cell(grid, runs.failure("x", 0, "the loss became nan"))
    runs.write(grid / "floors.json", runs.floors("majority"))
    runs.write(grid / "costs.json", runs.costs(runs.latency("base", 1)))
    curves.write_curve(grid / "base-0", [curves.train_line(1, 2.0), curves.validation_line(1, 1, 0.5)])
    runs.write(grid / "base-0" / "environment.json", {"schema": 1, "python": "3", "platform": "p", "packages": {}})
    save_tuning(grid, synthetic_tuning.tuning())
    return grid.parent


def _models(draw: random.Random) -> Iterator[Case]:
    names = ("config.json", "model.safetensors", "tokenizer.json", "README.md")
    while True:
        name, seed = draw.choice(names[:3] if draw.random() < 0.95 else names), draw.random()
        damage = draw.choice(("broken", "broken", *["changed"] * 9, *DAMAGES))
        yield Case("models", f"{name}: {damage}", ("predict", "model", "some words"), partial(_model, name, damage, seed))


def _model(name: str, damage: str, seed: float) -> None:
    for there, content in _whole_model().items():
        _written(f"model/{there}", content)
    path, draw = Path("model") / name, random.Random(seed)
    if damage in DAMAGES:
        content = DAMAGES[damage]
    elif damage == "changed" and path.suffix == ".json":
        tree: Any = json.loads(path.read_bytes())
        tree.pop("checksum", None)  # as whoever changes it on purpose would
        for _ in range(draw.randint(1, 3)):
            tree = changed(tree, draw)[0] if tree else values(draw)
        content = json.dumps(tree).encode()
    else:
        content = broken(path.read_bytes(), draw)
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)


@cache
def _whole_model() -> dict[str, bytes]:
    from swarmformer import hub
    from swarmformer.settings import DATA_VARIABLE
    from tests.data.toy_tasks import WORDS
    from tests.hub.models import complete_model

    _written("saved/data/bert-base-uncased-vocab.txt", ("\n".join(WORDS) + "\n").encode())
    with mock.patch.dict(os.environ, {DATA_VARIABLE: str(Path("saved/data").resolve())}):
        hub.save(complete_model(num_layers=1), "saved")
    return {path.name: path.read_bytes() for path in Path("saved").iterdir() if path.is_file()}


MAKERS: dict[str, Callable[[random.Random], Iterator[Case]]] = {
    "yaml": _yaml, "words": _words, "data": _data, "records": _records, "models": _models,
}  # fmt: skip


def read_alone(case: Case) -> int:
    """Only the reader that a case is to meet, in a thousandth of the time of its whole command."""

    def run() -> None:
        for read in READERS[case.kind]:
            read(case)

    return exit_status(run)


def _grid_read(case: Case) -> None:
    assert len(read_grid(Path("runs/grid")).cells) >= 2, "a damaged file costs its own cell alone"
    for cell in Path("runs/grid").iterdir():
        glance(cell)
        with suppress(UnreadableFileError):
            records.read_curve(cell), records.read_predictions(cell), records.read_losses(cell)


def _config_read(case: Case) -> None:
    if content := hub_config.read_json(Path("model/config.json")):
        hub_config.checked({"swarmformer": 2, **content}, Path("model/config.json")).spec(Path("model"), trust_code=False)


def _table_read(case: Case) -> None:
    name = case.words[-1].partition("=")[2]
    Files(train=name, test=name).load()


READERS: dict[str, tuple[Callable[[Case], object], ...]] = {
    "yaml": (lambda case: read_grid_file(Path("grid.yaml")),),
    "words": (lambda case: read_updates(case.words),),
    "data": (_table_read,), "records": (_grid_read,),
    "models": (_config_read, lambda case: shapes_of(Path("model/model.safetensors"))),
}  # fmt: skip
