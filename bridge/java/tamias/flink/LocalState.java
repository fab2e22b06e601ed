package tamias.flink;

import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.util.UUID;

/**
 * A task's directory on this machine, with its pool's store; it is deleted when the task ends.
 *
 * The task holds a lock on a file in it. If a task manager is killed, the directory stays without a
 * lock, and the next pool on the machine deletes it (bridge/task/cleanup.py).
 */
final class LocalState {
    final File folder;
    final File store;
    private final RandomAccessFile claim;

    LocalState(File parent) throws IOException {
        folder = new File(parent, "tamias-pool-" + UUID.randomUUID());
        store = new File(folder, "state");
        Files.createDirectories(folder.toPath());
        RandomAccessFile file = null;
        try {
            file = new RandomAccessFile(new File(folder, "task.lock"), "rw");
            // Not `lock`, which throws, and closes the file, when the task is being cancelled.
            if (file.getChannel().tryLock() == null) {
                throw new IOException("Another process has locked " + folder + ", which is new.");
            }
        } catch (IOException e) {
            remove(folder);
            throw e;
        }
        claim = file;
    }

    void delete() throws IOException {
        remove(folder);
        claim.close();
    }

    private static void remove(File file) {
        File[] inside = Files.isSymbolicLink(file.toPath()) ? null : file.listFiles();
        if (inside != null) {
            for (int i = 0; i < inside.length; i++) {
                remove(inside[i]);
            }
        }
        file.delete();
    }
}
