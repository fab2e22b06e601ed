package tamias.resources;

import java.util.HashMap;
import java.util.Map;
import java.util.function.BiFunction;

import org.apache.flink.agents.api.resource.ResourceDescriptor;
import org.apache.flink.agents.api.vectorstores.CollectionManageableVectorStore;

/** A proxy for a vector store of Python's with collections. */
final class PythonCollectionManageableVectorStore extends PythonVectorStore
        implements CollectionManageableVectorStore {

    PythonCollectionManageableVectorStore(
            Python python, ResourceDescriptor descriptor, BiFunction others) {
        super(python, descriptor, others);
    }

    public CollectionManageableVectorStore.Collection getOrCreateCollection(
            String name, Map metadata) {
        Map args = new HashMap();
        args.put("name", name);
        args.put("metadata", metadata);
        return Convert.collection((Map) this.python.call("get_or_create_collection", args));
    }

    public CollectionManageableVectorStore.Collection getCollection(String name) {
        return named("get_collection", name);
    }

    public CollectionManageableVectorStore.Collection deleteCollection(String name) {
        return named("delete_collection", name);
    }

    private CollectionManageableVectorStore.Collection named(String method, String name) {
        Map args = new HashMap();
        args.put("name", name);
        return Convert.collection((Map) this.python.call(method, args));
    }
}
