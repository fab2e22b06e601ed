package tamias.resources;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

import org.apache.flink.agents.api.chat.messages.ChatMessage;
import org.apache.flink.agents.api.chat.model.BaseChatModelSetup;
import org.apache.flink.agents.api.resource.ResourceDescriptor;

/** A proxy for a chat model setup of Python's, which finds prompt, tools and connection in Python. */
final class PythonChatModelSetup extends BaseChatModelSetup {
    private final Python python;

    PythonChatModelSetup(Python python, ResourceDescriptor descriptor, BiFunction others) {
        super(descriptor, others);
        this.python = python;
    }

    public Map getParameters() {
        return new HashMap();
    }

    public ChatMessage chat(List messages, Map arguments) {
        Map args = new HashMap();
        args.put("messages", messages);
        args.put("kwargs", arguments == null ? new HashMap() : arguments);
        return Convert.message((Map) this.python.call("chat", args));
    }
}
