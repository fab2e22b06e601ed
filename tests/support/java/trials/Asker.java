package trials;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

import org.apache.flink.agents.api.chat.messages.ChatMessage;
import org.apache.flink.agents.api.chat.messages.MessageRole;
import org.apache.flink.agents.api.chat.model.BaseChatModelConnection;
import org.apache.flink.agents.api.chat.model.BaseChatModelSetup;
import org.apache.flink.agents.api.embedding.model.BaseEmbeddingModelSetup;
import org.apache.flink.agents.api.prompt.Prompt;
import org.apache.flink.agents.api.resource.ResourceDescriptor;
import org.apache.flink.agents.api.resource.ResourceType;
import org.apache.flink.agents.api.vectorstores.BaseVectorStore;
import org.apache.flink.agents.api.vectorstores.CollectionManageableVectorStore;
import org.apache.flink.agents.api.vectorstores.Document;
import org.apache.flink.agents.api.vectorstores.VectorStoreQuery;

/** A connection that uses resources named "here", which may be of either language. */
public class Asker extends BaseChatModelConnection {
    public Asker(ResourceDescriptor descriptor, BiFunction others) {
        super(descriptor, others);
    }

    public ChatMessage chat(List messages, List tools, Map arguments) {
        String what = ((ChatMessage) messages.get(0)).getContent();
        Map extra = new HashMap();
        try {
            if (what.equals("embed")) {
                embed(extra);
            } else if (what.equals("store")) {
                store(extra);
            } else if (what.equals("prompt")) {
                Prompt prompt = (Prompt) this.getResource.apply("loud", ResourceType.PROMPT);
                Map values = new HashMap();
                values.put("name", "Ada");
                extra.put("string", prompt.formatString(values));
                extra.put("messages", prompt.formatMessages(MessageRole.USER, values));
            } else if (what.equals("connection")) {
                BaseChatModelConnection here = (BaseChatModelConnection)
                        this.getResource.apply("here", ResourceType.CHAT_MODEL_CONNECTION);
                return here.chat(messages, tools, arguments);
            } else {
                BaseChatModelSetup setup = (BaseChatModelSetup)
                        this.getResource.apply(what, ResourceType.CHAT_MODEL);
                return setup.chat(messages, arguments);
            }
        } catch (RuntimeException error) {
            throw error;
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
        return new ChatMessage(MessageRole.ASSISTANT, what, extra);
    }

    private void embed(Map extra) {
        BaseEmbeddingModelSetup here = (BaseEmbeddingModelSetup)
                this.getResource.apply("here", ResourceType.EMBEDDING_MODEL);
        List texts = new ArrayList();
        texts.add("a b");
        texts.add("abc");
        extra.put("one", here.embed("one two three", new HashMap()));
        extra.put("two", here.embed(texts, new HashMap()));
        extra.put("model", here.getModel());
    }

    private void store(Map extra) throws Exception {
        BaseVectorStore here = (BaseVectorStore)
                this.getResource.apply("here", ResourceType.VECTOR_STORE);
        Map metadata = new HashMap();
        metadata.put("n", Integer.valueOf(1));
        List documents = new ArrayList();
        documents.add(new Document("short", metadata, "1"));
        documents.add(new Document("a much longer text", metadata, "2"));
        extra.put("ids", here.add(documents, "c", new HashMap()));
        extra.put("size", Long.valueOf(here.size("c")));
        extra.put("found", here.query(
                new VectorStoreQuery("shor", Integer.valueOf(1), "c", new HashMap())));
        List ids = new ArrayList();
        ids.add("1");
        here.delete(ids, "c", new HashMap());
        extra.put("left", here.get(null, "c", new HashMap()));
        CollectionManageableVectorStore manager = (CollectionManageableVectorStore) here;
        extra.put("made", manager.getOrCreateCollection("new", metadata));
        extra.put("there", manager.getCollection("new"));
        extra.put("gone", manager.deleteCollection("new"));
    }
}
