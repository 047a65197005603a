"""A report as one HTML file that needs nothing else: no network, no server, no second file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from ragdiag.errors import MissingExtraError
from ragdiag.findings.rules import RULES
from ragdiag.numbers import count, counted, interval, number, percent, probability, score
from ragdiag.pictures.map import MapPicture, tsne
from ragdiag.report.escape import clean
from ragdiag.report.figures import LAYERS, SHOWN_AT_FIRST, Places, graph_objects, map_figure
from ragdiag.report.json import as_text
from ragdiag.report.model import Report
from ragdiag.report.plates import comparison_plates, map_caption, portrait_plates
from ragdiag.report.strips import strip
from ragdiag.report.terminal import verdict
from ragdiag.report.terminal_comparison import comparison_verdict
from ragdiag.report.without_texts import without_texts
from ragdiag.retrieval.comparison import WORDS
from ragdiag.types import Severity

_TEXT = 300
_MOST_BYTES = 5_900_000  # of the page, of which plotly is 4,816,000
_HOVER = (80, 40, 20, 0)  # columns of text on a map, of which the first that fits is taken
_CODE = re.compile(r"`([^`]+)`")


def to_html(report: Report, *, texts: bool = True) -> str:
    """Return a report as one HTML page.

    The page asks for nothing: scripts, styles and data stand in it, and a Content-Security-Policy forbids all else.
    Scripts are admitted by their hashes, so that nothing that a chunk says can run.

    Parameters
    ----------
    report : Report
    texts : bool
        Whether texts of chunks and queries and values of metadata are shown.

    Returns
    -------
    str
        Without a newline at the end.

    Raises
    ------
    MissingExtraError
        When plotly or Jinja is not installed.
    """
    report = report if texts else without_texts(report)
    template, scripts = _environment().get_template("page.html"), (_plotly(), _asset("page.js"))
    portrait = [] if report.pictures is None else list(portrait_plates(report.pictures))
    compared = [] if report.comparison is None else list(comparison_plates(report.comparison))
    figures = {plate.key: json.loads(plate.figure.to_json()) for plate in (*portrait, *compared)}
    the_map = None if report.pictures is None else report.pictures.map
    laid_out = None if the_map is None else tsne(the_map, report.sampling.seed)
    page = ""
    for cells in _HOVER:
        if the_map is not None:
            figures["map"] = _map_json(the_map, laid_out, cells)
        page = template.render(
            report=report,
            policy=_policy(scripts),
            scripts=scripts,
            style=_asset("page.css"),
            data=script_json(figures),
            headline=headline(report),
            audited=audited(report),
            portrait=portrait,
            compared=compared,
            map=the_map,
            map_caption="" if the_map is None else map_caption(the_map),
            layers={key: name for key, (name, *_) in LAYERS.items()},
            shown_at_first=SHOWN_AT_FIRST,
            verdicts=comparison_verdict(report.comparison) if report.comparison and audited(report) else [],
            rules={rule.code: rule for rule in RULES},
            texts=texts,
        ).strip()
        if len(page.encode()) <= _MOST_BYTES:
            break
    return page


def check_installed() -> None:
    """Raise `MissingExtraError` when a page cannot be written."""
    _environment()
    graph_objects()


def headline(report: Report) -> tuple[str, str]:
    """Return the verdict in one sentence, with what to look at first; and what it does not cover, or "".

    Such as ``"1 error, 6 warnings; first of all: another similarity ranks better."``
    """
    if not audited(report) and report.comparison is not None:
        first, *others = comparison_verdict(report.comparison)
        return first, " ".join(others)
    said = verdict(report)
    worst = report.worst()
    if worst is None or worst is Severity.INFO:
        head, _, rest = said.partition(". ")
        return head.rstrip(".") + ".", rest
    return f"{said.rstrip('.')}; first of all: {report.findings[0].title}.", ""


def audited(report: Report) -> bool:
    """Whether any rule was asked; of a comparison alone none is."""
    return bool(report.findings or report.passed or report.skipped)


def script_json(value: object) -> str:
    r"""Return JSON that can stand in a script element: nothing in it ends the element or a line.

    Examples
    --------
    >>> print(script_json({"a": "</script><!--&\u2028"}))
    {"a":"\u003c/script\u003e\u003c!--\u0026\u2028"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return as_text(text)


def _map_json(picture: MapPicture, laid_out: Places | None, cells: int) -> dict[str, Any]:
    """Return the map with both of its layouts; each text stands in it once, and traces name it by its number."""
    figure: dict[str, Any] = json.loads(map_figure(picture, cells=cells).to_json())
    traces = list(figure["data"])
    if laid_out is not None:
        second = json.loads(map_figure(picture, laid_out, cells=cells).to_json())["data"]
        figure["tsne"] = {trace["meta"]: {key: trace[key] for key in ("x", "y", "text")} for trace in second}
        traces += figure["tsne"].values()
    numbers: dict[str, int] = {}
    for trace in traces:
        trace["text"] = [numbers.setdefault(text, len(numbers)) for text in trace["text"]]
    figure["texts"] = list(numbers)
    return figure


def _environment() -> Any:
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("the HTML report needs Jinja", hint="pip install 'ragdiag[html]'") from error
    environment = jinja2.Environment(
        loader=jinja2.DictLoader({"page.html": _asset("page.html"), "parts.html": _asset("parts.html")}),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    from markupsafe import Markup, escape

    def foreign(text: str | None, most: int = _TEXT) -> Markup:
        """Show the start of an untrusted text, isolated from the direction of what is around it."""
        cut = clean((text or "")[: 4 * most])
        if len(cut) > most or len(text or "") > 4 * most:
            cut = cut[: most - 1].rstrip() + "…"
        return Markup("<bdi>{}</bdi>").format(cut)

    def prose(text: str) -> Markup:
        """Show our own words, in which a name may be foreign: cleaned, with `code` marked."""
        parts = _CODE.split(clean(text))
        return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else escape(p) for i, p in enumerate(parts))

    def paragraphs(text: str) -> list[str]:
        return [part for part in text.split("\n\n") if part]

    environment.filters.update(
        foreign=foreign,
        prose=prose,
        paragraphs=paragraphs,
        count=count,
        number=number,
        percent=percent,
        probability=probability,
        score=score,
        interval=interval,
        strip=lambda measure: Markup(strip(measure)),
    )
    environment.globals.update(counted=counted, words=WORDS)
    return environment


def _plotly() -> str:
    graph_objects()
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _asset(name: str) -> str:
    return files("ragdiag.report").joinpath("templates", name).read_text(encoding="utf-8")


def _policy(scripts: Iterable[str]) -> str:
    """Return the Content-Security-Policy: these scripts, inline styles (plotly writes them), images in the file."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:;"
        " base-uri 'none'; form-action 'none'"
    )
