package trials;

import java.util.ArrayList;
import java.util.List;

import org.apache.flink.agents.api.annotation.Tool;
import org.apache.flink.agents.api.annotation.ToolParam;
import org.apache.flink.agents.api.chat.messages.ChatMessage;
import org.apache.flink.agents.api.prompt.Prompt;

/** Static methods that are resources, or give them. */
public class Tools {
    @Tool(description = "Adds two numbers.")
    public static int add(
            @ToolParam(name = "a", description = "The first.") Integer a,
            @ToolParam(name = "b", description = "The second.") Integer b) {
        return a.intValue() + b.intValue();
    }

    public static Prompt greeting() {
        return Prompt.fromText("Hello {name}, you are {age}.");
    }

    public static Prompt conversation() {
        List messages = new ArrayList();
        messages.add(ChatMessage.system("Be {mood}."));
        messages.add(ChatMessage.user("I am {name}."));
        return Prompt.fromMessages(messages);
    }
}
