"""The site of the documentation: every page is in it, its links hold, and nothing is fetched."""

from __future__ import annotations

import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from docs import grid_keys
from tests.processes import ROOT

DOCS = ROOT / "docs"
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
FETCHED = re.compile(r"""(?:<script[^>]*\ssrc|<link[^>]*rel="(?:stylesheet|preconnect)"[^>]*\shref)="(?:http|//)""")


def pages(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from pages(part)


def test_every_page_is_in_the_navigation_once() -> None:
    listed = list(pages(CONFIG["nav"]))
    assert len(set(listed)) == len(listed)
    assert set(listed) == {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}


def test_what_the_reference_names_is_there() -> None:
    written = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    names = re.findall(r"^::: (\S+)", written, re.MULTILINE)
    assert len(names) > 30 and len(set(names)) == len(names)
    for name in names:
        assert pkgutil.resolve_name(name)


def test_links_that_leave_the_pages_become_names_or_links_to_the_repository() -> None:
    pytest.importorskip("mkdocs")
    from docs import site_links

    def turned(text: str, repository: str | None = None) -> str:
        config = SimpleNamespace(config_file_path=str(ROOT / "mkdocs.yml"), docs_dir=str(DOCS), repo_url=repository)
        page = SimpleNamespace(file=SimpleNamespace(src_uri="guide/x.md"))
        return site_links.on_page_markdown(text, page=page, config=config)  # type: ignore[arg-type]

    kept = "[a](../training.md#texts), [b](https://example.org/x), [c](#here) and [d](tune.md)"
    assert turned(kept) == kept
    assert turned("see [`spec`](../../swarmformer/spec.py)") == "see `spec` (`swarmformer/spec.py`)"
    assert turned("[spec.py](../../swarmformer/spec.py)") == "spec.py"
    assert turned("[x](../../variants)", "https://host/repo/") == "[x](https://host/repo/blob/main/variants)"
    assert turned("![p](../../reports/results/a/b.svg)") == "![p](../pictures/reports/results/a/b.svg)"
    assert turned("```python nice/x.py\nx[0]\n```") == '```python title="nice/x.py"\nx[0]\n```'
    assert turned("```bash\nls\n```") == "```bash\nls\n```"


def test_every_key_of_a_grid_file_is_described() -> None:
    for model in grid_keys.SECTIONS.values():
        assert [name for name, field in model.model_fields.items() if not field.description] == [], model.__name__


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 0}, "whole number (≥ 0)"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or null"),
        ({"enum": ["head", "random"]}, "`head` or `random`"),
        ({"const": "run"}, "`run`"),
        ({"type": "array", "items": {"type": "number"}, "minItems": 1}, "list (1 or more) of: number"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "mapping of: text"),
        ({"type": "object", "additionalProperties": True}, "mapping"),
        ({"$ref": "#/$defs/ComponentSpec"}, "name, or mapping with `name` and options"),
    ],
)
def test_types_are_said_in_words(schema: dict[str, Any], words: str) -> None:
    assert grid_keys.said(schema) == words


@pytest.mark.waits
def test_the_site_is_built_without_network_and_fetches_nothing(tmp_path: Path) -> None:
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, **nowhere}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    built = {path.relative_to(tmp_path / "site").as_posix(): path for path in (tmp_path / "site").rglob("*.html")}
    named = {page.replace("README.md", "index.md").replace(".md", ".html") for page in pages(CONFIG["nav"])}
    assert built.keys() >= named
    for path in built.values():
        assert FETCHED.search(path.read_text(encoding="utf-8")) is None, path
    assert "build_model" in built["reference/library.html"].read_text(encoding="utf-8")
    assert list((tmp_path / "site" / "pictures").rglob("*.svg"))
