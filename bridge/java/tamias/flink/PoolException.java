package tamias.flink;

import java.nio.charset.StandardCharsets;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** The error with which a pool has ended; one of the agent's code has the Python traceback. */
public final class PoolException extends Exception {
    PoolException(byte[] frame) {
        super(text(frame));
    }

    private static String text(byte[] frame) {
        String json = new String(frame, 1, frame.length - 1, StandardCharsets.UTF_8);
        try {
            JsonNode error = new ObjectMapper().readTree(json);
            String hint = field(error, "hint");
            String traceback = field(error, "traceback");
            return field(error, "type") + ": " + field(error, "message")
                + (hint.isEmpty() ? "" : " " + hint)
                + (traceback.isEmpty() ? "" : "\n\n" + traceback);
        } catch (java.io.IOException e) {
            return json;
        }
    }

    private static String field(JsonNode error, String name) {
        return ((JsonNode) error.path(name)).asText();
    }
}
