package tamias.flink;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;

/**
 * An input that was sent to the pool, and of which the task has no outcome yet.
 *
 * In a checkpoint it may have outputs, which the pool had committed and the task had not emitted. Then
 * it may also stand for a run without an input of its own.
 */
final class Entry {
    final long offset;
    final int group;
    final byte[] key;
    final byte[] payload;
    final boolean timed;
    final long timestamp;
    /** Null if no outcome is known. */
    byte[][] outputs;

    Entry(long offset, int group, byte[] key, byte[] payload, boolean timed, long timestamp) {
        this.offset = offset;
        this.group = group;
        this.key = key;
        this.payload = payload;
        this.timed = timed;
        this.timestamp = timestamp;
    }

    int size() {
        return key.length + payload.length;
    }

    void write(DataOutputStream out) throws IOException {
        out.writeLong(offset);
        out.writeBoolean(timed);
        out.writeLong(timestamp);
        writeBytes(out, key);
        writeBytes(out, payload);
        out.writeInt(outputs == null ? -1 : outputs.length);
        if (outputs != null) {
            for (int i = 0; i < outputs.length; i++) {
                writeBytes(out, outputs[i]);
            }
        }
    }

    static Entry read(DataInputStream in, int group) throws IOException {
        long offset = in.readLong();
        boolean timed = in.readBoolean();
        long timestamp = in.readLong();
        Entry entry = new Entry(offset, group, readBytes(in), readBytes(in), timed, timestamp);
        int count = in.readInt();
        if (count >= 0) {
            entry.outputs = new byte[count][];
            for (int i = 0; i < count; i++) {
                entry.outputs[i] = readBytes(in);
            }
        }
        return entry;
    }

    static void writeBytes(DataOutputStream out, byte[] bytes) throws IOException {
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    static byte[] readBytes(DataInputStream in) throws IOException {
        byte[] bytes = new byte[in.readInt()];
        in.readFully(bytes);
        return bytes;
    }
}
