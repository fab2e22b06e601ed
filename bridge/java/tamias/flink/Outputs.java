package tamias.flink;

import java.io.IOException;
import java.util.Arrays;

/**
 * An outbox record, run by run: the offset, then the outputs one by one. See store/records/outbox.py.
 *
 * Records are read in place; only the outputs are copied.
 */
final class Outputs {
    private final byte[] data;
    private final int runs;
    private final int total;
    private final int offsets;
    private final int counts;
    private final int lengths;
    private int blob;
    private int run = -1;
    private int output;

    /** The offset and the number of outputs of the present run. */
    long offset;
    int count;

    Outputs(byte[] data, int at) throws IOException {
        if (data[at] != 'T' || data[at + 1] != 'O' || data[at + 2] != 2) {
            throw new IOException("the pool has sent an outbox record of a version not known here");
        }
        this.data = data;
        runs = Bytes.int32(data, at + 4);
        total = Bytes.int32(data, at + 8);
        int failed = Bytes.int32(data, at + 16);
        offsets = at + 20;
        counts = offsets + 8 * runs;
        lengths = counts + 4 * runs;
        blob = lengths + 8 * total + 8 * failed;
    }

    /** Go to the next run; its outputs must be read or skipped before the next call. */
    boolean next() {
        run++;
        if (run >= runs) {
            return false;
        }
        offset = Bytes.int64(data, offsets + 8 * run);
        count = Bytes.int32(data, counts + 4 * run);
        return true;
    }

    byte[] read() {
        int length = (int) Bytes.int64(data, lengths + 8 * output++);
        byte[] output = Arrays.copyOfRange(data, blob, blob + length);
        blob += length;
        return output;
    }

    void skip() {
        for (int i = 0; i < count; i++) {
            blob += (int) Bytes.int64(data, lengths + 8 * output++);
        }
    }

    byte[][] readAll() {
        byte[][] all = new byte[count][];
        for (int i = 0; i < count; i++) {
            all[i] = read();
        }
        return all;
    }
}
