package trials;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

import org.apache.flink.agents.api.resource.ResourceDescriptor;
import org.apache.flink.agents.api.vectorstores.BaseVectorStore;
import org.apache.flink.agents.api.vectorstores.CollectionManageableVectorStore;
import org.apache.flink.agents.api.vectorstores.Document;

/** A vector store in memory, with collections. */
public class Shelf extends BaseVectorStore implements CollectionManageableVectorStore {
    private final Map collections = new HashMap();
    private final Map described = new HashMap();

    public Shelf(ResourceDescriptor descriptor, BiFunction others) {
        super(descriptor, others);
    }

    public Map getStoreKwargs() {
        return new HashMap();
    }

    private Map collection(String name) {
        Map found = (Map) this.collections.get(name);
        if (found == null) {
            found = new LinkedHashMap();
            this.collections.put(name, found);
        }
        return found;
    }

    public long size(String collection) {
        return (long) collection(collection).size();
    }

    public List get(List ids, String collection, Map arguments) {
        List found = new ArrayList();
        Iterator all = collection(collection).values().iterator();
        while (all.hasNext()) {
            Document document = (Document) all.next();
            if (ids == null || ids.contains(document.getId())) {
                found.add(document);
            }
        }
        return found;
    }

    public void delete(List ids, String collection, Map arguments) {
        if (ids == null) {
            collection(collection).clear();
        } else {
            collection(collection).keySet().removeAll(ids);
        }
    }

    protected List queryEmbedding(float[] vector, int limit, String collection, Map arguments) {
        List found = get(null, collection, arguments);
        List nearest = new ArrayList();
        while (!found.isEmpty() && nearest.size() < limit) {
            Document best = (Document) found.get(0);
            for (int i = 1; i < found.size(); i++) {
                Document other = (Document) found.get(i);
                if (distance(other, vector) < distance(best, vector)) {
                    best = other;
                }
            }
            found.remove(best);
            nearest.add(best);
        }
        return nearest;
    }

    private static double distance(Document document, float[] vector) {
        double sum = 0;
        for (int i = 0; i < vector.length; i++) {
            double one = document.getEmbedding()[i] - vector[i];
            sum += one * one;
        }
        return sum;
    }

    protected List addEmbedding(List documents, String collection, Map arguments) {
        List ids = new ArrayList();
        for (int i = 0; i < documents.size(); i++) {
            Document document = (Document) documents.get(i);
            collection(collection).put(document.getId(), document);
            ids.add(document.getId());
        }
        return ids;
    }

    public CollectionManageableVectorStore.Collection getOrCreateCollection(
            String name, Map metadata) {
        collection(name);
        if (!this.described.containsKey(name)) {
            this.described.put(name, metadata);
        }
        return getCollection(name);
    }

    public CollectionManageableVectorStore.Collection getCollection(String name) {
        if (!this.described.containsKey(name)) {
            throw new IllegalArgumentException("There is no collection " + name + ".");
        }
        return new CollectionManageableVectorStore.Collection(
                name, (Map) this.described.get(name));
    }

    public CollectionManageableVectorStore.Collection deleteCollection(String name) {
        CollectionManageableVectorStore.Collection gone = getCollection(name);
        this.collections.remove(name);
        this.described.remove(name);
        return gone;
    }
}
