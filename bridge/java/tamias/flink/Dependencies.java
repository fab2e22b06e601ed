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
 * The job's Python files, archives and requirements on this task manager. Flink unpacks and installs
 * what `python.files`, `python.archives` and `python.requirements` name, as for PyFlink's own
 * functions, and the launcher is started in the resulting environment.
 */
public final class Dependencies implements Serializable {
    private final Configuration config;
    private final boolean any;
    private transient ProcessPythonEnvironmentManager manager;

    public Dependencies(Configuration config, boolean any) {
        this.config = config;
        this.any = any;
    }

    /** Prepare them; returns the environment variables by which Python finds them. */
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
