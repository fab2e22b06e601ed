package tamias.resources;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

import org.apache.flink.agents.api.chat.messages.MessageRole;
import org.apache.flink.agents.api.chat.model.BaseChatModelConnection;
import org.apache.flink.agents.api.chat.model.BaseChatModelSetup;
import org.apache.flink.agents.api.embedding.model.BaseEmbeddingModelConnection;
import org.apache.flink.agents.api.embedding.model.BaseEmbeddingModelSetup;
import org.apache.flink.agents.api.prompt.Prompt;
import org.apache.flink.agents.api.resource.Resource;
import org.apache.flink.agents.api.resource.ResourceType;
import org.apache.flink.agents.api.tools.Tool;
import org.apache.flink.agents.api.tools.ToolParameters;
import org.apache.flink.agents.api.tools.ToolResponse;
import org.apache.flink.agents.api.vectorstores.BaseVectorStore;
import org.apache.flink.agents.api.vectorstores.CollectionManageableVectorStore;

/** Calls the method that a request names, with the request's arguments. */
final class Invocation {
    private Invocation() {}

    static Object perform(Session session, Map request) throws Exception {
        ResourceType type = ResourceType.fromValue((String) request.get("type"));
        Resource resource = session.resource((String) request.get("name"), type);
        String method = (String) request.get("method");
        Map args = (Map) request.get("args");
        if ("chat".equals(method)) {
            return chat(session, resource, args);
        } else if ("embed".equals(method)) {
            return embed(resource, args);
        } else if ("call".equals(method)) {
            return call((Tool) resource, args);
        } else if ("metadata".equals(method)) {
            return ((Tool) resource).getMetadata();
        } else if ("format_string".equals(method)) {
            return ((Prompt) resource).formatString(texts(args.get("values")));
        } else if ("format_messages".equals(method)) {
            MessageRole role = MessageRole.fromValue((String) args.get("role"));
            return ((Prompt) resource).formatMessages(role, texts(args.get("values")));
        } else if (type == ResourceType.VECTOR_STORE) {
            return store((BaseVectorStore) resource, method, args);
        }
        throw new IllegalArgumentException(
                "A " + type.getValue() + " has no method '" + method + "'.");
    }

    private static Object chat(Session session, Resource resource, Map args) throws Exception {
        List messages = Convert.messages(args.get("messages"));
        Map kwargs = (Map) args.get("kwargs");
        if (resource instanceof BaseChatModelSetup) {
            return ((BaseChatModelSetup) resource).chat(messages, kwargs);
        }
        List tools = new ArrayList();
        Iterator given = ((List) args.get("tools")).iterator();
        while (given.hasNext()) {
            Map tool = (Map) given.next();
            Object java = tool.get("java");
            tools.add(java == null
                    ? new PythonTool(session, Convert.metadata(tool))
                    : session.resource((String) java, ResourceType.TOOL));
        }
        return ((BaseChatModelConnection) resource).chat(messages, tools, kwargs);
    }

    private static Object embed(Resource resource, Map args) {
        Object text = args.get("text");
        Map kwargs = (Map) args.get("kwargs");
        if (resource instanceof BaseEmbeddingModelSetup) {
            BaseEmbeddingModelSetup setup = (BaseEmbeddingModelSetup) resource;
            if (text instanceof String) {
                return setup.embed((String) text, kwargs);
            }
            return setup.embed((List) text, kwargs);
        }
        BaseEmbeddingModelConnection connection = (BaseEmbeddingModelConnection) resource;
        if (text instanceof String) {
            return connection.embed((String) text, kwargs);
        }
        return connection.embed((List) text, kwargs);
    }

    private static Object call(Tool tool, Map args) {
        ToolResponse response = tool.call(new ToolParameters((Map) args.get("kwargs")));
        if (response.isError()) {
            throw new IllegalStateException(response.getError());
        }
        return response.getResult();
    }

    private static Object store(BaseVectorStore store, String method, Map args) throws Exception {
        String collection = (String) args.get("collection_name");
        Map kwargs = (Map) args.get("kwargs");
        if ("add".equals(method)) {
            return store.add(Convert.documents(args.get("documents")), collection, kwargs);
        } else if ("query".equals(method)) {
            return store.query(Convert.query((Map) args.get("query")));
        } else if ("size".equals(method)) {
            return Long.valueOf(store.size(collection));
        } else if ("get".equals(method)) {
            return store.get((List) args.get("ids"), collection, kwargs);
        } else if ("query_embedding".equals(method)) {
            Method nearest = BaseVectorStore.class.getDeclaredMethod("queryEmbedding",
                    new Class[] {float[].class, Integer.TYPE, String.class, Map.class});
            nearest.setAccessible(true);
            return nearest.invoke(store, new Object[] {
                    Convert.vector(args.get("embedding")), args.get("limit"), collection, kwargs});
        } else if ("delete".equals(method)) {
            store.delete((List) args.get("ids"), collection, kwargs);
            return null;
        }
        if (!(store instanceof CollectionManageableVectorStore)) {
            throw new IllegalArgumentException(
                    store.getClass().getName() + " does not manage collections.");
        }
        CollectionManageableVectorStore manager = (CollectionManageableVectorStore) store;
        String name = (String) args.get("name");
        if ("get_or_create_collection".equals(method)) {
            return manager.getOrCreateCollection(name, (Map) args.get("metadata"));
        } else if ("get_collection".equals(method)) {
            return manager.getCollection(name);
        } else if ("delete_collection".equals(method)) {
            return manager.deleteCollection(name);
        }
        throw new IllegalArgumentException("A vector store has no method '" + method + "'.");
    }

    private static Map texts(Object values) {
        Map made = new HashMap();
        Iterator entries = ((Map) values).entrySet().iterator();
        while (entries.hasNext()) {
            Map.Entry entry = (Map.Entry) entries.next();
            made.put(entry.getKey(), String.valueOf(entry.getValue()));
        }
        return made;
    }
}
