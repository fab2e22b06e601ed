package tamias.flink;

import java.io.BufferedReader;
import java.io.DataInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

import org.apache.flink.runtime.checkpoint.CheckpointException;
import org.apache.flink.runtime.checkpoint.CheckpointFailureReason;
import org.slf4j.Logger;

/**
 * One life of a pool's launcher, and the pipe to it.
 *
 * The task's thread never waits here: one thread writes the frames that it sends, and another one reads
 * those of the launcher, which the task gets with `poll`. The number of waiting frames is bounded,
 * because the task sends no more inputs than it may have pending. Parts of a checkpoint do not pass
 * through the task: the thread that has asked for them gets them.
 */
final class Pool {
    static final byte[] GONE = new byte[0];
    private static final byte[] DROPPED = new byte[0];
    private static final int LONGEST_LINE = 8192;
    /** The most frames waiting to be written during a restore; each has about 256 kB. */
    private static final int MOST_FRAMES = 64;

    private final Process process;
    private final Logger log;
    private final Runnable wake;
    private final ConcurrentLinkedQueue arrived = new ConcurrentLinkedQueue();
    private final ConcurrentHashMap parts = new ConcurrentHashMap();
    private final ArrayDeque frames = new ArrayDeque();
    private final Object lock = new Object();
    private final long step;
    private Batch batch;
    private boolean lone;
    /** The number of the last record that the task has emitted, and the last one that was written. */
    private long emitted;
    private long acknowledged;
    private boolean closed;
    private volatile boolean gone;
    volatile long heard = System.nanoTime();
    volatile boolean beating;

    /** `wake` is called, by another thread, when a frame has arrived. */
    Pool(String[] command, Map variables, File folder, long step, Logger log, Runnable wake)
        throws IOException {
        this.step = step;
        this.log = log;
        this.wake = wake;
        batch = new Batch(step);
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.directory(folder);
        builder.environment().putAll(variables);
        process = builder.start();
        start("write", new Runnable() { public void run() { write(); } });
        start("read", new Runnable() { public void run() { read(); } });
        start("log", new Runnable() { public void run() { copyLog(); } });
    }

    private void start(String what, Runnable run) {
        Thread thread = new Thread(run, "tamias-pool-" + what + "-" + process.pid());
        thread.setDaemon(true);
        thread.start();
    }

    long pid() {
        return process.pid();
    }

    // -- from the task ------------------------------------------------------------------------

    /** Send an input; `alone` if nothing else is pending, so that it is not kept for a larger batch. */
    void send(Entry entry, boolean alone) {
        synchronized (lock) {
            if (!batch.hasRoomFor(entry)) {
                closeBatch();
            }
            batch.add(entry);
            lone = alone;
            if (batch.count == 1 || batch.isFull()) {
                lock.notifyAll();
            }
        }
    }

    void send(char kind, byte[] body) {
        Bytes out = new Bytes(5 + body.length);
        out.u32(1 + body.length);
        out.u8(kind);
        out.put(body);
        synchronized (lock) {
            closeBatch();
            frames.add(out.data);
            lock.notifyAll();
        }
    }

    /** Send one of many frames, by a thread that may wait: few of them are in memory at once. */
    void sendSlowly(char kind, byte[] body) throws InterruptedException {
        synchronized (lock) {
            while (frames.size() >= MOST_FRAMES && !gone) {
                lock.wait();
            }
        }
        send(kind, body);
    }

    void send(char kind, long number) {
        Bytes out = new Bytes(8);
        out.u64(number);
        send(kind, out.data);
    }

    /**
     * Tell the launcher that all records up to this number were emitted. It may come behind later frames,
     * with which it is written: a frame for each record would end the batch of inputs, and wake the launcher.
     */
    void acknowledge(long number) {
        synchronized (lock) {
            if (emitted == acknowledged && batch.count == 0) {
                lock.notifyAll();
            }
            emitted = number;
        }
    }

    /** The next frame, without its length; GONE when the launcher has ended; null if none has arrived. */
    byte[] poll() {
        return (byte[]) arrived.poll();
    }

    private void closeBatch() {
        if (batch.count > 0) {
            frames.add(batch.frame());
            batch = new Batch(step);
        }
    }

    // -- checkpoints, from any thread ---------------------------------------------------------

    /**
     * Send a barrier: inputs sent before it are part of the checkpoint. `builds`: later ones may be built
     * upon it.
     */
    void barrier(long checkpoint, boolean builds) {
        parts.put(Long.valueOf(checkpoint), new LinkedBlockingQueue());
        Bytes body = new Bytes(9);
        body.u64(checkpoint);
        body.u8(builds ? 1 : 0);
        send('B', body.data);
    }

    /** Ask for the memory of these keys only, which are in the order of their groups. */
    void restrict(long checkpoint, byte[][] keys) {
        Bytes body = new Bytes(12 + 32 * keys.length);
        body.u64(checkpoint);
        body.u32(keys.length);
        for (int i = 0; i < keys.length; i++) {
            body.u32(keys[i].length);
        }
        for (int i = 0; i < keys.length; i++) {
            body.put(keys[i]);
        }
        send('Q', body.copy());
    }

    /** Ask for the next parts of a checkpoint, and return the frame with them. */
    byte[] pull(long checkpoint) throws CheckpointException, InterruptedException {
        LinkedBlockingQueue queue = (LinkedBlockingQueue) parts.get(Long.valueOf(checkpoint));
        if (queue == null) {
            throw dropped();
        }
        if (gone) {
            throw lost();
        }
        send('P', checkpoint);
        byte[] part = (byte[]) queue.take();
        if (part == GONE) {
            throw lost();
        }
        if (part == DROPPED) {
            throw dropped();
        }
        return part;
    }

    /**
     * Nobody reads this checkpoint any more. Who waits for its parts is woken: Flink ends an aborted
     * checkpoint by the thread that writes checkpoints, which may be the one that waits, and which has
     * all later checkpoints to write.
     */
    void drop(long checkpoint) {
        LinkedBlockingQueue queue = (LinkedBlockingQueue) parts.remove(Long.valueOf(checkpoint));
        if (queue != null) {
            queue.add(DROPPED);
            send('D', checkpoint);
        }
    }

    private static CheckpointException lost() {
        return declined("the pool's launcher has died while its state was read out");
    }

    private static CheckpointException dropped() {
        return declined("the checkpoint was aborted while its state was read out");
    }

    /** For this reason, Flink declines the checkpoint without counting it as a failure. */
    private static CheckpointException declined(String why) {
        return new CheckpointException(why, CheckpointFailureReason.CHECKPOINT_DECLINED_TASK_NOT_READY);
    }

    // -- threads ------------------------------------------------------------------------------

    private void write() {
        OutputStream out = process.getOutputStream();
        try {
            while (true) {
                byte[] frame;
                byte[] acknowledgement = null;
                synchronized (lock) {
                    while (frames.isEmpty() && batch.count == 0 && emitted == acknowledged && !closed) {
                        lock.wait();
                    }
                    if (frames.isEmpty() && !batch.isFull() && !lone && !closed) {
                        lock.wait(1); // more may come
                    }
                    if (frames.isEmpty()) {
                        closeBatch();
                    }
                    frame = (byte[]) frames.poll();
                    if (frames.size() == MOST_FRAMES - 1) {
                        lock.notifyAll();
                    }
                    if (emitted != acknowledged) {
                        acknowledged = emitted;
                        acknowledgement = acknowledgement(emitted);
                    }
                    if (frame == null && closed) {
                        return;
                    }
                }
                if (acknowledgement != null) {
                    out.write(acknowledgement);
                }
                if (frame != null) {
                    out.write(frame);
                }
                out.flush();
            }
        } catch (IOException e) {
            return; // the launcher has died; the reading thread reports it
        } catch (InterruptedException e) {
            return;
        } finally {
            closeQuietly(out);
        }
    }

    private static byte[] acknowledgement(long number) {
        Bytes out = new Bytes(13);
        out.u32(9);
        out.u8('A');
        out.u64(number);
        return out.data;
    }

    private static void closeQuietly(java.io.Closeable stream) {
        try {
            stream.close();
        } catch (IOException e) {
            return; // the other end is closed
        }
    }

    private void read() {
        InputStream stream = process.getInputStream();
        try {
            DataInputStream in = new DataInputStream(new java.io.BufferedInputStream(stream, 1 << 18));
            byte[] head = new byte[4];
            while (true) {
                in.readFully(head);
                byte[] frame = new byte[Bytes.int32(head, 0)];
                in.readFully(frame);
                heard = System.nanoTime();
                if (frame[0] == 'S') {
                    Object queue = parts.get(Long.valueOf(Bytes.int64(frame, 1)));
                    if (queue != null) {
                        ((LinkedBlockingQueue) queue).add(frame);
                    }
                    continue;
                }
                if (frame[0] == 'M') {
                    beating = true;
                }
                arrived.add(frame);
                wake.run();
            }
        } catch (IOException e) {
            log.debug("the pipe of pool {} has ended", Long.valueOf(process.pid()), e);
        } finally {
            closeQuietly(stream);
        }
        synchronized (lock) {
            gone = true;
            lock.notifyAll();
        }
        for (java.util.Iterator queues = parts.values().iterator(); queues.hasNext();) {
            ((LinkedBlockingQueue) queues.next()).add(GONE);
        }
        arrived.add(GONE);
        wake.run();
    }

    private void copyLog() {
        BufferedReader lines = new BufferedReader(
            new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8));
        try {
            while (true) {
                String line = lines.readLine();
                if (line == null) {
                    return;
                }
                if (line.length() > LONGEST_LINE) {
                    line = line.substring(0, LONGEST_LINE) + "...";
                }
                if (line.startsWith("ERROR") || line.startsWith("CRITICAL")) {
                    log.error("pool {}: {}", Long.valueOf(process.pid()), line);
                } else if (line.startsWith("WARNING")) {
                    log.warn("pool {}: {}", Long.valueOf(process.pid()), line);
                } else {
                    log.info("pool {}: {}", Long.valueOf(process.pid()), line);
                }
            }
        } catch (IOException e) {
            return;
        } finally {
            closeQuietly(lines);
        }
    }

    // -- the end ------------------------------------------------------------------------------

    /** How the process has ended, as the end of a sentence. */
    String ending() {
        try {
            if (process.waitFor(5, TimeUnit.SECONDS)) {
                int code = process.exitValue();
                return code > 128 ? "was killed by signal " + (code - 128) : "exited with code " + code;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return "does not answer any more";
    }

    void kill() {
        process.destroyForcibly();
    }

    /** End it by closing the pipe; kill it if it has not ended after five seconds. */
    void close() {
        synchronized (lock) {
            closed = true;
            frames.clear();
            batch = new Batch(step);
            lock.notifyAll();
        }
        boolean interrupted = Thread.interrupted();
        try {
            if (!process.waitFor(5, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                process.waitFor(5, TimeUnit.SECONDS);
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            interrupted = true;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
