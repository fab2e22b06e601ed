package tamias.flink;

import org.apache.flink.runtime.state.StreamStateHandle;

/**
 * One file of a checkpoint's memory: all of a task's keys, or those that had changed since the level
 * below it. Of each key group it says where in the file that is; -1 where there is nothing.
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
