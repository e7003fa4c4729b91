// Runs one query on Apache Flink: over a small file for its answer, over a large one for its time.
//
// usage   java Run SMALL.sql LARGE.sql ROWS KEY PARALLELISM MODES
// in      scripts of CREATE statements and one INSERT INTO; KEY is the place of the column that is
//         the key of the result, or -1 where every change names its old row
//         MODES are "off", or "off,on" to try mini-batches as well
// out     ROWS.MODE: what is left of the small file, a row a line (columns separated by U+0001);
//         on stdout a line "MODE SECONDS" for each timing
// clock   from when the source runs to when the last task has finished, by the job's own stamps
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.JobID;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.execution.ExecutionState;
import org.apache.flink.runtime.executiongraph.AccessExecution;
import org.apache.flink.runtime.executiongraph.AccessExecutionGraph;
import org.apache.flink.runtime.executiongraph.AccessExecutionJobVertex;
import org.apache.flink.runtime.executiongraph.AccessExecutionVertex;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.types.Row;
import org.apache.flink.types.RowKind;
import org.apache.flink.util.CloseableIterator;

public final class Run {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS");
  private static MiniCluster cluster;

  private Run() {}

  public static void main(String[] given) throws Exception {
    int parallelism = Integer.parseInt(given[4]);
    Configuration said = new Configuration();
    said.setString("rest.address", "localhost");
    said.setString("rest.bind-port", "0");
    said.setString("taskmanager.memory.network.min", "256m");
    said.setString("taskmanager.memory.network.max", "256m");
    cluster =
        new MiniCluster(
            new MiniClusterConfiguration.Builder()
                .setConfiguration(said)
                .setNumTaskManagers(1)
                .setNumSlotsPerTaskManager(parallelism)
                .build());
    cluster.start();
    for (String mode : given[5].split(",")) {
      List<String> rows = answer(given[0], mode, parallelism, Integer.parseInt(given[3]));
      Files.write(Path.of(given[2] + "." + mode), rows);
    }
    for (String mode : given[5].split(",")) {
      System.out.println(mode + " " + seconds(given[1], mode, parallelism));
    }
    System.out.flush();
    System.exit(0); // threads of the cluster would hold the JVM for seconds
  }

  private static TableEnvironment environment(String mode, int parallelism) throws Exception {
    Configuration said = new Configuration();
    said.setString("execution.target", "remote");
    said.setString("rest.address", "localhost");
    said.setString("rest.port", String.valueOf(cluster.getRestAddress().get().getPort()));
    said.setString("parallelism.default", String.valueOf(parallelism));
    said.setString("pipeline.object-reuse", "true");
    said.setString("state.backend.type", "hashmap");
    said.setString("restart-strategy.type", "none");
    said.setString("table.local-time-zone", "UTC");
    if (mode.equals("on")) {
      said.setString("table.exec.mini-batch.enabled", "true");
      said.setString("table.exec.mini-batch.allow-latency", "2 s");
      said.setString("table.exec.mini-batch.size", "50000");
      said.setString("table.optimizer.distinct-agg.split.enabled", "true");
    }
    return TableEnvironment.create(
        EnvironmentSettings.newInstance().withConfiguration(said).inStreamingMode().build());
  }

  // Declares the tables of a script and returns its INSERT.
  private static String declared(TableEnvironment flink, String script) throws Exception {
    String insert = null;
    for (String part : Files.readString(Path.of(script)).replaceAll("(?m)--.*$", "").split(";")) {
      String said = part.strip();
      if (said.startsWith("INSERT INTO")) {
        insert = said;
      } else if (!said.isEmpty()) {
        flink.executeSql(said);
      }
    }
    return insert;
  }

  private static double seconds(String script, String mode, int parallelism) throws Exception {
    TableEnvironment flink = environment(mode, parallelism);
    TableResult running = flink.executeSql(declared(flink, script));
    running.await();
    JobID job = running.getJobClient().get().getJobID();
    AccessExecutionGraph graph = cluster.getArchivedExecutionGraph(job).get();
    long from = Long.MAX_VALUE;
    long to = 0;
    for (AccessExecutionJobVertex step : graph.getAllVertices().values()) {
      for (AccessExecutionVertex task : step.getTaskVertices()) {
        AccessExecution tried = task.getCurrentExecutionAttempt();
        from = Math.min(from, tried.getStateTimestamp(ExecutionState.RUNNING));
        to = Math.max(to, tried.getStateTimestamp(ExecutionState.FINISHED));
      }
    }
    return (to - from) / 1000.0;
  }

  private static List<String> answer(String script, String mode, int parallelism, int key)
      throws Exception {
    TableEnvironment flink = environment(mode, parallelism);
    String query = declared(flink, script).replaceFirst("INSERT INTO\\s+\\S+", "");
    Map<String, Integer> counts = new HashMap<>();
    Map<String, String> newest = new HashMap<>();
    try (CloseableIterator<Row> changes = flink.executeSql(query).collect()) {
      while (changes.hasNext()) {
        Row row = changes.next();
        boolean comes = row.getKind() == RowKind.INSERT || row.getKind() == RowKind.UPDATE_AFTER;
        List<String> cells = new ArrayList<>();
        for (int i = 0; i < row.getArity(); i++) {
          cells.add(cell(row.getField(i)));
        }
        String line = String.join("\u0001", cells);
        if (key < 0) {
          counts.merge(line, comes ? 1 : -1, Integer::sum);
        } else if (comes) {
          newest.put(cells.get(key), line);
        } else {
          newest.remove(cells.get(key), line);
        }
      }
    }
    List<String> left = new ArrayList<>(newest.values());
    for (Map.Entry<String, Integer> entry : counts.entrySet()) {
      if (entry.getValue() < 0) {
        throw new IllegalStateException("taken back but never given: " + entry.getKey());
      }
      for (int i = 0; i < entry.getValue(); i++) {
        left.add(entry.getKey());
      }
    }
    return left;
  }

  private static String cell(Object value) {
    if (value instanceof LocalDateTime) {
      return TIME.format((LocalDateTime) value);
    }
    return value instanceof BigDecimal ? ((BigDecimal) value).toPlainString() : String.valueOf(value);
  }
}
