"""`docs/errors.md`, the page of all bad input; `python tests/test_errors_page.py` writes it anew."""

import shlex
from pathlib import Path

import test_bad_commands
import test_bad_solve
from bad_inputs import BATCHES, TABLES
from test_bad_calls import CALLS

DOCS = Path(__file__).parents[1] / "docs" / "errors.md"
COMMANDS = test_bad_solve.COMMANDS | test_bad_commands.COMMANDS


def page():
    """`docs/errors.md`."""
    lines = [INTRODUCTION]
    for title, group in COMMANDS.items():
        lines += ["", f"### {title}", "", "| `pinnact ...` | given | exit | says |", "|---|---|---|---|"]
        lines += [row(f"`{c.line}`", given_words(c), str(c.code), c.says) for c in group]
    lines += ["", "## In Python"]
    for title, group in CALLS.items():
        lines += ["", f"### {title}", "", "| call | raises | says |", "|---|---|---|"]
        lines += [
            row(f"`{c.line}`", c.error.__name__ + (f", without {c.without}" * bool(c.without)), c.says) for c in group
        ]
    return "\n".join(lines) + "\n"


INTRODUCTION = """# Bad input, and what it gets

Wrong input gets one line on standard error and exit code 2 (Python: an exception, ValueError unless said otherwise).
The line names the value, the reason and the repair. Nothing is written, and no traceback is shown. `...` stands for
words that are left out here. Other exit codes: 1 for what failed without being wrong input (a full disk, too little
memory), 3 for training that left the finite numbers, 130 and 143 for a run that a signal ended.

`tests/test_bad_solve.py`, `tests/test_bad_commands.py` and `tests/test_bad_calls.py` hold these tables and test every
line of them; `python tests/test_errors_page.py` writes this page anew.

## On the command line"""


def given_words(case):
    """What is in the files of a case."""
    file = next((word for word in shlex.split(case.line) if word in TABLES | BATCHES), None)
    if case.given or file is None:
        return case.given
    return "`" + (TABLES | BATCHES)[file].strip().replace("\n", "` / `") + "`"


def row(*cells):
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def test_the_page_is_true_to_the_tables():
    assert DOCS.read_text(encoding="utf-8") == page(), f"write it anew: python {Path(__file__).name}"
    assert sum(map(len, COMMANDS.values())) + sum(map(len, CALLS.values())) >= 40


if __name__ == "__main__":
    DOCS.write_text(page(), encoding="utf-8")
