"""What `scripts/bench all` leaves in spec/bench/: a table, a bar for each bench, and a line for each curve.

Decides how results look; measures nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

_ROW_PX, _LEFT_PX, _WIDE_PX = 26, 210, 420
_HEAD = """# Benches

Written by `scripts/bench all` ({machine}); `scripts/bench` and its name reproduce a row, with `--keep` in place.
Numbers are medians of so many runs in which bench and yardstick took turns; only the ratio says something about another
machine.

![How far each bench is beyond its aim](aims.svg)

| bench | runs | result | against | ratio | aim | |
|---|---|---|---|---|---|---|
"""


def write_all(out: Path, results: Sequence[Mapping[str, Any]], texts: Mapping[str, str], good: Sequence[bool]) -> None:
    """README.md, results.json and the plots; `texts` is what each bench says about itself."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (out / "aims.svg").write_text(_bars(results))
    lines = [_HEAD.format(machine=results[0]["machine"])]
    lines += [_row(found, kept) for found, kept in zip(results, good, strict=True)]
    for name, text in texts.items():
        lines.append(f"\n## {name}\n\n{text.strip()}\n")
        for found in results:
            if found["name"].split()[0] == name:
                lines += _details(out, found)
    (out / "README.md").write_text("".join(lines))


def _row(found: Mapping[str, Any], kept: bool) -> str:
    against, sign = found["against"], "≤" if found["less"] else "≥"
    beside = f"{against['name']}: {_number(against['median'])}" if against["median"] is not None else found["note"]
    verdict = "not compared" if found["ratio"] is None else "kept" if kept else "**missed**"
    cells = (f"`{found['name']}`", found["runs"], f"{_number(found['median'])} {found['unit']}", beside)
    return "| " + " | ".join(map(str, (*cells, _number(found["ratio"]), f"{sign} {found['limit']}", verdict))) + " |\n"


def _details(out: Path, found: Mapping[str, Any]) -> list[str]:
    """Further figures of one row, and its curve if it has one."""
    points = {int(name[3:]): y for name, y in found["extra"].items() if re.fullmatch(r"at \d+", name)}
    lines = [f"* {name}: {_number(y)}\n" for name, y in found["extra"].items()]
    if lines:
        lines.insert(0, f"\n`{found['name']}`:\n\n")
    if len(points) > 1:
        file = re.sub(r"\W+", "-", found["name"]) + ".svg"
        (out / file).write_text(_curve(points, found["unit"]))
        lines.append(f"\n![{escape(found['name'])}]({file})\n")
    return lines


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def _svg(height: int, parts: Sequence[str]) -> str:
    wide = _LEFT_PX + _WIDE_PX + 60
    style = "text{font:12px sans-serif;fill:#444}line{stroke:#999}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {height}" width="{wide}" height="{height}">'
    back = f'<rect width="{wide}" height="{height}" fill="#fff"/>'
    return "\n".join([head, f"<style>{style}</style>", back, *parts, "</svg>\n"])


def _bars(results: Sequence[Mapping[str, Any]]) -> str:
    """Each ratio over its aim, turned so that right of the line is better; a factor of ten is half the picture."""
    rows = [found for found in results if found["ratio"]]
    middle = _LEFT_PX + _WIDE_PX // 2
    parts = [f'<text x="{middle}" y="14" text-anchor="middle">the aim; right of it is better</text>']
    parts.append(f'<line x1="{middle}" x2="{middle}" y1="20" y2="{24 + _ROW_PX * len(rows)}"/>')
    for at, found in enumerate(rows):
        times = found["ratio"] / found["limit"]
        times = 1 / times if found["less"] else times
        length = max(-1.0, min(1.0, math.log10(times))) * _WIDE_PX / 2
        y = 24 + _ROW_PX * at
        left, colour = min(middle, middle + length), "#2a7f62" if times >= 1 else "#c0512f"
        parts.append(f'<text x="{_LEFT_PX - 8}" y="{y + 14}" text-anchor="end">{escape(found["name"])}</text>')
        parts.append(f'<rect x="{left:.1f}" y="{y}" width="{abs(length):.1f}" height="18" fill="{colour}"/>')
        parts.append(f'<text x="{max(middle, middle + length) + 6:.1f}" y="{y + 14}">{times:.2f} ×</text>')
    return _svg(32 + _ROW_PX * len(rows), parts)


def _curve(points: Mapping[int, float], unit: str) -> str:
    """A line over a logarithmic scale of N, from zero up."""
    high, top, bottom = max(points.values()) or 1.0, 30, 190
    first, last = (math.log10(max(1, edge)) for edge in (min(points), max(points)))

    def place(n: int, y: float) -> tuple[float, float]:
        along = (math.log10(max(1, n)) - first) / ((last - first) or 1)
        return _LEFT_PX / 2 + along * _WIDE_PX, bottom - y / high * (bottom - top)

    spots = [(n, y, *place(n, y)) for n, y in sorted(points.items())]
    line = " ".join(f"{x:.1f},{down:.1f}" for _, _, x, down in spots)
    parts = [f'<text x="8" y="16">{escape(unit)}</text>', f'<polyline points="{line}" fill="none" stroke="#2a7f62"/>']
    parts.append(f'<line x1="{_LEFT_PX / 2}" x2="{_LEFT_PX / 2 + _WIDE_PX}" y1="{bottom}" y2="{bottom}"/>')
    for n, y, x, down in spots:
        parts.append(f'<circle cx="{x:.1f}" cy="{down:.1f}" r="3" fill="#2a7f62"/>')
        parts.append(f'<text x="{x:.1f}" y="{down - 8:.1f}" text-anchor="middle">{_number(y)}</text>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{n:,}</text>')
    return _svg(bottom + 26, parts)
