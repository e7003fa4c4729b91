// Runs a script of SET, CREATE and one INSERT INTO on Apache Flink, and waits for its end.
//
// in      a file; statements end with a semicolon at the end of a line
// out     nothing here: the script's own sink
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

public class OnFlink {
  private static final Pattern SET = Pattern.compile("SET '([^']+)' = '([^']+)'");

  public static void main(String[] args) throws Exception {
    Configuration settings = new Configuration();
    TableEnvironment flink = null;
    for (String part : Files.readString(Path.of(args[0])).split(";\\s*\n")) {
      String said = part.strip();
      Matcher set = SET.matcher(said);
      if (set.matches()) {
        settings.setString(set.group(1), set.group(2));
        continue;
      }
      if (flink == null) {
        flink =
            TableEnvironment.create(
                EnvironmentSettings.newInstance()
                    .inStreamingMode()
                    .withConfiguration(settings)
                    .build());
      }
      if (said.startsWith("INSERT INTO")) {
        flink.executeSql(said).await();
      } else if (!said.isEmpty()) {
        flink.executeSql(said);
      }
    }
    System.exit(0); // threads of the cluster that runs in here need not be waited for
  }
}
