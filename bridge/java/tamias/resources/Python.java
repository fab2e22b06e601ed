package tamias.resources;

import java.util.HashMap;
import java.util.Map;

import org.apache.flink.agents.api.resource.Resource;
import org.apache.flink.agents.api.resource.ResourceDescriptor;
import org.apache.flink.agents.api.resource.ResourceType;

/** Calls of a resource in a Python process, for the Java object that is its proxy. */
final class Python {
    private final Session session;
    private final String name;
    private final String type;

    Python(Session session, String name, ResourceType type) {
        this.session = session;
        this.name = name;
        this.type = type.getValue();
    }

    /** The proxy for a resource of Python's, made from its description. */
    static Resource resource(Session session, String name, ResourceType type, Map description) {
        Python python = new Python(session, name, type);
        Map fields = (Map) description.get("python");
        ResourceDescriptor descriptor = new ResourceDescriptor(
                "tamias.resources.Python", fields);
        if (type == ResourceType.CHAT_MODEL) {
            return new PythonChatModelSetup(python, descriptor, session);
        } else if (type == ResourceType.CHAT_MODEL_CONNECTION) {
            return new PythonChatModelConnection(python, descriptor, session);
        } else if (type == ResourceType.EMBEDDING_MODEL) {
            return new PythonEmbeddingModelSetup(python, descriptor, session);
        } else if (type == ResourceType.EMBEDDING_MODEL_CONNECTION) {
            return new PythonEmbeddingModelConnection(python, descriptor, session);
        } else if (type == ResourceType.VECTOR_STORE) {
            if (Boolean.TRUE.equals(fields.get("collections"))) {
                return new PythonCollectionManageableVectorStore(python, descriptor, session);
            }
            return new PythonVectorStore(python, descriptor, session);
        } else if (type == ResourceType.TOOL) {
            return new PythonTool(python, Convert.metadata(fields));
        } else if (type == ResourceType.PROMPT) {
            return fields.containsKey("template")
                    ? Convert.prompt(fields) : new PythonPrompt(python);
        }
        throw new IllegalArgumentException("Java cannot use a " + type.getValue() + " of Python's.");
    }

    Object call(String method, Map args) {
        Map question = new HashMap();
        question.put("type", this.type);
        question.put("name", this.name);
        question.put("method", method);
        question.put("args", Convert.plain(args));
        return this.session.ask(question);
    }
}
