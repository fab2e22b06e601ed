package tamias.resources;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

import org.apache.flink.agents.api.resource.ResourceDescriptor;
import org.apache.flink.agents.api.vectorstores.BaseVectorStore;
import org.apache.flink.agents.api.vectorstores.VectorStoreQuery;
import org.apache.flink.agents.api.vectorstores.VectorStoreQueryResult;

/** A proxy for a vector store of Python's, which computes embeddings in Python. */
class PythonVectorStore extends BaseVectorStore {
    final Python python;

    PythonVectorStore(Python python, ResourceDescriptor descriptor, BiFunction others) {
        super(descriptor, others);
        this.python = python;
    }

    public Map getStoreKwargs() {
        return new HashMap();
    }

    public List add(List documents, String collection, Map arguments) {
        Map args = args(collection, arguments);
        args.put("documents", documents);
        return (List) this.python.call("add", args);
    }

    public VectorStoreQueryResult query(VectorStoreQuery query) {
        Map args = new HashMap();
        args.put("query", query);
        return new VectorStoreQueryResult(
                Convert.documents(((Map) this.python.call("query", args)).get("documents")));
    }

    public long size(String collection) {
        Map args = new HashMap();
        args.put("collection_name", collection);
        return ((Number) this.python.call("size", args)).longValue();
    }

    public List get(List ids, String collection, Map arguments) {
        Map args = args(collection, arguments);
        args.put("ids", ids);
        return Convert.documents(this.python.call("get", args));
    }

    public void delete(List ids, String collection, Map arguments) {
        Map args = args(collection, arguments);
        args.put("ids", ids);
        this.python.call("delete", args);
    }

    protected List queryEmbedding(float[] vector, int limit, String collection, Map arguments) {
        Map args = args(collection, arguments);
        args.put("embedding", vector);
        args.put("limit", Integer.valueOf(limit));
        return Convert.documents(this.python.call("query_embedding", args));
    }

    protected List addEmbedding(List documents, String collection, Map arguments) {
        return add(documents, collection, arguments);
    }

    private static Map args(String collection, Map arguments) {
        Map args = new HashMap();
        args.put("collection_name", collection);
        args.put("kwargs", arguments == null ? new HashMap() : arguments);
        return args;
    }
}
