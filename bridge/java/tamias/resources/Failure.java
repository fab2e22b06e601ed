package tamias.resources;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.util.HashMap;
import java.util.Map;

/** Exceptions as JSON, from one language to the other. */
final class Failure {
    private Failure() {}

    /** An exception for Python, with the id of the Python exception that caused it, if one did. */
    static Map of(Throwable error) {
        while (error instanceof InvocationTargetException && error.getCause() != null) {
            error = error.getCause();
        }
        StringWriter stack = new StringWriter();
        error.printStackTrace(new PrintWriter(stack));
        Map failed = new HashMap();
        failed.put("type", error.getClass().getName());
        failed.put("message", error.getMessage());
        failed.put("stack", stack.toString());
        Throwable last = error;
        for (int depth = 0; last != null && depth < 50; depth++) {
            if (last instanceof PythonException) {
                failed.put("raised", ((PythonException) last).id());
            }
            if (last.getCause() == null) {
                break;
            }
            last = last.getCause();
        }
        failed.put("cause", last == error ? null : String.valueOf(last));
        failed.put("linkage", Boolean.valueOf(
                last instanceof LinkageError || last instanceof ClassNotFoundException));
        Map outcome = new HashMap();
        outcome.put("failed", failed);
        return outcome;
    }

    /** The value of Python's answer to a question; throws what Python has raised. */
    static Object value(Map answer) {
        Map failed = (Map) answer.get("failed");
        if (failed == null) {
            return answer.get("done");
        }
        throw new PythonException(
                String.valueOf(failed.get("message")), (String) failed.get("id"));
    }
}
