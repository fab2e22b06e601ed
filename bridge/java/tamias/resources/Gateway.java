package tamias.resources;

import java.security.SecureRandom;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;

/**
 * A py4j gateway to `Resources`, in a JVM that another program has started, such as a TaskManager. All
 * tasks with the same class loader share one, from the first `open` to the last `close`.
 */
public final class Gateway {
    private static final String[] PACKAGES = {
        "org.apache.flink.api.python.shaded.py4j", "py4j"
    };

    private static Object server;
    private static Map variables;
    private static int users;

    private Gateway() {}

    /**
     * The environment variables by which the workers of a pool find it. Without py4j here there are
     * none, and the workers start a JVM of their own.
     */
    public static synchronized Map open() throws Exception {
        if (users == 0) {
            start();
        }
        users++;
        return variables;
    }

    /** Give it up for one pool; the last one ends it. */
    public static synchronized void close() throws Exception {
        users--;
        if (users == 0) {
            Resources.instance().closeAll();
            if (server != null) {
                server.getClass().getMethod("shutdown", new Class[0])
                        .invoke(server, new Object[0]);
                server = null;
            }
        }
    }

    private static void start() throws Exception {
        Class builder = builder();
        variables = Collections.EMPTY_MAP;
        if (builder == null) {
            return;
        }
        String token = token();
        Object made = builder.getConstructor(new Class[] {Object.class})
                .newInstance(new Object[] {Resources.instance()});
        builder.getMethod("javaPort", new Class[] {Integer.TYPE})
                .invoke(made, new Object[] {Integer.valueOf(0)});
        builder.getMethod("authToken", new Class[] {String.class})
                .invoke(made, new Object[] {token});
        Object built = builder.getMethod("build", new Class[0]).invoke(made, new Object[0]);
        built.getClass().getMethod("start", new Class[0]).invoke(built, new Object[0]);
        Object port = built.getClass().getMethod("getListeningPort", new Class[0])
                .invoke(built, new Object[0]);
        server = built;
        variables = new HashMap();
        variables.put("TAMIAS_JVM_PORT", String.valueOf(port));
        variables.put("TAMIAS_JVM_TOKEN", token);
    }

    private static Class builder() {
        for (int i = 0; i < PACKAGES.length; i++) {
            Class found = load(PACKAGES[i] + ".GatewayServer$GatewayServerBuilder");
            if (found != null) {
                return found;
            }
        }
        return null;
    }

    private static Class load(String name) {
        try {
            return Class.forName(name, true, Gateway.class.getClassLoader());
        } catch (ClassNotFoundException none) {
            return null;
        }
    }

    private static String token() {
        byte[] bytes = new byte[32];
        new SecureRandom().nextBytes(bytes);
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < bytes.length; i++) {
            text.append(Integer.toHexString((bytes[i] & 255) | 256).substring(1));
        }
        return text.toString();
    }
}
