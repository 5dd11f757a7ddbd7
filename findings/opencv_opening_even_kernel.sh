#!/usr/bin/env bash
# OpenCV 5.0.0.93: an opening by a kernel of even size lies above the image, so a top-hat loses it.
#
# Guess before the run: MORPH_OPEN is never above the image, whatever the kernel: that is what makes
# it an opening. SciPy 1.17.1 and scikit-image 0.26.0 hold to it for even sizes too.
# Seen: erosion and dilation use the same anchor, so the result is shifted by one pixel; in a random
# image of 20 × 20 it is above the image in 47 pixels. MORPH_TOPHAT of unsigned integers shows 0
# there, so nothing in its result tells of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0 \
    opencv-python-headless==5.0.0.93
"$folder/venv/bin/python" - <<'PYTHON'
import cv2
import numpy as np
from scipy import ndimage
from skimage import morphology

image = np.random.default_rng(0).integers(0, 99, (20, 20)).astype(np.uint8)
kernel = np.ones((4, 4), np.uint8)
opened = cv2.morphologyEx(image, cv2.MORPH_OPEN, kernel)
tophat = cv2.morphologyEx(image, cv2.MORPH_TOPHAT, kernel)
above = opened > image
print("OpenCV: above the image in", above.sum(), "pixels; top-hat there:", np.unique(tophat[above]))
assert above.sum() == 47 and not tophat[above].any()
assert not (ndimage.grey_opening(image, size=4) > image).any()
assert not (morphology.opening(image, kernel) > image).any()
odd = cv2.morphologyEx(image, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
assert not (odd > image).any()
PYTHON
