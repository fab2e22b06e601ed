package tamias.resources;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;

/**
 * One request of Python, performed by a thread of its own.
 *
 * <p>If it needs Python in between, it asks a question. The caller of a direct call gets the question
 * in place of the outcome, answers it, and then gets the next question or the outcome. So the Python
 * thread that made the call answers, Python needs no server for calls from Java, and no chain of
 * calls between the languages can run out of threads. Outcomes and questions of other calls become
 * events of the session.
 */
final class Call implements Runnable {
    private static final ThreadLocal CURRENT = new ThreadLocal();

    private static final ExecutorService THREADS = Executors.newCachedThreadPool(new ThreadFactory() {
        public Thread newThread(Runnable body) {
            Thread thread = new Thread(body, "tamias-call");
            thread.setDaemon(true);
            thread.setContextClassLoader(Call.class.getClassLoader());
            return thread;
        }
    });

    final Session session;
    final String id;

    private final Map request;
    private final String root;
    private final boolean direct;
    private final LinkedBlockingQueue turns = new LinkedBlockingQueue();
    private final LinkedBlockingQueue answers = new LinkedBlockingQueue();
    private final List metrics = new ArrayList();
    private Thread thread;
    private boolean ended;

    Call(Session session, Map request, boolean direct) {
        this.session = session;
        this.request = request;
        this.direct = direct;
        this.id = (String) request.get("call");
        Object given = request.get("root");
        this.root = given == null ? this.id : (String) given;
    }

    static Call current() {
        return (Call) CURRENT.get();
    }

    /** Identifies the first call of a chain of calls; all calls in the chain have the same root. */
    static String root() {
        Call call = current();
        return call == null ? "thread-" + Thread.currentThread().getId() : call.root;
    }

    static String unknown(String id) {
        Map event = Failure.of(new IllegalStateException("There is no call " + id + " any more."));
        event.put("call", id);
        return Json.write(event);
    }

    void start() {
        THREADS.execute(this);
    }

    public void run() {
        begun(Thread.currentThread());
        CURRENT.set(this);
        Map outcome;
        try {
            Object value = Convert.plain(Invocation.perform(this.session, this.request));
            outcome = new HashMap();
            outcome.put("done", value);
        } catch (Throwable error) {
            outcome = Failure.of(error);
        }
        CURRENT.remove();
        ended();
        outcome.put("call", this.id);
        if (!this.metrics.isEmpty()) {
            outcome.put("metrics", this.metrics);
        }
        this.session.ended(this);
        send(outcome);
    }

    private synchronized void begun(Thread thread) {
        this.thread = thread;
    }

    /** From here on the thread is not interrupted: it will perform other calls. */
    private synchronized void ended() {
        this.ended = true;
        Thread.interrupted();
    }

    void measured(List what) {
        this.metrics.add(what);
    }

    private void send(Map event) {
        if (this.direct) {
            this.turns.add(Json.write(event));
        } else {
            this.session.enqueue(event);
        }
    }

    /** Wait for the next turn: an outcome, or a question. */
    String turn(int millis) {
        try {
            String turn = (String) this.turns.poll(millis, TimeUnit.MILLISECONDS);
            if (turn != null) {
                return turn;
            }
        } catch (InterruptedException end) {
            Thread.currentThread().interrupt();
        }
        cancel();
        return "{\"late\":true}";
    }

    String resume(String answer, int millis) {
        this.answers.add(answer);
        return turn(millis);
    }

    Object ask(Map question) {
        question.put("root", this.root);
        if (!this.direct) {
            return this.session.ask(question, this.id);
        }
        Map event = new HashMap();
        event.put("call", this.id);
        event.put("ask", question);
        send(event);
        try {
            return Failure.value((Map) Json.read((String) this.answers.take()));
        } catch (InterruptedException end) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("Interrupted while Python was asked.");
        }
    }

    synchronized void cancel() {
        if (this.thread != null && !this.ended) {
            this.thread.interrupt();
        }
    }
}
