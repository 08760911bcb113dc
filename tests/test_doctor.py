"""`pinnact doctor`: the checks hold here, and each of them can fail."""

import sys

import jax
import pytest

from pinnact import cli, doctor


@pytest.mark.parametrize("check", [doctor.has_float64, doctor.compiled_agrees])
def test_the_checks_hold_here(check):
    found = check()
    assert found.holds, found


def test_a_large_reduction_is_right():
    """The reproducer of jax issue 39103: jax 0.10.2 gives 266342400 on CPUs."""
    found = doctor.large_reduction()
    assert found.holds, f"{found}: this jax ({jax.__version__}) computes wrong results; install another version"
    assert "268435456" in found.seen


def test_what_to_expect():
    """A device whose float64 is a 64th of its float32 as on gaming cards, with 16 GB; and one where it is a half."""
    slow, fast = doctor.expected(1e12, 64e12, 16e9), doctor.expected(30e9, 60e9, 16e9)
    assert "1,000 Gflop/s, float32 64,000: float64 is slow here: try --precision mixed" in slow["float64 products"]
    assert "30 Gflop/s, float32 60: train in float64" in fast["float64 products"]
    # 17/8 p^2 and 3 k s n numbers of 8 bytes in nine tenths of it
    assert "16 GB are free, enough for 29,000 parameters with ssbroyden" in fast["memory"]
    assert "or 2,100,000 points" in fast["memory"]


def run(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pinnact", "doctor"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    return ended.value.code or 0, shown.out, shown.err


@pytest.mark.slow
def test_the_command(capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch)
    assert (code, err) == (0, "") and "\x1b" not in out
    lines = {line[:38].strip(): line[38:] for line in out.splitlines()}
    assert set(lines) > {"python", "pinnact", "equinox", "memory", "derivatives against jax.hessian"}
    assert "Gflop/s" in lines["float64 products"]
    assert lines["jax"] == jax.__version__ and jax.devices()[0].platform in lines["device"]
    assert sum(text.startswith("ok: ") for text in lines.values()) == 4 and "WRONG" not in out


def test_the_command_says_what_is_wrong(capsys, monkeypatch):
    checks = [doctor.Check("a sum", False, "3, exact 4"), doctor.Check("float64", True, "fine")]
    monkeypatch.setattr(cli, "examine", lambda: ({"jax": "0.10.2"}, ["cpu"], checks))
    code, out, err = run(capsys, monkeypatch)
    assert code == 1 and "WRONG: 3, exact 4" in out and "computes wrong numbers" in err and err.count("\n") == 1
