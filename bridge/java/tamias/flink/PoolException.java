package tamias.flink;

import java.io.IOException;
import java.nio.charset.StandardCharsets;

import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** The error with which a pool has ended; one of the agent's code has the Python traceback. */
public final class PoolException extends Exception {
    private PoolException(String text) {
        super(text);
    }

    /**
     * Returns the exception for an ERROR frame. With an error that is permanent (the agent or its
     * settings are wrong), Flink does not restart the job.
     */
    static Exception of(byte[] frame) {
        String json = new String(frame, 1, frame.length - 1, StandardCharsets.UTF_8);
        JsonNode error;
        try {
            error = new ObjectMapper().readTree(json);
        } catch (IOException e) {
            return new PoolException(json);
        }
        PoolException exception = new PoolException(text(error));
        boolean permanent = ((JsonNode) error.path("permanent")).asBoolean();
        return permanent ? new SuppressRestartsException(exception) : exception;
    }

    private static String text(JsonNode error) {
        String hint = field(error, "hint");
        String traceback = field(error, "traceback");
        return field(error, "type") + ": " + field(error, "message")
            + (hint.isEmpty() ? "" : " " + hint)
            + (traceback.isEmpty() ? "" : "\n\n" + traceback);
    }

    private static String field(JsonNode error, String name) {
        return ((JsonNode) error.path(name)).asText();
    }
}
