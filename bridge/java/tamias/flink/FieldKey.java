package tamias.flink;

import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.types.Row;

/** Takes the key from a field of a row, without a Python function. */
public final class FieldKey implements KeySelector {
    private final int position;
    private final String name;

    public FieldKey(int position, String name) {
        this.position = position;
        this.name = name;
    }

    public Object getKey(Object element) throws Exception {
        Row row = (Row) element;
        Object key = row.getFieldNames(false) == null ? row.getField(position) : row.getField(name);
        if (key == null) {
            throw new KeyException("The key field " + name + " of " + row
                + " is null: filter such rows out, or give them a key.");
        }
        return key;
    }
}
