"""The atlas: claims about activation functions, each measured over seeds, drawn, and decided by a stated rule.

A claim is a file in `problems/activations/` with one function of its name that returns a `Finding`; `pinnact atlas`
runs them and writes a page. See `findings.py` for what an entry must say.
"""

from pinnact.atlas.drawing import COLOURS as COLOURS
from pinnact.atlas.drawing import band as band
from pinnact.atlas.findings import Entry as Entry
from pinnact.atlas.findings import Finding as Finding
from pinnact.atlas.findings import measure as measure
from pinnact.atlas.intervals import mean_interval as mean_interval
from pinnact.atlas.minima import minimise as minimise
from pinnact.atlas.pages import write as write
from pinnact.atlas.regions import Region as Region
from pinnact.atlas.regions import crossings as crossings
from pinnact.atlas.regions import linear_regions as linear_regions
from pinnact.atlas.regions import most_regions as most_regions
from pinnact.atlas.sets import Split as Split
from pinnact.atlas.sets import diabetes as diabetes
from pinnact.atlas.sets import digits as digits
from pinnact.atlas.towers import Tower as Tower
from pinnact.atlas.towers import train as train
from pinnact.atlas.towers import trainer as trainer
from pinnact.atlas.towers import unit_gain as unit_gain
from pinnact.atlas.walks import walks as walks
from pinnact.optimisers import squares as squares
