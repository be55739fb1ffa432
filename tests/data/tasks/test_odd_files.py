"""Odd files: every way of writing a table gives the rows that were written, every fault says where and what to do."""

from __future__ import annotations

import codecs
import csv
import io
import json
import random
import sys
from itertools import product
from pathlib import Path

import pandas
import pyarrow
import pyarrow.parquet
import pytest

from swarmformer.data.answers import read_texts
from swarmformer.data.delimited import Columns
from swarmformer.data.tasks.files import Files
from swarmformer.errors import DataError, SwarmformerError

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32", "cp1252")
ORDER = "le" if sys.byteorder == "little" else "be"
DELIMITERS = (",", ";", "\t", "|")
LINE_ENDS = ("\n", "\r\n", "\r")
COLUMNS = ("id", "Überschrift, kurz", "text", "", 'the "label"')
WORDS = (
    "good", "film", "naïve", "café", "it’s", "„quoted“", '"said"', "a,b", "c;d", "e\tf", "g|h", "two\nlines", "  ",
    "€5",
)  # fmt: skip
FIRST, SECOND = "positive", "négative"


def made_rows(seed: int) -> list[tuple[str, str]]:
    """Texts with what needs quotes in any of the forms, and labels with spaces around them."""
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(1, 6))) for _ in range(draw.randint(4, 9))]
    return [(text, (FIRST, SECOND)[number % 2]) for number, text in enumerate([*texts, ""])]


def written(rows: list[tuple[str, str]], delimiter: str, line_end: str, quoting: int) -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerow(COLUMNS)
    for number, (text, label) in enumerate(rows):
        writer.writerow([str(number), "x" * (number % 3), text, str(number), f" {label} "])
    return file.getvalue()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_every_way_of_writing_a_table_gives_the_rows_that_were_written(
    tmp_path: Path, encoding: str, quoting: int
) -> None:
    for seed, (delimiter, line_end) in enumerate(product(DELIMITERS, LINE_ENDS)):
        rows = [(text.replace("\n", line_end), label) for text, label in made_rows(seed)]
        path = tmp_path / f"{seed}.{'tsv' if delimiter == chr(9) and seed % 2 else 'csv'}"
        path.write_bytes(written(rows, delimiter, line_end, quoting).encode(encoding))
        task = Files(train=str(path), test=str(path), label='the "label"')
        train = task.load()["train"]
        assert train.texts == [text for text, _ in rows], (delimiter, line_end)
        assert task.classes == tuple(sorted((FIRST, SECOND)))
        assert [task.classes[label] for label in train.labels] == [label for _, label in rows]


def test_a_form_that_was_found_is_told_and_part_of_the_identity(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "text;label\ncaf\u00e9 cr\u00e8me;1\nbad;0\n"
    (tmp_path / "utf8.csv").write_bytes(text.encode())
    (tmp_path / "western.csv").write_bytes(text.encode("cp1252"))
    plain = Files(train=str(tmp_path / "utf8.csv"), test=str(tmp_path / "utf8.csv"))
    western = Files(train=str(tmp_path / "western.csv"), test=str(tmp_path / "western.csv"))
    with caplog.at_level("WARNING", logger="swarmformer.data"):
        assert western.load()["train"].texts == plain.load()["train"].texts == ["café crème", "bad"]
    assert "western.csv, line 2: not UTF-8; read as Windows-1252, which gives 'café crème;1'" in caplog.text
    assert plain.sources()["train"] == "utf8.csv (utf-8, ';')"
    assert western.sources()["train"] == "western.csv (cp1252, ';')"
    assert western.identity()["read"]["train"] == [{"encoding": "cp1252", "delimiter": ";"}]
    cyrillic = Files(train=str(tmp_path / "western.csv"), test=str(tmp_path / "western.csv"), encoding="windows-1251")
    assert cyrillic.load()["train"].texts[0] == "cafй crиme"
    assert cyrillic.identity() != western.identity()
    usual = tmp_path / "usual.csv"
    usual.write_bytes(b"text,label\nx,1\ny,0\n")
    assert set(Files(train=str(usual), test=str(usual)).identity()) == {"text", "label", "group", "files"}


ROWS = b"text,label\ngood,1\nbad,0\n"
SURROGATE = rb'{"text": "cut \ud83d", "label": 1}' + b"\n"
FAULTS: dict[str, tuple[str, bytes, dict[str, str], tuple[str, ...]]] = {
    "empty": ("odd.csv", b"", {}, ("odd.csv", "no column 'text'", "none", "name another in data.task.text")),
    "blank lines alone": ("odd.csv", b"\n\n  \n", {}, ("odd.csv", "no column 'text'")),
    "names alone": ("odd.csv", b"text,label\n", {}, ("odd.csv", "0 different labels", "at least 2")),
    "no names": ("odd.csv", b"good film,1\nbad film,0\n", {}, ("'good film', '1'", "name another in data.task.text")),
    "one class": ("odd.csv", b"text,label\nx,1\ny,1\n", {}, ("odd.csv", "1 different labels ('1')")),
    "another label column": (
        "odd.csv", b"text,Label\nx,1\n", {},
        ("no column 'label'", "mean 'Label'", "name another in data.task.label"),
    ),
    "another delimiter": ("odd.csv", b"text:label\nx:1\n", {}, ("'text:label'", "name another in data.task.text")),
    "a wrong delimiter": ("odd.csv", ROWS, {"delimiter": ";"}, ("'text,label'", "name another in data.task.text")),
    "a delimiter of two": ("odd.csv", ROWS, {"delimiter": "::"}, ("delimiter is '::'", "one character")),
    "delimiter and quote the same": ("odd.csv", ROWS, {"delimiter": '"'}, ("delimiter is '\"', and so is quote",)),
    "a column twice": ("odd.csv", b"text,label,label\nx,1,2\n", {}, ("several columns named 'label'", "rename")),
    "names twice but for spaces": ("odd.csv", b"text,label, label\nx,1,2\n", {}, ("several columns", "rename")),
    "the same column for both": ("odd.csv", ROWS, {"label": "text"}, ("must be different columns",)),
    "too many fields": ("odd.csv", b"text,label\nx,1\na, b,0\n", {}, ("line 3", "more fields", "quotes")),
    "too few fields": ("odd.csv", b"text,label\nx,1\ny\n", {}, ("line 3", "fewer fields", "quotes")),
    "a quote not closed": ("odd.csv", b'text,label\nx,1\n"y,0\nz,1\n', {}, ("line 3", "not CSV", "data.task.quote")),
    "a quote inside a field": (
        "odd.csv", b'text,label\nx,1\n"a "b" c",0\n', {},
        ("line 3", "doubled", "data.task.quote"),
    ),
    "a backslash before a quote": ("odd.csv", b'text,label\nx,1\n"a \\"b\\" c",0\n', {}, ("line 3", "doubled")),
    "a label missing": ("odd.csv", b"text,label\nx,1\ny,\n", {}, ("line 3", "'label' is ''", "leave it out")),
    "a label of spaces": ("odd.csv", b'text,label\nx,1\n"y\nz","  "\n', {}, ("line 3", "'label' is '  '")),
    "numbers to predict": (
        "odd.csv", b"text,label\n" + b"".join(b"t%d,%d\n" % (n, n) for n in range(60)), {},
        ("60 different labels in 60 rows", "name another in data.task.label"),
    ),
    "texts as labels": (
        "odd.csv", b"text,label\n" + b"".join(b"t%d,l%d\n" % (n, n) for n in range(200)), {},
        ("200 different labels in 200 rows", "name another in data.task.label"),
    ),
    "NUL in a text": (
        "odd.csv", b"text,label\nx,1\na\0b,0\n", {},
        ("line 3", "'text' has a NUL at character 1", "take it"),
    ),
    "NUL in JSON": ("odd.jsonl", rb'{"text": "a\u0000", "label": 1}', {}, ("line 1", "'text' has a NUL")),
    "NUL in parquet": ("odd.parquet", b"NUL", {}, ("row 1", "'text' has a NUL")),
    "half a surrogate pair": ("odd.jsonl", SURROGATE, {}, ("line 1", "'text' has \\ud83d at character 4", "leave the")),
    "binary": ("odd.csv", bytes(range(256)) * 8, {}, ("odd.csv, line ", "binary")),
    "a workbook": ("odd.csv", b"PK\x03\x04rest", {}, ("odd.csv", "a workbook", "save it as CSV")),
    "an old workbook": ("odd.csv", b"\xd0\xcf\x11\xe0rest", {}, ("odd.csv", "an old workbook", "save it as CSV")),
    "compressed": ("odd.csv", b"\x1f\x8brest", {}, ("odd.csv", "compressed by gzip", "save it as CSV")),
    "parquet called CSV": ("odd.csv", b"PAR1rest", {}, ("odd.csv", "parquet", "named so")),
    "CSV called parquet": ("odd.parquet", ROWS, {}, ("odd.parquet cannot be read as parquet", "Replace")),
    "parquet cut short": ("odd.parquet", b"PAR1" + bytes(20), {}, ("odd.parquet cannot be read", "Replace")),
    "parquet without the column": ("odd.parquet", b"columns", {}, ("'other'", "name another in data.task.text")),
    "CSV called JSONL": ("odd.jsonl", ROWS, {}, ("odd.jsonl, line 1", "not JSON", "each line is one object")),
    "one JSON array": (
        "odd.jsonl", b'[{"text": "x", "label": 1}]', {},
        ("line 1", "got list", "each line is one object"),
    ),
    "JSON over lines": ("odd.jsonl", b'{"text": "x",\n "label": 1}\n', {}, ("line 1", "not JSON", "each line")),
    "JSON cut short": ("odd.jsonl", b'{"text": "x", "label": 1}\n{"text": "y', {}, ("line 2", "not JSON")),
    "JSON too deep": ("odd.jsonl", b'{"text": ' + b"[" * 100_000, {}, ("line 1", "not JSON")),
    "a JSON column missing": (
        "odd.jsonl", b'{"text": "x"}\n', {},
        ("line 1 has no column 'label'", "name another in data.task.label"),
    ),
    "a JSON key twice": ("odd.jsonl", b'{"text": "x", "text": "y", "label": 1}', {}, ("line 1", "several columns")),
    "a text that is null": (
        "odd.jsonl", b'{"text": "x", "label": 1}\n{"text": null, "label": 0}\n', {}, ("line 2", "'text' is None"),
    ),
    "a text that is a number": (
        "odd.jsonl", b'{"text": 5, "label": 1}\n{"text": "y", "label": 0}\n', {}, ("line 1", "'text' is 5"),
    ),
    "a label that is a list": ("odd.jsonl", b'{"text": "x", "label": [1]}\n', {}, ("line 1", "'label' is [1]")),
    "a label that is a fraction": ("odd.jsonl", b'{"text": "x", "label": 0.5}\n', {}, ("line 1", "'label' is 0.5")),
    "a label that is NaN": ("odd.jsonl", b'{"text": "x", "label": NaN}\n', {}, ("line 1", "'label' is nan")),
    "a byte cut off": ("odd.csv", ROWS + "\u4e2d,1\n".encode()[:2], {}, ("line 4", "data.task.encoding")),
    "Cyrillic": ("odd.csv", "text,label\nпривет,1\nпока,0\n".encode("cp1251"), {}, ("line 2", "data.task.encoding")),
    "Polish": ("odd.csv", "text,label\nżółw,1\nźdźbło,0\n".encode("cp1250"), {}, ("line 2", "data.task.encoding")),
    "Greek": ("odd.csv", "text,label\nκαλημέρα,1\nόχι,0\n".encode("cp1253"), {}, ("line 2", "data.task.encoding")),
    "Japanese": (
        "odd.csv", "text,label\nこんにちは世界,1\nx,0\n".encode("shift_jis"), {}, ("line 2", "data.task.encoding"),
    ),
    "Chinese": ("odd.csv", "text,label\n你好世界,1\nx,0\n".encode("gb18030"), {}, ("line 2", "data.task.encoding")),
    "not what was set": (
        "odd.csv", "text,label\nx,1\né,0\n".encode("cp1252"), {"encoding": "utf-8"},
        ("line 3", "not utf-8"),
    ),
    "JSON not what was set": (
        "odd.jsonl", b'{"text": "\xe9", "label": 1}', {"encoding": "ascii"},
        ("line 1", "not ascii"),
    ),
    "another mark than was set": (
        "odd.csv", ROWS.decode().encode("utf-16"), {"encoding": "latin-1"},
        ("utf-16", "leave it out"),
    ),
    "an encoding that is none": ("odd.csv", ROWS, {"encoding": "utf-9"}, ("no encoding 'utf-9'", "windows-1252")),
    "an encoding that is none of text": ("odd.csv", ROWS, {"encoding": "rot13"}, ("no encoding 'rot13'",)),
    "an encoding that says it is none": ("odd.csv", ROWS, {"encoding": "undefined"}, ("no encoding 'undefined'",)),
    "another order than the mark's": (
        "odd.csv", codecs.BOM_UTF16_BE + "text,label\nx,1\n".encode("utf-16-be"), {"encoding": "utf-16-le"},
        ("begins with the mark of utf-16", "is 'utf-16-le': leave it out"),
    ),
    "UTF-16 without its mark": (
        "odd.csv", ROWS.decode().encode("utf-16-le"), {"encoding": "UTF16"},
        ("mark of utf-16", "set data.task.encoding (--encoding) to utf-16-le or utf-16-be"),
    ),
    "UTF-32 without its mark": (
        "odd.jsonl", b'{"text": "x", "label": 1}\n'.decode().encode("utf-32-be"), {"encoding": "utf-32"},
        ("mark of utf-32", "utf-32-le or utf-32-be"),
    ),
    "a codec that tells no place": ("odd.csv", b"text,label\nx-99999999,1\n", {"encoding": "punycode"},
                                    ("odd.csv, line ", "not punycode", "data.task.encoding")),
    "UTF-16 cut off": ("odd.csv", ROWS.decode().encode("utf-16")[:-1], {}, ("odd.csv, line ", "not utf-16")),
    "another ending": ("odd.xlsx", ROWS, {}, ("odd.xlsx", "files end in .csv")),
    "a group missing": ("odd.csv", b"text,label,film\nx,1,a\ny,0,\n", {"group": "film"}, ("line 3", "'film' is ''")),
    "a group column missing": ("odd.csv", ROWS, {"group": "film"}, ("no column 'film'", "in data.task.group")),
    "a title of two lines": ("odd.csv", ROWS, {"title": "a\nb"}, ("title 'a\\nb'", "one line")),
    "a title that is a task": ("odd.csv", ROWS, {"title": "imdb"}, ("title 'imdb'", "no name of a task")),
}  # fmt: skip
MADE = {
    b"NUL": {"text": ["x", "a\0b"], "label": [1, 0]},
    b"columns": {"other": ["x"], "label": [1]},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_says_where_it_is_and_what_to_do(tmp_path: Path, fault: str) -> None:
    name, content, options, words = FAULTS[fault]
    path = tmp_path / name
    if content in MADE:
        pyarrow.parquet.write_table(pyarrow.table(MADE[content]), path)
    else:
        path.write_bytes(content)
    with pytest.raises(SwarmformerError) as caught:
        task = Files(train=str(path), test=str(path), **options)
        assert task.load() and task.num_classes
    said = str(caught.value)
    assert "\n" not in said and not [word for word in words if word not in said], said


ODD: dict[str, tuple[str, bytes, dict[str, str], list[str], list[str]]] = {
    "a line that says the separator": ("a.csv", b"sep=;\r\ntext;label\r\nx;1\r\ny;0\r\n", {}, ["x", "y"], ["1", "0"]),
    "a quoted one": ("a.csv", b'"sep=|"\ntext|label\nx|1\ny|0\n', {}, ["x", "y"], ["1", "0"]),
    "no quotes": ("a.tsv", b'text\tlabel\n"x\t1\ny "z\t0\n', {"quote": ""}, ['"x', 'y "z'], ["1", "0"]),
    "other quotes": ("a.csv", b"text,label\n'x, \"y\"',1\n'y\nz',0\n", {"quote": "'"}, ['x, "y"', "y\nz"], ["1", "0"]),
    "a tab by name": ("a.csv", b"text\tlabel\nx\t1\ny\t0\n", {"delimiter": "tab"}, ["x", "y"], ["1", "0"]),
    "true and false": (
        "a.csv", b"text,label\nx,TRUE\ny,False\nz,true\n", {}, ["x", "y", "z"],
        ["true", "false", "true"],
    ),
    "true and false in JSON": ("a.jsonl", b'{"text": "x", "label": true}\n{"text": "y", "label": "False"}\n', {},
                               ["x", "y"], ["true", "false"]),
    "whole numbers as fractions": ("a.jsonl", b'{"text": "x", "label": 1.0}\n{"text": "y", "label": 0}\n', {},
                                   ["x", "y"], ["1", "0"]),
    "names with spaces": ("a.csv", b"text , label\nx,1\ny,0\n", {}, ["x", "y"], ["1", "0"]),
    "a name with spaces in JSON": ("a.jsonl", b'{" t ": "x", "label": 1}\n{" t ": "y", "label": 0}', {"text": " t "},
                                   ["x", "y"], ["1", "0"]),
    "spaces around names and tabs": ("a.csv", b"id\t text \t label \n1\tx\t1\n2\ty\t0\n", {"label": "label "},
                                     ["x", "y"], ["1", "0"]),
    "rows of commas": ("a.csv", b"text,label\nx,1\n,\n\ny,0\n,\n", {}, ["x", "y"], ["1", "0"]),
    "rows of white space": ("a.csv", b"text,label\nx,1\n   \n , \ny,0\n \n", {}, ["x", "y"], ["1", "0"]),
    "no last line end": ("a.csv", b"text,label\nx,1\ny,0", {}, ["x", "y"], ["1", "0"]),
    "an index without a name": ("a.csv", b",text,label\n0,x,1\n1,y,0\n", {}, ["x", "y"], ["1", "0"]),
    "JSON in UTF-16": ("a.jsonl", '{"text": "é", "label": 1}\n{"text": "y", "label": 0}\n'.encode("utf-16"), {},
                       ["é", "y"], ["1", "0"]),
    "JSON with blank lines": ("a.jsonl", b'\n{"text": "x", "label": 1}\r\n\r\n{"label": 0, "text": "y"}', {},
                              ["x", "y"], ["1", "0"]),
    "an ending in capitals": ("A.CSV", b"text,label\nx,1\ny,0\n", {}, ["x", "y"], ["1", "0"]),
    "emoji and other languages": ("a.csv", "text,label\n👩‍👩‍👧 你好,ja\nпривет,nein\n".encode(), {},
                                  ["👩‍👩‍👧 你好", "привет"], ["ja", "nein"]),
    "Polish that was set": (
        "a.csv", "text,label\nżółw,1\ny,0\n".encode("cp1250"), {"encoding": "cp1250"}, ["żółw", "y"], ["1", "0"],
    ),
    "a mark and its order set": ("a.csv", "text,label\né,1\ny,0\n".encode("utf-16"), {"encoding": f"utf-16-{ORDER}"},
                                 ["é", "y"], ["1", "0"]),
    "a mark in what was set": ("a.csv", "text,label\nx,1\ny,0\n".encode("utf-8-sig"), {"encoding": "utf8"}, ["x", "y"],
                               ["1", "0"]),
}  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_an_empty_text_is_a_row_in_a_file_of_one_column(tmp_path: Path, ending: str) -> None:
    """As pandas writes it: whoever puts answers beside the rows must find as many."""
    table, path = pandas.DataFrame({"text": ["good", "", "bad"]}), tmp_path / f"a.{ending}"
    if ending == "jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_csv(path, index=False, sep="," if ending == "csv" else "\t")
    assert [row["text"] for _, row in read_texts(path, Columns(("text",)))] == ["good", "", "bad"]


def test_rows_that_are_passed_over_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.csv").write_text("text,label\nx,1\n,\n\ny,0\n , \n")
    assert len(list(read_texts(tmp_path / "a.csv", Columns(("text", "label"))))) == 2
    assert "a.csv: 2 rows without anything in them are passed over, the first on line 3" in caplog.text


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_file_is_read_as_it_was_meant(tmp_path: Path, odd: str) -> None:
    name, content, options, texts, labels = ODD[odd]
    (tmp_path / name).write_bytes(content)
    task = Files(train=str(tmp_path / name), test=str(tmp_path / name), **options)
    train = task.load()["train"]
    assert (train.texts, [task.classes[label] for label in train.labels]) == (texts, labels)


def test_labels_in_two_normal_forms_are_one_class(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    labels = ["caf\u00e9", "cafe\u0301", "tea", "cafe\u0301"]
    rows = [json.dumps({"text": f"t{n}", "label": label}) for n, label in enumerate(labels)]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    task = Files(train=str(tmp_path / "a.jsonl"), test=str(tmp_path / "a.jsonl"))
    with caplog.at_level("WARNING", logger="swarmformer.data"):
        assert task.load()["train"].labels.tolist() == [0, 0, 1, 0]
    assert task.classes == ("caf\u00e9", "tea") and task.identity()["classes"] == ["caf\u00e9", "tea"]
    assert "label 'café' is written in several normal forms" in caplog.text
    assert r"'caf\xe9' in" in caplog.text and "a.jsonl, line 1; " in caplog.text
    assert r"'cafe\u0301' in" in caplog.text and "a.jsonl, line 2)" in caplog.text


@pytest.mark.parametrize(
    ("first", "second"), [("Pos", "pos"), ("pos", "p\u200bos"), ("a b", "a\u00a0b"), ("\ufb01ne", "fine"), ("1", "1.0")]
)
def test_classes_that_look_alike_are_told_and_stay_apart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, first: str, second: str
) -> None:
    (tmp_path / "a.csv").write_text(f"text,label\nx,{first}\ny,{second}\n", encoding="utf-8")
    task = Files(train=str(tmp_path / "a.csv"), test=str(tmp_path / "a.csv"))
    with caplog.at_level("WARNING", logger="swarmformer.data"):
        assert task.num_classes == 2
    assert "2 classes look alike, and stay apart" in caplog.text
    assert f"{first!a} first in {tmp_path / 'a.csv'}, line 2" in caplog.text


@pytest.mark.parametrize("missing", ["NaN", "None", "null", "<NA>"])
def test_a_class_that_is_a_missing_label_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    (tmp_path / "a.csv").write_text(f"text,label\nx,pos\ny,{missing}\n")
    task = Files(train=str(tmp_path / "a.csv"), test=str(tmp_path / "a.csv"))
    with caplog.at_level("WARNING", logger="swarmformer.data"):
        assert set(task.classes) == {"pos", missing}
    assert f"class {missing!r}, first in {tmp_path / 'a.csv'}, line 3, is how a missing label is written" in caplog.text


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_bytes(ROWS)
    task = Files(train=str(tmp_path / "a.csv"), test=str(tmp_path / "a.csv"))
    task.load()

    def refuse(self: Path, *args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"a\.csv cannot be read: Permission denied"):
        task.load()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'text\tlabel\n"Hello there\tpos\nfoo bar"\tneg\nx\tpos\ny\tneg\n', True),
        (b'text\tlabel\n"two\nlines"\tpos\n"a tab\there"\tneg\n', False),
    ],
)
def test_a_quote_that_swallows_rows_of_tabs_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, told: bool
) -> None:
    path = tmp_path / "m.tsv"
    path.write_bytes(content)
    Files(train=str(path), test=str(path)).load()
    said = [record.getMessage() for record in caplog.records if "one quoted field" in record.getMessage()]
    assert bool(said) is told and all("line 2" in words and "data.task.quote" in words for words in said)
