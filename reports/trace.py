"""``swarmformer trace TABLE ROW COLUMN``: the runs, configurations, code and machines behind one number.

Without ROW and COLUMN the table is shown with its rows and columns counted. Of runs of more than two arms each arm is
told in a line, with its weight in the effect where that is what the row has; ``--all`` tells of every run.

TABLE is the name of a table of a committed report (``arms_demo``), a table's file in a report (``…/arms_demo.tex``,
``.csv``, ``.html``), or that path without its ending. ROW and COLUMN count the table's body from 1, as the report shows
it; a CSV has columns of its own.

``sources.json`` beside the tables, or one for all committed reports, holds for each folder of a report: roots, first
part of a source → folder or file, relative to that folder; sources, every one once; sets, numbers of sources that an
entry has together; figures, name → SHA-256 of its data; tables, name → title, columns (head, whether printed, names in
the CSV) and rows of [text, number of its set].
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from swarmformer.cli.command import command_parser, exit_status, words_of
from swarmformer.records import UnreadableFileError, load_json

from .errors import ReportError
from .measured import RESULTS
from .origin import ALONE, NAME, REPORTS, SCHEMA, origin, root_of
from .render import FORMATS, Column, Entry, Row, Table, terminal, utf8
from .tables.effects import OVER_OTHERS
from .weights import said, weights_of
from .words import plural

Facts = dict[str, Any]
NUMBER = re.compile("[−+-]?[0-9]")
SUFFIXES = (".md", *(f".{suffix}" for suffix in FORMATS))
ACCURACY = "test accuracy, %"
WEIGHTED = f"The effect is the sum of the arms' means times their weights ({said(0.0)}: no part in it, but in p Holm)"
TOLD = {"source", "arm", "folder", "config", "run key", ACCURACY}
"""Of a run, what the line of its arm tells, or its name."""


@dataclass(frozen=True)
class Traced:
    """An entry, and what each of its sources says of itself."""

    row: str
    column: str
    text: str
    sources: tuple[dict[str, Any], ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    """Arm → its weight, where the entry is an effect of a factorial design."""

    def __str__(self) -> str:
        """What all sources say alike once, then what those of an arm do, then a line for each."""
        return "\n".join(self._lines(_by_arm))

    def summary(self) -> str:
        """What all sources say alike once, then a line for each arm; two arms are told whole."""
        several = len({source["arm"] for source in self.sources if "arm" in source}) > 2
        return "\n".join(self._lines(self._arms)) if several else str(self)

    def _lines(self, told: Callable[[Sequence[Facts]], Iterable[str]]) -> list[str]:
        """``told``: of what is left of each source."""
        lines = [f"row: {self.row}", f"column: {self.column}", f"text: {self.text or '(empty)'}"]
        if not self.sources:
            return [*lines, "sources: none are recorded, so it is not made of measurements of runs"]
        alike, rest = _parted([_shortened(source, len(self.sources)) for source in self.sources])
        lines += ["", f"{plural(len(self.sources), 'source')}{', all with' if any(rest) else ''}"]
        lines += [_said(key, value) for key, value in alike.items()]
        return [*lines, *told(rest)]

    def _arms(self, rest: Sequence[Facts]) -> Iterator[str]:
        """A line for each arm, then what is no run as it is, and what the lines do not tell."""
        runs: dict[str, list[Facts]] = {}
        for one in rest:
            runs.setdefault(one.get("arm", ""), []).append(one)
        others = runs.pop("", [])
        yield from ["", WEIGHTED] if self.weights else [""]
        yield from [*(self._arm(arm, of) for arm, of in runs.items()), *_by_arm(others), ""]
        untold = sorted({key for of in runs.values() for one in of for key in one} - TOLD)
        yield f"--all tells of every run: {', '.join(untold)}"

    def _arm(self, arm: str, of: Sequence[Facts]) -> str:
        known = [one[ACCURACY] for one in of if ACCURACY in one]
        mean = f"mean {ACCURACY}: {sum(known) / len(known):5.2f}" if known else "no test accuracy"
        keys = ", ".join(dict.fromkeys(one["run key"][:8] for one in of if "run key" in one))
        weight = [f"{said(self.weights.get(arm, 0.0)):>5}"] if self.weights else []
        return " | ".join([*weight, plural(len(of), "run"), mean, f"run key: {keys}", f"arm: {arm}"])



def _shortened(source: Facts, number: int) -> Facts:
    """Of several, the seed stands beside the name of the run and not in it, so that runs of one arm have one name."""
    seed = f"-s{source.get('seed')}-"
    names = ("source", "folder", "config") if number > 1 else ()
    return {key: value.replace(seed, "-s*-") if key in names else value for key, value in source.items()}


def _parted(sources: Sequence[Facts]) -> tuple[Facts, list[Facts]]:
    """What all say alike, and what is left of each."""
    first, *others = sources
    alike = {key: value for key, value in first.items() if all(key in one and one[key] == value for one in others)}
    return alike, [{key: value for key, value in one.items() if key not in alike} for one in sources]


def _by_arm(sources: Sequence[Facts]) -> Iterator[str]:
    """A line for each; before those of an arm, what they say alike, where there are several arms."""
    groups: dict[Any, list[Facts]] = {}
    for source in sources:
        groups.setdefault(source.get("arm"), []).append(source)
    for members in groups.values():
        alike, rest = _parted(members) if len(groups) > 1 else ({}, members)
        yield from ["", *(_said(*fact) for fact in alike.items())] if alike else []
        yield from ("  " * bool(alike) + " | ".join(_said(*fact) for fact in own.items()) for own in rest if own)


def _said(key: str, value: Any) -> str:
    dirty = key == "code revision" and str(value).endswith("-dirty")
    return f"{key}: {value}" + (" (with changes in no commit; the code hash is that of what ran)" if dirty else "")


def trace(table: Path, row: int, column: int) -> Traced:
    """Follow one entry of a table to its sources.

    Raises ReportError where there is no such table, row or column, or a source is gone.
    """
    path, record, found = _found(table)
    name, columns = _name(path), _columns(found, path.suffix)
    for given, most, what in ((row, len(found["rows"]), "row"), (column, len(columns), "column")):
        if not 1 <= given <= most:
            raise ReportError(f"{name} has no {what} {given}: its body has {what}s 1 to {most}")
    index, head = columns[column - 1]
    entries = found["rows"][row - 1]
    text, number = entries[index]
    sources = [record["sources"][place] for place in record["sets"][number]]
    roots = {name: Path(os.path.normpath(path.parent / root)) for name, root in record["roots"].items()}
    origins = tuple(origin(source, roots[root_of(source)]) for source in sources)
    row_words = words_of_row([each for each, _ in entries[:index] or entries[:1]])
    return Traced(row_words, head, text, origins, _weights(entries[0][0], head, origins, roots))


def words_of_row(cells: Sequence[str]) -> str:
    """``256, enhanced``: the cells that tell a row from others, which end where numbers follow on words."""
    words = list[str]()
    for cell in filter(None, cells):
        if NUMBER.match(cell) and any(map(str.isalpha, "".join(words))):
            break
        words.append(cell)
    return ", ".join(words)


def _weights(row: str, head: str, sources: Sequence[Facts], roots: Mapping[str, Path]) -> Mapping[str, float]:
    """Of arms in an effect; of runs of one grid alone, and of all arms."""
    grids = {root_of(source["source"]) for source in sources}
    arms = {source["arm"] for source in sources if "arm" in source}
    return weights_of(row, arms, roots[grids.pop()]) if len(grids) == 1 and head != OVER_OTHERS else {}


def counted(table: Path, width: int) -> str:
    """A table for a terminal of ``width`` characters, rows and columns counted. Raises ReportError: see ``trace``."""
    path, _, found = _found(table)
    columns = _columns(found, path.suffix)
    heads = [Column(f"{head} ({number})") for number, (_, head) in enumerate(columns, 1)]
    rows = [Row((Entry(str(number)), *(Entry(row[index][0]) for index, _ in columns)))
            for number, row in enumerate(found["rows"], 1)]  # fmt: skip
    return terminal(Table("", found["title"], (Column("row"), *heads), tuple(rows)), width)


def _found(table: Path) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """A table's file, as given or by its name among the committed reports, and what sources.json beside it says of the
    report and of the table."""
    name, beside = _name(table), table.parent / NAME
    if beside.exists():
        record = _reports(beside).get(ALONE, {"tables": {}})
    else:
        committed = {RESULTS / folder: record for folder, record in _committed().items()}
        if table.parent == Path("."):
            table = _place(committed, name) / table
        if table.parent.resolve() not in committed:
            raise ReportError(f"{table.parent}: no {NAME} there, which every report has")
        record = committed[table.parent.resolve()]
    if name not in record["tables"]:
        raise ReportError(f"{table}: no table of that report, which has {', '.join(sorted(record['tables']))}")
    return table, record, record["tables"][name]


def _place(committed: Mapping[Path, Facts], name: str) -> Path:
    """The folder of the committed report that has a table of this name."""
    places = [folder for folder, record in committed.items() if name in record["tables"]]
    if len(places) != 1:
        listed = ", ".join(place.relative_to(REPORTS).as_posix() for place in places)
        where = f"several reports: {listed}" if places else "no committed report"
        near = "" if places else _near(name)
        raise ReportError(f"{name}: in {where}; give a path{near}")
    return places[0]


def _near(name: str) -> str:
    """Tables of that name in reports below the current folder."""
    found = [path.as_posix() for above in ("", "*/", "*/*/") for path in Path().glob(f"{above}report*/{name}.csv")]
    return f", such as {' or '.join(sorted(found))}" if found else ""


def _name(path: Path) -> str:
    return path.stem if path.suffix in SUFFIXES else path.name


def _committed() -> dict[str, Facts]:
    """None where there is no checkout of the repository."""
    return _reports(RESULTS / NAME) if (RESULTS / NAME).exists() else {}


def _reports(path: Path) -> dict[str, Facts]:
    """Folder of each report, relative to that of sources.json → what is recorded of it."""
    again = "make the report again with swarmformer report"
    try:
        record = load_json(path)
    except UnreadableFileError as error:
        raise ReportError(f"{path}: cannot be read: {again}") from error
    if record.get("schema") != SCHEMA:
        raise ReportError(f"{path}: schema {record.get('schema')}, not {SCHEMA}: {again}")
    return dict(record["reports"])


def _columns(table: dict[str, Any], suffix: str) -> list[tuple[int, str]]:
    """Index and head of every column that a file of this kind has."""
    columns = list(enumerate(table["columns"]))
    if suffix == ".csv":
        return [(index, name) for index, column in columns for name in column["csv"]]
    return [(index, column["head"]) for index, column in columns if column["printed"]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0, or 1 where the entry cannot be traced."""
    return exit_status(lambda: _run(words_of(arguments)))


def _run(words: Sequence[str]) -> None:
    parser = command_parser("trace", __doc__)
    parser.add_argument("table", type=Path, help="file of a report, or a table's name in a committed report")
    parser.add_argument("row", type=int, nargs="?", help="row of the body, from 1")
    parser.add_argument("column", type=int, nargs="?", help="column, from 1")
    parser.add_argument("--all", action="store_true", help="every run, however many arms there are")
    parser.add_argument("--json", action="store_true", help="for machines; of every run")
    options = parser.parse_args(words)
    if (options.row is None) != (options.column is None):
        parser.error("give both ROW and COLUMN, or neither")
    if options.row is None:
        text = counted(options.table, shutil.get_terminal_size((120, 24)).columns)
    else:
        found = trace(options.table, options.row, options.column)
        shown = str(found) if options.all else found.summary()
        text = json.dumps(asdict(found), ensure_ascii=False, indent=1) if options.json else shown
    print(utf8(text).decode())
