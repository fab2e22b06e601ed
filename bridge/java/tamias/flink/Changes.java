package tamias.flink;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashSet;

/**
 * The keys whose memory may have changed since a barrier: those with an input since then, or with one
 * pending at the barrier. Only a run changes a key's memory; the pool itself adds the keys of those runs
 * that have waited, and of timers (bridge/task/checkpoints.py).
 *
 * With too many keys it stands for all keys: so large a set would cost more than it saves.
 */
final class Changes {
    private static final int MOST = 1 << 18;

    private HashSet keys = new HashSet();
    private boolean all;

    /** Begins with the inputs pending at the barrier, which may change memory later. */
    Changes(Entry[] pending) {
        for (int i = 0; i < pending.length; i++) {
            add(pending[i]);
        }
    }

    void add(Entry entry) {
        if (!all && keys.add(new String(entry.key, StandardCharsets.ISO_8859_1)) && keys.size() > MOST) {
            all = true;
            keys = new HashSet();
        }
    }

    /** The encoded keys, sorted, and so by their groups; null stands for all keys. */
    byte[][] sorted() {
        if (all) {
            return null;
        }
        String[] texts = (String[]) keys.toArray(new String[0]);
        Arrays.sort(texts);
        byte[][] found = new byte[texts.length][];
        for (int i = 0; i < texts.length; i++) {
            found[i] = texts[i].getBytes(StandardCharsets.ISO_8859_1);
        }
        return found;
    }
}
