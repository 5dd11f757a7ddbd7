import ij.ImagePlus;
import ij.ImageStack;
import ij.measure.Calibration;
import ij.plugin.ZProjector;
import ij.plugin.filter.GaussianBlur;
import ij.plugin.filter.RankFilters;
import ij.process.ByteProcessor;
import ij.process.FloatProcessor;
import ij.process.ImageProcessor;
import ij.process.ShortProcessor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What ImageJ's menu entries call, for each line of FOLDER/cases.txt: number, dtype, planes, rows,
 * columns, entry, argument. Pixels are read from NUMBER.in. The result is written as float32 to
 * NUMBER.out, and its bits a pixel are printed.
 */
public class FijiMenu {
    public static void main(String[] arguments) throws Exception {
        System.out.println(ij.ImageJ.VERSION);
        Path folder = Path.of(arguments[0]);
        for (String line : Files.readAllLines(folder.resolve("cases.txt"))) {
            String[] words = line.split(" ");
            int planes = Integer.parseInt(words[2]), rows = Integer.parseInt(words[3]);
            int columns = Integer.parseInt(words[4]);
            byte[] bytes = Files.readAllBytes(folder.resolve(words[0] + ".in"));
            ImageStack stack = new ImageStack(columns, rows);
            int size = bytes.length / planes;
            for (int plane = 0; plane < planes; plane++) {
                byte[] own = java.util.Arrays.copyOfRange(bytes, plane * size, (plane + 1) * size);
                stack.addSlice(read(own, words[1], rows, columns));
            }
            ImagePlus image = new ImagePlus("image", stack);
            String entry = words[5];
            double argument = Double.parseDouble(words[6]);
            if (entry.startsWith("project-")) {
                image = ZProjector.run(image, entry.substring(8));
            } else if (entry.startsWith("rank-")) {
                int type = Integer.parseInt(entry.substring(5));
                new RankFilters().rank(image.getProcessor(), argument, type);
            } else if (entry.equals("blur")) {
                new GaussianBlur().blurGaussian(image.getProcessor(), argument);
            } else if (entry.equals("scale")) {
                Calibration calibration = image.getCalibration();
                calibration.pixelWidth = calibration.pixelHeight = argument;
                calibration.setUnit("um");
            } else if (entry.equals("brightness")) {
                image.setDisplayRange(0, argument);
            } else {
                throw new IllegalArgumentException(entry);
            }
            ImageProcessor result = image.getProcessor();
            System.out.println(image.getBitDepth());
            ByteBuffer buffer = ByteBuffer.allocate(4 * rows * columns);
            buffer.order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < rows * columns; i++) buffer.putFloat(result.getf(i));
            Files.write(folder.resolve(words[0] + ".out"), buffer.array());
        }
        System.exit(0); // GaussianBlur leaves threads that wait for ever
    }

    static ImageProcessor read(byte[] bytes, String dtype, int rows, int columns) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        if (dtype.equals("uint8")) return new ByteProcessor(columns, rows, bytes.clone());
        if (dtype.equals("uint16")) {
            short[] pixels = new short[rows * columns];
            buffer.asShortBuffer().get(pixels);
            return new ShortProcessor(columns, rows, pixels, null);
        }
        float[] pixels = new float[rows * columns];
        buffer.asFloatBuffer().get(pixels);
        return new FloatProcessor(columns, rows, pixels, null);
    }
}
