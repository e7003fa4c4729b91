// The rows of one case, given out in exactly the order the case says, whatever the job looks like.
//
// Each scan of a table is a source of its own, on a thread of its own. They take turns: one gives
// one row and its watermark, waits until every task is idle, and passes the turn. So
// operators with two inputs see what the embedded engine sees, in the same order.

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkGeneratorSupplier;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.streaming.api.functions.source.legacy.SourceFunction;
import org.apache.flink.table.connector.RuntimeConverter;
import org.apache.flink.table.connector.source.DynamicTableSource.DataStructureConverter;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.types.Row;
import org.apache.flink.types.RowKind;
import org.apache.flink.util.clock.RelativeClock;
import org.apache.flink.util.clock.SystemClock;

final class Feed {
    private static final long START_LIMIT_MS = 20_000;

    static volatile Feed current;

    private final JsonNode tables;
    private final JsonNode events;
    private final boolean ordered;
    private final List<String> scans = new ArrayList<>();
    private int scansPlanned;
    private List<int[]> turns; // {scan, event}
    private int turn;
    private boolean ended;

    Feed(JsonNode tables, JsonNode events, boolean ordered) {
        this.tables = tables;
        this.events = events;
        this.ordered = ordered;
    }

    JsonNode table(String name) {
        return tables.get(name);
    }

    // Called while the job is planned, once for each source it will have.
    synchronized void planned() {
        scansPlanned++;
    }

    synchronized void end() {
        ended = true;
        notifyAll();
    }

    private synchronized int register(String table) throws InterruptedException {
        scans.add(table);
        int scan = scans.size() - 1;
        if (scans.size() == scansPlanned) {
            turns = new ArrayList<>();
            for (int e = 0; e < events.size(); e++) {
                for (int s = 0; s < scans.size(); s++) {
                    if (scans.get(s).equals(events.get(e).get(0).asText())) {
                        turns.add(new int[] {s, e});
                    }
                }
            }
            notifyAll();
        }
        long until = System.currentTimeMillis() + START_LIMIT_MS;
        while (turns == null && !ended) {
            if (System.currentTimeMillis() > until) {
                throw new IllegalStateException(
                    scans.size() + " of " + scansPlanned + " sources have started");
            }
            wait(1000);
        }
        return scan;
    }

    // The next event of this scan, when its turn has come; -1 when all events are given.
    private synchronized int next(int scan) throws InterruptedException {
        while (!ended && turn < turns.size() && turns.get(turn)[0] != scan) {
            wait(1000);
        }
        return ended || turn >= turns.size() ? -1 : turns.get(turn)[1];
    }

    private synchronized void pass() {
        turn++;
        notifyAll();
    }

    // The source of one scan.
    static final class Scan implements SourceFunction<RowData> {
        private static final long serialVersionUID = 1L;
        private final String table;
        private final RowType type;
        private final DataStructureConverter converter;
        private final WatermarkStrategy<RowData> watermark;

        Scan(
            String table,
            RowType type,
            DataStructureConverter converter,
            WatermarkStrategy<RowData> watermark) {
            this.table = table;
            this.type = type;
            this.converter = converter;
            this.watermark = watermark;
        }

        @Override
        public void run(SourceContext<RowData> out) throws Exception {
            Feed feed = Feed.current;
            converter.open(RuntimeConverter.Context.create(Scan.class.getClassLoader()));
            Marks marks = watermark == null ? null : new Marks(watermark);
            if (!feed.ordered) {
                for (JsonNode event : feed.events) {
                    if (event.get(0).asText().equals(table)) {
                        out.collect(row(feed, event));
                    }
                }
                return;
            }
            int scan = feed.register(table);
            for (int at = feed.next(scan); at >= 0; at = feed.next(scan)) {
                JsonNode event = feed.events.get(at);
                RowData row = row(feed, event);
                synchronized (out.getCheckpointLock()) {
                    out.collect(row);
                    if (marks != null && marks.after(event.get(1).asText(), row)) {
                        out.emitWatermark(
                            new org.apache.flink.streaming.api.watermark.Watermark(marks.mark));
                    }
                }
                Idle.await();
                feed.pass();
            }
        }

        @Override
        public void cancel() {
            Feed.current.end();
        }

        private RowData row(Feed feed, JsonNode event) {
            JsonNode said = feed.table(table);
            boolean upsert = said.get("upsert").asBoolean();
            Map<String, JsonNode> cells = new HashMap<>();
            for (int i = 0; i < said.get("columns").size(); i++) {
                cells.put(said.get("columns").get(i).asText(), event.get(3).get(i));
            }
            Row row = new Row(type.getFieldCount());
            row.setKind(
                event.get(2).asText().equals("-") ? RowKind.DELETE
                    : upsert ? RowKind.UPDATE_AFTER : RowKind.INSERT);
            for (int i = 0; i < type.getFieldCount(); i++) {
                JsonNode cell = cells.get(type.getFieldNames().get(i));
                LogicalType kind = type.getTypeAt(i);
                row.setField(i, cell == null ? null : Cells.read(cell, kind));
            }
            return (RowData) converter.toInternal(row);
        }
    }

    // One watermark generator for each split; the mark is the lowest of the splits seen so far.
    private static final class Marks implements WatermarkOutput {
        private final WatermarkStrategy<RowData> strategy;
        private final Map<String, WatermarkGenerator<RowData>> generators = new HashMap<>();
        private final Map<String, Long> highest = new HashMap<>();
        private long given;
        long mark = Long.MIN_VALUE;

        Marks(WatermarkStrategy<RowData> strategy) {
            this.strategy = strategy;
        }

        boolean after(String split, RowData row) {
            WatermarkGenerator<RowData> generator =
                generators.computeIfAbsent(split, s -> strategy.createWatermarkGenerator(CONTEXT));
            given = Long.MIN_VALUE;
            generator.onEvent(row, Long.MIN_VALUE, this);
            generator.onPeriodicEmit(this);
            highest.merge(split, given, Math::max);
            long lowest = highest.values().stream().min(Long::compare).get();
            boolean higher = lowest > mark;
            mark = Math.max(mark, lowest);
            return higher;
        }

        @Override
        public void emitWatermark(Watermark watermark) {
            given = Math.max(given, watermark.getTimestamp());
        }

        @Override
        public void markIdle() {}

        @Override
        public void markActive() {}

        private static final WatermarkGeneratorSupplier.Context CONTEXT =
            new WatermarkGeneratorSupplier.Context() {
                @Override
                public MetricGroup getMetricGroup() {
                    return new UnregisteredMetricsGroup();
                }

                @Override
                public RelativeClock getInputActivityClock() {
                    return SystemClock.getInstance();
                }
            };
    }
}
