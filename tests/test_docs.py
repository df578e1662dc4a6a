"""The documentation, without building it: pages are in the navigation; links and files that are named are there."""

import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from support import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED = re.compile(r"`((?:ser|multirun_analysis|conf|tests|benchmarks|docs)/[\w./-]+\.\w+)`")


def without_code(page: Path) -> str:
    """A page's text without its code blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(page: Path) -> set[str]:
    """What a link to a heading of a page may end with."""
    titles = re.findall(r"^#+ (.+)$", without_code(page), flags=re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in titles]
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in plain}


def in_navigation(entries: list) -> list[str]:
    """The pages of a part of mkdocs.yml's navigation, in their order."""
    found = []
    for entry in entries:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found += in_navigation(value) if isinstance(value, list) else [value]
    return found


def test_every_page_is_in_the_navigation_once():
    """But for the tables of results, which their README leads to."""
    settings = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["not_in_nav"].split() == ["/results/*/*.md"]
    pages = [page for page in PAGES if page.name == "README.md" or page.parent.parent != DOCS / "results"]
    assert sorted(in_navigation(settings["nav"])) == sorted(str(page.relative_to(DOCS)) for page in pages)


@pytest.mark.parametrize("page", [REPOSITORY / "README.md", *PAGES], ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_its_links_and_the_files_that_it_names_are_there(page):
    for link in LINK.findall(without_code(page)):
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        assert page.parent == REPOSITORY or target.is_relative_to(DOCS.resolve()), f"{link} leaves the site"
        assert not anchor or anchor in anchors(target), link
    lacking = [name for name in NAMED.findall(page.read_text(encoding="utf-8")) if not (REPOSITORY / name).exists()]
    assert not lacking
