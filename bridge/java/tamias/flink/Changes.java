package tamias.flink;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashSet;

/**
 * The keys whose memory may have changed since some barrier: those that had an input since, or
 * had one pending at it. Nothing but a run changes a key's memory.
 *
 * Beyond a number of keys it says "all of them": a set for so many would cost more than it saves.
 */
final class Changes {
    private static final int MOST = 1 << 18;

    private HashSet keys = new HashSet();
    private boolean all;

    /** What is pending at a barrier may change memory behind it. */
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

    /** The encoded keys, in order and so by their groups; null for all that there are. */
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
