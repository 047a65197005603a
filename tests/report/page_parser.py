"""A page as the standard library reads it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "br", "input", "img", "hr"}


class Page(HTMLParser):
    """The elements of a page, and the text within some.

    Attributes
    ----------
    elements : list of (tag, attributes)
    scripts : list of (attributes, content)
    style : str
    open : list of str
        Elements that were never closed; empty for a page that is well formed.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.style = ""
        self.open: list[str] = []
        self.words: list[str] = []
        self.comments: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"<{tag}> has an attribute twice: {attrs}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        if inside == "script":
            attributes, content = self.scripts[-1]
            self.scripts[-1] = (attributes, content + data)
        elif inside == "style":
            self.style += data
        else:
            self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    @property
    def text(self) -> str:
        """All words of the page, single blanks between them."""
        return " ".join(" ".join(self.words).split())

    @property
    def policy(self) -> str:
        """The Content-Security-Policy."""
        (found,) = (a["content"] for _, a in self.elements if a.get("http-equiv") == "Content-Security-Policy")
        return found or ""

    @property
    def figures(self) -> dict[str, Any]:
        """The data of the figures."""
        (found,) = (content for a, content in self.scripts if a.get("id") == "figures")
        loaded: dict[str, Any] = json.loads(found)
        return loaded

    def find(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def assert_self_contained(page: Page) -> None:
    """Make sure that a page refers to nothing outside itself and runs nothing but its own scripts."""
    for tag, attributes in page.elements:
        assert tag not in {"iframe", "object", "embed", "base", "form", "frame", "applet", "img", "video", "audio"}
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in {"src", "href", "action", "formaction", "data", "srcset", "poster", "xlink:href", "ping"}:
                assert value is not None
                assert value.startswith("#") or value == "data:,", (tag, name, value)
            assert name != "style", (tag, value)
            assert name != "http-equiv" or value == "Content-Security-Policy"
    assert not re.search(r"url\(|@import|expression\(|://", page.style)
    assert page.comments == []
    run = [content for attributes, content in page.scripts if attributes.get("type") != "application/json"]
    hashes = [base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in run]
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    assert page.policy == (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline';"
        " img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    assert len(run) == 2
    assert page.open == []
