package tamias.flink;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;

import org.apache.flink.api.common.operators.MailboxExecutor;
import org.apache.flink.api.common.operators.ProcessingTimeService.ProcessingTimeCallback;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.base.LongSerializer;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.runtime.checkpoint.CheckpointOptions;
import org.apache.flink.runtime.state.CheckpointStreamFactory;
import org.apache.flink.runtime.state.KeyGroupRange;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.runtime.state.KeyedStateHandle;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.OperatorSnapshotFutures;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Row;
import org.apache.flink.util.function.ThrowingRunnable;

/**
 * Runs an agent's pool under a Flink task.
 *
 * An input is *pending* from when it is sent to the pool until its outputs have been emitted. Each has
 * an offset, which identifies it in the pool: offsets increase, and none is used twice in the life of a
 * job, also if its parallelism changes. Exactly once follows from two rules: the outcome of an input
 * that is not pending is dropped, and pending inputs are sent again to the next launcher, or put into
 * the checkpoint.
 *
 * A run that waits is kept by the pool: for the task its input has no outputs, and is not pending any
 * more. What it puts out later comes under the number of a run that the pool owns, as do outputs of
 * timers. No input says whether these were emitted before; but the records of a shard are numbered, and
 * each is emitted once.
 *
 * All code here runs on the task's thread. Outcomes arrive as mails. A task with the most pending
 * inputs allowed processes mails until there is room: so a slow agent slows Flink. It never blocks on a
 * run. Watermarks wait for the inputs before them, but not for runs that the pool keeps; only the last
 * one, at the end of the input, waits for all.
 */
public final class PoolOperator extends AbstractStreamOperator
    implements OneInputStreamOperator, BoundedOneInput {
    private static final long MOST_BYTES = 32L << 20;
    private static final int MOST_DEATHS = 10;
    private static final long QUIET_NANOS = 30L * 1000 * 1000 * 1000;
    private static final long CHECK_MILLIS = 1000;

    private final String job;
    private final String[] command;
    private final KeySelector selector;
    private final TypeInformation inputType;
    private final boolean keyInFront;
    private final boolean text;
    private final int capacity;
    private final Dependencies dependencies;

    private transient Values values;
    private transient Values keys;
    private transient LinkedHashMap pending;
    private transient long pendingBytes;
    private transient ArrayDeque held;
    private transient ArrayList restored;
    private transient long next;
    private transient long step;
    private transient int maxParallelism;
    private transient KeyGroupRange range;
    private transient ListState offsets;
    private transient ListState times;
    private transient MailboxExecutor mailbox;
    private transient AtomicBoolean mailed;
    private transient Pool pool;
    private transient Lineage lineage;
    private transient LocalState state;
    private transient Map variables;
    /** By shard, the last outbox record whose outputs were emitted. */
    private transient HashMap emitted;
    /** The latest time of an input; outputs that have no input get it. */
    private transient long latest;
    private transient boolean timed;
    private transient Watermark lastMark;
    /** Whether the input has ended for good; whether the pool knows; whether it has finished. */
    private transient boolean bounded;
    private transient boolean ending;
    private transient boolean finished;
    private transient int deaths;
    private transient boolean ended;
    /** Whether the pool's state directory has all that was in the checkpoint. */
    private transient boolean complete;
    private transient Gauges gauges;

    /**
     * @param job the job of the pool, a JSON object that is completed here
     * @param command the command that starts the launcher
     * @param selector gives the key of an element
     * @param keyType the type of the key
     * @param inputType the type of the elements
     * @param keyInFront whether elements are rows of a key and a value
     * @param text whether outputs are texts; otherwise they are pickles
     * @param capacity how many inputs may be pending
     */
    public PoolOperator(String job, String[] command, KeySelector selector,
        TypeInformation keyType, TypeInformation inputType, boolean keyInFront, boolean text,
        int capacity, Dependencies dependencies) {
        this.job = job;
        this.command = command;
        this.selector = selector;
        this.inputType = inputType;
        this.keyInFront = keyInFront;
        this.text = text;
        this.capacity = capacity;
        this.dependencies = dependencies;
        this.keyType = keyType;
    }

    private final TypeInformation keyType;

    // -- beginning ----------------------------------------------------------------------------

    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        values = new Values(inputType);
        keys = new Values(keyType);
        pending = new LinkedHashMap();
        held = new ArrayDeque();
        emitted = new HashMap();
        latest = Long.MIN_VALUE;
        restored = new ArrayList();
        lineage = new Lineage();
        mailed = new AtomicBoolean();
        gauges = new Gauges(getMetricGroup());
        mailbox = getContainingTask().getMailboxExecutorFactory()
            .createExecutor(getOperatorConfig().getChainIndex());
        step = getRuntimeContext().getTaskInfo().getNumberOfParallelSubtasks();
        maxParallelism = getRuntimeContext().getTaskInfo().getMaxNumberOfParallelSubtasks();
        int subtask = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
        range = KeyGroupRangeAssignment.computeKeyGroupRangeForOperatorIndex(
            maxParallelism, (int) step, subtask);
        offsets = context.getOperatorStateStore().getUnionListState(
            new ListStateDescriptor("tamias-offsets", LongSerializer.INSTANCE));
        long base = 0;
        for (Iterator known = ((Iterable) offsets.get()).iterator(); known.hasNext();) {
            base = Math.max(base, ((Long) known.next()).longValue());
        }
        next = base + subtask;
        times = context.getOperatorStateStore().getUnionListState(
            new ListStateDescriptor("tamias-times", LongSerializer.INSTANCE));
        for (Iterator known = ((Iterable) times.get()).iterator(); known.hasNext();) {
            timed = true;
            latest = Math.max(latest, ((Long) known.next()).longValue());
        }
        String[] folders = getContainingTask().getEnvironment().getTaskManagerInfo()
            .getTmpDirectories();
        state = new LocalState(new File(folders[subtask % folders.length]));
        variables = dependencies.open(
            folders, getRuntimeContext().getDistributedCache(), getContainingTask().getEnvironment().getJobID());
        Gateways.open(getUserCodeClassloader(), variables);
        start();
        complete = !context.isRestored();
        Restore restore = new Restore(range, pool, restored);
        for (Iterator handles = handles().iterator(); handles.hasNext();) {
            restore.read((KeyedStateHandle) handles.next());
        }
        pool.send('G', new byte[0]);
    }

    /**
     * The handles of checkpoints for this task's key groups. Flink passes them to a keyed state backend;
     * this operator has none, because its pool has the state.
     */
    private Collection handles() {
        List places = getContainingTask().getEnvironment().getTaskStateManager()
            .prioritizedOperatorState(getOperatorID()).getPrioritizedManagedKeyedState();
        // The last one is that of the job manager; those before it are copies on this machine.
        return places.isEmpty() ? new ArrayList() : (Collection) places.get(places.size() - 1);
    }

    private void start() throws IOException {
        // Archives are found by relative paths, as in PyFlink's own workers.
        String archives = (String) variables.get("_PYTHON_WORKING_DIR");
        File folder = archives == null ? state.folder : new File(archives);
        pool = new Pool(command, variables, folder, step, LOG, new Runnable() {
            public void run() {
                wake();
            }
        });
        String path = state.store.getAbsolutePath().replace("\\", "\\\\").replace("\"", "\\\"");
        String configuration = "{\"state\": \"" + path + "\", \"first_group\": " + range.getStartKeyGroup()
            + ", \"last_group\": " + range.getEndKeyGroup() + ", \"step\": " + step + ", \"flink\": "
            + TaskPlace.json(getContainingTask().getEnvironment()) + ", " + job.substring(1);
        pool.send('C', configuration.getBytes(StandardCharsets.UTF_8));
        LOG.info("started pool {} in {}", Long.valueOf(pool.pid()), path);
    }

    public void open() throws Exception {
        super.open();
        ArrayList again = new ArrayList();
        for (int i = 0; i < restored.size(); i++) {
            Entry entry = (Entry) restored.get(i);
            if (entry.outputs == null) {
                again.add(entry);
                continue;
            }
            for (int j = 0; j < entry.outputs.length; j++) {
                emit(entry.timed, entry.timestamp, entry.outputs[j]);
            }
        }
        Collections.sort(again, new Comparator() {
            public int compare(Object first, Object second) {
                return Long.compare(((Entry) first).offset, ((Entry) second).offset);
            }
        });
        for (int i = 0; i < again.size(); i++) {
            Entry entry = (Entry) again.get(i);
            add(entry);
            pool.send(entry, false);
        }
        restored = null;
        getProcessingTimeService().scheduleAtFixedRate(new ProcessingTimeCallback() {
            public void onProcessingTime(long timestamp) {
                checkHeartbeat();
            }
        }, CHECK_MILLIS, CHECK_MILLIS);
    }

    // -- inputs -------------------------------------------------------------------------------

    public void processElement(StreamRecord record) throws Exception {
        Object value = record.getValue();
        Object key = selector.getKey(value);
        if (keyInFront) {
            value = ((Row) value).getField(1);
        }
        int group = KeyGroupRangeAssignment.assignToKeyGroup(key, maxParallelism);
        Entry entry = new Entry(next, group, keys.key(key, group), values.input(value),
            record.hasTimestamp(), record.hasTimestamp() ? record.getTimestamp() : 0L);
        while (pending.size() >= capacity || pendingBytes > 0 && pendingBytes + entry.size() > MOST_BYTES) {
            mailbox.yield();
        }
        next += step;
        add(entry);
        pool.send(entry, pending.size() == 1);
    }

    private void add(Entry entry) {
        pending.put(Long.valueOf(entry.offset), entry);
        pendingBytes += entry.size();
        if (entry.timed) {
            timed = true;
            latest = Math.max(latest, entry.timestamp);
        }
        lineage.sent(entry);
    }

    public void processWatermark(Watermark mark) throws Exception {
        if (mark.getTimestamp() == Long.MAX_VALUE) {
            lastMark = mark;
        } else if (pending.isEmpty()) {
            super.processWatermark(mark);
        } else {
            held.add(mark);
            held.add(Long.valueOf(next));
        }
    }

    private void releaseWatermarks() throws Exception {
        while (!held.isEmpty()) {
            if (!pending.isEmpty()) {
                Long oldest = (Long) pending.keySet().iterator().next();
                Object second = held.toArray()[1];
                if (oldest.longValue() < ((Long) second).longValue()) {
                    return;
                }
            }
            Watermark mark = (Watermark) held.poll();
            held.poll();
            super.processWatermark(mark);
        }
    }

    /** Not called when the job is stopped with a savepoint from which it may go on. */
    public void endInput() throws Exception {
        bounded = true;
    }

    public void finish() throws Exception {
        while (!pending.isEmpty()) {
            mailbox.yield();
        }
        releaseWatermarks();
        if (bounded) {
            ending = true;
            pool.send('Z', new byte[0]);
            while (!finished) {
                mailbox.yield();
            }
        }
        if (lastMark != null) {
            super.processWatermark(lastMark);
        }
        super.finish();
    }

    // -- outcomes -----------------------------------------------------------------------------

    private void wake() {
        if (mailed.compareAndSet(false, true)) {
            try {
                mailbox.execute(new ThrowingRunnable() {
                    public void run() throws Exception {
                        mailed.set(false);
                        drain();
                    }
                }, "outcomes of a pool");
            } catch (java.util.concurrent.RejectedExecutionException e) {
                LOG.debug("the task has ended", e);
            }
        }
    }

    private void drain() throws Exception {
        byte[] frame = pool.poll();
        while (frame != null && !ended) {
            if (frame == Pool.GONE) {
                replaceLauncher();
            } else if (frame[0] == 'O') {
                processOutputs(frame);
            } else if (frame[0] == 'K') {
                complete = true;
            } else if (frame[0] == 'F') {
                finished = true;
            } else if (frame[0] == 'M') {
                gauges.update(frame);
            } else if (frame[0] == 'E') {
                ended = true;
                throw PoolException.of(frame);
            }
            frame = pool.poll();
        }
        if (!held.isEmpty()) {
            releaseWatermarks();
        }
    }

    private void processOutputs(byte[] frame) throws Exception {
        Integer shard = Integer.valueOf(Bytes.int32(frame, 9));
        long sequence = Bytes.int64(frame, 13);
        Long last = (Long) emitted.get(shard);
        if (last == null || sequence > last.longValue()) { // else the pool's last life has sent it
            emitted.put(shard, Long.valueOf(sequence));
            emit(new Outputs(frame, 21));
        }
        pool.acknowledge(Bytes.int64(frame, 1));
    }

    private void emit(Outputs outputs) {
        while (outputs.next()) {
            Entry entry = (Entry) pending.remove(Long.valueOf(outputs.offset));
            if (entry != null) {
                pendingBytes -= entry.size();
            } else if (!outputs.owned) {
                outputs.skip(); // it was pending in an earlier checkpoint, and came with its outputs
                continue;
            }
            deaths = 0;
            for (int i = 0; i < outputs.count; i++) {
                if (entry == null) {
                    emit(timed, latest, outputs.read());
                } else {
                    emit(entry.timed, entry.timestamp, outputs.read());
                }
            }
        }
    }

    private void emit(boolean hasTime, long timestamp, byte[] data) {
        Object value = text ? (Object) new String(data, StandardCharsets.UTF_8) : (Object) data;
        output.collect(hasTime ? new StreamRecord(value, timestamp) : new StreamRecord(value));
    }

    // -- the pool's death ---------------------------------------------------------------------

    /** Start another launcher in the same directory: the last one is gone, without an error frame. */
    private void replaceLauncher() throws Exception {
        deaths++;
        String how = pool.ending();
        if (!complete) {
            ended = true;
            throw new IOException("The pool's launcher " + how + " before its state was restored.");
        }
        if (deaths > MOST_DEATHS) {
            ended = true;
            throw new IOException("The pool's launcher " + how + ", " + deaths + " times in a row. What"
                + " it has printed is in the task manager's log.");
        }
        LOG.warn("pool " + pool.pid() + " " + how + ": another one is started, and is sent "
            + pending.size() + " inputs again");
        pool.close();
        if (deaths > 1) {
            Thread.sleep(Math.min(2000L, 50L << deaths)); // repeated deaths, without an outcome in between
        }
        start();
        lineage.forget();
        pool.send('G', new byte[0]);
        for (Iterator entries = pending.values().iterator(); entries.hasNext();) {
            pool.send((Entry) entries.next(), false);
        }
        if (ending) {
            pool.send('Z', new byte[0]);
        }
    }

    /** Kill a launcher that has sent nothing, not even a heartbeat, for 30 seconds. */
    private void checkHeartbeat() {
        if (pool.beating && System.nanoTime() - pool.heard > QUIET_NANOS) {
            LOG.warn("pool {} has sent nothing for 30 s: it is killed", Long.valueOf(pool.pid()));
            pool.kill();
        }
    }

    // -- checkpoints --------------------------------------------------------------------------

    public void snapshotState(StateSnapshotContext context) throws Exception {
        super.snapshotState(context);
        offsets.update(Collections.singletonList(Long.valueOf(next)));
        times.update(timed ? Collections.singletonList(Long.valueOf(latest)) : new ArrayList());
    }

    public OperatorSnapshotFutures snapshotState(long checkpoint, long timestamp,
        CheckpointOptions options, CheckpointStreamFactory factory) throws Exception {
        OperatorSnapshotFutures futures =
            super.snapshotState(checkpoint, timestamp, options, factory);
        Entry[] now = (Entry[]) pending.values().toArray(new Entry[0]);
        Lineage.Plan plan = lineage.next(checkpoint, now, options.getCheckpointType());
        pool.barrier(checkpoint, plan.shared);
        Entry time = new Entry(0, 0, new byte[0], new byte[0], timed, latest);
        futures.setKeyedStateManagedFuture(new FutureTask(new Snapshot(
            checkpoint, pool, now, range, factory, lineage, plan, new HashMap(emitted), time)));
        return futures;
    }

    public void notifyCheckpointComplete(long checkpoint) throws Exception {
        super.notifyCheckpointComplete(checkpoint);
        lineage.completed(checkpoint);
    }

    public void notifyCheckpointAborted(long checkpoint) throws Exception {
        super.notifyCheckpointAborted(checkpoint);
        pool.drop(checkpoint);
    }

    // -- the end ------------------------------------------------------------------------------

    public void close() throws Exception {
        ended = true;
        if (pool != null) {
            pool.close();
        }
        if (state != null) {
            state.delete();
        }
        Gateways.close(getUserCodeClassloader(), variables);
        if (dependencies != null) {
            dependencies.close();
        }
        super.close();
    }
}
