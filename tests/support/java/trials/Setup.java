package trials;

import java.util.HashMap;
import java.util.Map;
import java.util.function.BiFunction;

import org.apache.flink.agents.api.chat.model.BaseChatModelSetup;
import org.apache.flink.agents.api.resource.ResourceDescriptor;

/** A plain setup: what it does is the base class's. */
public class Setup extends BaseChatModelSetup {
    public Setup(ResourceDescriptor descriptor, BiFunction others) {
        super(descriptor, others);
    }

    public Map getParameters() {
        Map parameters = new HashMap();
        parameters.put("temperature", Double.valueOf(0.5));
        return parameters;
    }
}
