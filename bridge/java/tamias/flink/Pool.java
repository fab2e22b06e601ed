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
 * The task's thread never waits here: what it sends is put into frames and written by a thread of
 * their own, and what the launcher says is read by another one and fetched by the task with `poll`.
 * How much can pile up is bounded by the task, which sends no more inputs than it may have pending.
 * Parts of a checkpoint go to whoever has asked for them, past the task.
 */
final class Pool {
    static final byte[] GONE = new byte[0];
    private static final int LONGEST_LINE = 8192;
    /** Waiting to be written while a state is restored; each has a quarter of a megabyte, or little more. */
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
    private boolean closed;
    private volatile boolean gone;
    volatile long heard = System.nanoTime();
    volatile boolean beating;

    /** `wake` is called, from another thread, whenever there is something to poll. */
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

    /** Send an input; `alone` if nothing else is pending, so that it need not wait for company. */
    void send(Entry entry, boolean alone) {
        synchronized (lock) {
            if (!batch.takes(entry)) {
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

    /** For a lot of frames, from a thread that may wait: there are never many in memory. */
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

    /** What has arrived: a frame without its length; GONE when the launcher has ended; or null. */
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

    /** A barrier: what was sent before is part of the checkpoint. */
    void barrier(long checkpoint) {
        parts.put(Long.valueOf(checkpoint), new LinkedBlockingQueue());
        send('B', checkpoint);
    }

    /** Of memory only that of these keys is wanted, which are in the order of their groups. */
    void only(long checkpoint, byte[][] keys) {
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

    /** The next parts of a checkpoint: the frame that they are in. */
    byte[] pull(long checkpoint) throws CheckpointException, InterruptedException {
        LinkedBlockingQueue queue = (LinkedBlockingQueue) parts.get(Long.valueOf(checkpoint));
        if (queue == null || gone) {
            throw lost();
        }
        send('P', checkpoint);
        byte[] part = (byte[]) queue.take();
        if (part == GONE) {
            throw lost();
        }
        return part;
    }

    void drop(long checkpoint) {
        if (parts.remove(Long.valueOf(checkpoint)) != null) {
            send('D', checkpoint);
        }
    }

    /** Flink takes the next checkpoint instead, and does not hold it against the job. */
    private static CheckpointException lost() {
        return new CheckpointException("the pool's launcher has died while its state was read out",
            CheckpointFailureReason.CHECKPOINT_DECLINED_TASK_NOT_READY);
    }

    // -- threads ------------------------------------------------------------------------------

    private void write() {
        OutputStream out = process.getOutputStream();
        try {
            while (true) {
                byte[] frame;
                synchronized (lock) {
                    while (frames.isEmpty() && batch.count == 0 && !closed) {
                        lock.wait();
                    }
                    if (frames.isEmpty() && !batch.isFull() && !lone && !closed) {
                        lock.wait(1); // for company
                    }
                    if (frames.isEmpty()) {
                        closeBatch();
                    }
                    frame = (byte[]) frames.poll();
                    if (frames.size() == MOST_FRAMES - 1) {
                        lock.notifyAll();
                    }
                    if (frame == null) {
                        if (closed) {
                            return;
                        }
                        continue;
                    }
                }
                out.write(frame);
                out.flush();
            }
        } catch (IOException e) {
            return; // it has died: the reader has seen it, too
        } catch (InterruptedException e) {
            return;
        } finally {
            closeQuietly(out);
        }
    }

    private static void closeQuietly(java.io.Closeable stream) {
        try {
            stream.close();
        } catch (IOException e) {
            return; // there is nobody at the other end
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

    /** How it has ended, in words. */
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

    /** End it: by closing the pipe, and if that does not help, by force. */
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
