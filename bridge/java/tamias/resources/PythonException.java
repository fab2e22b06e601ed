package tamias.resources;

/** An exception of Python code that was called from Java. */
public final class PythonException extends RuntimeException {
    private final String id;

    PythonException(String message, String id) {
        super(message);
        this.id = id;
    }

    String id() {
        return this.id;
    }
}
