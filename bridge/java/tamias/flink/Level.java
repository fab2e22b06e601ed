package tamias.flink;

import org.apache.flink.runtime.state.StreamStateHandle;

/**
 * One file of a checkpoint's memory: all keys of a task, or those changed since the level below it.
 * `starts` has the position of each key group in the file; -1 if the file has nothing of it.
 */
final class Level {
    final String name;
    final StreamStateHandle file;
    final long size;
    final long[] starts;

    Level(String name, StreamStateHandle file, long size, long[] starts) {
        this.name = name;
        this.file = file;
        this.size = size;
        this.starts = starts;
    }
}
