// Runs a query on Apache Flink and writes the rows that are left when its changes are folded.
//
// in      pairs of arguments: a script (CREATE statements, then one INSERT INTO), and the place of
//         the column that is the key of its result, or -1 where every change names its old row, or
//         batch where Flink answers in its batch mode only
// out     beside each script a file .rows: a row a line, columns separated by U+0001, unordered
// source  Flink's collect() gives some updates by key only (q9: +I, +U without -U)
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.types.Row;
import org.apache.flink.types.RowKind;
import org.apache.flink.util.CloseableIterator;

public class Ask {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS");

  public static void main(String[] args) throws Exception {
    for (int i = 0; i < args.length; i += 2) {
      Path script = Path.of(args[i]);
      boolean batch = args[i + 1].equals("batch");
      int key = batch ? -1 : Integer.parseInt(args[i + 1]);
      TableEnvironment flink =
          TableEnvironment.create(
              batch
                  ? EnvironmentSettings.inBatchMode()
                  : EnvironmentSettings.inStreamingMode());
      flink.getConfig().set("parallelism.default", "1");
      String text = Files.readString(script).replaceAll("(?m)--.*$", "");
      for (String statement : text.split(";")) {
        String said = statement.strip();
        if (said.startsWith("INSERT INTO")) {
          List<String> rows = rows(flink, said, key);
          String name = script.toString().replaceFirst("sql$", "rows");
          Files.writeString(Path.of(name), rows.stream().map(r -> r + "\n").collect(Collectors.joining()));
        } else if (!said.isEmpty()) {
          flink.executeSql(said);
        }
      }
    }
  }

  private static List<String> rows(TableEnvironment flink, String insert, int key) throws Exception {
    Map<String, Integer> counts = new HashMap<>();
    Map<String, String> newest = new HashMap<>();
    String query = insert.replaceFirst("INSERT INTO\\s+\\S+", "");
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
