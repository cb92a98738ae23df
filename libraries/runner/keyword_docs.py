"""`python -m runner.keyword_docs [DIRECTORY]`: a page for every keyword library and resource file, and an index."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from robot.errors import DataError
from robot.libdocpkg import LibraryDocumentation

from reporting.page import TEMPLATES
from runner.places import PROJECT, Places
from runner.usage import USAGE_ERROR

DIRECTORY = Path("docs", "keywords")  # below the checkout
# What libdoc says of a file that says nothing of itself.
NO_WORDS = ("Documentation for library `", "Documentation for resource file `")


@dataclass(frozen=True, slots=True)
class Page:
    """The page of one library or resource file."""

    name: str
    kind: str  # library or resource
    meaning: str  # the first sentence of its documentation
    keywords: tuple[str, ...]


def main(arguments: Sequence[str], places: Places = PROJECT) -> int:
    """Write the pages.

    Returns:
        0: done; 1: a keyword or a file has no documentation, or cannot be read; 252: wrong use.
    """
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print("usage: python -m runner.keyword_docs [DIRECTORY]", file=sys.stderr)
        return USAGE_ERROR
    directory = Path(arguments[0]) if arguments else places.root / DIRECTORY
    try:
        problems = write_pages(directory, places)
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    print(*problems, f"{places.shown(directory)}/index.html", sep="\n")
    return int(bool(problems))


def write_pages(directory: Path, places: Places = PROJECT) -> list[str]:
    """Write a page for every library and resource file, and `index.html`.

    Args:
        directory: is made when missing; pages in it are replaced.
        places: of the checkout.

    Returns:
        What is wrong, one line each: a file that cannot be read, a public keyword without documentation.

    Raises:
        OSError: the pages cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    pages, problems = [], []
    for source in _sources(places):
        name = places.shown(Path(source)) if source.endswith(".resource") else source
        try:
            document: Any = LibraryDocumentation(source)
        except DataError as error:
            problems.append(f"{name}: {error.message.splitlines()[0]}")
            continue
        keywords = [keyword for keyword in document.keywords if not keyword.private]
        if not document.doc.strip() or document.doc.startswith(NO_WORDS):
            problems.append(f"{name}: has no documentation")
        problems += [
            f"{name}: '{keyword.name}' has no documentation" for keyword in keywords if not keyword.doc.strip()
        ]
        if keywords:
            first = " ".join(document.doc.split("\n\n")[0].replace("`", "").split())
            _make_relative(document, places.root)
            document.convert_docs_to_html()
            document.save(str(directory / f"{document.name}.html"), "HTML")
            names = tuple(keyword.name for keyword in keywords)
            pages.append(Page(document.name, document.type.lower(), first, names))
    (directory / "index.html").write_text(_index(pages), encoding="utf-8")
    return problems


def _sources(places: Places) -> Iterator[str]:
    """Return what libdoc is told: the names of libraries, the paths of resource files."""
    yield from (str(path) for path in sorted((places.root / "resources").glob("*.resource")))
    yield from (path.parent.name for path in sorted((places.root / "libraries").glob("*Library/__init__.py")))


def _make_relative(document: Any, root: Path) -> None:
    """Name sources as they stand in the checkout, wherever that is on this machine."""
    for item in (document, *document.inits, *document.keywords):
        path = Path(str(item.source or ""))
        if path.is_relative_to(root):
            item.source = str(path.relative_to(root))


def _index(pages: Sequence[Page]) -> str:
    engine = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return engine.get_template("keywords.html").render(pages=pages)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
