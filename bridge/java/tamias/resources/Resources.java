package tamias.resources;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import org.apache.flink.agents.api.resource.Resource;
import org.apache.flink.agents.api.resource.ResourceType;

/**
 * The entry point of a py4j gateway, for calls from Python; it uses no class of py4j.
 *
 * <p>Arguments and results are strings: ids, or JSON. No method throws. A session is a Python process
 * with its resources; it begins with the first call that names it, and ends with `close`, or after a
 * minute without a call.
 */
public final class Resources {
    private static final Resources INSTANCE = new Resources();

    private static final long IDLE_MILLIS = 60000;

    private final Map sessions = new ConcurrentHashMap();

    private Thread reaper;

    private Resources() {}

    /** The only instance in this class loader. */
    public static Resources instance() {
        return INSTANCE;
    }

    /** Answers that this JVM is alive. */
    public String ping() {
        return "pong";
    }

    /**
     * Perform a request; returns its outcome, or a question that has to be answered with `resume`
     * first.
     */
    public String call(String session, String request, int millis) {
        return session(session).begin(request, true).turn(millis);
    }

    /** Go on with a call, with the answer to its question. Returns as `call`. */
    public String resume(String session, String call, String answer, int millis) {
        Call found = session(session).call(call);
        return found == null ? Call.unknown(call) : found.resume(answer, millis);
    }

    /** Begin a request; `poll` returns its outcome and its questions. */
    public String submit(String session, String request) {
        session(session).begin(request, false);
        return "";
    }

    /** The events for a session, as a JSON array; waits for the first one. */
    public String poll(String session, int millis) {
        return session(session).poll(millis);
    }

    /** Answer a question that `poll` has returned. */
    public String reply(String session, String question, String answer) {
        session(session).reply(question, answer);
        return "";
    }

    /** Interrupt a call whose outcome is not needed any more. */
    public String cancel(String session, String call) {
        Call found = session(session).call(call);
        if (found != null) {
            found.cancel();
        }
        return "";
    }

    /** End a session and close its resources. */
    public String close(String session) {
        Session ended = (Session) this.sessions.remove(session);
        if (ended != null) {
            ended.close();
        }
        return "";
    }

    /** Convert a value to Java and back, to test the conversions. */
    public String echo(String kind, String json) {
        try {
            Object made = Convert.make(kind, Json.read(json));
            return Json.write(Convert.plain(made));
        } catch (Throwable error) {
            return Json.write(Failure.of(error));
        }
    }

    /**
     * A resource of a Python process, for Java code outside of a call from Python. If there are several
     * processes, it may be of any of them.
     */
    public Resource resource(String name, ResourceType type) throws Exception {
        Iterator all = this.sessions.values().iterator();
        if (!all.hasNext()) {
            throw new IllegalStateException("No Python process has a session here.");
        }
        return ((Session) all.next()).resource(name, type);
    }

    void closeAll() {
        List all = new ArrayList(this.sessions.keySet());
        for (int i = 0; i < all.size(); i++) {
            close((String) all.get(i));
        }
    }

    private Session session(String id) {
        Session found = (Session) this.sessions.get(id);
        if (found == null) {
            found = opened(id);
        }
        found.touch();
        return found;
    }

    private synchronized Session opened(String id) {
        Session found = (Session) this.sessions.get(id);
        if (found == null) {
            found = new Session(id);
            this.sessions.put(id, found);
        }
        if (this.reaper == null) {
            this.reaper = new Thread(new Runnable() {
                public void run() {
                    reap();
                }
            }, "tamias-sessions");
            this.reaper.setDaemon(true);
            this.reaper.start();
        }
        return found;
    }

    /** Ends with the last session: a thread that stays would keep the classes of a Flink job loaded. */
    private void reap() {
        boolean going = true;
        while (going) {
            try {
                Thread.sleep(1000);
            } catch (InterruptedException end) {
                Thread.currentThread().interrupt();
            }
            List all = new ArrayList(this.sessions.values());
            for (int i = 0; i < all.size(); i++) {
                Session each = (Session) all.get(i);
                if (each.idleMillis() > IDLE_MILLIS) {
                    close(each.id);
                }
            }
            going = goesOn();
        }
    }

    private synchronized boolean goesOn() {
        if (this.sessions.isEmpty() || Thread.currentThread().isInterrupted()) {
            this.reaper = null;
        }
        return this.reaper != null;
    }
}
