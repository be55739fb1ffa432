"""What the site does with links that leave the folder of its pages, and with blocks that are files.

mkdocs calls this; see ``mkdocs.yml``.

On the disk a page links to sources and evidence beside ``docs``. On the site there are none: their place is named
instead, or linked to where ``repo_url`` is set. Pictures are taken along.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FILE_BLOCK = re.compile(r"^```(\w+) (\S+)$", re.MULTILINE)
"""The first line of a block that is a file, as guides write it; the site takes the name as a title."""
PICTURES = ("png", "svg")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take along the pictures that pages show from elsewhere in the repository."""
    root = Path(config.config_file_path).parent
    for page in files.documentation_pages():
        for picture, _, target in LINK.findall(page.content_string):
            place = _outside(page.src_uri, target, config)
            if picture and place and files.get_file_from_path(f"pictures/{place}") is None:
                files.append(File.generated(config, f"pictures/{place}", abs_src_path=str(root / place)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """The page with every link that leads outside turned to what the site has, and names of files as titles."""

    def turned(match: re.Match[str]) -> str:
        picture, label, target = match.groups()
        place = _outside(page.file.src_uri, target, config)
        if place is None:
            return match[0]
        if picture:
            return f"![{label}]({os.path.relpath(f'pictures/{place}', os.path.dirname(page.file.src_uri))})"
        if config.repo_url:
            return f"[{label}]({config.repo_url.rstrip('/')}/blob/main/{place})"
        return label if place.endswith(label.strip("`")) else f"{label} (`{place}`)"

    return LINK.sub(turned, FILE_BLOCK.sub(r'```\1 title="\2"', markdown))


def _outside(page: str, target: str, config: MkDocsConfig) -> str | None:
    """Where in the repository a link leads that leaves the folder of pages; None for any other."""
    if target.startswith(("http://", "https://", "#", "mailto:")):
        return None
    root, pages = Path(config.config_file_path).parent, Path(config.docs_dir)
    place = os.path.normpath(pages / os.path.dirname(page) / target.partition("#")[0])
    inside = Path(place).is_relative_to(pages) and Path(place).suffix in (".md", *(f".{p}" for p in PICTURES))
    return None if inside else Path(os.path.relpath(place, root)).as_posix()
