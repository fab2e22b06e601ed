package tamias.flink;

import java.util.Map;

/**
 * Lets the pool's workers reach Java resources in this JVM, if the job has any. Then its jars have the
 * class `tamias.resources.Gateway` (bridge/flink/operator.py adds it where `java-classpath` is set).
 */
final class Gateways {
    private static final String NAME = "tamias.resources.Gateway";
    private static final String TOKEN = "TAMIAS_JVM_TOKEN";

    private Gateways() {}

    /** Open the gateway, and put the environment variables with its address into `variables`. */
    static void open(ClassLoader loader, Map variables) throws Exception {
        try {
            variables.putAll((Map) call(loader, "open"));
        } catch (ClassNotFoundException e) {
            return; // no Java resources
        }
    }

    static void close(ClassLoader loader, Map variables) throws Exception {
        if (variables != null && variables.containsKey(TOKEN)) {
            call(loader, "close");
        }
    }

    private static Object call(ClassLoader loader, String method) throws Exception {
        Class gateway = Class.forName(NAME, true, loader);
        return gateway.getMethod(method, new Class[0]).invoke(null, new Object[0]);
    }
}
