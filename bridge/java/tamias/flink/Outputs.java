package tamias.flink;

import java.io.IOException;
import java.util.Arrays;

/**
 * An outbox record, run by run: its number, then the outputs one by one. See store/records/outbox.py.
 *
 * The number of most runs is the offset of the input. An owned run has a larger one: an input that has
 * waited, a timer, the end of the input for a key, or a question. Records are read in place; only the
 * outputs are copied.
 */
final class Outputs {
    private static final long OWNED = 1L << 62;

    private final byte[] data;
    private final int runs;
    private final int total;
    private final int offsets;
    private final int counts;
    private final int lengths;
    private int groups;
    private int blob;
    private int run = -1;
    private int output;

    /** The offset and the number of outputs of the present run; of an owned one its key group, too. */
    long offset;
    int count;
    boolean owned;
    int group;

    Outputs(byte[] data, int at) throws IOException {
        int version = data[at + 2];
        if (data[at] != 'T' || data[at + 1] != 'O' || version < 2 || version > 4) {
            throw new IOException("the pool has sent an outbox record of a version not known here");
        }
        this.data = data;
        runs = Bytes.int32(data, at + 4);
        total = Bytes.int32(data, at + 8);
        int failed = Bytes.int32(data, at + 16);
        int suspended = version < 3 ? 0 : Bytes.int32(data, at + 20);
        int grouped = version < 4 ? 0 : Bytes.int32(data, at + 24);
        offsets = at + 12 + 4 * version;
        counts = offsets + 8 * runs;
        lengths = counts + 4 * runs;
        groups = lengths + 8 * total + 8 * failed + 8 * suspended;
        blob = groups + 4 * grouped;
    }

    /** Go to the next run; its outputs must be read or skipped before the next call. */
    boolean next() {
        run++;
        if (run >= runs) {
            return false;
        }
        offset = Bytes.int64(data, offsets + 8 * run);
        count = Bytes.int32(data, counts + 4 * run);
        owned = offset >= OWNED;
        if (owned) {
            group = Bytes.int32(data, groups);
            groups += 4;
        }
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
