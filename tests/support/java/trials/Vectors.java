package trials;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

import org.apache.flink.agents.api.embedding.model.BaseEmbeddingModelConnection;
import org.apache.flink.agents.api.resource.ResourceDescriptor;

/** Embeds a text as its length and its number of vowels. */
public class Vectors extends BaseEmbeddingModelConnection {
    public Vectors(ResourceDescriptor descriptor, BiFunction others) {
        super(descriptor, others);
    }

    public float[] embed(String text, Map arguments) {
        int vowels = 0;
        for (int i = 0; i < text.length(); i++) {
            vowels += "aeiou".indexOf(text.charAt(i)) >= 0 ? 1 : 0;
        }
        return new float[] {(float) text.length(), (float) vowels};
    }

    public List embed(List texts, Map arguments) {
        List vectors = new ArrayList();
        for (int i = 0; i < texts.size(); i++) {
            vectors.add(embed((String) texts.get(i), arguments));
        }
        return vectors;
    }
}
