package tamias.flink;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.concurrent.Callable;

import org.apache.flink.runtime.state.CheckpointStateOutputStream;
import org.apache.flink.runtime.state.CheckpointStreamFactory;
import org.apache.flink.runtime.state.CheckpointedStateScope;
import org.apache.flink.runtime.state.KeyGroupRange;
import org.apache.flink.runtime.state.KeyGroupRangeOffsets;
import org.apache.flink.runtime.state.KeyGroupsStateHandle;
import org.apache.flink.runtime.state.SnapshotResult;
import org.apache.flink.runtime.state.StreamStateHandle;

/**
 * Writes the state of a task as of a barrier, while the task goes on: raw keyed state, so that it can
 * be shared out anew at another parallelism. Of each key group:
 *
 * its memory, in parts as the pool gives them; what is on record of its unfinished runs; its dead
 * letters; and its inputs that had no outcome at the barrier, those with their outputs of which the
 * pool knew one already.
 */
final class Snapshot implements Callable {
    static final int VERSION = 1;

    private final long checkpoint;
    private final Pool pool;
    private final Entry[] pending;
    private final KeyGroupRange range;
    private final CheckpointStreamFactory factory;

    private final HashMap byOffset = new HashMap();
    private final HashMap answered = new HashMap();
    private final HashMap journals = new HashMap();
    private final HashMap letters = new HashMap();

    Snapshot(long checkpoint, Pool pool, Entry[] pending, KeyGroupRange range,
        CheckpointStreamFactory factory) {
        this.checkpoint = checkpoint;
        this.pool = pool;
        this.pending = pending;
        this.range = range;
        this.factory = factory;
    }

    public Object call() throws Exception {
        try {
            return SnapshotResult.of(write());
        } finally {
            pool.drop(checkpoint);
        }
    }

    private KeyGroupsStateHandle write() throws Exception {
        for (int i = 0; i < pending.length; i++) {
            byOffset.put(Long.valueOf(pending[i].offset), pending[i]);
        }
        Parts parts = new Parts(pool, checkpoint);
        parts.advance();
        while (parts.kind != 'm' && parts.kind != 'e') {
            take(parts);
            parts.advance();
        }
        if (parts.kind == 'e' && parts.length() > 0) {
            throw new IOException("The pool does not know checkpoint " + checkpoint + ".");
        }
        HashMap groups = new HashMap();
        for (int i = 0; i < pending.length; i++) {
            list(groups, pending[i].group).add(pending[i]);
        }
        long[] offsets = new long[range.getNumberOfKeyGroups()];
        CheckpointStateOutputStream stream =
            factory.createCheckpointStateOutputStream(CheckpointedStateScope.EXCLUSIVE);
        try {
            DataOutputStream out = new DataOutputStream(new BufferedOutputStream(stream, 1 << 16));
            for (int group = range.getStartKeyGroup(); group <= range.getEndKeyGroup(); group++) {
                out.flush();
                offsets[group - range.getStartKeyGroup()] = stream.getPos();
                out.writeInt(VERSION);
                while (parts.kind == 'm' && parts.group() == group) {
                    out.writeByte('m');
                    out.writeInt(parts.length());
                    out.write(parts.data, parts.start, parts.length());
                    parts.advance();
                }
                rest(out, group, (ArrayList) groups.get(Integer.valueOf(group)));
                out.writeByte('e');
            }
            out.flush();
            if (parts.kind != 'e') {
                throw new IOException("The pool has given key groups of others.");
            }
            StreamStateHandle handle = stream.closeAndGetHandle();
            stream = null;
            return new KeyGroupsStateHandle(new KeyGroupRangeOffsets(range, offsets), handle);
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
        if (entries != null) {
            for (int i = 0; i < entries.size(); i++) {
                Entry entry = (Entry) entries.get(i);
                out.writeByte('p');
                entry.write(out, (byte[][]) answered.get(Long.valueOf(entry.offset)));
            }
        }
    }

    /** What concerns single inputs, sorted by the key groups of these. */
    private void take(Parts parts) throws IOException {
        byte[] part = parts.data;
        int at = parts.start;
        if (parts.kind == 'o') {
            Outputs outputs = new Outputs(part, at);
            while (outputs.next()) {
                if (byOffset.containsKey(Long.valueOf(outputs.offset))) {
                    answered.put(Long.valueOf(outputs.offset), outputs.takeAll());
                } else {
                    outputs.skip();
                }
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

    /** Read a key group back: what the pool keeps goes to it, what was pending into `into`. */
    static void restore(java.io.InputStream stream, int group, Pool pool, ArrayList into)
        throws IOException {
        java.io.DataInputStream in =
            new java.io.DataInputStream(new java.io.BufferedInputStream(stream, 1 << 16));
        int version = in.readInt();
        if (version != VERSION) {
            throw new IOException("The state is of version " + version + ", this version of tamias"
                + " knows " + VERSION + ". Use the one that wrote it.");
        }
        while (true) {
            byte tag = in.readByte();
            if (tag == 'e') {
                return;
            }
            if (tag == 'p') {
                into.add(Entry.read(in, group));
            } else if (tag == 'm') {
                pool.send('R', Entry.readBytes(in));
            } else if (tag == 'd') {
                pool.send('L', Entry.readBytes(in));
            } else if (tag == 'j') {
                byte[] records = Entry.readBytes(in);
                Bytes body = new Bytes(2 + records.length);
                body.u16(group);
                body.put(records);
                pool.send('J', body.data);
            } else {
                throw new IOException("The state of key group " + group + " cannot be read.");
            }
        }
    }
}
