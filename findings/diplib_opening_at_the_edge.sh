#!/usr/bin/env bash
# DIPlib 3.6.1: an opening depends at the image's edge on how the same window is handed over.
#
# Guess before the run: Opening is Dilation of Erosion, as both functions do them one by one; and a
# window of three pixels is the same window, whether it is given as "rectangular" or as an array.
# Seen: as an array, pixels beyond the edge enter the maximum, each with the minimum of those of its
# window that are in the image. So [9 7 7 7 7 9] keeps its nines, and a top-hat does not see bright
# objects at the edge. By a disk of radius 25, 13 % of the pixels of a 256 × 256 image differ. With
# the boundary condition "mirror" it is the two steps again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 diplib==3.6.1
"$folder/venv/bin/python" - <<'PYTHON'
import diplib
import numpy as np

image = np.array([[9, 7, 7, 7, 7, 9]], np.uint16)
array = diplib.SE(diplib.Image(np.ones((1, 3), bool)))
named = diplib.SE([3, 1], "rectangular")
opened = {
    "array": diplib.Opening(image, array),
    "rectangular": diplib.Opening(image, named),
    "array, two steps": diplib.Dilation(diplib.Erosion(image, array), array),
    "array, mirror": diplib.Opening(image, array, ["mirror"]),
}
opened = {name: np.asarray(result)[0].tolist() for name, result in opened.items()}
for name, row in opened.items():
    print(name, row)
assert opened.pop("array") == [9, 7, 7, 7, 7, 9]
assert all(row == [7] * 6 for row in opened.values())
PYTHON
