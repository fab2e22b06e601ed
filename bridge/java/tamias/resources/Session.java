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

/** One Python process: its resources, the calls that it has made, what is to be told to it. */
final class Session implements BiFunction {
    private static final int MOST_EVENTS = 256;

    final String id;

    private final Map holders = new ConcurrentHashMap();
    private final Map calls = new ConcurrentHashMap();
    private final Map questions = new ConcurrentHashMap();
    private final LinkedBlockingQueue events = new LinkedBlockingQueue();
    private final AtomicLong counter = new AtomicLong();
    private volatile long heard = System.nanoTime();
    private volatile boolean polling;
    private volatile boolean closed;

    Session(String id) {
        this.id = id;
    }

    void heard() {
        this.heard = System.nanoTime();
    }

    long silence() {
        return this.polling ? 0 : (System.nanoTime() - this.heard) / 1000000;
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

    void tell(Map event) {
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
            heard();
        }
        StringBuilder text = new StringBuilder("[");
        for (int i = 0; i < found.size(); i++) {
            text.append(i == 0 ? "" : ",").append((String) found.get(i));
        }
        return text.append("]").toString();
    }

    // ------------------------------------------------------------------ questions

    /** What Python answers to a question: by way of the present call, or by `poll`. */
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
        tell(event);
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

    /** `getResource` of every resource that is made here. */
    public Object apply(Object name, Object type) {
        try {
            return resource((String) name, (ResourceType) type);
        } catch (RuntimeException error) {
            throw error;
        } catch (Exception error) {
            throw new IllegalStateException(error.getMessage(), error);
        }
    }

    /** The resource of that name: made here once, or what stands here for one of Python's. */
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
        tell(last);
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

    /** A resource that is there, is being made (by the calls of a root), or is to be made. */
    private static final class Holder {
        Resource resource;
        private String root;

        /** The resource; or null, and it is the caller's to make it and to call `settle`. */
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
