package tamias.flink;

import java.util.ArrayList;
import java.util.UUID;

import org.apache.flink.runtime.checkpoint.SnapshotType;

/**
 * The files that the next checkpoint of a task can use again.
 *
 * A checkpoint's memory is a stack of levels: at the bottom all keys, above it those that changed from
 * one checkpoint to the next. If the last checkpoint is known to be complete, its files are used again,
 * and only one for the changes is added. Files of an aborted checkpoint are deleted, and whether one is
 * complete is unknown until the job manager reports it; in both cases all memory is written anew. So it
 * is when the levels above have grown to half of the bottom: otherwise restores would get slower.
 *
 * A savepoint has files of its own, and changes nothing here. A task that begins from a checkpoint
 * writes all memory anew once, because another job may own the files of that checkpoint.
 */
final class Lineage {
    private static final int MOST_LEVELS = 16;

    final UUID id = UUID.randomUUID();
    private Changes changes;
    private long last = -1;
    private boolean complete;
    private ArrayList levels;

    /** Record that an input was sent to the pool: it may change the memory of its key. */
    void sent(Entry entry) {
        if (changes != null) {
            changes.add(entry);
        }
    }

    /** Plan the checkpoint of a barrier: the levels to use again, if any. */
    synchronized Plan next(long checkpoint, Entry[] pending, SnapshotType type) {
        SnapshotType.SharingFilesStrategy sharing = type.getSharingFilesStrategy();
        if (sharing == SnapshotType.SharingFilesStrategy.NO_SHARING) {
            return new Plan(false, new ArrayList(), null);
        }
        boolean builds = complete && isFlat()
            && sharing == SnapshotType.SharingFilesStrategy.FORWARD_BACKWARD;
        Plan plan = builds ? new Plan(true, levels, changes) : new Plan(true, new ArrayList(), null);
        last = checkpoint;
        complete = false;
        levels = null;
        changes = new Changes(pending);
        return plan;
    }

    private boolean isFlat() {
        if (levels.size() >= MOST_LEVELS) {
            return false;
        }
        long above = 0;
        for (int i = 1; i < levels.size(); i++) {
            above += ((Level) levels.get(i)).size;
        }
        return levels.isEmpty() || 2 * above <= ((Level) levels.get(0)).size;
    }

    /** Another launcher does not know the keys whose owned runs the last one has performed. */
    synchronized void forget() {
        last = -1;
        complete = false;
        levels = null;
        changes = null;
    }

    /** Record the levels of a checkpoint that has been written; called by another thread. */
    synchronized void written(long checkpoint, ArrayList found) {
        if (checkpoint == last) {
            levels = found;
        }
    }

    synchronized void completed(long checkpoint) {
        if (checkpoint == last && levels != null) {
            complete = true;
        }
    }

    /** A checkpoint: these levels, and one with `changes`; if that is null, one with all memory. */
    static final class Plan {
        /** Whether later checkpoints may use the files, too. */
        final boolean shared;
        final ArrayList levels;
        final Changes changes;

        Plan(boolean shared, ArrayList levels, Changes changes) {
            this.shared = shared;
            this.levels = levels;
            this.changes = changes;
        }
    }
}
