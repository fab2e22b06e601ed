package tamias.resources;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonGenerator;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.StreamReadConstraints;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/**
 * JSON as Python's `json` module writes and reads it: in ASCII, with NaN and infinities, and without
 * limits on length.
 */
final class Json {
    private static final ObjectMapper MAPPER = mapper();

    private Json() {}

    private static ObjectMapper mapper() {
        JsonFactory factory = new JsonFactory();
        factory.setStreamReadConstraints(StreamReadConstraints.builder()
                .maxStringLength(Integer.MAX_VALUE)
                .maxNumberLength(Integer.MAX_VALUE)
                .maxNameLength(Integer.MAX_VALUE)
                .build());
        factory.configure(JsonParser.Feature.ALLOW_NON_NUMERIC_NUMBERS, true);
        factory.configure(JsonGenerator.Feature.ESCAPE_NON_ASCII, true);
        factory.configure(JsonGenerator.Feature.QUOTE_NON_NUMERIC_NUMBERS, false);
        return new ObjectMapper(factory);
    }

    static Object read(String text) {
        try {
            return MAPPER.readValue(text, Object.class);
        } catch (Exception error) {
            throw new IllegalArgumentException("This is no JSON: " + error.getMessage());
        }
    }

    /** The JSON of a tree, as `Convert.plain` makes it. */
    static String write(Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (Exception error) {
            throw new IllegalArgumentException("This cannot be JSON: " + error.getMessage());
        }
    }
}
