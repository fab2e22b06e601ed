package tamias.flink;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;

import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/**
 * The pool's metrics as Flink's: its series (`Series`), and besides, as gauges, some numbers of the status and the
 * agent's metrics under their names in Flink Agents. Each shows the last value received.
 *
 * A name with dots becomes nested groups, as in Flink Agents. Each number of a meter or histogram is a
 * gauge.
 */
final class Gauges {
    private final MetricGroup group;
    private final Series series;
    private final ObjectMapper mapper = new ObjectMapper();
    private final HashMap known = new HashMap();

    Gauges(MetricGroup group) {
        this.group = group.addGroup("tamias");
        this.series = new Series(group);
    }

    void update(byte[] frame) {
        try {
            JsonNode all = mapper.readTree(
                new String(frame, 1, frame.length - 1, StandardCharsets.UTF_8));
            for (Iterator fields = all.fields(); fields.hasNext();) {
                Map.Entry field = (Map.Entry) fields.next();
                JsonNode value = (JsonNode) field.getValue();
                if (value.isNumber()) {
                    set((String) field.getKey(), value.numberValue());
                }
            }
            nested("", (JsonNode) all.path("metrics"));
            series.update((JsonNode) all.path("series"));
        } catch (IOException e) {
            return; // wait for the next one
        }
    }

    private void nested(String prefix, JsonNode node) {
        for (Iterator fields = node.fields(); fields.hasNext();) {
            Map.Entry field = (Map.Entry) fields.next();
            String name = prefix + field.getKey();
            JsonNode value = (JsonNode) field.getValue();
            if (value.isNumber()) {
                set(name, value.numberValue());
            } else if (value.isObject()) {
                nested(name + ".", value);
            }
        }
    }

    private void set(String name, final Number value) {
        Number[] cell = (Number[]) known.get(name);
        if (cell == null) {
            cell = new Number[] {value};
            known.put(name, cell);
            register(name, cell);
        }
        cell[0] = value;
    }

    private void register(String name, final Number[] cell) {
        MetricGroup where = group;
        String[] parts = name.split("\\.");
        for (int i = 0; i < parts.length - 1; i++) {
            where = where.addGroup(parts[i]);
        }
        where.gauge(parts[parts.length - 1], new Gauge() {
            public Object getValue() {
                return cell[0];
            }
        });
    }
}
