"""Labels and probabilities of texts, from a trained model.

INPUT is a text (or several), the name of a file, or - for standard input. A file is a table (.csv, .jsonl, .parquet,
its texts in column --text), or has a text on every line. Answers come in the order of the texts: on standard output,
or in the file of --output, whose ending (.csv, .tsv, .jsonl, .parquet) says what it is. Texts are read as they are
needed, so a file may be larger than memory.

    swarmformer predict runs/train/base-s0-1a2b3c4d "A film to forget."
    swarmformer predict my-model reviews.csv --text review --keep id --output answers.csv
    zcat reviews.txt.gz | swarmformer predict owner/name - --format jsonl
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmformer.cli.asking import (
    add_model_options,
    add_table_options,
    asked_model,
    ending,
    form_asked,
    is_file,
    pace,
    says_form,
    warnings_shown,
)
from swarmformer.cli.command import command_parser, words_of
from swarmformer.errors import UsageError

if TYPE_CHECKING:
    from swarmformer.pipeline import TextClassifier

SHOWN = 100
"""Characters of a text that a line of standard output shows."""
Row = tuple[str, dict[str, Any]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = command_parser("predict", __doc__)
    add_model_options(parser)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="a text, a file, or - for standard input")
    parser.add_argument("--text", metavar="COLUMN", help="column of the texts in a table (default: text)")
    add_table_options(parser)
    parser.add_argument("--keep", default="", metavar="COLUMNS", help="columns to copy, with commas between them; "
                        "by default that of the texts")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write the answers")
    parser.add_argument("--format", choices=("text", "csv", "tsv", "jsonl"), help="of standard output (default: text)")
    options = parser.parse_intermixed_args(words_of(arguments))  # FILE may stand anywhere
    with warnings_shown():
        return predict(options)


def predict(options: argparse.Namespace) -> int:
    """Answer what a command line asks; 0 when all is written."""
    from swarmformer.data.answers import NUMBER, PROBABILITIES, TEXT, check_kept, check_output, flat_columns, writer

    if options.output is not None and options.format:
        raise UsageError("--format is of standard output; what --output holds, the ending of its name says")
    column = options.text or "text"
    rows, kept, source = _rows(options, column)
    check_output(options.output, "--output", source)
    model = asked_model(options)
    added = {"label": TEXT, PROBABILITIES: NUMBER}
    written = options.output.suffix.lower() if options.output else f".{options.format or 'text'}"
    if written != ".text":
        check_kept(kept, added, model.classes, written)
    with pace() as counter:
        if written == ".text":
            for row, answer in _answered(model, rows, column, options.batch_size):
                print(_line(row[1][column], answer), flush=not sys.stdout.isatty() and counter.done % 256 == 0)
                counter.step()
        else:
            columns = flat_columns({**dict.fromkeys(kept, TEXT), **added}, model.classes)
            with writer(options.output, options.format or "", columns) as write:
                for (_, values), answer in _answered(model, rows, column, options.batch_size):
                    copied = {name: values[name] for name in kept}
                    write({**copied, "label": answer.label, PROBABILITIES: answer.probabilities})
                    counter.step()
    print(ending(counter, model), file=sys.stderr)
    return 0


def _rows(options: argparse.Namespace, column: str) -> tuple[Iterator[Row], list[str], Path | None]:
    """What to answer, the columns that answers keep, and the file that it is read from. ``column``: of the texts."""
    from swarmformer.data.answers import is_table, read_texts
    from swarmformer.data.delimited import Columns

    words = options.inputs
    files = [word for word in words if word == "-" or is_file(word)]
    if files and len(words) > 1:
        raise UsageError(f"{files[0]} is a file: name one file, or texts alone")
    kept = list(dict.fromkeys(name for name in options.keep.split(",") if name)) or [column]
    source = Path(words[0]) if files and words[0] != "-" else None
    if source is not None and not source.exists():
        raise UsageError(f"there is no file {source}; if that is a text, which by its ending it is not, give it on "
                         "standard input: predict MODEL -")  # fmt: skip
    if not is_table(source) and (options.keep or options.text or says_form(options)):
        given = "a text on every line is read" if files else "texts are given"
        raise UsageError(f"--text, --keep, --encoding, --delimiter and --quote are of a table, and {given}")
    if not files:
        return iter([(f"text {place}", {column: word}) for place, word in enumerate(words)]), kept, None
    named = {name: "--keep" for name in kept} | {column: "--text"}
    names = tuple(dict.fromkeys([column, *kept]))
    columns = Columns(names, tuple(named[name] for name in names))
    return read_texts(source, columns, form_asked(options)), kept, source


def _answered(model: TextClassifier, rows: Iterator[Row], column: str, size: int) -> Iterator[tuple[Row, Any]]:
    """Each row with its answer; no more rows are held than the model reads ahead."""
    waiting: deque[Row] = deque()

    def texts() -> Iterator[str]:
        for row in rows:
            waiting.append(row)
            yield row[1][column]

    for answer in model.answers(texts(), batch_size=size):
        yield waiting.popleft(), answer


def _line(text: str, answer: Any) -> str:
    """``label  probability  text`` in a line, the text in short."""
    words = " ".join(text.split())
    short = words if len(words) <= SHOWN else words[: SHOWN - 1] + "…"
    return f"{answer.label}\t{answer.probabilities[answer.label]:.4f}\t{short}"
