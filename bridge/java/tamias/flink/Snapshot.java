package tamias.flink;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.concurrent.Callable;

import org.apache.flink.runtime.checkpoint.filemerging.FileMergingSnapshotManager;
import org.apache.flink.runtime.state.CheckpointStateOutputStream;
import org.apache.flink.runtime.state.CheckpointStreamFactory;
import org.apache.flink.runtime.state.CheckpointedStateScope;
import org.apache.flink.runtime.state.IncrementalKeyedStateHandle;
import org.apache.flink.runtime.state.IncrementalRemoteKeyedStateHandle;
import org.apache.flink.runtime.state.KeyGroupRange;
import org.apache.flink.runtime.state.PlaceholderStreamStateHandle;
import org.apache.flink.runtime.state.SnapshotResult;
import org.apache.flink.runtime.state.StreamStateHandle;

/**
 * Writes the state of a task as of a barrier, while the task goes on.
 *
 * It writes two files. The first has memory, key group by key group, in the parts that the pool sends:
 * all memory, or that of the keys that have changed, in addition to the files of the last checkpoint
 * (Lineage). The second lists the files with memory that belong to the checkpoint, and has the rest of
 * each key group: the journals of unfinished runs, dead letters, the inputs that had no outcome at the
 * barrier, and behind them outputs that the pool had committed and the task had not emitted. At its end
 * is what waits in the pool, whose keys only the pool knows.
 *
 * Flink gets them as an incremental handle, so that it counts which checkpoints use a file.
 */
final class Snapshot implements Callable {
    static final int VERSION = 3;
    /** The oldest version that can be read. */
    static final int OLDEST = 2;

    private final long checkpoint;
    private final Pool pool;
    private final Entry[] pending;
    private final KeyGroupRange range;
    private final CheckpointStreamFactory factory;
    private final CheckpointedStateScope scope;
    private final Lineage lineage;
    private final Lineage.Plan plan;
    private final HashMap emitted;
    private final Entry latest;

    /** The inputs that have no outcome in the pool, either. */
    private final HashMap byOffset = new HashMap();
    /** Runs with outputs that were not emitted, by key group, in their order. */
    private final HashMap answered = new HashMap();
    private final HashMap journals = new HashMap();
    private final HashMap letters = new HashMap();

    /**
     * @param emitted by shard, the last outbox record whose outputs the task had emitted
     * @param latest has the time of outputs without an input, or none
     */
    Snapshot(long checkpoint, Pool pool, Entry[] pending, KeyGroupRange range,
        CheckpointStreamFactory factory, Lineage lineage, Lineage.Plan plan, HashMap emitted,
        Entry latest) {
        this.checkpoint = checkpoint;
        this.pool = pool;
        this.pending = pending;
        this.range = range;
        this.factory = factory;
        this.scope = plan.shared ? CheckpointedStateScope.SHARED : CheckpointedStateScope.EXCLUSIVE;
        this.lineage = lineage;
        this.plan = plan;
        this.emitted = emitted;
        this.latest = latest;
    }

    public Object call() throws Exception {
        try {
            return SnapshotResult.of(write());
        } finally {
            pool.drop(checkpoint);
        }
    }

    private IncrementalRemoteKeyedStateHandle write() throws Exception {
        for (int i = 0; i < pending.length; i++) {
            byOffset.put(Long.valueOf(pending[i].offset), pending[i]);
        }
        byte[][] changed = plan.changes == null ? null : plan.changes.sorted();
        boolean above = changed != null;
        if (above) {
            pool.restrict(checkpoint, changed);
        }
        Parts parts = new Parts(pool, checkpoint);
        parts.advance();
        if (parts.kind == 'a') { // too many other keys have changed
            above = false;
            parts.advance();
        }
        while (parts.kind != 'm' && parts.kind != 'w' && parts.kind != 'e') {
            collect(parts);
            parts.advance();
        }
        if (parts.kind == 'e' && parts.length() > 0) {
            throw new IOException("The pool does not know checkpoint " + checkpoint + ".");
        }
        ArrayList levels = new ArrayList();
        ArrayList files = new ArrayList();
        if (above) {
            for (int i = 0; i < plan.levels.size(); i++) {
                Level level = (Level) plan.levels.get(i);
                levels.add(level);
                files.add(file(level.name, standIn(level.file)));
            }
        }
        long written = 0;
        StreamStateHandle fresh = null;
        StreamStateHandle rest = null;
        try {
            if (parts.kind == 'm') {
                Level level = memory(parts);
                fresh = level.file;
                levels.add(level);
                files.add(file(level.name, fresh));
                written = level.size;
            }
            rest = rest(levels, parts);
            IncrementalRemoteKeyedStateHandle handle = new IncrementalRemoteKeyedStateHandle(lineage.id,
                range, checkpoint, files, new ArrayList(), rest, written + rest.getStateSize());
            if (plan.shared) {
                lineage.written(checkpoint, levels);
            }
            return handle;
        } catch (Exception e) {
            if (fresh != null) {
                fresh.discardState();
            }
            throw e;
        }
    }

    private static Object file(String name, StreamStateHandle handle) {
        return IncrementalKeyedStateHandle.HandleAndLocalPath.of(handle, name);
    }

    /** Stands for a file that the job manager has; it is not deleted if this checkpoint is aborted. */
    private static StreamStateHandle standIn(StreamStateHandle file) {
        return new PlaceholderStreamStateHandle(file.getStreamStateHandleID(), file.getStateSize(),
            FileMergingSnapshotManager.isFileMergingHandle(file));
    }

    private Level memory(Parts parts) throws Exception {
        long[] starts = new long[range.getNumberOfKeyGroups()];
        Arrays.fill(starts, -1);
        CheckpointStateOutputStream stream = factory.createCheckpointStateOutputStream(scope);
        try {
            DataOutputStream out = new DataOutputStream(new BufferedOutputStream(stream, 1 << 16));
            int group = -1;
            while (parts.kind == 'm') {
                if (parts.group() != group) {
                    if (group >= 0) {
                        out.writeByte('e');
                    }
                    group = parts.group();
                    out.flush();
                    starts[group - range.getStartKeyGroup()] = stream.getPos();
                }
                out.writeByte('m');
                out.writeInt(parts.length());
                out.write(parts.data, parts.start, parts.length());
                parts.advance();
            }
            if (parts.kind != 'e' && parts.kind != 'w') {
                throw new IOException("The pool has sent a part of another kind among those with memory.");
            }
            out.writeByte('e');
            out.flush();
            StreamStateHandle handle = stream.closeAndGetHandle();
            stream = null;
            return new Level("memory-" + checkpoint, handle, handle.getStateSize(), starts);
        } finally {
            if (stream != null) {
                stream.close();
            }
        }
    }

    private StreamStateHandle rest(ArrayList levels, Parts parts) throws Exception {
        HashMap groups = new HashMap();
        for (int i = 0; i < pending.length; i++) {
            if (byOffset.containsKey(Long.valueOf(pending[i].offset))) {
                list(groups, pending[i].group).add(pending[i]);
            }
        }
        CheckpointStateOutputStream stream =
            factory.createCheckpointStateOutputStream(CheckpointedStateScope.EXCLUSIVE);
        try {
            DataOutputStream out = new DataOutputStream(new BufferedOutputStream(stream, 1 << 16));
            out.writeInt(VERSION);
            out.writeInt(range.getStartKeyGroup());
            out.writeInt(range.getEndKeyGroup());
            out.writeInt(levels.size());
            for (int i = 0; i < levels.size(); i++) {
                Level level = (Level) levels.get(i);
                out.writeUTF(level.name);
                for (int j = 0; j < level.starts.length; j++) {
                    out.writeLong(level.starts[j]);
                }
            }
            for (int group = range.getStartKeyGroup(); group <= range.getEndKeyGroup(); group++) {
                rest(out, group, (ArrayList) groups.get(Integer.valueOf(group)));
                out.writeByte('e');
            }
            while (parts.kind == 'w') {
                out.writeByte('w');
                out.writeInt(parts.length());
                out.write(parts.data, parts.start, parts.length());
                parts.advance();
            }
            if (parts.kind != 'e') {
                throw new IOException("The pool has sent a part of another kind among those that wait.");
            }
            out.writeByte('e');
            out.flush();
            StreamStateHandle handle = stream.closeAndGetHandle();
            stream = null;
            return handle;
        } finally {
            if (stream != null) {
                stream.close();
            }
        }
    }

    private void rest(DataOutputStream out, int group, ArrayList entries) throws IOException {
        ByteArrayOutputStream journal = (ByteArrayOutputStream) journals.get(Integer.valueOf(group));
        if (journal != null) {
            out.writeByte('j');
            Entry.writeBytes(out, journal.toByteArray());
        }
        ByteArrayOutputStream dead = (ByteArrayOutputStream) letters.get(Integer.valueOf(group));
        if (dead != null) {
            out.writeByte('d');
            Entry.writeBytes(out, dead.toByteArray());
        }
        entries(out, entries);
        entries(out, (ArrayList) answered.get(Integer.valueOf(group)));
    }

    private static void entries(DataOutputStream out, ArrayList entries) throws IOException {
        if (entries != null) {
            for (int i = 0; i < entries.size(); i++) {
                Entry entry = (Entry) entries.get(i);
                out.writeByte('p');
                entry.write(out);
            }
        }
    }

    /** Collect records of single runs by key group. */
    private void collect(Parts parts) throws IOException {
        byte[] part = parts.data;
        int at = parts.start;
        if (parts.kind == 'o') {
            Long last = (Long) emitted.get(Integer.valueOf(Bytes.int32(part, at)));
            if (last == null || Bytes.int64(part, at + 4) > last.longValue()) {
                collect(new Outputs(part, at + 12));
            }
        } else if (parts.kind == 'j') {
            while (at < parts.end) {
                Object entry = byOffset.get(Long.valueOf(Bytes.int64(part, at)));
                int length = 29 + Bytes.int32(part, at + 25);
                if (entry != null) {
                    buffer(journals, ((Entry) entry).group).write(part, at, length);
                }
                at += length;
            }
        } else if (parts.kind == 'd') {
            while (at < parts.end) {
                int group = (part[at + 8] & 0xff) | (part[at + 9] & 0xff) << 8;
                int length = 14 + Bytes.int32(part, at + 10);
                buffer(letters, group).write(part, at, length);
                at += length;
            }
        } else {
            throw new IOException("The pool has sent a part of a kind that is not known here.");
        }
    }

    private void collect(Outputs outputs) {
        while (outputs.next()) {
            Entry entry = (Entry) byOffset.remove(Long.valueOf(outputs.offset));
            if (entry == null && !outputs.owned) {
                outputs.skip();
                continue;
            }
            if (entry == null) {
                entry = latest;
            }
            int group = outputs.owned ? outputs.group : entry.group;
            Entry known = new Entry(outputs.offset, group, entry.key, new byte[0], entry.timed,
                entry.timestamp);
            known.outputs = outputs.readAll();
            list(answered, group).add(known);
        }
    }

    private static ArrayList list(HashMap map, int group) {
        ArrayList list = (ArrayList) map.get(Integer.valueOf(group));
        if (list == null) {
            list = new ArrayList();
            map.put(Integer.valueOf(group), list);
        }
        return list;
    }

    private static ByteArrayOutputStream buffer(HashMap map, int group) {
        ByteArrayOutputStream buffer = (ByteArrayOutputStream) map.get(Integer.valueOf(group));
        if (buffer == null) {
            buffer = new ByteArrayOutputStream();
            map.put(Integer.valueOf(group), buffer);
        }
        return buffer;
    }
}
