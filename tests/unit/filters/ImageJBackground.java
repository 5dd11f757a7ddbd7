import ij.plugin.filter.BackgroundSubtracter;
import ij.process.ByteProcessor;
import ij.process.FloatProcessor;
import ij.process.ImageProcessor;
import ij.process.ShortProcessor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What ImageJ's "Subtract Background…" calls, for each line of FOLDER/cases.txt: number, dtype,
 * rows, columns, radius, light background, paraboloid, smooth. Pixels are read from NUMBER.in.
 * Both images are written as float32: the background created and the image without it. Where
 * ImageJ fails, neither is.
 */
public class ImageJBackground {
    public static void main(String[] arguments) throws Exception {
        System.out.println(ij.ImageJ.VERSION);
        Path folder = Path.of(arguments[0]);
        for (String line : Files.readAllLines(folder.resolve("cases.txt"))) {
            String[] words = line.split(" ");
            int rows = Integer.parseInt(words[2]), columns = Integer.parseInt(words[3]);
            double radius = Double.parseDouble(words[4]);
            boolean light = words[5].equals("1");
            boolean paraboloid = words[6].equals("1");
            boolean smooth = words[7].equals("1");
            byte[] bytes = Files.readAllBytes(folder.resolve(words[0] + ".in"));
            for (boolean create : new boolean[] {true, false}) {
                ImageProcessor image = read(bytes, words[1], rows, columns);
                image.snapshot();
                try {
                    new BackgroundSubtracter().rollingBallBackground(
                        image, radius, create, light, paraboloid, smooth, true);
                } catch (ArrayIndexOutOfBoundsException failure) {
                    continue;
                }
                ByteBuffer result = ByteBuffer.allocate(4 * rows * columns);
                result.order(ByteOrder.LITTLE_ENDIAN);
                for (int i = 0; i < rows * columns; i++) result.putFloat(image.getf(i));
                String name = words[0] + (create ? ".created" : ".subtracted");
                Files.write(folder.resolve(name), result.array());
            }
        }
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
