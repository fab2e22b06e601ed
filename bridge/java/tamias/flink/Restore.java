package tamias.flink;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;

import org.apache.flink.core.fs.FSDataInputStream;
import org.apache.flink.runtime.state.IncrementalKeyedStateHandle;
import org.apache.flink.runtime.state.IncrementalRemoteKeyedStateHandle;
import org.apache.flink.runtime.state.KeyGroupRange;
import org.apache.flink.runtime.state.KeyedStateHandle;
import org.apache.flink.runtime.state.StreamStateHandle;

/**
 * Reads what Snapshot has written for the key groups of a task. Memory, journals, dead letters and what
 * waits go to the pool, pending inputs to the task.
 *
 * Memory is sent key group by key group, and in each from the newest level to the oldest. So when the
 * pool receives a key of an older level, it knows whether a newer level has that key.
 */
final class Restore {
    private final KeyGroupRange range;
    private final Pool pool;
    private final ArrayList pending;

    /** `pending` gets the inputs. */
    Restore(KeyGroupRange range, Pool pool, ArrayList pending) {
        this.range = range;
        this.pool = pool;
        this.pending = pending;
    }

    void read(KeyedStateHandle state) throws Exception {
        if (!(state instanceof IncrementalRemoteKeyedStateHandle)) {
            throw new IOException("The state of the agent is a " + state.getClass().getName()
                + ", which tamias has not written.");
        }
        IncrementalRemoteKeyedStateHandle handle = (IncrementalRemoteKeyedStateHandle) state;
        HashMap files = new HashMap();
        List shared = handle.getSharedState();
        for (int i = 0; i < shared.size(); i++) {
            IncrementalKeyedStateHandle.HandleAndLocalPath file =
                (IncrementalKeyedStateHandle.HandleAndLocalPath) shared.get(i);
            files.put(file.getLocalPath(), file.getHandle());
        }
        DataInputStream in = open(handle.getMetaDataStateHandle());
        try {
            int version = in.readInt();
            if (version < Snapshot.OLDEST || version > Snapshot.VERSION) {
                throw new IOException("The state is of version " + version + ", this version of tamias"
                    + " knows " + Snapshot.VERSION + ". Use the one that wrote it.");
            }
            int first = in.readInt();
            int last = in.readInt();
            int count = in.readInt();
            FSDataInputStream[] levels = new FSDataInputStream[count];
            long[][] starts = new long[count][last - first + 1];
            try {
                for (int i = 0; i < count; i++) {
                    levels[i] = ((StreamStateHandle) files.get(in.readUTF())).openInputStream();
                    for (int j = 0; j < starts[i].length; j++) {
                        starts[i][j] = in.readLong();
                    }
                }
                for (int group = first; group <= last; group++) {
                    for (int i = count - 1; i >= 0 && range.contains(group); i--) {
                        if (starts[i][group - first] >= 0) {
                            levels[i].seek(starts[i][group - first]);
                            memory(levels[i], count - 1 - i);
                        }
                    }
                }
            } finally {
                for (int i = 0; i < count; i++) {
                    if (levels[i] != null) {
                        levels[i].close();
                    }
                }
            }
            for (int group = first; group <= last; group++) {
                rest(in, group);
            }
            // Of all key groups: the pool leaves out what is not its own.
            while (version > Snapshot.OLDEST && in.readByte() == 'w') {
                pool.sendSlowly('W', Entry.readBytes(in));
            }
        } finally {
            in.close();
        }
    }

    private static DataInputStream open(StreamStateHandle handle) throws IOException {
        return new DataInputStream(new BufferedInputStream(handle.openInputStream(), 1 << 16));
    }

    /** `age` is 0 for the newest level. */
    private void memory(FSDataInputStream stream, int age) throws Exception {
        DataInputStream in = new DataInputStream(new BufferedInputStream(stream, 1 << 16));
        while (in.readByte() == 'm') {
            byte[] part = Entry.readBytes(in);
            Bytes body = new Bytes(4 + part.length);
            body.u32(age);
            body.put(part);
            pool.sendSlowly('R', body.data);
        }
    }

    private void rest(DataInputStream in, int group) throws Exception {
        boolean ours = range.contains(group);
        while (true) {
            byte tag = in.readByte();
            if (tag == 'e') {
                return;
            }
            if (tag == 'p') {
                Entry entry = Entry.read(in, group);
                if (ours) {
                    pending.add(entry);
                }
            } else if (tag == 'd') {
                byte[] letters = Entry.readBytes(in);
                if (ours) {
                    pool.sendSlowly('L', letters);
                }
            } else if (tag == 'j') {
                byte[] records = Entry.readBytes(in);
                if (ours) {
                    Bytes body = new Bytes(2 + records.length);
                    body.u16(group);
                    body.put(records);
                    pool.sendSlowly('J', body.data);
                }
            } else {
                throw new IOException("The state of key group " + group + " cannot be read.");
            }
        }
    }
}
