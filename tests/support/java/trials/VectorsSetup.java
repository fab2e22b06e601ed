package trials;

import java.util.HashMap;
import java.util.Map;
import java.util.function.BiFunction;

import org.apache.flink.agents.api.embedding.model.BaseEmbeddingModelSetup;
import org.apache.flink.agents.api.resource.ResourceDescriptor;

/** A plain setup: what it does is the base class's. */
public class VectorsSetup extends BaseEmbeddingModelSetup {
    public VectorsSetup(ResourceDescriptor descriptor, BiFunction others) {
        super(descriptor, others);
    }

    public Map getParameters() {
        return new HashMap();
    }
}
