package tamias.resources;

import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BiFunction;

import org.apache.flink.agents.api.resource.Resource;
import org.apache.flink.agents.api.resource.ResourceDescriptor;
import org.apache.flink.agents.api.resource.ResourceType;
import org.apache.flink.agents.plan.tools.FunctionTool;

/** Makes resources from Python's description: of a Java class, or proxies for Python's. */
final class Maker {
    private Maker() {}

    static Resource make(Session session, String name, ResourceType type) throws Exception {
        Map question = new HashMap();
        question.put("method", "describe");
        question.put("type", type.getValue());
        question.put("name", name);
        Map description = (Map) session.ask(question);
        Map java = (Map) description.get("java");
        if (java == null) {
            return Python.resource(session, name, type, description);
        }
        Map arguments = (Map) java.get("arguments");
        if (arguments.get("prompt") instanceof Map) {
            arguments.put("prompt", Convert.prompt((Map) arguments.get("prompt")));
        }
        String clazz = (String) java.get("clazz");
        String method = (String) java.get("method");
        Object made = method == null
                ? constructed(session, clazz, arguments)
                : called(session, clazz, method, type, arguments);
        return checked(made, clazz, type);
    }

    private static Class load(String name) throws Exception {
        return Class.forName(name, true, Maker.class.getClassLoader());
    }

    private static Object constructed(Session session, String name, Map arguments)
            throws Exception {
        Class clazz = load(name);
        Constructor usual = constructor(
                clazz, new Class[] {ResourceDescriptor.class, BiFunction.class});
        if (usual != null) {
            Object descriptor = new ResourceDescriptor(name, arguments);
            return usual.newInstance(new Object[] {descriptor, session});
        }
        Constructor bare = constructor(clazz, new Class[0]);
        if (bare != null) {
            return bare.newInstance(new Object[0]);
        }
        throw new IllegalArgumentException(
                name + " has neither a public constructor of (ResourceDescriptor, BiFunction) nor"
                + " one without parameters.");
    }

    private static Constructor constructor(Class clazz, Class[] parameters) {
        try {
            return Modifier.isAbstract(clazz.getModifiers())
                    ? null : clazz.getConstructor(parameters);
        } catch (NoSuchMethodException none) {
            return null;
        }
    }

    /** A static method is a tool itself, or returns the resource or its description. */
    private static Object called(
            Session session, String name, String method, ResourceType type, Map arguments)
            throws Exception {
        Method[] all = load(name).getMethods();
        Method found = null;
        for (int i = 0; i < all.length; i++) {
            if (all[i].getName().equals(method) && Modifier.isStatic(all[i].getModifiers())) {
                found = all[i];
            }
        }
        if (found == null) {
            throw new IllegalArgumentException(
                    name + " has no public static method '" + method + "'.");
        }
        if (type == ResourceType.TOOL && !Resource.class.isAssignableFrom(found.getReturnType())) {
            return FunctionTool.fromStaticMethod(found);
        }
        Object given = found.invoke(null, new Object[0]);
        if (given instanceof ResourceDescriptor) {
            ResourceDescriptor descriptor = (ResourceDescriptor) given;
            Map merged = new HashMap(descriptor.getInitialArguments());
            merged.putAll(arguments);
            return constructed(session, descriptor.getClazz(), merged);
        }
        return given;
    }

    private static Resource checked(Object made, String clazz, ResourceType type)
            throws Exception {
        if (made instanceof org.apache.flink.agents.api.tools.FunctionTool) {
            made = FunctionTool.fromStaticMethod(
                    ((org.apache.flink.agents.api.tools.FunctionTool) made).getMethod());
        }
        if (!(made instanceof Resource)) {
            throw new IllegalArgumentException(clazz + " is no subclass of "
                    + Resource.class.getName() + ".");
        }
        Resource resource = (Resource) made;
        if (resource.getResourceType() != type) {
            throw new IllegalArgumentException(clazz + " is a "
                    + resource.getResourceType().getValue() + ", and declared as a "
                    + type.getValue() + ".");
        }
        return resource;
    }
}
