"""What the atlas writes: `atlas.json`, a table in `atlas.md`, and `index.html` with its pictures inside."""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pinnact.files import atomic, plain_data

Records = Sequence[Mapping[str, Any]]
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; font-size: 0.9rem; margin: 1rem 0; }
td, th { border-bottom: 1px solid #ddd; padding: 0.3rem 0.7rem; text-align: left; vertical-align: top; }
img { max-width: 100%; }
section { margin-top: 3rem; border-top: 2px solid #222; }
.yes { color: #1a7f37; } .no, .failed { color: #c0392b; } .partly, .skipped { color: #b36b00; }
"""


def write(records: Records, out: Path) -> None:
    """Write the three files into `out`, beside the figures that are there already."""
    for name, text in (
        ("atlas.json", json.dumps(plain_data(list(records)), indent=2) + "\n"),
        ("atlas.md", markdown(records)),
        ("index.html", page(records, out)),
    ):
        with atomic(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def rows(measured: Mapping[str, Any]) -> list[list[str]]:
    """What was measured as rows of a table: nested mappings with the same keys share a header."""
    inner = list(measured.values())
    if inner and all(isinstance(value, Mapping) for value in inner):
        header = list(dict.fromkeys(key for value in inner for key in value))
        return [["", *header], *([name, *(number(m.get(key)) for key in header)] for name, m in measured.items())]
    return [[name, number(value)] for name, value in measured.items()]


def number(value: Any) -> str:
    """A value in a few digits; of a list all of them, since least and greatest hide the middle."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {number(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(number, value))
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)


def markdown(records: Records) -> str:
    """One table: claim, verdict, rule, figures; then what each entry measured."""
    lines = ["# Atlas of activations", "", "| entry | claim | holds | rule | figures |", "|---|---|---|---|---|"]
    for record in records:
        pictures = ", ".join(f"[{file}]({file})" for file in record["figures"])
        cells = [record["name"], record["claim"], f"**{record['holds']}**", record["rule"], pictures]
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    for record in records:
        lines += ["", f"## {record['name']}", "", f"Source: {record['source']}", ""]
        table = rows(record["measured"])
        if table:
            head = table[0] if table[0][0] == "" else ["", *[""] * (len(table[0]) - 1)]
            body = table[1:] if table[0][0] == "" else table
            lines += ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
            lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in body]
    return "\n".join(lines) + "\n"


def page(records: Records, out: Path) -> str:
    """A page that needs no other file: pictures are part of it."""
    overview = "".join(
        f'<tr><td><a href="#{record["name"]}">{record["name"]}</a></td><td>{html.escape(record["claim"])}</td>'
        f'<td class="{record["holds"]}">{record["holds"]}</td></tr>'
        for record in records
    )
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Atlas of activations</title>'
        f"<style>{STYLE}</style>\n<h1>Atlas of activations</h1>\n<table><tr><th>entry<th>claim<th>holds</tr>{overview}"
        f"</table>\n{''.join(_section(record, out) for record in records)}\n</html>\n"
    )


def _section(record: Mapping[str, Any], out: Path) -> str:
    table = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows(record["measured"])
    )
    checks = "".join(
        f'<li class="{"yes" if outcome else "no"}">{html.escape(rule)}: {"yes" if outcome else "no"}</li>'
        for rule, outcome in record["checks"].items()
    )
    pictures = "".join(
        f'<p><img alt="{html.escape(record["claim"])}" src="data:image/png;base64,'
        f'{base64.b64encode((out / file).read_bytes()).decode()}"></p>\n'
        for file in record["figures"]
    )
    return (
        f'<section id="{record["name"]}"><h2>{record["name"]}: <span class="{record["holds"]}">{record["holds"]}</span>'
        f"</h2>\n<p>{html.escape(record['claim'])}</p>\n<ul>{checks or html.escape(record['rule'])}</ul>\n{pictures}"
        f"<table>{table}</table>\n<p><small>Source: {html.escape(record['source'])}</small></p></section>\n"
    )
