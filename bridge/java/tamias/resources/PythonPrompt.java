package tamias.resources;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

import org.apache.flink.agents.api.chat.messages.MessageRole;
import org.apache.flink.agents.api.prompt.Prompt;

/** A proxy for a prompt of Python's whose class is not LocalPrompt. */
final class PythonPrompt extends Prompt {
    private final transient Python python;

    PythonPrompt(Python python) {
        this.python = python;
    }

    public String formatString(Map values) {
        Map args = new HashMap();
        args.put("values", values);
        return (String) this.python.call("format_string", args);
    }

    public List formatMessages(MessageRole role, Map values) {
        Map args = new HashMap();
        args.put("role", role.getValue());
        args.put("values", values);
        return Convert.messages(this.python.call("format_messages", args));
    }
}
