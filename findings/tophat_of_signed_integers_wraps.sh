#!/usr/bin/env bash
# scikit-image 0.26.0 and SciPy 1.17.1: the white top-hat of signed integers wraps round.
#
# Guess before the run: a top-hat is never negative, so both give 127 (the largest int8) or a wider
# type for a spot of 100 on a background of -100.
# Seen: both give -56 = 200 - 256, without a warning. Deconvolved and background-corrected images
# are often int16; a spot more than 32,767 above its background becomes a dark hole.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0
"$folder/venv/bin/python" -W error - <<'PYTHON'
import numpy as np
from scipy import ndimage
from skimage import morphology

image = np.full((9, 9), -100, np.int8)
image[4, 4] = 100
for name, result in {
    "scikit-image": morphology.white_tophat(image, morphology.disk(1)),
    "SciPy": ndimage.white_tophat(image, size=3),
}.items():
    print(name, result.dtype, result[4, 4])
    assert result.dtype == np.int8 and result[4, 4] == -56, name
PYTHON
