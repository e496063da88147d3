"""A hook of MkDocs: the README is the front page, and what pages link to outside of docs/ is part of the site."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
BESIDE = ("examples", "LICENSE", "CHANGELOG.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README as index.md, and the files beside docs/ that are linked to."""
    text = (ROOT / "README.md").read_text("utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=text))
    pages = [text, *(path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md"))]
    linked = {found for page in pages for found in re.findall(r"\]\((?:\.\./)?([^)#:]+)", page)}
    for name in sorted(linked):
        if name.startswith(BESIDE) and (ROOT / name).is_file():
            files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """In the site what is beside docs/ lies among its pages."""
    return re.sub(rf"\]\(\.\./({'|'.join(BESIDE)})", r"](\1", markdown)
