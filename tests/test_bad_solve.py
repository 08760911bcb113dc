"""What bad input to `pinnact solve` gets; `python tests/test_errors_page.py` writes `docs/errors.md` after a change."""
# ruff: noqa: E501  (one line a case)

import pytest
from bad_inputs import Command, cases, check_command

COMMANDS = {
    "Problems and options of `solve`": [
        Command("solve pde/burger", "no problem 'pde/burger' ... did you mean pde/burgers?"),
        Command("solve pde/burgres", "no problem 'pde/burgres' ... did you mean pde/burgers"),
        Command("solve .", "no problem '.'"),
        Command("solve", "Missing argument"),
        Command("slove pde/heat", "No such command 'slove' ... solve"),
        Command("solve pde/heat --activation tahn", "'tahn' is no activation, did you mean tanh"),
        Command("solve pde/heat --activation 'relu_power(0)'", "relu_power: k=0 gives no C^(k-1) function"),
        Command("solve pde/burgers --activation relu", "'momentum' takes u.xx, but a network with relu is C^0 ... --allow-rough"),
        Command("solve pde/heat --optimizer adam", "No such option: --optimizer ... --optimiser"),
        Command("solve pde/heat --optimiser adm", "'adm' ... did you mean 'adam'"),
        Command("solve pde/heat --engine jet", "engine 'jet' is unknown; choose one of auto, forward, hessian"),
        Command("solve pde/heat --engine stochastic:4", "no equation takes a laplacian along more than 4 axes"),
        Command("solve pde/heat --network mpl", "network 'mpl' is unknown; choose one of mlp"),
        Command("solve pde/heat --width wide", "Invalid value for '--width'"),
        Command("solve pde/heat --width 0", "width=0 is no size of a network; give a whole number of 1 or more"),
        Command("solve pde/heat --depth -1", "depth=-1 is no size of a network"),
        Command("solve pde/heat --budget 0", "budget=0.0: it must be above 0 and finite"),
        Command("solve pde/heat --budget nan", "budget=nan: it must be above 0 and finite"),
        Command("solve pde/heat --steps -3", "steps=-3: it must be above 0"),
        Command("solve pde/heat --seed -1", "seed=-1: give a whole number from 0"),
        Command("solve pde/heat --checkpoint-every -1", "--checkpoint-every ... -1 seconds between two checkpoints; give 0 or more"),
        Command("solve pde/heat --checkpoint-every nan", "--checkpoint-every ... nan seconds"),
        Command("solve pde/heat --set speed=1", "heat() has no argument 'speed'; it has diffusivity"),
        Command("solve pde/heat --set diffusivity", "--set 'diffusivity': write NAME=VALUE"),
        Command("solve pde/poisson --set dimension=0", "dimension=0"),
        Command("solve pde/poisson --set dimension=two", "poisson.py: ... TypeError"),
        Command("solve pde/heat --device tpu", "--device tpu: JAX sees no such device here, only cpu"),
    ],
    "`--infer` and `--observe`": [
        Command("solve pde/burgers --infer viscosity=0.1", "--infer needs data: give --observe FILE.csv"),
        Command("solve pde/burgers --infer nu=0.1", "no such coefficient; declared are: viscosity"),
        Command("solve pde/burgers --infer viscosity=thick", "viscosity=thick: give a number, positive:NUMBER or network"),
        Command("solve pde/burgers --infer viscosity=negative:1", "give a number, positive:NUMBER"),
        Command("solve pde/burgers --infer viscosity=positive:-1 --observe fine.csv", "Positive(-1): the first guess must be above 0; give a positive number"),
        Command("solve pde/burgers --observe nowhere.csv", "--observe nowhere.csv: No such file"),
        Command("solve pde/burgers --observe binary.csv", "binary.csv: it is no text in CSV", "bytes"),
        Command("solve pde/burgers --observe coordinate.csv", "no column 't'; it has x, z, u"),
        Command("solve pde/burgers --observe unknown.csv", "column 'w' is none of x, t, u"),
        Command("solve pde/burgers --observe words.csv", "line 3: 'fast' is no finite number"),
        Command("solve pde/burgers --observe nan.csv", "line 2: 'nan' is no finite number"),
        Command("solve pde/burgers --observe huge.csv", "line 2: '1000 ... is no finite number", "a number of 401 digits"),
        Command("solve pde/burgers --observe ragged.csv", "line 2: 2 cells, the header names 3 different columns"),
        Command("solve pde/burgers --observe twice.csv", "line 2: 3 cells, the header names 2 different columns"),
        Command("solve pde/burgers --observe semicolons.csv", "'0;0;0' is no finite number; separate columns by commas"),
        Command("solve pde/burgers --observe empty.csv", "it holds no data; give a header line", "nothing"),
        Command("solve pde/burgers --observe no_rows.csv", "it holds no data; give a header line"),
        Command("solve pde/burgers --observe no_values.csv", "no values"),
        Command("solve pde/burgers --observe outside.csv", "x=5 lies outside x=(-1, 1)"),
    ],
    "Folders and `--resume`": [
        Command("solve pde/heat --out taken", "taken holds another run or other files; choose another --out", "a folder with a letter"),
        Command("solve pde/heat --out letter.txt", "letter.txt can't be written", "a file"),
        Command("solve pde/heat --out letter.txt/run", "letter.txt is no folder that you may write to", "a file"),
        Command("solve pde/heat --out locked/run", "locked is no folder that you may write to", "a folder without write permission"),
        Command("solve pde/heat --resume", "--resume needs --out DIR"),
        Command("solve pde/heat --out taken --resume", "taken holds another run or other files; choose another --out", "a folder with a letter"),
        Command("solve decay.py --out kept", "kept holds another run or other files; add --resume to go on with it", "a run"),
        Command("solve decay.py --out kept --resume", "kept/checkpoints is in use by another process", "a run that is still at work", held="kept/checkpoints"),
        Command("solve decay.py --width 4 --depth 1 --out kept --resume --seed 1", "of another run, seed was 0 and is 1; give the same, or another folder", "a run with seed 0"),
        Command("solve pde/heat --out kept --resume", "of another run, problem was decay and is heat", "a run of another problem"),
        Command("solve decay.py --out damaged --resume", "damaged/checkpoints holds no checkpoint that is whole; remove it to start anew", "a run whose checkpoints were cut off"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", cases(COMMANDS))
def test_a_bad_command_gets_one_line(case, among_bad_files, capsys, monkeypatch):
    check_command(case, capsys, monkeypatch)
