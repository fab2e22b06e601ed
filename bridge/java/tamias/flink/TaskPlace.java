package tamias.flink;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.execution.Environment;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Where a task is in Flink, for those who look at its pool: its job, its vertex, which one it is of its
 * vertex, and the page of Flink that shows it.
 */
final class TaskPlace {
    private TaskPlace() {
    }

    static String json(Environment task) {
        ObjectNode place = new ObjectMapper().createObjectNode();
        String job = task.getJobID().toString();
        String vertex = task.getJobVertexId().toString();
        place.put("job", job);
        place.put("vertex", vertex);
        place.put("task", task.getTaskInfo().getTaskName());
        place.put("subtask", task.getTaskInfo().getIndexOfThisSubtask());
        place.put("subtasks", task.getTaskInfo().getNumberOfParallelSubtasks());
        place.put("url", web(task.getTaskManagerInfo().getConfiguration()) + "/#/job/running/" + job
            + "/overview/" + vertex + "/subtasks");
        return place.toString();
    }

    /** The web interface, as far as a task manager's configuration has it. */
    private static String web(Configuration configuration) {
        String host = configuration.getString("rest.address",
            configuration.getString("jobmanager.rpc.address", "localhost"));
        return "http://" + host + ":" + configuration.getString("rest.port", "8081");
    }
}
