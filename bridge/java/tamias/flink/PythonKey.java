package tamias.flink;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;

import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple;
import org.apache.flink.types.Row;

/**
 * Takes the key from a field of an element, in place of a Python function that only returns this field.
 *
 * The key is what PyFlink makes of the function's result: a row of one field, its pickle, to the byte.
 * So a key is in the same key group and has the same state as if the function had run.
 */
public final class PythonKey implements KeySelector {
    /** From this size on, a text is not in a frame of the pickle. */
    private static final int LARGE = 65536;

    private final int[] positions;
    private final String[] names;
    private final String[] failures;

    /**
     * @param positions of the fields, from the element inwards
     * @param names of the same fields; empty for those of tuples
     * @param failures how the function fails if the element with the field is null, for each field
     */
    public PythonKey(String[] positions, String[] names, String[] failures) {
        this.positions = new int[positions.length];
        for (int i = 0; i < positions.length; i++) {
            this.positions[i] = Integer.parseInt(positions[i]);
        }
        this.names = names;
        this.failures = failures;
    }

    public Object getKey(Object element) throws Exception {
        Object value = element;
        for (int i = 0; i < positions.length; i++) {
            if (value == null) {
                throw new KeyException("The key function has failed: " + failures[i]);
            }
            value = field(value, i);
        }
        Row key = new Row(1);
        key.setField(0, pickle(value));
        return key;
    }

    private Object field(Object value, int i) {
        if (value instanceof Tuple) {
            return ((Tuple) value).getField(positions[i]);
        }
        Row row = (Row) value;
        return row.getFieldNames(false) == null ? row.getField(positions[i]) : row.getField(names[i]);
    }

    /** The pickle of a plain value, as Python's C pickler writes it with protocol 5. */
    static byte[] pickle(Object value) {
        Bytes body = new Bytes(32);
        boolean framed = true;
        if (value == null) {
            body.u8('N');
        } else if (value instanceof String) {
            byte[] utf8 = ((String) value).getBytes(StandardCharsets.UTF_8);
            framed = utf8.length < LARGE;
            text(body, utf8);
        } else if (value instanceof Boolean) {
            body.u8(((Boolean) value).booleanValue() ? 0x88 : 0x89);
        } else if (value instanceof Double || value instanceof Float) {
            body.u8('G');
            body.f64(((Number) value).doubleValue());
        } else if (value instanceof Long || value instanceof Integer || value instanceof Short
            || value instanceof Byte) {
            whole(body, ((Number) value).longValue());
        } else {
            throw new KeyException("A key of " + value.getClass() + " is not of the type of its field.");
        }
        body.u8('.');
        Bytes out = new Bytes(11 + body.size);
        out.u8(0x80);
        out.u8(5);
        if (framed && body.size >= 4) {
            out.u8(0x95);
            out.u64(body.size);
        }
        out.put(body.data, 0, body.size);
        return out.copy();
    }

    private static void text(Bytes out, byte[] utf8) {
        if (utf8.length < 256) {
            out.u8(0x8c);
            out.u8(utf8.length);
        } else {
            out.u8('X');
            out.u32(utf8.length);
        }
        out.put(utf8);
        out.u8(0x94); // a text is put into the memo
    }

    private static void whole(Bytes out, long number) {
        if (number >= 0 && number < 256) {
            out.u8('K');
            out.u8((int) number);
        } else if (number >= 0 && number < 65536) {
            out.u8('M');
            out.u16((int) number);
        } else if (number == (int) number) {
            out.u8('J');
            out.u32((int) number);
        } else {
            byte[] bytes = BigInteger.valueOf(number).toByteArray();
            out.u8(0x8a);
            out.u8(bytes.length);
            for (int i = bytes.length - 1; i >= 0; i--) {
                out.u8(bytes[i]);
            }
        }
    }
}
