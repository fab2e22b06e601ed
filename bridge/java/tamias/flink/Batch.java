package tamias.flink;

/** Inputs for one frame to the pool, in columns; see bridge/task/frames.py. */
final class Batch {
    static final int MOST = 256;
    private static final int MOST_BYTES = 1 << 20;

    private final long step;
    private final Bytes keys = new Bytes(8192);
    private final Bytes payloads = new Bytes(32768);
    private final int[] keyLengths = new int[MOST];
    private final int[] payloadLengths = new int[MOST];
    private long first;
    int count;

    Batch(long step) {
        this.step = step;
    }

    /** Whether the entry can be in the same frame as the entries here. */
    boolean hasRoomFor(Entry entry) {
        return count == 0
            || count < MOST && entry.offset == first + count * step && payloads.size < MOST_BYTES;
    }

    void add(Entry entry) {
        if (count == 0) {
            first = entry.offset;
        }
        keyLengths[count] = entry.key.length;
        payloadLengths[count] = entry.payload.length;
        count++;
        keys.put(entry.key);
        payloads.put(entry.payload);
    }

    boolean isFull() {
        return count >= MOST || payloads.size >= MOST_BYTES;
    }

    byte[] frame() {
        int body = 1 + 16 + 8 * count + keys.size + payloads.size;
        Bytes out = new Bytes(4 + body);
        out.u32(body);
        out.u8('I');
        out.u64(first);
        out.u32(count);
        out.u32(keys.size);
        for (int i = 0; i < count; i++) {
            out.u32(keyLengths[i]);
        }
        for (int i = 0; i < count; i++) {
            out.u32(payloadLengths[i]);
        }
        out.put(keys.data, 0, keys.size);
        out.put(payloads.data, 0, payloads.size);
        return out.data;
    }
}
