"""What ProperDocs adds to the pages of this folder: one for each rule, and the READMEs of the engines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from markdown.extensions.toc import slugify
from properdocs.config.defaults import ProperDocsConfig
from properdocs.structure.files import File, Files

from ragdiag.findings.rule import Rule, linked
from ragdiag.findings.rules import RULES

ROOT = Path(__file__).parent.parent
INTEGRATIONS = ROOT / "integrations"
FAMILIES = {
    "ANI": "a common cone",
    "ANN": "the store's own search",
    "DRF": "drift",
    "GAP": "queries and documents",
    "HUB": "hubs",
    "IDX": "integrity",
    "RET": "retrieval",
    "SIM": "similarities",
    "UNI": "uniformity",
}
# A link out of this folder, to a file that is no page.
OUTSIDE = re.compile(r"\[([^\]]+)\]\((\.\./[^)]+)\)")


def on_config(config: ProperDocsConfig) -> ProperDocsConfig:
    """Set the navigation, and how headings are addressed."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = anchor
    evidence = ["similarities", "recommender-safety", "interval-honesty", "false-alarms", "performance"]
    rules = [
        {f"{family}: {FAMILIES[family]}": [{rule.code: _address(rule)} for rule in group]}
        for family, group in _by_family()
    ]
    config.nav = [
        {"Home": "index.md"},
        {"From finding to fix": "guide.md"},
        {"Reports": ["report.md", "gate.md"]},
        {"Stores": ["stores.md", *sorted(_engines()), "adding-a-store.md"]},
        {"Rules": [{"All rules": "rules/index.md"}, *rules]},
        {"Statistics": ["statistics.md", *(f"{page}.md" for page in evidence)]},
    ]
    return config


def anchor(heading: str, separator: str) -> str:
    """Return the address of a heading: it begins with a letter, or the menu's script stumbles over it."""
    slug: str = slugify(heading, separator)
    return slug if slug[:1].isalpha() else f"section{separator}{slug}"


def on_files(files: Files, config: ProperDocsConfig) -> Files:
    """Add what is generated."""
    generated = {_address(rule): page(rule) for rule in RULES}
    generated["rules/index.md"] = index()
    for address, readme in _engines().items():
        generated[address] = readme.read_text(encoding="utf-8")
    for address, text in generated.items():
        files.append(File.generated(config, address, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: ProperDocsConfig, files: Files) -> str:
    """Turn links to the repository into links to pages, or, where there is no page, into words.

    The pages are read in the repository too, where such links work. The site has no address of the repository to
    link to: a path says where the file is.
    """
    home = ROOT / "docs"
    engines = {readme.resolve(): address for address, readme in _engines().items()}
    own = next((readme.parent for address, readme in _engines().items() if address == page.file.src_uri), home)

    def resolved(link: re.Match[str]) -> str:
        words, target = link.groups()
        path = (own / target.partition("#")[0]).resolve()
        if path in engines:
            return f"[{words}]({engines[path]})"
        # What is not there stays a link, which the strict build refuses.
        return words if path.exists() and path.is_relative_to(ROOT) else link[0]

    return OUTSIDE.sub(resolved, markdown)


def page(rule: Rule) -> str:
    """Return the page of a rule: what ``ragdiag rule CODE`` prints."""
    return f"# {rule.code} {rule.title} ({rule.severity.label} at most)\n\n{linked(rule.page)}\n"


def index() -> str:
    """Return a table of all rules."""
    lines = ["# Rules", "", "`ragdiag rule CODE` prints the same pages.", ""]
    for family, rules in _by_family():
        lines += [f"## {family}: {FAMILIES[family]}", "", "| rule | at most | what |", "|---|---|---|"]
        lines += [f"| [{rule.code}]({rule.code}.md) | {rule.severity.label} | {rule.title} |" for rule in rules]
        lines.append("")
    return "\n".join(lines)


def _by_family() -> Iterator[tuple[str, list[Rule]]]:
    for family, rules in groupby(RULES, key=lambda rule: rule.code[:3]):
        yield family, list(rules)


def _address(rule: Rule) -> str:
    return f"rules/{rule.code}.md"


def _engines() -> dict[str, Path]:
    return {f"{path.parent.name}.md": path for path in sorted(INTEGRATIONS.glob("*/README.md"))}
