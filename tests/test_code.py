"""What counts as the same code, and whose it is."""

from __future__ import annotations

import importlib
import io
import os
import subprocess
import sys
import time
import tokenize
from pathlib import Path

import pytest

from experiments.starts import RESULT_SOURCES
from swarmformer import code
from swarmformer.code import LIBRARY, code_of, hash_once, library_hash, suppliers_of
from swarmformer.environment import code_revision
from swarmformer.source_code import hash_of, hash_of_supplier, sources_of, without_words
from swarmformer.spec import RunSpec
from swarmformer.variants import resolve_run
from tests.processes import ROOT

TASK = {"data": {"task": {"name": "listops", "size": "lite"}}}
SOURCE = '''"""A module."""
import math

rate = 0.5  # of steps
"""Words below."""

def double(x: float) -> float:
    """Twice."""
    # no more
    text = """a

    # b"""
    call(
        """not a docstring""",
    )
    return 2 * x  # "quoted"
'''
PLUGIN = """
from swarmformer.contracts import Dims
from swarmformer.components.local.identity import Identity

class Scaled(Identity):
    def forward(self, x_BND, mask_BN=None):
        return {factor} * x_BND
"""


INGREDIENT = """
from swarmformer.registry import get

class Words(get("augmentation", "none")):
    pass
"""


def run(local: str = "identity") -> RunSpec:
    return resolve_run("base", [({**TASK, "model": {"local": local}}, "test")])


def test_words_are_left_out() -> None:
    bare = without_words(SOURCE)
    assert bare == without_words(SOURCE.replace("Twice", "Two times").replace("# no more", "").replace("of steps", "x"))
    assert bare == without_words(SOURCE.replace("\n\n", "\n\n\n\n", 1).replace("import math", "import math  "))
    for old, new in (("2 *", "3 *"), ("0.5", "0.25"), ("# b", "# c"), ("not a docstring", "x"), ('"""a\n', '"""a\n\n')):
        assert without_words(SOURCE.replace(old, new)) != bare, old


@pytest.mark.parametrize("source", ["x = '#' + \"#\"  # '", "f'{a[0]}#'  # b", "x = 'it\\'s # no comment'", 'r"\\#"'])
def test_signs_inside_a_string_start_no_comment(source: str) -> None:
    comments = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type == tokenize.COMMENT]
    end = comments[0].start[1] if comments else len(source)
    stands_alone = source.startswith(("f'", 'r"'))
    assert without_words(source) == ("" if stands_alone else source[:end].rstrip())


def told(source: str) -> str:
    """The same by the tokens of the standard library, without white space."""
    kept, start = [], True
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type not in
              (tokenize.COMMENT, tokenize.NL)]  # fmt: skip
    for token, after in zip(tokens, [*tokens[1:], tokens[-1]], strict=True):
        alone = token.type == tokenize.STRING and start and after.type == tokenize.NEWLINE
        if not alone:
            kept.append("".join(token.string.split()))
        start = token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT) or (start and alone)
    return "".join(kept)


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("*.py"))[::7], ids=lambda path: path.name)
def test_agrees_with_the_tokens_of_the_standard_library(path: Path) -> None:
    source = path.read_text().replace("\\\n", " ")  # the tokens do not tell of lines that go on
    assert "".join(without_words(source).replace("\0", "").split()) == told(source)


def test_takes_no_time() -> None:
    library_hash.cache_clear()
    started = time.process_time()
    library_hash()
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(
    ("name", "counts"),
    [("training/loop.py", True), ("components/norm/none.py", True), ("cli/check.py", False), ("hub/card.py", False),
     ("testing/new.py", False), ("experiments/runner.py", False), ("new.py", True), ("data/card.md", False)],
)  # fmt: skip
def test_only_what_can_change_a_result_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, counts: bool
) -> None:
    for file in ("training/loop.py", "components/norm/none.py", "cli/check.py", "hub/card.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("x = 1\n")
    monkeypatch.setattr(code, "LIBRARY", tmp_path)
    library_hash.cache_clear()
    before = library_hash()
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("x = 2\n")
    library_hash.cache_clear()
    assert (library_hash() != before) == counts
    library_hash.cache_clear()


def test_the_runner_belongs_to_it(tmp_path: Path) -> None:
    runner = tmp_path / "runner.py"
    runner.write_text("x = 1\n")
    before = code_of(run(), [runner]).hash
    for text, same in (("x = 1  # one\n", True), ("x = 2\n", False)):
        runner.write_text(text)
        assert code_of(run(), [runner]).hash == before, "what runs was read before"
        hash_once.cache_clear()
        assert (code_of(run(), [runner]).hash == before) == same
    assert before != code_of(run()).hash


def test_nothing_is_read_of_the_sources_once_the_fork_server_has_them() -> None:
    """Cells are forked from a process that has imported all they run: edits and commits meanwhile are not of it."""
    nothing_read = """if True:
        import experiments.execute.preload
        from pathlib import Path
        from experiments.starts import RESULT_SOURCES
        from swarmformer import environment
        from swarmformer.code import code_of
        from swarmformer.variants import resolve_run

        spec = resolve_run("base", [({"data": {"task": "listops"}}, "test")])
        environment.subprocess = Path.read_text = None
        print(code_of(spec, RESULT_SOURCES).hash, environment.code_revision())
    """
    done = subprocess.run([sys.executable, "-c", nothing_read], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == [code_of(run(), RESULT_SOURCES).hash, code_revision()], done.stderr


def test_no_supplier_but_this_library() -> None:
    assert suppliers_of(run()) == () == suppliers_of(resolve_run("enhanced", [(TASK, "test")]))


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that brings a component; it can be imported, but is not installed."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "scaled_plugin.py").write_text(PLUGIN.format(factor=1))
    yield tmp_path / "scaled_plugin.py"
    sys.modules.pop("scaled_plugin", None)
    code._supplier.cache_clear()


def test_code_of_a_plug_in_belongs_to_it(plugin: Path) -> None:
    spec = run("scaled_plugin:Scaled")
    before = code_of(spec)
    (supplier,) = before.suppliers
    assert (supplier.module, supplier.parts) == ("scaled_plugin", ("local.scaled_plugin:Scaled",))
    assert (supplier.distribution, supplier.version) == ("", "")
    plugin.write_text(PLUGIN.format(factor=100))
    code._supplier.cache_clear()
    hash_of_supplier.cache_clear()
    assert code_of(spec).suppliers[0].hash != supplier.hash
    assert code_of(spec).hash == before.hash == code_of(run()).hash, "what it has in common with a run without it"


def test_code_of_a_stage_and_of_what_it_alone_uses_belongs_to_it(plugin: Path) -> None:
    plugin.write_text(INGREDIENT)
    stage = {"name": "supervised", "augmentation": "scaled_plugin:Words"}
    for stages in ([stage], ["supervised", stage]):
        spec = resolve_run("base", [({**TASK, "train": {"stages": stages}}, "test")])
        assert [supplier.parts for supplier in suppliers_of(spec)] == [("augmentation.scaled_plugin:Words",)]


def test_helpers_of_a_file_belong_to_it_and_what_else_lies_there_does_not(tmp_path: Path) -> None:
    """Imported by the file or by a helper, anywhere in it; in which process, and beside which others, is all one."""
    files = {
        "mine.py": "import helper\nimport json\n", "helper.py": "def late():\n    from deep.one import ONE\n",
        "deep/__init__.py": "", "deep/one.py": "from . import two\nfrom .three import THREE\nONE = 1\n",
        "deep/two.py": "TWO = 2\n", "deep/three.py": "THREE = 3\n", "deep/four.py": "FOUR = 4\n",
        "other.py": "import mine\n", "json.py": "", "broken.py": "import (\n",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    def told(text: str = "", named: str = "mine.py", also: str = "") -> str:
        (tmp_path / named).write_text(files[named] + text)
        code = (f"import sys, mine; from swarmformer.source_code import hash_of_supplier\n{also}\n"
                "print(hash_of_supplier('mine'))")  # fmt: skip
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                              env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)  # fmt: skip
        (tmp_path / named).write_text(files[named])
        return done.stdout

    before = told()
    for name in ("mine.py", "helper.py", "deep/__init__.py", "deep/one.py", "deep/two.py", "deep/three.py"):
        assert told("x = 1\n", name) != before, name
    for name in ("deep/four.py", "other.py", "json.py", "broken.py"):
        assert told("x = 1\n", name) == before, name
    assert told(also="import other, deep.four") == before


def test_what_lies_beside_an_installed_file_is_no_helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "site-packages"
    place.mkdir()
    (place / "numbers_of.py").write_text("x = 1\n")
    (place / "single_module.py").write_text("import numbers_of\n")
    monkeypatch.syspath_prepend(place)
    importlib.import_module("single_module")
    assert sources_of("single_module") == [place / "single_module.py"]


def test_an_installed_package_is_named_with_its_version(plugin: Path) -> None:
    facts = plugin.with_name("scaled_plugin_dist-1.2.dist-info")
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: scaled-plugin-dist\nVersion: 1.2\n")
    (facts / "top_level.txt").write_text("scaled_plugin\n")
    (supplier,) = suppliers_of(run("scaled_plugin:Scaled"))
    assert (supplier.distribution, supplier.version) == ("scaled-plugin-dist", "1.2")


def test_all_files_of_a_package_count(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    before = hash_of(tmp_path.rglob("*.py"), below=tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.py").write_text("y = 1\n")
    assert hash_of(tmp_path.rglob("*.py"), below=tmp_path) != before
