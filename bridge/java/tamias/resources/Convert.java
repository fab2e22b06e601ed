package tamias.resources;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import org.apache.flink.agents.api.chat.messages.ChatMessage;
import org.apache.flink.agents.api.chat.messages.MessageRole;
import org.apache.flink.agents.api.prompt.Prompt;
import org.apache.flink.agents.api.tools.ToolMetadata;
import org.apache.flink.agents.api.vectorstores.CollectionManageableVectorStore;
import org.apache.flink.agents.api.vectorstores.Document;
import org.apache.flink.agents.api.vectorstores.VectorStoreQuery;
import org.apache.flink.agents.api.vectorstores.VectorStoreQueryMode;
import org.apache.flink.agents.api.vectorstores.VectorStoreQueryResult;

/**
 * The values of the API as JSON trees (maps, lists, strings, numbers, booleans, null), and back.
 * Python's side is `bridge/resources/convert.py`, which has a table of the trees.
 */
final class Convert {
    private Convert() {}

    // ------------------------------------------------------------------ from Java

    /** The tree of any value. A value of a type that Python does not know becomes its text. */
    static Object plain(Object value) {
        if (value == null || value instanceof Number || value instanceof Boolean) {
            return value;
        }
        if (value instanceof String) {
            return value;
        }
        if (value instanceof Map) {
            Map tree = new LinkedHashMap();
            Iterator entries = ((Map) value).entrySet().iterator();
            while (entries.hasNext()) {
                Map.Entry entry = (Map.Entry) entries.next();
                tree.put(String.valueOf(entry.getKey()), plain(entry.getValue()));
            }
            return tree;
        }
        if (value instanceof Collection) {
            List tree = new ArrayList();
            Iterator items = ((Collection) value).iterator();
            while (items.hasNext()) {
                tree.add(plain(items.next()));
            }
            return tree;
        }
        if (value instanceof float[]) {
            return numbers((float[]) value);
        }
        if (value instanceof Object[]) {
            Object[] items = (Object[]) value;
            List tree = new ArrayList();
            for (int i = 0; i < items.length; i++) {
                tree.add(plain(items[i]));
            }
            return tree;
        }
        return known(value);
    }

    private static Object known(Object value) {
        Map tree = new LinkedHashMap();
        if (value instanceof ChatMessage) {
            ChatMessage message = (ChatMessage) value;
            tree.put("role", message.getRole().getValue());
            tree.put("content", message.getContent());
            tree.put("tool_calls", plain(message.getToolCalls()));
            tree.put("extra_args", plain(message.getExtraArgs()));
        } else if (value instanceof Document) {
            Document document = (Document) value;
            tree.put("content", document.getContent());
            tree.put("metadata", plain(document.getMetadata()));
            tree.put("id", document.getId());
            tree.put("embedding", plain(document.getEmbedding()));
        } else if (value instanceof VectorStoreQuery) {
            VectorStoreQuery query = (VectorStoreQuery) value;
            tree.put("mode", query.getMode().getValue());
            tree.put("query_text", query.getQueryText());
            tree.put("limit", query.getLimit());
            tree.put("collection_name", query.getCollection());
            tree.put("extra_args", plain(query.getExtraArgs()));
        } else if (value instanceof VectorStoreQueryResult) {
            tree.put("documents", plain(((VectorStoreQueryResult) value).getDocuments()));
        } else if (value instanceof CollectionManageableVectorStore.Collection) {
            CollectionManageableVectorStore.Collection collection =
                    (CollectionManageableVectorStore.Collection) value;
            tree.put("name", collection.getName());
            tree.put("metadata", plain(collection.getMetadata()));
        } else if (value instanceof ToolMetadata) {
            ToolMetadata metadata = (ToolMetadata) value;
            tree.put("name", metadata.getName());
            tree.put("description", metadata.getDescription());
            tree.put("schema", Json.read(metadata.getInputSchema()));
        } else if (value instanceof LocalTemplate) {
            tree.put("template", plain(((LocalTemplate) value).template));
        } else {
            return String.valueOf(value);
        }
        return tree;
    }

    /** Each number as the double with exactly its value. */
    private static List numbers(float[] vector) {
        List tree = new ArrayList(vector.length);
        for (int i = 0; i < vector.length; i++) {
            tree.add(Double.valueOf((double) vector[i]));
        }
        return tree;
    }

    // ------------------------------------------------------------------ to Java

    /** The value that a tree stands for. */
    static Object make(String kind, Object tree) {
        if ("messages".equals(kind)) {
            return messages(tree);
        } else if ("documents".equals(kind)) {
            return documents(tree);
        } else if ("query".equals(kind)) {
            return query((Map) tree);
        } else if ("result".equals(kind)) {
            return new VectorStoreQueryResult(documents(((Map) tree).get("documents")));
        } else if ("collection".equals(kind)) {
            return collection((Map) tree);
        } else if ("tool".equals(kind)) {
            return metadata((Map) tree);
        } else if ("prompt".equals(kind)) {
            return new LocalTemplate(((Map) tree).get("template"));
        } else if ("embedding".equals(kind)) {
            return vector(tree);
        }
        return tree;
    }

    static List messages(Object tree) {
        List made = new ArrayList();
        Iterator items = ((List) tree).iterator();
        while (items.hasNext()) {
            made.add(message((Map) items.next()));
        }
        return made;
    }

    static ChatMessage message(Map tree) {
        ChatMessage made = new ChatMessage();
        made.setRole(MessageRole.fromValue((String) tree.get("role")));
        made.setContent((String) tree.get("content"));
        made.setToolCalls((List) tree.get("tool_calls"));
        made.setExtraArgs((Map) tree.get("extra_args"));
        return made;
    }

    static List documents(Object tree) {
        List made = new ArrayList();
        Iterator items = ((List) tree).iterator();
        while (items.hasNext()) {
            Map item = (Map) items.next();
            made.add(new Document(
                    (String) item.get("content"),
                    (Map) item.get("metadata"),
                    (String) item.get("id"),
                    vector(item.get("embedding"))));
        }
        return made;
    }

    static float[] vector(Object tree) {
        if (tree == null) {
            return null;
        }
        List items = (List) tree;
        float[] made = new float[items.size()];
        for (int i = 0; i < made.length; i++) {
            made[i] = ((Number) items.get(i)).floatValue();
        }
        return made;
    }

    static VectorStoreQuery query(Map tree) {
        return new VectorStoreQuery(
                VectorStoreQueryMode.fromValue((String) tree.get("mode")),
                (String) tree.get("query_text"),
                Integer.valueOf(((Number) tree.get("limit")).intValue()),
                (String) tree.get("collection_name"),
                (Map) tree.get("extra_args"));
    }

    static CollectionManageableVectorStore.Collection collection(Map tree) {
        return new CollectionManageableVectorStore.Collection(
                (String) tree.get("name"), (Map) tree.get("metadata"));
    }

    static ToolMetadata metadata(Map tree) {
        return new ToolMetadata(
                (String) tree.get("name"),
                (String) tree.get("description"),
                Json.write(tree.get("schema")));
    }

    static Prompt prompt(Map tree) {
        return new LocalTemplate(tree.get("template")).prompt;
    }

    /** A local prompt of Python's, with its template, which Java's own class does not expose. */
    private static final class LocalTemplate {
        final Object template;
        final Prompt prompt;

        LocalTemplate(Object tree) {
            if (tree instanceof String) {
                this.template = tree;
                this.prompt = Prompt.fromText((String) tree);
            } else {
                this.template = messages(tree);
                this.prompt = Prompt.fromMessages((List) this.template);
            }
        }
    }
}
