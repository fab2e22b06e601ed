package tamias.flink;

import java.util.ArrayList;
import java.util.UUID;

import org.apache.flink.runtime.checkpoint.SnapshotType;

/**
 * What the next checkpoint of a task can be built upon.
 *
 * A checkpoint's memory is a stack of levels: at the bottom all keys, above it those that changed from
 * one checkpoint to the next. The files of the last checkpoint are used again, and only one for what
 * has changed is added, if that checkpoint is known to be complete: what was aborted is deleted, and
 * of what the job manager has not told of yet nobody knows. Otherwise, and when the levels above have
 * grown to half of the bottom, so that restoring does not get slower and slower, all is written anew.
 *
 * A savepoint stands for itself, and leaves no trace here. The task that begins from a checkpoint
 * writes all anew once: the files may belong to somebody else then.
 */
final class Lineage {
    private static final int MOST_LEVELS = 16;

    final UUID id = UUID.randomUUID();
    private Changes changes;
    private long last = -1;
    private boolean complete;
    private ArrayList levels;

    /** An input goes to the pool: whatever it does, it does to its key. */
    void sent(Entry entry) {
        if (changes != null) {
            changes.add(entry);
        }
    }

    /** A barrier: which levels to build upon, if any. */
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

    /** A checkpoint has been written, from another thread. */
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

    /** What a checkpoint consists of: these levels, and one of the changes; or, without, one of all. */
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
