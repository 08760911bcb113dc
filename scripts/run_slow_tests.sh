#!/usr/bin/env bash
# The tests that take minutes, one after the other.
set -eu
cd "$(dirname "$0")/.."
python -m pytest -m slow -n 0 --override-ini addopts= -q "$@"
