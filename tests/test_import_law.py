"""The house: a file imports only from lines above its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOUSE = (
    ("errors",),
    ("types",),
    ("vectors", "checks", "numbers", "display", "uninterrupted"),
    ("plugins", "stores"),  # an adapter is found by one and described by the other
    ("engine",),
    ("statistics",),
    ("geometry",),
    ("similarities",),
    ("retrieval",),
    ("findings",),
    ("pictures",),
    ("report",),
    ("changes",),
    ("plan", "config"),
    ("budget",),
    ("observe",),
    ("artefact",),
    ("destination",),
    ("auditing", "comparing", "explaining"),
    ("fixing", "diffing"),
    ("testing",),
    ("cli",),
    ("__main__",),
)
LINE = {name: i for i, names in enumerate(HOUSE) for name in names}
HEAVY = {"faiss", "pyarrow", "langchain", "langchain_core", "langchain_community", "sentence_transformers", "torch"}
HEAVY |= {"bm25s", "jinja2", "pandas", "plotly", "sklearn"}
FILES = sorted((ROOT / "ragdiag").rglob("*.py"))


def _imports(tree: ast.AST, *, typing: bool) -> list[str]:
    """Return the modules imported; those under TYPE_CHECKING only when `typing`."""
    found: list[str] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not typing:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
        found += _imports(node, typing=typing)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_come_from_above(path: Path) -> None:
    parts = path.relative_to(ROOT / "ragdiag").with_suffix("").parts
    if parts == ("__init__",):
        pytest.skip("the public names, imported on use")
    for module in _imports(ast.parse(path.read_text()), typing=False):
        if module.split(".")[0].startswith("ragdiag_"):
            pytest.fail(f"{path.name} imports the integration {module}")
        if module.startswith("ragdiag."):
            target = module.split(".")[1]
            above = LINE[target] <= LINE[parts[0]]
            assert above, f"{'/'.join(parts)} imports {module}, which is not above it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_load_where_they_are_used(path: Path) -> None:
    top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {
        name.split(".")[0]
        for node in top
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert not modules & HEAVY


def test_no_file_is_long() -> None:
    long = {str(p.relative_to(ROOT)): n for p in FILES if (n := len(p.read_text().splitlines())) > 300}
    assert long == {}


@pytest.mark.parametrize("path", sorted((ROOT / "integrations").rglob("*.py")), ids=lambda path: path.name)
def test_integrations_do_not_know_each_other(path: Path) -> None:
    own = path.relative_to(ROOT / "integrations").parts[0]
    siblings = [m for m in _imports(ast.parse(path.read_text()), typing=True) if m.startswith("ragdiag_")]
    assert all(module.split(".")[0] == own for module in siblings)
