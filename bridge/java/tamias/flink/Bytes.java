package tamias.flink;

import java.util.Arrays;

/** A buffer that grows; integers are little endian, as in all frames to and from Python. */
final class Bytes {
    byte[] data;
    int size;

    Bytes(int capacity) {
        data = new byte[capacity];
    }

    void room(int more) {
        if (size + more > data.length) {
            data = Arrays.copyOf(data, Math.max(data.length * 2, size + more));
        }
    }

    void u8(int value) {
        room(1);
        data[size++] = (byte) value;
    }

    void u16(int value) {
        room(2);
        data[size++] = (byte) value;
        data[size++] = (byte) (value >>> 8);
    }

    void u32(int value) {
        room(4);
        put32(size, value);
        size += 4;
    }

    void put32(int at, int value) {
        data[at] = (byte) value;
        data[at + 1] = (byte) (value >>> 8);
        data[at + 2] = (byte) (value >>> 16);
        data[at + 3] = (byte) (value >>> 24);
    }

    void u64(long value) {
        u32((int) value);
        u32((int) (value >>> 32));
    }

    /** Big endian: pickle writes only floating point numbers in this order. */
    void f64(double value) {
        long bits = Double.doubleToLongBits(value);
        room(8);
        for (int shift = 56; shift >= 0; shift -= 8) {
            data[size++] = (byte) (bits >>> shift);
        }
    }

    void put(byte[] bytes) {
        put(bytes, 0, bytes.length);
    }

    void put(byte[] bytes, int from, int length) {
        room(length);
        System.arraycopy(bytes, from, data, size, length);
        size += length;
    }

    byte[] copy() {
        return Arrays.copyOf(data, size);
    }

    static int int32(byte[] from, int at) {
        return (from[at] & 0xff) | (from[at + 1] & 0xff) << 8 | (from[at + 2] & 0xff) << 16
            | (from[at + 3] & 0xff) << 24;
    }

    static long int64(byte[] from, int at) {
        return (int32(from, at) & 0xffffffffL) | ((long) int32(from, at + 4)) << 32;
    }
}
