package tamias.resources;

import java.util.ArrayList;
import java.util.List;

import org.apache.flink.agents.api.metrics.FlinkAgentsMetricGroup;
import org.apache.flink.agents.api.metrics.UpdatableGauge;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Histogram;
import org.apache.flink.metrics.HistogramStatistics;
import org.apache.flink.metrics.Meter;

/**
 * Metrics of Java resources. Those reported during a call go to Python with its outcome, as
 * `[path, kind, name, number]`; those reported outside of a call are dropped.
 */
final class Metrics implements FlinkAgentsMetricGroup {
    static final Metrics ROOT = new Metrics(new ArrayList());

    private final List path;

    private Metrics(List path) {
        this.path = path;
    }

    public FlinkAgentsMetricGroup getSubGroup(String name) {
        List below = new ArrayList(this.path);
        below.add(name);
        return new Metrics(below);
    }

    public UpdatableGauge getGauge(String name) {
        return new Measure(this.path, "gauge", name);
    }

    public Counter getCounter(String name) {
        return new CountMeasure(this.path, "counter", name);
    }

    public Meter getMeter(String name) {
        return new RateMeasure(this.path, "meter", name);
    }

    public Meter getMeter(String name, Counter counter) {
        return getMeter(name);
    }

    public Histogram getHistogram(String name) {
        return new SpreadMeasure(this.path, "histogram", name);
    }

    public Histogram getHistogram(String name, int window) {
        return getHistogram(name);
    }

    /** A gauge; the other kinds of metrics report through one. */
    static class Measure implements UpdatableGauge {
        private final List path;
        private final String kind;
        private final String name;
        private Object value;

        Measure(List path, String kind, String name) {
            this.path = path;
            this.kind = kind;
            this.name = name;
        }

        public void update(Object number) {
            this.value = number;
            if (number instanceof Number) {
                report((Number) number);
            }
        }

        public Object getValue() {
            return this.value;
        }

        void report(Number number) {
            Call call = Call.current();
            if (call != null) {
                List what = new ArrayList();
                what.add(this.path);
                what.add(this.kind);
                what.add(this.name);
                what.add(number);
                call.measured(what);
            }
        }
    }

    static final class CountMeasure implements Counter {
        private final Measure measure;
        private long count;

        CountMeasure(List path, String kind, String name) {
            this.measure = new Measure(path, kind, name);
        }

        public void inc() {
            inc(1L);
        }

        public void inc(long n) {
            this.count += n;
            this.measure.report(Long.valueOf(n));
        }

        public void dec() {
            inc(-1L);
        }

        public void dec(long n) {
            inc(-n);
        }

        public long getCount() {
            return this.count;
        }
    }

    static final class RateMeasure implements Meter {
        private final Measure measure;
        private long count;

        RateMeasure(List path, String kind, String name) {
            this.measure = new Measure(path, kind, name);
        }

        public void markEvent() {
            markEvent(1L);
        }

        public void markEvent(long n) {
            this.count += n;
            this.measure.report(Long.valueOf(n));
        }

        public double getRate() {
            return 0.0;
        }

        public long getCount() {
            return this.count;
        }
    }

    static final class SpreadMeasure implements Histogram {
        private final Measure measure;
        private long count;

        SpreadMeasure(List path, String kind, String name) {
            this.measure = new Measure(path, kind, name);
        }

        public void update(long value) {
            this.count++;
            this.measure.report(Long.valueOf(value));
        }

        public long getCount() {
            return this.count;
        }

        public HistogramStatistics getStatistics() {
            throw new UnsupportedOperationException("The statistics are kept by Python.");
        }
    }
}
