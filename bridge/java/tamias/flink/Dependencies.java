package tamias.flink;

import java.io.Serializable;
import java.util.HashMap;
import java.util.Map;

import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.cache.DistributedCache;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.python.env.PythonDependencyInfo;
import org.apache.flink.python.env.process.ProcessPythonEnvironmentManager;

/**
 * The job's Python files, archives and requirements on this task manager, by Flink's own means: what
 * `python.files`, `python.archives` and `python.requirements` name is unpacked and installed as for
 * PyFlink's own functions, and the launcher is started in what comes of it.
 */
public final class Dependencies implements Serializable {
    private final Configuration config;
    private final boolean any;
    private transient ProcessPythonEnvironmentManager manager;

    public Dependencies(Configuration config, boolean any) {
        this.config = config;
        this.any = any;
    }

    /** The environment variables that make them known to Python. */
    Map open(String[] folders, DistributedCache cache, JobID job) throws Exception {
        if (!any) {
            return new HashMap();
        }
        PythonDependencyInfo info = PythonDependencyInfo.create(config, cache);
        manager = new ProcessPythonEnvironmentManager(info, folders, System.getenv(), job);
        manager.open();
        manager.createEnvironment();
        Map variables = new HashMap(manager.getPythonEnv());
        return variables;
    }

    void close() throws Exception {
        if (manager != null) {
            manager.close();
        }
    }
}
