"""``ragdiag audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragdiag.cli.options import (
    DEVICE,
    EMBEDDINGS,
    HTML,
    MIN_EFFECT,
    NO_TEXTS,
    QUERY_VECTORS,
    SAMPLE_DOCUMENTS,
    SEED,
    WIDTH,
    Whole,
    codes,
    formats,
    share,
)
from ragdiag.cli.output import check_page, check_writable, deliver, deliver_page, refuse_inputs, stdout_kept_clean
from ragdiag.config import AUDIT_FORMATS, FAIL_ON, load_config

if TYPE_CHECKING:
    from ragdiag.findings.finding import Finding
    from ragdiag.report.changes import Diff
    from ragdiag.report.model import Report
    from ragdiag.types import Severity

EXIT_FINDINGS = 1


class _ConfiguredCommand(click.Command):
    """A command whose defaults come from pyproject.toml; its help does not need the file to be right."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not set(args) & set(ctx.help_option_names):
            ctx.default_map = load_config()
        return super().parse_args(ctx, args)


@click.command(cls=_ConfiguredCommand)
@click.argument("store")
@click.option(
    "--queries",
    metavar="PATH",
    help="Labelled queries: a BEIR or TREC folder, or JSON lines (ours, Ragas). Shows what the findings cost.",
)
@QUERY_VECTORS
@EMBEDDINGS
@click.option("--ragas", metavar="FILE", help="A Ragas result, JSON lines: says why its worst rows are so.")
@formats("JSON follows the schema ragdiag.audit/1.", AUDIT_FORMATS)
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path), help="Write there; - is stdout.")
@HTML
@NO_TEXTS
@click.option("--select", multiple=True, callback=codes, metavar="CODES", help="Only these rules: HUB,IDX001.")
@click.option("--ignore", multiple=True, callback=codes, metavar="CODES", help="Not these rules.")
@click.option(
    "--fail-on",
    type=click.Choice(FAIL_ON),
    default="error",
    show_default=True,
    help="Exit with 1 for findings of this severity or over it.",
)
@click.option(
    "--baseline",
    metavar="FILE",
    help="The JSON of an earlier audit: exit with 1 for what got worse since, and for nothing else.",
)
@click.option(
    "--sample-queries",
    metavar="N",
    type=Whole(min=1),
    show_default="2000",
    help="Documents drawn as queries. All documents are searched.",
)
@click.option(
    "--max-seconds",
    metavar="S",
    type=float,
    help="Draw documents as queries until so much time is used, --sample-queries of them at most, by default all.",
)
@SAMPLE_DOCUMENTS
@click.option(
    "-k",
    metavar="N",
    type=Whole(min=1),
    default=10,
    show_default=True,
    help="Nearest documents of each query.",
)
@click.option(
    "--ann-target",
    metavar="X",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    callback=share,
    help="Recall that the store's own search should have: tries its settings.",
)
@click.option(
    "--group-by", metavar="KEY", default="", help="Key of the metadata by which the page of --html groups documents."
)
@SEED
@MIN_EFFECT
@DEVICE
@WIDTH
def audit(
    store: str,
    queries: str | None,
    query_vectors: str | None,
    embeddings: str | None,
    ragas: str | None,
    format_: str,
    output: Path | None,
    html: Path | None,
    no_texts: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str,
    baseline: str | None,
    sample_queries: int | None,
    max_seconds: float | None,
    sample_documents: int,
    k: int,
    ann_target: float | None,
    group_by: str,
    seed: int,
    min_effect: float,
    device: str | None,
    width: int | None,
) -> int:
    """Say what is wrong with STORE, how sure that is, what it costs and what would mend it.

    STORE is a path or a URI; 'ragdiag stores' lists what can be opened here. Nothing is written to it.

    \b
    Examples
      ragdiag audit faiss:./my_index
      ragdiag audit ./vectors.npy --queries ./beir --query-vectors ./queries.npy
      ragdiag audit ./vectors.npy --format json --fail-on warning > audit.json
      ragdiag audit ./vectors.npy --html report.html
      ragdiag audit "v.parquet?vector=embedding&id=id&text=text" --select HUB

    Defaults can be set in pyproject.toml, under [tool.ragdiag]. Exits with 0 when clean, 1 for findings at
    or over --fail-on (with --baseline, for a regression), 2 when something given cannot be used, 3 when the baseline
    cannot be compared.
    """  # noqa: D301  click's \b is the character
    if output == Path("-"):
        output = None
    if output is not None:
        check_writable(output)
        refuse_inputs(output, (store, queries, query_vectors, ragas, baseline))
    check_page(html, output, (store, queries, query_vectors, ragas, baseline))
    from ragdiag.auditing import audit as run_audit
    from ragdiag.cli.codes import check_codes
    from ragdiag.cli.progress import StderrProgress
    from ragdiag.engine.device import engine_for
    from ragdiag.findings.rules import RULES
    from ragdiag.plan import Plan

    known = [rule.code for rule in RULES]
    check_codes(select, known, option="--select")
    check_codes(ignore, known, option="--ignore")
    earlier = None
    if baseline is not None:
        from ragdiag.report.read import read_audit

        earlier = read_audit(baseline)  # before the work, not after it
    plan = Plan(
        sample_queries=sample_queries,
        sample_documents=sample_documents,
        k=k,
        seed=seed,
        select=select,
        ignore=ignore,
        min_effect=min_effect,
        ann_target=ann_target,
        group_by=group_by,
        max_seconds=max_seconds,
    )
    engine = engine_for(device)
    with stdout_kept_clean(), StderrProgress() as progress:
        report = run_audit(
            store,
            judgements=queries,
            query_vectors=query_vectors,
            embeddings=embeddings,
            ragas=ragas,
            baseline=earlier,
            plan=plan,
            engine=engine,
            progress=progress,
        )
    change = None
    if earlier is not None:
        from ragdiag.diffing import diff, with_drift_findings
        from ragdiag.findings.rules import selected

        looked = {rule.code for rule in selected(select, ignore)}
        left_out = tuple(code for code in known if code not in looked)
        change = diff(earlier, report, ignore=left_out, min_effect=min_effect)
        report = with_drift_findings(report, change)
    if no_texts:
        from ragdiag.report.without_texts import without_texts

        report = without_texts(report)
    deliver_page(report, html, texts=not no_texts)
    _show(report, change, fail_on, format_, output, width)
    return EXIT_FINDINGS if _fails(report, change, fail_on) else 0


def _show(
    report: Report, change: Diff | None, fail_on: str, format_: str, output: Path | None, width: int | None
) -> None:
    from ragdiag.report.rendered import rendered
    from ragdiag.report.terminal import verdict
    from ragdiag.report.terminal_diff import diff_verdict

    def fails(finding: Finding) -> bool:
        return _reaches(finding.severity, fail_on)

    def render(**looks: Any) -> str:
        return rendered(report, change, format_, fails=fails, gate=fail_on != "never", **looks)

    deliver(render, output, width=width, said=verdict(report) if change is None else diff_verdict(change))


def _fails(report: Report, change: Diff | None, fail_on: str) -> bool:
    if change is not None:
        return change.regression and fail_on != "never"
    return any(_reaches(finding.severity, fail_on) for finding in report.findings)


def _reaches(severity: Severity, fail_on: str) -> bool:
    from ragdiag.types import Severity

    return fail_on != "never" and severity >= Severity[fail_on.upper()]
