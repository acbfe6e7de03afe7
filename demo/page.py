"""The report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from demo.figures import BIN_S, Arm, ChangeFigures, Report
from demo.plots import Line, Plot, draw

STYLE = Path(__file__).with_name("page.css")


def page_of(report: Report) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Two changes on real flights: what users saw</title>
<style>
{STYLE.read_text()}</style>
</head>
<body>
<main>
<h1>Two changes on real flights: what users saw</h1>
<p class="soft">{report.requests:,} requests replayed from the flights that left New York City in 2013,
{report.rate:g} a second, seed {report.seed}. Every figure below is computed from the answers that callers
received and from the control plane's own record.</p>
{tiles(report)}
{"".join(change_section(change, number) for number, change in enumerate(report.changes, 1))}
{audit_section(report.audit_chain)}
</main>
</body>
</html>
"""


def tiles(report: Report) -> str:
    tamper_free = report.audit == "verified"
    shown = [
        tile("requests", f"{report.requests:,}", "at the edge"),
        tile("failed", f"{report.failed:,}", "no answer or a server error", report.failed == 0),
        tile("mixed", f"{report.mixed:,}", "answers made by more than one release", report.mixed == 0),
        tile("audit chain", "intact" if tamper_free else "not intact", "recomputed at the end", tamper_free),
        *(tile(name, f"{value}") for name, value in report.facts.items()),
    ]
    return f'<dl class="tiles">{"".join(shown)}</dl>'


def tile(name: str, value: str, says: str = "", is_good: bool | None = None) -> str:
    tone = {True: ' class="good"', False: ' class="bad"', None: ""}[is_good]
    small = f"<small>{escape(says)}</small>" if says else ""
    return f'<div class="tile"><dt>{escape(name)}</dt><dd{tone}>{escape(value)}{small}</dd></div>'


def change_section(change: ChangeFigures, number: int) -> str:
    marks = [float(entry["at"]) - change.started for entry in change.timeline]
    heading = f"change-{number}"
    tone = "good" if change.outcome == "promoted" else "bad"
    badge = f'<span class="badge {tone}">{escape(change.outcome.replace("_", " "))}</span>'
    return f"""<section aria-labelledby="{heading}">
<header><h2 id="{heading}">{escape(change.name)}</h2>{badge}</header>
<p>{escape(sentence(change))}</p>
{change_tiles(change)}
<div class="plots">{"".join(draw(plot) for plot in plots(change, marks))}</div>
<h3>What happened</h3>
{timeline(change)}
<h3>Verdicts</h3>
{verdict_table(change.verdicts)}
<h3>Both releases, while they served side by side</h3>
{arm_table(change)}
</section>"""


def sentence(change: ChangeFigures) -> str:
    shown = f"{change.bad_answers:,} of {change.candidate.requests:,} answers of the candidate"
    text = (
        f"While both releases served, {shown} failed or were off by more than {change.bad_above_min:g} minutes; "
        f"at the baseline's rate it would have been {change.expected_bad_answers:,.1f}. "
        f"{change.replayed:,} requests that the candidate failed were answered by the baseline instead."
    )
    if (seconds := change.seconds_to_last_candidate_request) is not None:
        text += f" From the first bad answer to the last request of the candidate it took {seconds:.1f} seconds."
    return text


def change_tiles(change: ChangeFigures) -> str:
    highest = max((share for _, share in change.exposure), default=0.0)
    last = change.seconds_to_last_candidate_request
    shown = [
        tile(
            "bad answers that users saw", f"{change.bad_answers:,}", f"expected {change.expected_bad_answers:,.1f}"
        ),
        tile("highest exposure", f"{highest:.0%}", "share of the requests of one second"),
        tile("to its last request", "–" if last is None else f"{last:.1f} s", "from its first bad answer"),
        tile("failed", f"{change.failed:,}", f"of {change.requests:,} requests", change.failed == 0),
        tile("mixed", f"{change.mixed:,}", "during this change", change.mixed == 0),
    ]
    return f'<dl class="tiles">{"".join(shown)}</dl>'


def plots(change: ChangeFigures, marks: Sequence[float]) -> list[Plot]:
    span = change.seconds
    percent, minutes, milliseconds = "{:.0%}".format, "{:g} min".format, "{:g} ms".format
    exposure = [Line("candidate", "candidate", change.exposure)]
    latency = [
        Line(f"{arm_name} {name}", f"{arm_name}{style}", points, 2 * BIN_S)
        for arm_name, arm in arms(change)
        for name, style, points in (("p50", "", arm.latency_p50), ("p99", " tail", arm.latency_p99))
    ]
    return [
        Plot("Exposure.", "Share of each second's requests that the candidate answered; numbers: see below.",
             exposure, span, percent, top=1.0, marks=marks, is_filled=True),
        Plot("Mean absolute error.", "Predicted against real delay, in bins of two seconds.",
             both(change, lambda arm: arm.absolute_error), span, minutes),
        Plot("Errors that users saw.", "Share of answers that failed, in bins of two seconds.",
             both(change, lambda arm: arm.error_share), span, "{:.1%}".format, top=0.04),
        Plot("Latency.", "From when a request was due to its answer; thin: the 99th percentile.",
             latency, span, milliseconds),
    ]  # fmt: skip


def arms(change: ChangeFigures) -> tuple[tuple[str, Arm], tuple[str, Arm]]:
    return ("candidate", change.candidate), ("baseline", change.baseline)


def both(change: ChangeFigures, pick: Callable[[Arm], Sequence[tuple[float, float]]]) -> list[Line]:
    return [Line(name, name, pick(arm), 2 * BIN_S) for name, arm in arms(change)]


def timeline(change: ChangeFigures) -> str:
    items = [
        f'<li><span class="number">{number}</span><time>{float(entry["at"]) - change.started:+.1f} s</time>'
        f"<span><strong>{escape(str(entry['what']))}</strong> {escape(str(entry.get('because', '')))}</span></li>"
        for number, entry in enumerate(change.timeline, 1)
    ]
    return f'<ol class="timeline">{"".join(items)}</ol>' if items else "<p>Nothing was recorded.</p>"


def verdict_table(verdicts: Sequence[Mapping[str, Any]]) -> str:
    rows = [[str(v.get(key, "")) for key in ("gate", "verdict", "because")] for v in verdicts]
    return table(("gate", "verdict", "because"), rows) if rows else "<p>No verdict was reached.</p>"


def arm_table(change: ChangeFigures) -> str:
    def show(value: float | None, unit: str) -> str:
        return "–" if value is None else f"{value:.1f} {unit}"

    releases = {"candidate": change.candidate_release, "baseline": change.baseline_release}
    rows = [
        [
            f"{name} {releases[name]}",
            f"{arm.requests:,}",
            f"{arm.failed:,}",
            f"{arm.bad:,}",
            show(arm.mean_absolute_error_min, "min"),
            show(arm.latency_ms_p50, "ms"),
            show(arm.latency_ms_p99, "ms"),
        ]
        for name, arm in arms(change)
    ]
    return table(("release", "answers", "failed", "bad", "mean absolute error", "p50", "p99"), rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    inner = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll" tabindex="0">{inner}</div>'


def audit_section(audit: Mapping[str, Any]) -> str:
    rows = [[str(name), str(value)] for name, value in audit.items()]
    return (
        '<section aria-labelledby="audit"><header><h2 id="audit">Audit</h2></header>'
        "<p>Every order, approval and verdict is an entry of a chain of digests; the control plane recomputed "
        f"all of it after the run.</p>{table(('', 'result'), rows)}</section>"
    )
