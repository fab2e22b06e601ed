package tamias.resources;

import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;

import org.apache.flink.agents.api.resource.ResourceType;
import org.apache.flink.agents.api.tools.Tool;
import org.apache.flink.agents.api.tools.ToolMetadata;
import org.apache.flink.agents.api.tools.ToolParameters;
import org.apache.flink.agents.api.tools.ToolResponse;
import org.apache.flink.agents.api.tools.ToolType;

/** A proxy for a tool of Python's. */
final class PythonTool extends Tool {
    private final transient Python python;

    PythonTool(Python python, ToolMetadata metadata) {
        super(metadata);
        this.python = python;
    }

    /** A tool whose resource has the same name. */
    PythonTool(Session session, ToolMetadata metadata) {
        this(new Python(session, metadata.getName(), ResourceType.TOOL), metadata);
    }

    public ToolType getToolType() {
        return ToolType.REMOTE_FUNCTION;
    }

    public ToolResponse call(ToolParameters parameters) {
        Map kwargs = new HashMap();
        Iterator names = parameters.getParameterNames().iterator();
        while (names.hasNext()) {
            String name = (String) names.next();
            kwargs.put(name, parameters.getParameter(name));
        }
        Map args = new HashMap();
        args.put("kwargs", kwargs);
        return ToolResponse.success(this.python.call("call", args));
    }
}
