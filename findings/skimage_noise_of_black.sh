#!/usr/bin/env bash
# scikit-image 0.26.0: the noise of an image that is black but for a few points is that of the points.
#
# Guess before the run: with points of 100 in one of 4,096 pixels and exact zeros elsewhere, the
# median that `estimate_sigma` takes sees zeros only, so the noise is 0; with more points still 0.
# Seen: 16.05 however few the points are: coefficients that are exactly 0 are left out. With noise of
# 1 everywhere, points and all, it is 1.0. Confocal images are often cut off at 0, and photon counts
# are mostly 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 scikit-image==0.26.0 PyWavelets==1.8.0
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import skimage
from skimage.restoration import estimate_sigma

noise = np.random.RandomState(0).normal(0, 1, (512, 512))
for pitch in (16, 32, 64):
    image = np.zeros((512, 512))
    image[5::pitch, 9::pitch] = 100
    black, noisy = estimate_sigma(image), estimate_sigma(image + noise)
    print(skimage.__version__, f"{(image == 0).mean():.2%} black: {black:.2f}; noisy: {noisy:.2f}")
    assert 16 < black < 16.1 and 0.95 < noisy < 1.1
PYTHON
