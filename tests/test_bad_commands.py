"""What bad input to the other commands gets; `python tests/test_errors_page.py` writes `docs/errors.md` after a change."""
# ruff: noqa: E501  (one line a case)

import pytest
from bad_inputs import Command, cases, check_command

COMMANDS = {
    "`compare`": [
        Command("compare pde/heat --seeds 0", "--seeds 0: give at least 1"),
        Command("compare pde/heat --widths 4,wide", "--widths '4,wide': give whole numbers separated by commas"),
        Command("compare pde/heat --activations tanh,", "--activations 'tanh,': give names separated by commas"),
        Command("compare pde/heat --steps 0", "steps=0: it must be above 0"),
        Command("compare pde/heat --budget -1", "budget=-1.0: it must be above 0"),
        Command("compare pde/heat --workers -1", "--workers -1: give the runs at a time, or 0"),
        Command("compare pde/heat --set diffusivity", "--set 'diffusivity': write NAME=VALUE"),
        Command("compare pde/heat --checkpoint-every -1", "--checkpoint-every ... -1 seconds"),
        Command("compare pde/heat --out taken", "taken holds another run or other files", "a folder with a letter"),
        Command("compare pde/heat --resume", "--resume needs --out DIR"),
        Command("compare pde/heat --cluster local", "pip install 'pinnact[cluster]'", "no distributed", without="distributed"),
        Command("compare nowhere.toml", "nowhere.toml: No such file"),
        Command("compare broken.toml", "broken.toml is no TOML"),
        Command("compare broken.toml pde/heat", "broken.toml is a batch file: give it alone"),
        Command("compare no_tables.toml", "it has no table [[runs]]"),
        Command("compare no_key.toml", "table 1 of [[runs]]: 'activations' is no key of a run; there are problem, activation"),
        Command("compare no_problem.toml", "table 1 of [[runs]]: it names no problem"),
        Command("compare kind.toml", "seed = 'one': it must be of type int"),
        Command("compare many.toml", "its lists make 970299 cells, more than 100000", "three lists of 99"),
    ],
    "`potential`": [
        Command("potential fit missing.npz", "no file missing.npz; give an npz, extended XYZ"),
        Command("potential fit potentials/nothing", "no problem 'potentials/nothing'"),
        Command("potential fit pde/heat", "pde/heat is no potential; give a file of frames"),
        Command("potential fit broken.npz", "broken.npz: can't be read as npz", "a damaged file"),
        Command("potential fit noforces.npz", "noforces.npz: has no forces (one of F, forces, force); it has z, R, E"),
        Command("potential fit frames.npz --units furlong", "unknown unit of energy 'furlong'; known are ev"),
        Command("potential fit potentials/ethanol --units kcal/mol", "potentials/ethanol is no file of data and knows its units"),
        Command("potential fit frames.npz --model magic", "model 'magic' is unknown; choose one of auto, invariant"),
        Command("potential fit frames.npz --model invariant --activation tanhh", "'tanhh' is no activation, did you mean tanh"),
        Command("potential fit frames.npz --model kernel --activation tanh", "KernelPotential (asked for) has no activation"),
        Command("potential fit frames.npz --model invariant --activation relu --steps 1", "forces would jump"),
        Command("potential fit frames.npz --train 5000", "don't fit 6 frames"),
        Command("potential fit frames.npz --train 1 --model invariant --steps 1", "1 frames are too few to train on and hold 1 out"),
        Command("potential fit frames.npz --budget 0", "budget=0.0: it must be above 0"),
        Command("potential fit frames.npz --seed -1", "seed=-1: give a whole number, 0 or more"),
        Command("potential fit frames.npz --members 0", "members=0: one has no spread"),
        Command("potential fit frames.npz --model kernel --members 3", "KernelPotential is solved, not trained"),
        Command("potential fit frames.npz --checkpoint-every -1", "--checkpoint-every ... -1 seconds"),
        Command("potential fit frames.xyz", "reading frames.xyz needs ase: pip install 'pinnact[chem]'", "no ase", without="ase"),
        Command("potential test nowhere frames.npz", "nowhere holds no surface.npz; give the folder that `potential fit --out` wrote"),
        Command("potential test cut frames.npz", "surface.npz is damaged or no surface ... fit it again", "a surface that was cut off"),
        Command("potential test fitted potentials/ammonia", "atoms N H H H; this surface is of the molecule H H, in that order"),
        Command("potential frequencies nowhere", "nowhere holds no surface.npz"),
        Command("potential frequencies fitted", "no geometry is known for this molecule; give a file", "a surface of H2"),
        Command("potential frequencies fitted nowhere.xyz", "no file nowhere.xyz; give an xyz"),
        Command("potential frequencies fitted potentials/ammonia", "this surface is of the molecule H H"),
        Command("potential frequencies fitted frames.npz --out taken", "taken holds another run or other files", "a folder with a letter"),
        Command("potential dynamics fitted frames.npz --steps 0", "steps=0, every=10"),
        Command("potential dynamics fitted frames.npz --timestep 0", "timestep=0.0: give a positive step in fs"),
        Command("potential dynamics fitted frames.npz --temperature -1", "temperature=-1.0 is no temperature; give 0 K or more"),
        Command("potential dynamics fitted frames.npz --every 0", "every=0, timestep=0.5: give a positive step in fs, and steps that are a multiple of every"),
        Command("potential dynamics fitted frames.npz --seed -1", "seed=-1: give a whole number, 0 or more"),
    ],
    "`atlas`, `problems`, `doctor`": [
        Command("atlas kinky", "no problem 'activations/kinky'"),
        Command("atlas --seeds 0", "--seeds 0: give at least 1"),
        Command("atlas decay.py", "decay: begin its docstring with the claim", "a problem, no entry"),
        Command("atlas --out taken", "taken holds another run or other files", "a folder with a letter"),
        Command("problems pde", "unexpected extra argument ... (pde)"),
        Command("doctor --fix", "No such option: --fix"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", cases(COMMANDS))
def test_a_bad_command_gets_one_line(case, among_bad_files, capsys, monkeypatch):
    check_command(case, capsys, monkeypatch)
