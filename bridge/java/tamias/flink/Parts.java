package tamias.flink;

/** The parts of a checkpoint, read from the pool one after another; see bridge/task/frames.py. */
final class Parts {
    private final Pool pool;
    private final long checkpoint;
    private byte[] following;
    private int next;

    /** The present part: its kind, and the position of its body in `data`. */
    char kind;
    byte[] data;
    int start;
    int end;

    Parts(Pool pool, long checkpoint) {
        this.pool = pool;
        this.checkpoint = checkpoint;
    }

    void advance() throws Exception {
        if (following == null || next == following.length) {
            following = pool.pull(checkpoint);
            next = 9;
        }
        data = following;
        kind = (char) data[next];
        start = next + 5;
        end = start + Bytes.int32(data, next + 1);
        next = end;
    }

    int length() {
        return end - start;
    }

    /** The key group of a part with memory. */
    int group() {
        return (data[start] & 0xff) | (data[start + 1] & 0xff) << 8;
    }
}
