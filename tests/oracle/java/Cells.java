// One cell of a row: JSON as the recordings spell it <-> the object Flink's tables take and give.
//
// null for NULL, true and false, everything else as text (numbers keep their digits); arrays and
// rows as lists, maps and multisets as lists of [key, value].

import java.lang.reflect.Array;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.Period;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.types.Row;

final class Cells {
    private Cells() {}

    static Object read(JsonNode cell, LogicalType type) {
        if (cell.isNull()) {
            return null;
        }
        String text = cell.asText();
        switch (type.getTypeRoot()) {
            case BOOLEAN:
                return cell.asBoolean();
            case TINYINT:
                return Byte.valueOf(text);
            case SMALLINT:
                return Short.valueOf(text);
            case INTEGER:
                return Integer.valueOf(text);
            case BIGINT:
                return Long.valueOf(text);
            case FLOAT:
                return Float.valueOf(floating(text));
            case DOUBLE:
                return Double.valueOf(floating(text));
            case DECIMAL:
                return new BigDecimal(text);
            case DATE:
                return LocalDate.parse(text);
            case TIME_WITHOUT_TIME_ZONE:
                return LocalTime.parse(text);
            case TIMESTAMP_WITHOUT_TIME_ZONE:
                return LocalDateTime.parse(text);
            case TIMESTAMP_WITH_LOCAL_TIME_ZONE:
                return LocalDateTime.parse(text).toInstant(ZoneOffset.UTC);
            case BINARY:
            case VARBINARY:
                return bytes(text);
            case INTERVAL_DAY_TIME:
                return Duration.ofMillis(Long.parseLong(text));
            case INTERVAL_YEAR_MONTH:
                return Period.ofMonths(Integer.parseInt(text));
            case ARRAY:
                return readArray(cell, type.getChildren().get(0));
            case MAP:
                return readMap(cell, type.getChildren().get(0), type.getChildren().get(1));
            case MULTISET:
                Map<Object, Integer> counts = new HashMap<>();
                for (JsonNode pair : cell) {
                    counts.put(read(pair.get(0), type.getChildren().get(0)), pair.get(1).asInt());
                }
                return counts;
            case ROW:
                Row row = new Row(cell.size());
                for (int i = 0; i < cell.size(); i++) {
                    row.setField(i, read(cell.get(i), type.getChildren().get(i)));
                }
                return row;
            default:
                return text;
        }
    }

    private static String floating(String text) {
        return text.replace("inf", "Infinity").replace("nan", "NaN");
    }

    private static byte[] bytes(String hex) {
        byte[] out = new byte[hex.length() / 2];
        for (int i = 0; i < out.length; i++) {
            out[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
        }
        return out;
    }

    private static Object readArray(JsonNode cell, LogicalType element) {
        Object out = Array.newInstance(element.getDefaultConversion(), cell.size());
        for (int i = 0; i < cell.size(); i++) {
            Array.set(out, i, read(cell.get(i), element));
        }
        return out;
    }

    private static Map<Object, Object> readMap(JsonNode cell, LogicalType key, LogicalType value) {
        Map<Object, Object> out = new HashMap<>();
        for (JsonNode pair : cell) {
            out.put(read(pair.get(0), key), read(pair.get(1), value));
        }
        return out;
    }

    // What Jackson writes: null, Boolean, String or a List of such.
    static Object write(Object value, LogicalType type) {
        if (value == null || value instanceof Boolean) {
            return value;
        }
        switch (type.getTypeRoot()) {
            case DECIMAL:
                return ((BigDecimal) value).toPlainString();
            case TIMESTAMP_WITH_LOCAL_TIME_ZONE:
                return LocalDateTime.ofInstant((Instant) value, ZoneOffset.UTC).toString();
            case BINARY:
            case VARBINARY:
                StringBuilder hex = new StringBuilder();
                for (byte b : (byte[]) value) {
                    hex.append(String.format("%02x", b));
                }
                return hex.toString();
            case INTERVAL_DAY_TIME:
                return String.valueOf(((Duration) value).toMillis());
            case INTERVAL_YEAR_MONTH:
                return String.valueOf(((Period) value).toTotalMonths());
            case ARRAY:
                List<Object> items = new ArrayList<>();
                for (int i = 0; i < Array.getLength(value); i++) {
                    items.add(write(Array.get(value, i), type.getChildren().get(0)));
                }
                return items;
            case MAP:
            case MULTISET:
                List<Object> pairs = new ArrayList<>();
                LogicalType key = type.getChildren().get(0);
                for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                    Object right = type.getChildren().size() < 2
                        ? String.valueOf(entry.getValue())
                        : write(entry.getValue(), type.getChildren().get(1));
                    List<Object> pair = new ArrayList<>();
                    pair.add(write(entry.getKey(), key));
                    pair.add(right);
                    pairs.add(pair);
                }
                pairs.sort(Comparator.comparing(String::valueOf)); // the same in every row
                return pairs;
            case ROW:
            case STRUCTURED_TYPE:
                List<Object> fields = new ArrayList<>();
                Row row = (Row) value;
                for (int i = 0; i < row.getArity(); i++) {
                    fields.add(write(row.getField(i), type.getChildren().get(i)));
                }
                return fields;
            default:
                return String.valueOf(value);
        }
    }
}
