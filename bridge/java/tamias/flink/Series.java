package tamias.flink;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;

import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

/**
 * The pool's series as Flink's counters, gauges and histograms, as the launcher sends them
 * (`bridge/task/series.py`). A label is a variable of a group.
 *
 * A launcher that is started in place of another one counts from zero: its counts are added to those of the
 * one before, so that no counter falls. A gauge that is not sent any more is not a number.
 */
final class Series {
    private final MetricGroup group;
    private final HashMap known = new HashMap();

    Series(MetricGroup group) {
        this.group = group;
    }

    void update(JsonNode all) {
        Set seen = new HashSet();
        for (Iterator each = all.elements(); each.hasNext();) {
            JsonNode one = (JsonNode) each.next();
            String key = at(one, 0).asText() + " " + at(one, 2).toString();
            seen.add(key);
            Cell cell = (Cell) known.get(key);
            if (cell == null) {
                cell = register(one);
                known.put(key, cell);
            }
            cell.update(at(one, 3));
        }
        for (Iterator entries = known.entrySet().iterator(); entries.hasNext();) {
            Map.Entry entry = (Map.Entry) entries.next();
            if (!seen.contains(entry.getKey())) {
                ((Cell) entry.getValue()).missing();
            }
        }
    }

    private Cell register(JsonNode one) {
        String name = at(one, 0).asText();
        String kind = at(one, 1).asText();
        MetricGroup where = group;
        JsonNode labels = at(one, 2);
        for (int i = 0; i + 1 < labels.size(); i += 2) {
            where = where.addGroup(at(labels, i).asText(), at(labels, i + 1).asText());
        }
        if (kind.equals("histogram")) {
            Spread spread = new Spread();
            where.histogram(name, spread);
            return spread;
        }
        if (kind.equals("counter")) {
            Count count = new Count();
            where.counter(name, count);
            return count;
        }
        Value value = new Value(kind.equals("total"));
        where.gauge(name, value);
        return value;
    }

    /** Return an element of a list; Janino needs the cast. */
    static JsonNode at(JsonNode list, int index) {
        return (JsonNode) list.get(index);
    }

    /** The value of one series. */
    interface Cell {
        void update(JsonNode value);

        void missing();
    }

    /** A number: a gauge, or the total of something that has fractions. */
    static final class Value implements Cell, Gauge {
        private final boolean total;
        private double base;
        private double last;

        Value(boolean total) {
            this.total = total;
        }

        public void update(JsonNode value) {
            double now = value.asDouble();
            if (total && now < last) {
                base += last;
            }
            last = now;
        }

        public void missing() {
            if (!total) {
                last = Double.NaN;
            }
        }

        public Object getValue() {
            return Double.valueOf(base + last);
        }
    }

    /** A counter that the launcher counts. */
    static final class Count implements Cell, Counter {
        private volatile long base;
        private volatile long last;

        public void update(JsonNode value) {
            long now = value.asLong();
            if (now < last) {
                base += last;
            }
            last = now;
        }

        public void missing() {
        }

        public long getCount() {
            return base + last;
        }

        public void inc() {
            throw new UnsupportedOperationException("The launcher counts.");
        }

        public void inc(long n) {
            inc();
        }

        public void dec() {
            inc();
        }

        public void dec(long n) {
            inc();
        }
    }
}
