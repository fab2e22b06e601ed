package tamias.flink;

import java.io.IOException;
import java.io.Serializable;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.tuple.Tuple;
import org.apache.flink.api.java.typeutils.RowTypeInfo;
import org.apache.flink.types.Row;

/**
 * Flink's values in the encoding of the store (store/encoding/values.py), and its keys (keys.py there).
 *
 * Values are pickles, because Python reads them fastest (a batch of rows from Arrow's columns takes
 * twice as long), and because PyFlink's pickled byte arrays are pickles already and are passed on
 * unchanged. They are of protocol 4, without memo, because values are trees. Rows become
 * tamias.agent.row.Row, with their field names: a row by itself in a form of its own, which names no
 * class; one inside another value as a pickle of this class.
 */
final class Values implements Serializable {
    private static final int ROW_FORM = 0xba;
    private static final byte[] ROW = ascii("ctamias.agent.row\nRow\n)\u0081");
    private static final byte[] DECIMAL = ascii("cdecimal\nDecimal\n");
    private static final byte[] DATE = ascii("cdatetime\ndate\n");
    private static final byte[] TIME = ascii("cdatetime\ntime\n");
    private static final byte[] DATETIME = ascii("cdatetime\ndatetime\n");
    private static final byte[] UTC = ascii("cdatetime\ntimezone\ncdatetime\ntimedelta\nK\u0000\u0085R\u0085R");
    private static final String PICKLED = "PickledByteArrayTypeInfo";

    private final String[] names;
    private final Values[] fields;
    private final boolean pickled;

    Values(TypeInformation type) {
        pickled = type != null && type.getClass().getSimpleName().equals(PICKLED);
        if (type instanceof RowTypeInfo) {
            RowTypeInfo row = (RowTypeInfo) type;
            names = row.getFieldNames();
            fields = new Values[row.getArity()];
            for (int i = 0; i < fields.length; i++) {
                fields[i] = new Values(row.getTypeAt(i));
            }
        } else {
            names = null;
            fields = null;
        }
    }

    /** A value as an input of the agent. */
    byte[] input(Object value) throws IOException {
        if (!(value instanceof Row)) {
            return pickle(value);
        }
        Bytes out = new Bytes(64);
        out.u8(ROW_FORM);
        out.u8(0x80);
        out.u8(4);
        out.u8('}');
        fields(out, (Row) value);
        out.u8('.');
        return out.copy();
    }

    private byte[] pickle(Object value) throws IOException {
        if (pickled && value instanceof byte[]) {
            return (byte[]) value;
        }
        Bytes out = new Bytes(64);
        out.u8(0x80);
        out.u8(4);
        write(out, value);
        out.u8('.');
        return out.copy();
    }

    private void write(Bytes out, Object value) throws IOException {
        if (value == null) {
            out.u8('N');
        } else if (value instanceof String) {
            text(out, (String) value);
        } else if (value instanceof Boolean) {
            out.u8(((Boolean) value).booleanValue() ? 0x88 : 0x89);
        } else if (value instanceof Integer || value instanceof Long || value instanceof Short
            || value instanceof Byte) {
            whole(out, ((Number) value).longValue());
        } else if (value instanceof Double || value instanceof Float) {
            out.u8('G');
            out.f64(((Number) value).doubleValue());
        } else if (value instanceof Row) {
            out.put(ROW);
            fields(out, (Row) value);
        } else if (value instanceof byte[]) {
            bytes(out, (byte[]) value);
        } else {
            other(out, value);
        }
    }

    private void fields(Bytes out, Row row) throws IOException {
        out.u8('(');
        String[] own = names;
        if (own == null) {
            Set found = row.getFieldNames(true);
            own = found == null ? null : (String[]) found.toArray(new String[0]);
        }
        int arity = row.getArity();
        for (int i = 0; i < arity; i++) {
            String name = own == null || i >= own.length ? "f" + i : own[i];
            text(out, name);
            Object value = names == null && own != null ? row.getField(name) : row.getField(i);
            Values field = fields == null || i >= fields.length ? PLAIN : fields[i];
            if (field.pickled && value instanceof byte[]) {
                nested(out, (byte[]) value);
            } else {
                field.write(out, value);
            }
        }
        out.u8('u');
    }

    /** A pickle inside a pickle: it is loaded where it stands. */
    private static void nested(Bytes out, byte[] pickle) {
        out.put(LOADS);
        bytes(out, pickle);
        out.u8(0x85);
        out.u8('R');
    }

    private void other(Bytes out, Object value) throws IOException {
        if (value instanceof BigDecimal) {
            out.put(DECIMAL);
            text(out, value.toString());
            out.u8(0x85);
            out.u8('R');
        } else if (value instanceof BigInteger) {
            big(out, (BigInteger) value);
        } else if (value instanceof Character) {
            text(out, value.toString());
        } else if (value instanceof java.sql.Timestamp) {
            other(out, ((java.sql.Timestamp) value).toLocalDateTime());
        } else if (value instanceof java.sql.Date) {
            other(out, ((java.sql.Date) value).toLocalDate());
        } else if (value instanceof java.sql.Time) {
            other(out, ((java.sql.Time) value).toLocalTime());
        } else if (value instanceof LocalDate) {
            LocalDate date = (LocalDate) value;
            call(out, DATE, new int[] {date.getYear(), date.getMonthValue(), date.getDayOfMonth()});
        } else if (value instanceof LocalTime) {
            LocalTime time = (LocalTime) value;
            call(out, TIME, new int[] {time.getHour(), time.getMinute(), time.getSecond(),
                time.getNano() / 1000});
        } else if (value instanceof LocalDateTime) {
            moment(out, (LocalDateTime) value, false);
        } else if (value instanceof Instant) {
            moment(out, LocalDateTime.ofInstant((Instant) value, ZoneOffset.UTC), true);
        } else if (value instanceof Map) {
            map(out, (Map) value);
        } else if (value instanceof Collection) {
            out.u8(']');
            out.u8('(');
            for (Iterator items = ((Collection) value).iterator(); items.hasNext();) {
                PLAIN.write(out, items.next());
            }
            out.u8('e');
        } else if (value instanceof Tuple) {
            Tuple tuple = (Tuple) value;
            out.u8('(');
            for (int i = 0; i < tuple.getArity(); i++) {
                PLAIN.write(out, tuple.getField(i));
            }
            out.u8('t');
        } else if (value.getClass().isArray()) {
            out.u8(']');
            out.u8('(');
            int length = java.lang.reflect.Array.getLength(value);
            for (int i = 0; i < length; i++) {
                PLAIN.write(out, java.lang.reflect.Array.get(value, i));
            }
            out.u8('e');
        } else {
            throw new IOException("A value of the Java class " + value.getClass().getName()
                + " cannot go to an agent. Map the stream to Python objects, rows or basic types.");
        }
    }

    private void map(Bytes out, Map map) throws IOException {
        out.u8('}');
        out.u8('(');
        for (Iterator entries = map.entrySet().iterator(); entries.hasNext();) {
            Map.Entry entry = (Map.Entry) entries.next();
            PLAIN.write(out, entry.getKey());
            PLAIN.write(out, entry.getValue());
        }
        out.u8('u');
    }

    private static void moment(Bytes out, LocalDateTime at, boolean utc) {
        out.put(DATETIME);
        out.u8('(');
        whole(out, at.getYear());
        whole(out, at.getMonthValue());
        whole(out, at.getDayOfMonth());
        whole(out, at.getHour());
        whole(out, at.getMinute());
        whole(out, at.getSecond());
        whole(out, at.getNano() / 1000);
        if (utc) {
            out.put(UTC);
        }
        out.u8('t');
        out.u8('R');
    }

    private static void call(Bytes out, byte[] function, int[] arguments) {
        out.put(function);
        out.u8('(');
        for (int i = 0; i < arguments.length; i++) {
            whole(out, arguments[i]);
        }
        out.u8('t');
        out.u8('R');
    }

    private static void text(Bytes out, String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        if (utf8.length < 256) {
            out.u8(0x8c);
            out.u8(utf8.length);
        } else {
            out.u8('X');
            out.u32(utf8.length);
        }
        out.put(utf8);
    }

    private static void bytes(Bytes out, byte[] bytes) {
        if (bytes.length < 256) {
            out.u8('C');
            out.u8(bytes.length);
        } else {
            out.u8('B');
            out.u32(bytes.length);
        }
        out.put(bytes);
    }

    private static void whole(Bytes out, long number) {
        if (number == (int) number) {
            out.u8('J');
            out.u32((int) number);
        } else {
            out.u8(0x8a);
            out.u8(8);
            out.u64(number);
        }
    }

    private static void big(Bytes out, BigInteger number) {
        byte[] bytes = number.toByteArray();
        out.u8(0x8b);
        out.u32(bytes.length);
        for (int i = bytes.length - 1; i >= 0; i--) {
            out.u8(bytes[i]);
        }
    }

    /**
     * A key in the encoding of the store, with its key group in front.
     *
     * Pickled texts and whole numbers are decoded, so that a key is the same as a Java and as a Python
     * object; other pickles are keys by their bytes.
     */
    byte[] key(Object key, int group) throws IOException {
        Object plain = key;
        if (plain instanceof Row && ((Row) plain).getArity() == 1) {
            plain = ((Row) plain).getField(0);
        }
        Bytes out = new Bytes(32);
        out.u8('g');
        out.u8(group >>> 8);
        out.u8(group);
        encode(out, plain);
        return out.copy();
    }

    private void encode(Bytes out, Object key) throws IOException {
        if (key == null) {
            out.u8('n');
        } else if (key instanceof String) {
            out.u8('s');
            out.put(((String) key).getBytes(StandardCharsets.UTF_8));
        } else if (key instanceof Boolean) {
            out.u8(((Boolean) key).booleanValue() ? 't' : 'f');
        } else if (key instanceof Integer || key instanceof Long || key instanceof Short
            || key instanceof Byte) {
            long number = ((Number) key).longValue();
            String digits = Long.toString(number, 16);
            out.u8('i');
            out.put(ascii(digits));
        } else if (key instanceof Double || key instanceof Float) {
            out.u8('d');
            out.f64(((Number) key).doubleValue() + 0.0);
        } else if (key instanceof byte[] && pickled) {
            pickledKey(out, (byte[]) key);
        } else if (key instanceof byte[]) {
            out.u8('b');
            out.put((byte[]) key);
        } else if (key instanceof Row) {
            Row row = (Row) key;
            out.u8('(');
            for (int i = 0; i < row.getArity(); i++) {
                Bytes part = new Bytes(32);
                PLAIN.encode(part, row.getField(i));
                out.u8(part.size >>> 24);
                out.u8(part.size >>> 16);
                out.u8(part.size >>> 8);
                out.u8(part.size);
                out.put(part.data, 0, part.size);
            }
        } else {
            out.u8('p');
            out.put(pickle(key));
        }
    }

    private static void pickledKey(Bytes out, byte[] pickle) {
        int at = 0;
        int end = pickle.length;
        if (end > 2 && (pickle[0] & 0xff) == 0x80) {
            at = 2;
        }
        if (end > at + 9 && (pickle[at] & 0xff) == 0x95) { // a frame
            at += 9;
        }
        int opcode = end > at ? pickle[at] & 0xff : 0;
        int length = -1;
        if (opcode == 0x8c && end > at + 2) { // a short text
            length = pickle[at + 1] & 0xff;
            at += 2;
        } else if (opcode == 'X' && end > at + 5) {
            length = Bytes.int32(pickle, at + 1);
            at += 5;
        }
        if (length >= 0 && at + length < end && ends(pickle, at + length)) {
            out.u8('s');
            out.put(pickle, at, length);
            return;
        }
        long number = 0;
        int after = -1;
        if (opcode == 'K' && end > at + 2) {
            number = pickle[at + 1] & 0xff;
            after = at + 2;
        } else if (opcode == 'M' && end > at + 3) {
            number = (pickle[at + 1] & 0xff) | (pickle[at + 2] & 0xff) << 8;
            after = at + 3;
        } else if (opcode == 'J' && end > at + 5) {
            number = Bytes.int32(pickle, at + 1);
            after = at + 5;
        }
        if (after >= 0 && ends(pickle, after)) {
            out.u8('i');
            out.put(ascii(Long.toString(number, 16)));
            return;
        }
        out.u8('p');
        out.put(pickle);
    }

    /** Whether the pickle ends here, except perhaps for a memo that is not used. */
    private static boolean ends(byte[] pickle, int at) {
        if (at < pickle.length && (pickle[at] & 0xff) == 0x94) {
            at++;
        }
        if (at + 1 < pickle.length && pickle[at] == 'q') {
            at += 2;
        }
        return at == pickle.length - 1 && pickle[at] == '.';
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    private static final byte[] LOADS = ascii("c_pickle\nloads\n");
    private static final Values PLAIN = new Values(null);
}
