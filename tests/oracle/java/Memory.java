// The connector 'memory' of the cases: reads the feed, keeps every change it is given.

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ExecutionOptions;
import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.table.connector.sink.legacy.SinkFunctionProvider;
import org.apache.flink.legacy.table.connector.source.SourceFunctionProvider;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.legacy.SinkFunction;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.ProviderContext;
import org.apache.flink.table.connector.RuntimeConverter;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.source.DataStreamScanProvider;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.abilities.SupportsWatermarkPushDown;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.types.Row;

public final class Memory implements DynamicTableSourceFactory, DynamicTableSinkFactory {
    // What each sink was given: a list of {kind, cells}.
    static final Map<String, Kept> KEPT = Collections.synchronizedMap(new LinkedHashMap<>());

    @Override
    public String factoryIdentifier() {
        return "memory";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of();
    }

    @Override
    public DynamicTableSource createDynamicTableSource(Context context) {
        boolean batch = context.getConfiguration().get(ExecutionOptions.RUNTIME_MODE)
            == RuntimeExecutionMode.BATCH;
        return new Source(
            context.getObjectIdentifier().getObjectName(),
            context.getPhysicalRowDataType(),
            batch);
    }

    @Override
    public DynamicTableSink createDynamicTableSink(Context context) {
        return new Sink(
            context.getObjectIdentifier().getObjectName(),
            context.getPhysicalRowDataType(),
            context.getPrimaryKeyIndexes().length > 0);
    }

    static final class Kept {
        List<String> columns = new ArrayList<>();
        List<String> types = new ArrayList<>();
        List<List<Object>> changes = new ArrayList<>();
    }

    private static final class Source implements ScanTableSource, SupportsWatermarkPushDown {
        private final String name;
        private final DataType type;
        private final boolean batch;
        private WatermarkStrategy<RowData> watermark;

        Source(String name, DataType type, boolean batch) {
            this.name = name;
            this.type = type;
            this.batch = batch;
        }

        @Override
        public ChangelogMode getChangelogMode() {
            if (Feed.current.table(name) == null) {
                return ChangelogMode.insertOnly();
            }
            if (Feed.current.table(name).get("upsert").asBoolean()) {
                return ChangelogMode.upsert();
            }
            if (Feed.current.table(name).get("changes").asBoolean()) {
                return ChangelogMode.all(); // a sorted rank has no plan for +I and -D alone
            }
            return ChangelogMode.insertOnly();
        }

        @Override
        public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
            Feed.Scan scan = new Feed.Scan(
                name,
                (RowType) type.getLogicalType(),
                context.createDataStructureConverter(type),
                watermark);
            if (batch) {
                return SourceFunctionProvider.of(scan, true);
            }
            return new DataStreamScanProvider() {
                @Override
                public DataStream<RowData> produceDataStream(
                    ProviderContext providerContext, StreamExecutionEnvironment env) {
                    Feed.current.planned();
                    return env.addSource(
                        scan, name, InternalTypeInfo.of((RowType) type.getLogicalType()));
                }

                @Override
                public boolean isBounded() {
                    return true;
                }
            };
        }

        @Override
        public void applyWatermark(WatermarkStrategy<RowData> strategy) {
            watermark = strategy;
        }

        @Override
        public DynamicTableSource copy() {
            Source copy = new Source(name, type, batch);
            copy.watermark = watermark;
            return copy;
        }

        @Override
        public String asSummaryString() {
            return "memory";
        }
    }

    private static final class Sink implements DynamicTableSink {
        private final String name;
        private final DataType type;
        private final boolean keyed;

        Sink(String name, DataType type, boolean keyed) {
            this.name = name;
            this.type = type;
            this.keyed = keyed;
        }

        @Override
        public ChangelogMode getChangelogMode(ChangelogMode requested) {
            return keyed ? ChangelogMode.upsert() : ChangelogMode.all();
        }

        @Override
        public SinkRuntimeProvider getSinkRuntimeProvider(Context context) {
            Kept kept = new Kept();
            for (LogicalType field : type.getLogicalType().getChildren()) {
                kept.types.add(field.asSerializableString());
            }
            kept.columns.addAll(DataType.getFieldNames(type));
            KEPT.put(name, kept);
            return SinkFunctionProvider.of(
                new Keep(name, type.getLogicalType(), context.createDataStructureConverter(type)));
        }

        @Override
        public DynamicTableSink copy() {
            return new Sink(name, type, keyed);
        }

        @Override
        public String asSummaryString() {
            return "memory";
        }
    }

    private static final class Keep implements SinkFunction<RowData> {
        private static final long serialVersionUID = 1L;
        private final String name;
        private final LogicalType type;
        private final DynamicTableSink.DataStructureConverter converter;
        private transient boolean opened;

        Keep(String name, LogicalType type, DynamicTableSink.DataStructureConverter converter) {
            this.name = name;
            this.type = type;
            this.converter = converter;
        }

        @Override
        public void invoke(RowData data, Context context) {
            if (!opened) {
                converter.open(RuntimeConverter.Context.create(Keep.class.getClassLoader()));
                opened = true;
            }
            Row row = (Row) converter.toExternal(data);
            List<Object> change = new ArrayList<>();
            change.add(row.getKind().shortString());
            for (int i = 0; i < row.getArity(); i++) {
                change.add(Cells.write(row.getField(i), type.getChildren().get(i)));
            }
            KEPT.get(name).changes.add(change);
        }
    }
}
