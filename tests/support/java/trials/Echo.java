package trials;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;

import org.apache.flink.agents.api.chat.messages.ChatMessage;
import org.apache.flink.agents.api.chat.messages.MessageRole;
import org.apache.flink.agents.api.chat.model.BaseChatModelConnection;
import org.apache.flink.agents.api.resource.ResourceDescriptor;
import org.apache.flink.agents.api.resource.ResourceType;
import org.apache.flink.agents.api.tools.Tool;
import org.apache.flink.agents.api.tools.ToolParameters;

/** A connection that does what the last message says: sleep, fail, grow, call a tool, or echo. */
public class Echo extends BaseChatModelConnection {
    private static final AtomicInteger AT_ONCE = new AtomicInteger();
    private static final AtomicInteger MOST = new AtomicInteger();

    private final Object greeting;

    public Echo(ResourceDescriptor descriptor, BiFunction others) {
        super(descriptor, others);
        this.greeting = descriptor.getArgument("greeting");
    }

    public ChatMessage chat(List messages, List tools, Map arguments) {
        ChatMessage last = (ChatMessage) messages.get(messages.size() - 1);
        String text = last.getContent();
        Map extra = new HashMap();
        if (text.startsWith("sleep")) {
            int now = AT_ONCE.incrementAndGet();
            synchronized (MOST) {
                MOST.set(Math.max(now, MOST.get()));
            }
            try {
                Thread.sleep(Long.parseLong(text.substring(6)));
            } catch (InterruptedException end) {
                System.err.println("sleep interrupted");
                throw new IllegalStateException("interrupted");
            } finally {
                AT_ONCE.decrementAndGet();
            }
            extra.put("most", Integer.valueOf(MOST.get()));
        } else if (text.equals("fail")) {
            throw new IllegalArgumentException("told to");
        } else if (text.equals("grow")) {
            List much = new ArrayList();
            while (true) {
                much.add(new long[1 << 20]);
            }
        } else if (text.startsWith("use ")) {
            Tool tool = (Tool) this.getResource.apply(text.substring(4), ResourceType.TOOL);
            Map values = new HashMap();
            values.put("a", Integer.valueOf(19));
            values.put("b", Integer.valueOf(23));
            extra.put("result", tool.call(new ToolParameters(values)).getResult());
        } else if (text.startsWith("thread ")) {
            extra.put("result", elsewhere(text.substring(7)));
        }
        recordTokenMetrics("echo", 3, 4);
        extra.put("greeting", this.greeting);
        extra.put("arguments", arguments);
        List names = new ArrayList();
        for (int i = 0; tools != null && i < tools.size(); i++) {
            names.add(((Tool) tools.get(i)).getName());
        }
        extra.put("tools", names);
        extra.put("count", Integer.valueOf(messages.size()));
        extra.put("thread", Thread.currentThread().getName());
        return new ChatMessage(MessageRole.ASSISTANT, text, last.getToolCalls(), extra);
    }

    /** What a tool returns that a thread of its own calls. */
    private Object elsewhere(final String name) {
        final Object[] result = new Object[1];
        final BiFunction others = this.getResource;
        Thread thread = new Thread(new Runnable() {
            public void run() {
                Tool tool = (Tool) others.apply(name, ResourceType.TOOL);
                Map values = new HashMap();
                values.put("a", Integer.valueOf(1));
                values.put("b", Integer.valueOf(2));
                result[0] = tool.call(new ToolParameters(values)).getResult();
            }
        });
        thread.start();
        try {
            thread.join();
        } catch (InterruptedException end) {
            throw new IllegalStateException("interrupted");
        }
        return result[0];
    }
}
