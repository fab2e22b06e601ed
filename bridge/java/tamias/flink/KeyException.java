package tamias.flink;

/** An element has no key. The message is for the author of the job. */
public final class KeyException extends RuntimeException {
    public KeyException(String message) {
        super(message);
    }
}
