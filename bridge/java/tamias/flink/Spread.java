package tamias.flink;

import java.util.ArrayDeque;

import org.apache.flink.metrics.Histogram;
import org.apache.flink.metrics.HistogramStatistics;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

/**
 * A histogram that the launcher keeps in buckets. Its statistics are those of the last minute, or of all
 * time if there was nothing in the last minute; quantiles are interpolated within a bucket.
 */
final class Spread implements Histogram, Series.Cell {
    private static final int UPDATES = 60;

    private double[] bounds = new double[0];
    private long[] base = new long[1];
    private double baseSum;
    private long[] last = new long[1];
    private double lastSum;
    private final ArrayDeque before = new ArrayDeque();

    public synchronized void update(JsonNode value) {
        JsonNode limits = (JsonNode) value.path("bounds");
        if (limits.size() != bounds.length) {
            bounds = new double[limits.size()];
            base = new long[bounds.length + 1];
            last = new long[bounds.length + 1];
            before.clear();
        }
        for (int i = 0; i < bounds.length; i++) {
            bounds[i] = Series.at(limits, i).asDouble();
        }
        long[] now = new long[bounds.length + 1];
        JsonNode counts = (JsonNode) value.path("counts");
        for (int i = 0; i < now.length; i++) {
            now[i] = Series.at(counts, i).asLong();
        }
        double sum = ((JsonNode) value.path("sum")).asDouble();
        if (total(now) < total(last)) { // of another launcher
            for (int i = 0; i < base.length; i++) {
                base[i] += last[i];
            }
            baseSum += lastSum;
        }
        last = now;
        lastSum = sum;
        before.addLast(new Snapshot(all(), baseSum + lastSum));
        if (before.size() > UPDATES) {
            before.removeFirst();
        }
    }

    public void missing() {
    }

    public void update(long value) {
        throw new UnsupportedOperationException("The launcher keeps the histogram.");
    }

    public synchronized long getCount() {
        return total(all());
    }

    public synchronized HistogramStatistics getStatistics() {
        long[] counts = all();
        double sum = baseSum + lastSum;
        if (before.size() == UPDATES) {
            Snapshot old = (Snapshot) before.getFirst();
            long[] recent = new long[counts.length];
            for (int i = 0; i < counts.length; i++) {
                recent[i] = counts[i] - old.counts[i];
            }
            if (total(recent) > 0) {
                return new Statistics((double[]) bounds.clone(), recent, sum - old.sum);
            }
        }
        return new Statistics((double[]) bounds.clone(), counts, sum);
    }

    private long[] all() {
        long[] sums = new long[last.length];
        for (int i = 0; i < sums.length; i++) {
            sums[i] = base[i] + last[i];
        }
        return sums;
    }

    private static long total(long[] counts) {
        long sum = 0;
        for (int i = 0; i < counts.length; i++) {
            sum += counts[i];
        }
        return sum;
    }

    /** What it had at an update. */
    static final class Snapshot {
        final long[] counts;
        final double sum;

        Snapshot(long[] counts, double sum) {
            this.counts = counts;
            this.sum = sum;
        }
    }

    /** Statistics of buckets. */
    static final class Statistics extends HistogramStatistics {
        private final double[] bounds;
        private final long[] counts;
        private final double sum;
        private final long size;

        Statistics(double[] bounds, long[] counts, double sum) {
            this.bounds = bounds;
            this.counts = counts;
            this.sum = sum;
            this.size = total(counts);
        }

        public double getQuantile(double quantile) {
            double rank = quantile * size;
            double below = 0;
            for (int i = 0; i < counts.length; i++) {
                if (counts[i] > 0 && below + counts[i] >= rank) {
                    double share = Math.max(0.0, (rank - below) / counts[i]);
                    return lower(i) + (upper(i) - lower(i)) * share;
                }
                below += counts[i];
            }
            return 0.0;
        }

        public long[] getValues() {
            return new long[0]; // they are not kept
        }

        public int size() {
            return (int) Math.min(size, Integer.MAX_VALUE);
        }

        public double getMean() {
            return size == 0 ? 0.0 : sum / size;
        }

        public double getStdDev() {
            if (size < 2) {
                return 0.0;
            }
            double mean = getMean();
            double squares = 0;
            for (int i = 0; i < counts.length; i++) {
                double distance = (lower(i) + upper(i)) / 2 - mean;
                squares += counts[i] * distance * distance;
            }
            return Math.sqrt(squares / size);
        }

        public long getMax() {
            for (int i = counts.length - 1; i >= 0; i--) {
                if (counts[i] > 0) {
                    return (long) Math.ceil(upper(i));
                }
            }
            return 0L;
        }

        public long getMin() {
            for (int i = 0; i < counts.length; i++) {
                if (counts[i] > 0) {
                    return (long) Math.floor(lower(i));
                }
            }
            return 0L;
        }

        private double lower(int bucket) {
            return bucket == 0 ? 0.0 : bounds[bucket - 1];
        }

        /** The upper bound; what is above all bounds counts as the last one. */
        private double upper(int bucket) {
            return bucket < bounds.length ? bounds[bucket] : lower(bucket);
        }
    }
}
