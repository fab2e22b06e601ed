package tamias.resources;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

import org.apache.flink.agents.api.embedding.model.BaseEmbeddingModelConnection;
import org.apache.flink.agents.api.resource.ResourceDescriptor;

/** A proxy for an embedding model connection of Python's. */
final class PythonEmbeddingModelConnection extends BaseEmbeddingModelConnection {
    private final Python python;

    PythonEmbeddingModelConnection(Python python, ResourceDescriptor descriptor, BiFunction others) {
        super(descriptor, others);
        this.python = python;
    }

    public float[] embed(String text, Map arguments) {
        return Convert.vector(embedded(text, arguments));
    }

    public List embed(List texts, Map arguments) {
        List answer = (List) embedded(texts, arguments);
        List vectors = new ArrayList();
        for (int i = 0; i < answer.size(); i++) {
            vectors.add(Convert.vector(answer.get(i)));
        }
        return vectors;
    }

    private Object embedded(Object text, Map arguments) {
        Map args = new HashMap();
        args.put("text", text);
        args.put("kwargs", arguments == null ? new HashMap() : arguments);
        return this.python.call("embed", args);
    }
}
