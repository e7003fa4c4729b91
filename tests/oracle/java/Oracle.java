// Runs cases on Apache Flink: one JSON document a line in, one a line out, one JVM for all.
//
// usage   java Oracle CASES ANSWERS
// case    name, settings, tables, events (see Feed), statements: [{kind, sql}]
// answer  name, outcome (rows, refused: no plan, failed: while running), mode, error, results
//
// A query goes into a 'memory' table called result. What streaming mode refuses because it sorts
// is run in batch mode: the input is bounded.

import java.io.BufferedWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.api.ApiExpression;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.Expressions;
import org.apache.flink.table.api.StatementSet;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.TableDescriptor;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.expressions.Expression;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.utils.LogicalTypeChecks;

public final class Oracle {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final long RUN_LIMIT_S = 60;
    private static final int ERROR_CHARS = 400;
    private static final int SLOTS = 4;
    private static MiniCluster cluster;

    private Oracle() {}

    public static void main(String[] arguments) throws Exception {
        int count = 0;
        startCluster();
        try (BufferedWriter out = Files.newBufferedWriter(Path.of(arguments[1]))) {
            for (String line : Files.readAllLines(Path.of(arguments[0]))) {
                out.write(JSON.writeValueAsString(answer(JSON.readTree(line))));
                out.write("\n");
                out.flush();
                count++;
            }
        }
        System.out.println(count + " cases");
        System.exit(0); // threads of the last cluster would hold the JVM for seconds
    }

    private static void startCluster() throws Exception {
        Configuration said = new Configuration();
        said.setString("rest.address", "localhost");
        said.setString("rest.bind-port", "0");
        said.setString("jobstore.max-capacity", "2");
        cluster = new MiniCluster(
            new MiniClusterConfiguration.Builder()
                .setConfiguration(said)
                .setNumTaskManagers(1)
                .setNumSlotsPerTaskManager(SLOTS)
                .build());
        cluster.start();
    }

    private static Map<String, Object> answer(JsonNode one) {
        Map<String, Object> streaming = answer(one, true);
        String error = String.valueOf(streaming.get("error"));
        boolean sorts = error.contains("Sort on a non-time-attribute field")
            || error.contains("without order by");
        return "refused".equals(streaming.get("outcome")) && sorts ? answer(one, false) : streaming;
    }

    private static Map<String, Object> answer(JsonNode one, boolean streaming) {
        Map<String, Object> out = new LinkedHashMap<>();
        out.put("name", one.get("name").asText());
        out.put("mode", streaming ? "streaming" : "batch");
        Feed.current = new Feed(one.get("tables"), one.get("events"), streaming);
        Memory.KEPT.clear();
        TableResult running;
        try {
            running = start(one, streaming);
        } catch (Throwable error) {
            return failed(out, "refused", error);
        }
        try {
            running.await(RUN_LIMIT_S, TimeUnit.SECONDS);
        } catch (Throwable error) {
            Feed.current.end();
            stop(running);
            return failed(out, "failed", error);
        }
        out.put("outcome", "rows");
        out.put("results", results());
        return out;
    }

    private static void stop(TableResult running) {
        try {
            running.getJobClient().get().cancel().get(RUN_LIMIT_S, TimeUnit.SECONDS);
        } catch (Exception gone) {
            // A job that failed has taken its cluster with it.
        }
    }

    private static TableResult start(JsonNode one, boolean streaming) throws Exception {
        Configuration said = new Configuration();
        said.setString("execution.target", "remote");
        said.setString("rest.address", "localhost");
        said.setString("rest.port", String.valueOf(cluster.getRestAddress().get().getPort()));
        said.setString("parallelism.default", "1");
        said.setString("execution.buffer-timeout.interval", "0 ms");
        said.setString("pipeline.auto-watermark-interval", "0 ms");
        said.setString("restart-strategy.type", "none");
        said.setString("table.optimizer.agg-phase-strategy", "ONE_PHASE");
        said.setString("table.exec.mini-batch.enabled", "false");
        said.setString("table.local-time-zone", "UTC");
        one.get("settings").fields()
            .forEachRemaining(e -> said.setString(e.getKey(), e.getValue().asText()));
        EnvironmentSettings.Builder mode = EnvironmentSettings.newInstance().withConfiguration(said);
        TableEnvironment env =
            TableEnvironment.create((streaming ? mode.inStreamingMode() : mode.inBatchMode()).build());
        StatementSet sinks = env.createStatementSet();
        TableResult last = null;
        boolean writes = false;
        for (JsonNode statement : one.get("statements")) {
            String sql = statement.get("sql").asText();
            switch (statement.get("kind").asText()) {
                case "set":
                    env.getConfig().set(statement.get("key").asText(), statement.get("value").asText());
                    break;
                case "select":
                    writes = true;
                    sinks.addInsert(
                        TableDescriptor.forConnector("memory").build(), plain(env.sqlQuery(sql)));
                    break;
                case "insert":
                    writes = true;
                    sinks.addInsertSql(sql);
                    break;
                default:
                    last = env.executeSql(sql);
                    last.await(RUN_LIMIT_S, TimeUnit.SECONDS); // CREATE TABLE … AS is a job
                    if (last.getJobClient().isPresent()) {
                        Feed.current = new Feed(one.get("tables"), one.get("events"), streaming);
                    }
            }
        }
        return writes ? sinks.execute() : last;
    }

    // A table may have one event time at most; a query shown to its user may have several.
    private static Table plain(Table query) {
        List<Expression> columns = new ArrayList<>();
        int times = 0;
        for (Column column : query.getResolvedSchema().getColumns()) {
            LogicalType type = column.getDataType().getLogicalType();
            ApiExpression same = Expressions.$(column.getName());
            if (LogicalTypeChecks.isRowtimeAttribute(type)) {
                times++;
                DataType regular = type.is(LogicalTypeRoot.TIMESTAMP_WITH_LOCAL_TIME_ZONE)
                    ? DataTypes.TIMESTAMP_LTZ(3) : DataTypes.TIMESTAMP(3);
                columns.add(same.cast(regular).as(column.getName()));
            } else {
                columns.add(same);
            }
        }
        return times > 1 ? query.select(columns.toArray(new Expression[0])) : query;
    }

    private static Map<String, Object> results() {
        Map<String, Object> out = new LinkedHashMap<>();
        Memory.KEPT.forEach((name, kept) -> {
            Map<String, Object> table = new LinkedHashMap<>();
            table.put("columns", kept.columns);
            table.put("types", kept.types);
            table.put("changes", kept.changes);
            out.put(name.contains("*anonymous") ? "result" : name, table);
        });
        return out;
    }

    private static Map<String, Object> failed(
        Map<String, Object> out, String outcome, Throwable error) {
        List<String> messages = new ArrayList<>();
        for (Throwable each = error; each != null; each = each.getCause()) {
            String text = String.valueOf(each.getMessage()).strip();
            messages.add(each.getClass().getSimpleName() + ": " + text);
        }
        String last = messages.get(messages.size() - 1).replaceAll("\\s+", " ");
        last = last.replaceAll(" Was expecting.*", "");
        out.put("outcome", outcome);
        out.put("error", last.substring(0, Math.min(ERROR_CHARS, last.length())));
        return out;
    }
}
