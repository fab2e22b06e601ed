package tamias.resources;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiFunction;

import org.apache.flink.agents.api.resource.Resource;
import org.apache.flink.agents.api.resource.ResourceType;

/** One Python process: its resources, its calls, and the events for it. */
final class Session implements BiFunction {
    private static final int MOST_EVENTS = 256;

    final String id;

    private final Map holders = new ConcurrentHashMap();
    private final Map calls = new ConcurrentHashMap();
    private final Map questions = new ConcurrentHashMap();
    private final LinkedBlockingQueue events = new LinkedBlockingQueue();
    private final AtomicLong counter = new AtomicLong();
    private volatile long lastContact = System.nanoTime();
    private volatile boolean polling;
    private volatile boolean closed;

    Session(String id) {
        this.id = id;
    }

    void touch() {
        this.lastContact = System.nanoTime();
    }

    long idleMillis() {
        return this.polling ? 0 : (System.nanoTime() - this.lastContact) / 1000000;
    }

    // ------------------------------------------------------------------ calls

    Call begin(String request, boolean direct) {
        Call call = new Call(this, (Map) Json.read(request), direct);
        this.calls.put(call.id, call);
        call.start();
        return call;
    }

    Call call(String id) {
        return (Call) this.calls.get(id);
    }

    void ended(Call call) {
        this.calls.remove(call.id);
    }

    void enqueue(Map event) {
        this.events.add(Json.write(event));
    }

    String poll(int millis) {
        this.polling = true;
        List found = new ArrayList();
        try {
            Object first = this.events.poll(millis, TimeUnit.MILLISECONDS);
            if (first != null) {
                found.add(first);
                this.events.drainTo(found, MOST_EVENTS);
            }
        } catch (InterruptedException end) {
            Thread.currentThread().interrupt();
        } finally {
            this.polling = false;
            touch();
        }
        StringBuilder text = new StringBuilder("[");
        for (int i = 0; i < found.size(); i++) {
            text.append(i == 0 ? "" : ",").append((String) found.get(i));
        }
        return text.append("]").toString();
    }

    // ------------------------------------------------------------------ questions

    /** Ask Python, as an answer to the present call if there is one, otherwise by an event; returns the answer. */
    Object ask(Map question) {
        Call call = Call.current();
        if (call != null && call.session == this) {
            return call.ask(question);
        }
        return ask(question, null);
    }

    Object ask(Map question, String call) {
        String number = "q" + this.counter.incrementAndGet();
        LinkedBlockingQueue box = new LinkedBlockingQueue();
        this.questions.put(number, box);
        Map event = new HashMap();
        event.put("ask", question);
        event.put("question", number);
        event.put("call", call);
        enqueue(event);
        try {
            while (!this.closed) {
                Object answer = box.poll(1, TimeUnit.SECONDS);
                if (answer != null) {
                    return Failure.value((Map) Json.read((String) answer));
                }
            }
            throw new IllegalStateException("The Python process is gone.");
        } catch (InterruptedException end) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("Interrupted while Python was asked.");
        } finally {
            this.questions.remove(number);
        }
    }

    void reply(String question, String answer) {
        LinkedBlockingQueue box = (LinkedBlockingQueue) this.questions.get(question);
        if (box != null) {
            box.add(answer);
        }
    }

    // ------------------------------------------------------------------ resources

    /** The `getResource` of resources that are made here. */
    public Object apply(Object name, Object type) {
        try {
            return resource((String) name, (ResourceType) type);
        } catch (RuntimeException error) {
            throw error;
        } catch (Exception error) {
            throw new IllegalStateException(error.getMessage(), error);
        }
    }

    /** The resource of that name: a Java resource, made once, or a proxy for one of Python's. */
    Resource resource(String name, ResourceType type) throws Exception {
        String key = type.getValue() + "/" + name;
        Holder made = new Holder();
        Holder holder = (Holder) this.holders.putIfAbsent(key, made);
        if (holder == null) {
            holder = made;
        }
        Resource there = holder.claim(Call.root(), type, name);
        if (there != null) {
            return there;
        }
        Resource resource = null;
        try {
            resource = Maker.make(this, name, type);
            resource.setMetricGroup(Metrics.ROOT);
        } finally {
            holder.settle(resource);
        }
        return resource;
    }

    void close() {
        this.closed = true;
        Map last = new HashMap();
        last.put("closed", Boolean.TRUE);
        enqueue(last);
        List all = new ArrayList(this.holders.values());
        for (int i = 0; i < all.size(); i++) {
            Resource resource = ((Holder) all.get(i)).resource;
            try {
                if (resource != null) {
                    resource.close();
                }
            } catch (Throwable error) {
                System.err.println("A resource could not be closed: " + error);
            }
        }
        List running = new ArrayList(this.calls.values());
        for (int i = 0; i < running.size(); i++) {
            ((Call) running.get(i)).cancel();
        }
    }

    /** A resource: made, being made (by calls with that root), or not made yet. */
    private static final class Holder {
        Resource resource;
        private String root;

        /** The resource; if null, the caller has to make it and then to call `settle`. */
        synchronized Resource claim(String root, ResourceType type, String name)
                throws InterruptedException {
            while (this.root != null) {
                if (this.root.equals(root)) {
                    throw new IllegalStateException(
                            "The " + type.getValue() + " '" + name + "' needs itself to be made.");
                }
                wait();
            }
            if (this.resource == null) {
                this.root = root;
            }
            return this.resource;
        }

        synchronized void settle(Resource made) {
            this.root = null;
            this.resource = made;
            notifyAll();
        }
    }
}
