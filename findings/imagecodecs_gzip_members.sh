#!/usr/bin/env bash
# imagecodecs 2026.3.6: of a gzip stream of two members, gzip_decode gives the first one alone.
#
# Guess before the run: 200 bytes, as Python's gzip, zlib-ng's gunzip and numcodecs' GZip give, since
# RFC 1952 defines a gzip file as a series of members.
# Seen: 100 bytes and no error, also where the memory for 200 is given. zstd_decode gives both frames
# of such a stream.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 imagecodecs==2026.3.6 numcodecs==0.16.5
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import gzip

import imagecodecs
import numcodecs
import numpy as np

half = bytes(range(100))
data = gzip.compress(half) + gzip.compress(half)
frames = imagecodecs.zstd_encode(half) + imagecodecs.zstd_encode(half)
print(
    "imagecodecs", imagecodecs.__version__ + ":",
    len(gzip.decompress(data)), len(numcodecs.GZip().decode(data)),
    len(imagecodecs.gzip_decode(data)),
    len(imagecodecs.gzip_decode(data, out=np.zeros(200, np.uint8))),
    len(imagecodecs.zstd_decode(frames, out=np.zeros(200, np.uint8))),
)
PYTHON
)
echo "$seen"
test "$seen" = "imagecodecs 2026.3.6: 200 200 100 100 200"
