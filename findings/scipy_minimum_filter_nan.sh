#!/usr/bin/env bash
# SciPy 1.17.1: what a running minimum does with a NaN depends on the direction of the array.
#
# Guess before the run: minimum_filter1d with a window of 3 gives NaN in the whole window, three
# pixels, as np.minimum does; the mirrored array gives the mirrored result.
# Seen: one pixel is NaN, the one after the missing pixel; the mirrored array gives no NaN at all.
# The missing pixel itself takes the value of a neighbour and looks valid.
# So a mask of missing pixels (NaN, as registration and unmixing leave them) is lost on one side.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from scipy import ndimage

signal = np.arange(9.0)
signal[4] = np.nan
forward = ndimage.minimum_filter1d(signal, 3)
mirrored = ndimage.minimum_filter1d(signal[::-1].copy(), 3)[::-1]
print("forward ", forward)
print("mirrored", mirrored)
assert np.flatnonzero(np.isnan(forward)).tolist() == [5], forward
assert not np.isnan(mirrored).any(), mirrored
assert np.isnan(np.minimum(signal[3:6], signal[4])).all()
PYTHON
