"""The files of the page: what is in them, that they are always the same, and that no text becomes markup."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reports.definition import for_any_runs, read_definitions
from reports.page import main
from reports.site.make import make_site
from reports.site.packs import Packs, json_text, script
from reports.site.yaml_text import yaml_text
from reports.study.build import study
from tests.reports import synthetic_runs as runs
from tests.reports.site.site_evidence import (
    ACCURACIES,
    HOSTILE,
    NAMES,
    answers,
    labels,
    write_evidence,
    write_hostile,
    write_texts,
)

ROOT = Path(__file__).resolve().parents[3]
TEXT = st.one_of(st.text(), st.text("<>/!-&\"'\\`script]]>\u2028\u2029 \ud800"), st.just(HOSTILE), st.just("__proto__"))
PRINTED = st.characters(codec="utf-8", exclude_categories=("Cc",))
JSON = st.recursive(
    st.one_of(TEXT, st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)


def value_of(text: str) -> tuple[str, Any]:
    """Key and value of a part, read as JavaScript reads it: two string literals, the second one parsed as JSON."""
    found = re.fullmatch(r'\(window\.PARTS \?\?= new Map\(\)\)\.set\((".*"), JSON\.parse\((".*")\)\);\n', text)
    assert found
    key, text = (json.loads(literal) for literal in found.groups())
    return key, json.loads(text)


def made(*folders: Path, mix: Sequence[str] = (), **options: Any) -> dict[str, bytes]:
    """A page without figures."""
    definitions = [each for each in for_any_runs(read_definitions()) if each.figure is None]
    return make_site(study(folders, mix), definitions, **options)


def parts_of(site: dict[str, bytes]) -> dict[str, Any]:
    """Key of a part → its value; ``index`` has the keys."""
    files = dict(value_of(content.decode()) for name, content in site.items() if name.startswith("data/"))
    packed = {key: value for key, value in files.items() if key != "index"}
    parts = {f"{pack}/{place}": part for pack, values in packed.items() for place, part in enumerate(values)}
    return {"index": files["index"], **parts}


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    return write_evidence(tmp_path / "demo")


@given(key=TEXT, value=JSON)
def test_no_text_gets_out_of_a_script(key: str, value: object) -> None:
    text = script(key, json_text(value)).decode()
    assert text.isascii() and text.count("\n") == 1 and not set("<>&") & set(text)
    assert value_of(text) == (key, value)


def test_what_is_not_finite_is_missing() -> None:
    text = script("x", json_text({"loss": [1.5, float("nan"), float("inf")]})).decode()
    assert value_of(text)[1] == {"loss": [1.5, None, None]}


class Tags(HTMLParser):
    """Counts elements with their attributes' names, and collects the text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@settings(max_examples=15, deadline=None)
@given(name=st.text(PRINTED, min_size=1, max_size=30) | st.just(HOSTILE))
def test_names_stay_text_whatever_they_are(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    def index(arm: str) -> Tags:
        folder = tmp_path_factory.mktemp("runs") / "demo"
        variant = "base+" + re.sub(r"[+-]", "", arm)  # where a factor's name ends
        changes = {"task": arm, "device": arm, "code_revision": arm, "variant": variant}
        record = runs.plan([arm], [0, 1], base=arm)
        record["arms"][0]["variant"] = variant
        for number, cell in enumerate(record["cells"]):
            cell["cell"] = f"cell{number}"
        runs.write(folder / "plan.json", {**record, "grid": arm})
        runs.write_cell(folder, runs.result(arm, 0, 0.5, **changes), folder="cell0")
        return Tags(made(folder)["index.html"].decode())

    plain, odd = index("plain"), index(name)
    assert odd.tags == plain.tags
    assert name in odd.text


def test_the_same_evidence_gives_the_same_bytes_anywhere(grid: Path, tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "texts.jsonl")
    first, second = tmp_path / "first", tmp_path / "second"
    assert main([str(grid), "--out", str(first), "--texts", f"listops={texts}"]) == 0
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.move(grid, tmp_path / "elsewhere" / "demo")
    command = [sys.executable, "-m", "reports.page", moved, "--out", second, "--texts", f"listops={texts}"]
    subprocess.run(list(map(str, command)), check=True, cwd=ROOT, capture_output=True)  # other hash seeds
    content = [{p.relative_to(d): p.read_bytes() for p in d.rglob("*") if p.is_file()} for d in (first, second)]
    assert content[0] == content[1] and 15 < len(content[0]) < 25
    assert not any(str(tmp_path).encode() in data for data in content[0].values())


def test_every_number_names_exactly_its_runs(grid: Path) -> None:
    index = parts_of(made(grid))["index"]
    rows, sources = {row["arm"]: row for row in index["rows"]}, index["sources"]
    base, windowed = (["demo/base-0", "demo/base-1"], ["demo/base+windowed-0", "demo/base+windowed-1"])
    assert sources[rows["base"]["accuracy"]["from"]] == base
    assert sorted(sources[rows["base+windowed"]["difference"]["from"]]) == sorted(windowed + base)
    assert sources[rows["base+layer_norm"]["accuracy"]["from"]] == ["demo/base+layer_norm-0"]
    assert "demo/costs.json" in sources[rows["base"]["latency_b1_median_s"]["from"]]
    assert sources[rows["majority"]["accuracy"]["from"]] == ["demo/floors.json"]
    assert rows["base+windowed"]["difference"]["value"] == pytest.approx(0.11)
    assert rows["base+layer_norm"]["latency_b1_median_s"] == {"text": "—"}
    assert rows["majority"]["difference"] == {"text": ""}
    known = {record["source"] for record in index["records"]}
    assert {source for listed in sources.values() for source in listed} <= known


def test_every_entry_of_a_table_names_its_sources(grid: Path) -> None:
    index = parts_of(made(grid))["index"]
    assert index["tables"]
    for rows in index["tables"].values():
        assert {name for row in rows for name in row} - {""} <= index["sources"].keys()


@given(st.lists(st.one_of(JSON, st.text(min_size=30)), max_size=12))
@settings(max_examples=50, deadline=None)
def test_parts_are_packed_into_few_files_and_found_by_their_keys(values: list[Any]) -> None:
    packs = Packs(most=100)
    keys = [packs.add(value) for value in values]
    files = {name: value_of(content.decode())[1] for name, content in packs.files().items()}
    sizes = [len(json_text(value)) for value in values]
    for key, value in zip(keys, values, strict=True):
        pack, place = key.split("/")
        assert files[f"data/{pack}.js"][int(place)] == json.loads(json_text(value))
    assert len(files) <= 1 + 2 * sum(sizes) / 100, "two files side by side are more than one may hold"


@given(JSON)
@settings(max_examples=200, deadline=None)
@example({"2.13.0+cpu": "2.13.0", "1.5": "1.5", "1e-3": "1.0e-3", "2020-01-02": "12:30:45", "off": "Null", "<<": "="})
@example(["", " a", "a ", "a: b", "a #b", "- a", "? a", "0x1f", "1_000", "a - b", "é", "\U0001da8c", "\ufeff", {}, []])
@example([[1, [2, {"a": [{"b": []}]}]], {"c": {"d": [[]]}}, 1e300, 5e-324, -0.0, 10**30])
def test_a_record_as_yaml_is_read_as_what_it_is(value: Any) -> None:
    plain = json.loads(json.dumps(value).replace("\\ud800", ""))
    assert yaml.safe_load(yaml_text(plain)) == plain


def test_a_record_is_laid_out_as_pyyaml_does_it() -> None:
    value = {"model": {"name": "swarmformer", "dims": {"d_model": 48}, "heads": [1, 2], "none": {}},
             "train": [{"lr": 1e-06, "by": "accuracy"}, {"lr": 0.5}], "compile": False, "of": None}  # fmt: skip
    assert yaml_text(value) == yaml.dump(value, sort_keys=False)


def test_runs_of_other_code_are_not_among_a_numbers_sources(grid: Path) -> None:
    runs.write_cell(grid, runs.result("base", 1, 0.52, code_revision="1234567"))
    index = parts_of(made(grid))["index"]
    windowed = next(row for row in index["rows"] if row["arm"] == "base+windowed")
    assert "demo/base-1" not in index["sources"][windowed["difference"]["from"]]
    bases = [(row["detail"], row["n"]["value"]) for row in index["rows"] if row["arm"] == "base"]
    assert sorted(bases) == [("", 1), ("code 1234567", 1)]
    mixed = parts_of(made(grid, mix=["code"]))["index"]["rows"]
    assert [row["n"]["value"] for row in mixed if row["isBase"]] == [2]


def test_the_status_tells_what_failed_and_what_cannot_be_read(grid: Path) -> None:
    (grid / "base-0" / "result.json").write_text("{half", encoding="utf-8")
    (grid / "base-1" / "environment.json").write_text("[", encoding="utf-8")
    (grid / "base-1" / "predictions.npz").write_bytes(b"PK\x03\x04 cut short")
    site = made(grid)
    html = Tags(site["index.html"].decode()).text
    assert f"NaN {HOSTILE} (step 120)" in html and "result.json" in html and "predictions.npz" in html
    parts = parts_of(site)
    part = next(record["part"] for record in parts["index"]["records"] if record["source"] == "demo/base-1")
    said = Tags(parts[part]["html"]).text
    assert said.count("Not readable: environment.json") == 1 and said.count("Not readable") == 1
    assert "52.00" in said
    (examples,) = parts["index"]["sets"]
    assert {entry["where"] for entry in examples["runs"]} == {
        "demo/base+windowed-0", "demo/base+windowed-1", "demo/base+layer_norm-0",
    }  # fmt: skip


def test_the_same_folder_name_twice_is_refused(grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    other = write_evidence(tmp_path / "other" / "demo")
    assert main([str(grid), str(other), "--out", str(tmp_path / "site")]) == 1
    assert "two folders must not have one" in capsys.readouterr().err and not (tmp_path / "site").exists()


def test_texts_are_those_of_the_most_divided_examples(grid: Path, tmp_path: Path) -> None:
    texts = {"listops": write_texts(tmp_path / "texts.jsonl")}
    site = parts_of(made(grid, texts=texts, most=10))
    (examples,) = [site[one["part"]] for one in site["index"]["sets"]]
    given_ = [answers(arm, seed) for arm, seeds in ACCURACIES.items() for seed in seeds]
    divided = [at for at in range(len(NAMES)) if len({int(answer[at]) for answer in given_}) > 1]
    right = {at: sum(int(answer[at] == labels()[at]) for answer in given_) for at in divided}
    best = sorted(divided, key=lambda at: (abs(right[at] / len(given_) - 0.5), at))[:10]
    assert examples["divided"] == len(divided)
    wanted = [(at, f"text of {NAMES[at]} {HOSTILE}") for at in sorted(best)]
    assert examples["texts"] == [[at, text, len(text)] for at, text in wanted]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"name": "test/0"}', "line 1"),
        ('{"name": "test/0", "text": 5}', "line 1"),
        ('{"name": "test/0", "text": "a", "extra": 1}', "line 1"),
        ('{"name": "test/0", "text": "a"}\n{"name": "test/0", "text": "b"}', "comes twice"),
        ('{"name": "train/0", "text": "a"}', "none of its names"),
    ],
)
def test_texts_that_do_not_fit_are_refused(
    grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture, line: str, said: str
) -> None:
    (tmp_path / "texts.jsonl").write_text(line + "\n", encoding="utf-8")
    options = [str(grid), "--out", str(tmp_path / "site"), "--texts"]
    assert main([*options, f"listops={tmp_path / 'texts.jsonl'}"]) == 1
    assert said in capsys.readouterr().err
    assert main([*options, f"imdb={tmp_path / 'texts.jsonl'}"]) == 1
    assert "no run of task 'imdb' keeps predictions; those that do: listops" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_a_page_of_hostile_runs_has_no_element_of_theirs(tmp_path: Path) -> None:
    site = made(write_hostile(tmp_path / "hostile"))
    assert HOSTILE in Tags(site["index.html"].decode()).text
    assert all(HOSTILE.encode() not in content for content in site.values())


def test_the_page_asks_for_nothing_from_elsewhere(grid: Path) -> None:
    site = made(grid)
    html = site["index.html"].decode()
    assert "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'" in html
    assert set(re.findall(r'(?:src|href)="([^"#]+)"', html)) <= site.keys()
    elements = Tags(html).tags
    assert not any(name.startswith("on") or name == "style" for _, names in elements for name in names)
    assert ("style", ()) not in elements and all("src" in names for tag, names in elements if tag == "script")
    ours = [content for name, content in site.items() if re.fullmatch(r"static/\w+\.js", name)]
    assert len(ours) == 5
    assert not re.search(rb"innerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|XMLHttp", b"".join(ours))
    assert sum(len(content) for name, content in site.items() if "vendor" in name) < 600_000


def test_no_name_costs_the_page_or_a_figure(tmp_path: Path) -> None:
    arms = ["mean 平均", "a$b_c", "two\nlines", "bell \x07", "👩‍🔬"]
    record = runs.plan(arms, [0], base=arms[0])
    for number, cell in enumerate(record["cells"]):
        cell["cell"] = f"cell{number}"
        runs.write_cell(tmp_path / "demo", runs.result(arms[number], 0, 0.5), folder=f"cell{number}")
    runs.write(tmp_path / "demo" / "plan.json", record)
    assert main([str(tmp_path / "demo"), "--out", str(tmp_path / "site")]) == 0
    assert (tmp_path / "site" / "figures" / "figure1.svg").exists()
