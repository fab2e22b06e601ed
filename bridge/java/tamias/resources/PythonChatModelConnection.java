package tamias.resources;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

import org.apache.flink.agents.api.chat.messages.ChatMessage;
import org.apache.flink.agents.api.chat.model.BaseChatModelConnection;
import org.apache.flink.agents.api.resource.ResourceDescriptor;
import org.apache.flink.agents.api.tools.Tool;

/** A proxy for a chat model connection of Python's. */
final class PythonChatModelConnection extends BaseChatModelConnection {
    private final Python python;

    PythonChatModelConnection(Python python, ResourceDescriptor descriptor, BiFunction others) {
        super(descriptor, others);
        this.python = python;
    }

    public ChatMessage chat(List messages, List tools, Map arguments) {
        List described = new ArrayList();
        for (int i = 0; tools != null && i < tools.size(); i++) {
            described.add(((Tool) tools.get(i)).getMetadata());
        }
        Map args = new HashMap();
        args.put("messages", messages);
        args.put("tools", described);
        args.put("kwargs", arguments == null ? new HashMap() : arguments);
        return Convert.message((Map) this.python.call("chat", args));
    }
}
