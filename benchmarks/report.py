"""The tables, in Markdown."""

from __future__ import annotations

from benchmarks.contenders import WORKLOADS
from benchmarks.markdown import listed, origin, table
from benchmarks.results import Results, spread
from benchmarks.targets import (
    DEFAULT,
    DIRECT,
    REPOSITORY_COST,
    Found,
    found,
    highest_latency_ratio,
    processor_ratio,
    targets,
)
from benchmarks.workloads import EXPORT, TITLES

_INTRODUCTION = """\
# Throughput of generated services

{origin}

Figures are ratios to what **{reference}** served just before and after: the median of the rounds, the lowest and the
highest in parentheses. There were {rounds} rounds in all; one of four had other numbers of connections than 64, too.
1.00 is as fast, 0.50 half as fast. Absolute figures give the scale on this machine and no more.

![Throughput by workload](throughput.png)
"""


def report_of(results: Results) -> str:
    """Return the tables of a run."""
    rounds = len({each.turn for each in results.measurements})
    sections = [
        _INTRODUCTION.format(origin=origin("throughput"), reference=results.reference, rounds=rounds),
        listed(results.machine),
        _contenders(results),
        *(_workload(results, workload) for workload in WORKLOADS if results.connections(workload)),
        _processor(results),
        _footprints(results),
        _targets(results),
    ]
    return "\n".join(section for section in sections if section)


def _contenders(results: Results) -> str:
    rows = [[f"`{name}`", text] for name, (_, text) in results.contenders.items()]
    return "## Contenders\n\n" + table(["", ""], rows)


def _workload(results: Results, workload: str) -> str:
    connections = results.connections(workload)
    if workload == EXPORT:
        header, cells = ["rows per second", "memory above idle"], _export_cells
    else:
        header = [text for number in connections for text in (f"{number} connections", "p99")]
        cells = _load_cells
    rows = [
        [f"`{name}`", *(cell for number in connections for cell in cells(results, name, workload, number))]
        for name in results.contenders
        if any(results.of(name, workload, number) for number in connections)
    ]
    return f"## {TITLES[workload].capitalize() if workload == EXPORT else TITLES[workload]}\n\n" + table(
        ["", *header], rows
    )


def _load_cells(results: Results, contender: str, workload: str, connections: int) -> list[str]:
    measured = results.of(contender, workload, connections)
    p99, mean = spread([each.p99_ms or 0 for each in measured]), spread([each.mean_ms() for each in measured])
    latency = ""
    if p99 and mean:
        # Some connections were never answered, and wrk knows the latencies of the others only.
        latency = f"{p99.median:,.0f} ms" if p99.median >= mean.median else f"over {mean.median:,.0f} ms"
    return [_throughput(results, contender, workload, connections), latency]


def _export_cells(results: Results, contender: str, workload: str, connections: int) -> list[str]:
    growth = spread([each.growth for each in results.of(contender, workload, connections) if each.growth is not None])
    return [
        _throughput(results, contender, workload, connections),
        "" if growth is None else f"{growth.high:+.1f} MB",
    ]


def _throughput(results: Results, contender: str, workload: str, connections: int) -> str:
    if errors := results.errors(contender, workload, connections):
        return f"**invalid: {errors:,} errors**"
    ratio = results.ratio(contender, workload, connections)
    measured = spread([each.per_second for each in results.of(contender, workload, connections)])
    if measured is None:
        return ""
    if contender == results.reference or ratio is None:
        return f"1 ({measured.median:,.0f}/s)" if ratio else f"{measured.median:,.0f}/s"
    return ratio.shown()


def _processor(results: Results) -> str:
    workloads = [workload for workload in WORKLOADS if results.connections(workload)]
    rows = []
    for name in results.contenders:
        spreads = [spread(list(results.processor_us(name, workload).values())) for workload in workloads]
        if any(spreads):
            rows.append([f"`{name}`", *(f"{each.median:,.3g}" if each else "" for each in spreads)])
    if not rows:
        return ""
    header = [
        "a row of an export"
        if workload == EXPORT
        else f"{TITLES[workload]}, {results.usual_connections(workload)} connections"
        for workload in workloads
    ]
    return (
        "## Processor time\n\n"
        "Microseconds that a contender's own process takes for an answer. They change less than throughput when\n"
        "others are busy on the machine.\n\n" + table(["", *header], rows)
    )


def _footprints(results: Results) -> str:
    rows = []
    for name in results.contenders:
        own = [each for each in results.footprints if each.contender == name]
        start, memory = spread([each.start_seconds for each in own]), spread([each.memory for each in own])
        if start and memory:
            rows.append([f"`{name}`", f"{start.median:.2f} s", f"{memory.median:.0f} MB"])
    if not rows:
        return ""
    return (
        "## Start and memory\n\n"
        "From the start of the process until it has read a hero from the database, and the memory of a worker after\n"
        "the load that no other process shares.\n\n" + table(["", "start", "memory"], rows)
    )


def _targets(results: Results) -> str:
    workloads = [workload for workload in WORKLOADS if results.connections(workload)]
    rows = []
    for target in targets(results):
        measured = [found(results, target, workload) for workload in workloads]
        if not any(measured):
            continue
        what = " by processor time" if target.by_processor else ""
        title = f"`{target.contender}` has at least {target.share:g} of `{target.other}`{what}"
        rows.append([title, *(_verdict_of(each, target.share) for each in measured)])
    latencies = [highest_latency_ratio(results, workload) for workload in workloads]
    if any(latencies):
        title = f"p99 of `{DEFAULT}` at 256 connections is at most 1 of `{results.reference}`"
        rows.append([title, *(_verdict(ratio, met=ratio is not None and ratio <= 1) for ratio in latencies)])
    times = [processor_ratio(results, workload) for workload in workloads]
    if any(times):
        title = f"processor time of `{DEFAULT}` is at most {REPOSITORY_COST:g} of `{DIRECT}`"
        rows.append([title, *(_verdict(ratio, met=ratio is not None and ratio <= REPOSITORY_COST) for ratio in times)])
    if not rows:
        return ""
    return (
        "## Targets\n\n"
        "What is missed is bold. Of throughput, the medians at the usual number of connections; after them the lowest\n"
        "median and its number of connections, and the reference's own ratio where it is below the target, too.\n\n"
        + table(["", *(TITLES[workload] for workload in workloads)], rows)
    )


def _verdict_of(measured: Found | None, share: float) -> str:
    if measured is None:
        return ""
    parts = [_verdict(measured.ratio, met=measured.ratio >= share)]
    if measured.worst and measured.worst[0] < measured.ratio:
        parts.append(f"{measured.worst[0]:.2f} at {measured.worst[1]}")
    if measured.of_reference is not None and measured.of_reference < share:
        parts.append(f"the reference {measured.of_reference:.2f}")
    return ", ".join(parts)


def _verdict(ratio: float | None, *, met: bool) -> str:
    if ratio is None:
        return ""
    return f"{ratio:.2f}" if met else f"**{ratio:.2f}**"
