package bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.HashMap;
import org.apache.flink.api.common.JobExecutionResult;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.connector.file.src.reader.TextLineInputFormat;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.CloseableIterator;
import org.apache.flink.util.Collector;

/** Views of ads, joined with their campaigns, counted for each campaign and 10 s of event time. */
final class Yahoo {
    private Yahoo() {}

    /** Answers with the seconds that the job ran, and those of CPU time meanwhile. */
    static void run(JsonNode request, ObjectNode answer) throws Exception {
        StreamExecutionEnvironment flink =
                StreamExecutionEnvironment.createLocalEnvironment(2, new Configuration());
        flink.getConfig().enableObjectReuse();
        DataStream<Tuple3<String, Long, Long>> counts =
                counts(
                        lines(flink, request),
                        Event.campaigns(request.path("tables").path("ads").asText()));
        try (PrintWriter output = new PrintWriter(request.path("output").asText(), "UTF-8")) {
            CloseableIterator<Tuple3<String, Long, Long>> rows = counts.collectAsync();
            JobClient job = flink.executeAsync(); // its mini cluster has started
            long began = cpuNanos();
            while (rows.hasNext()) {
                Tuple3<String, Long, Long> row = rows.next();
                output.print(row.f0 + "," + row.f1 + "," + row.f2 + "\n");
            }
            JobExecutionResult result = job.getJobExecutionResult().get();
            answer.put("cpu", (cpuNanos() - began) / 1e9);
            answer.put("seconds", result.getNetRuntime() / 1e3);
            rows.close();
        }
    }

    private static long cpuNanos() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
                .getProcessCpuTime();
    }

    private static DataStream<String> lines(StreamExecutionEnvironment flink, JsonNode request) {
        int port = request.path("port").asInt();
        if (port > 0) {
            return flink.socketTextStream("127.0.0.1", port);
        }
        JsonNode files = request.path("files");
        Path[] paths = new Path[files.size()];
        for (int i = 0; i < paths.length; i++) {
            paths[i] = new Path(files.get(i).asText());
        }
        FileSource<String> source =
                FileSource.forRecordStreamFormat(new TextLineInputFormat(), paths).build();
        return flink.fromSource(source, WatermarkStrategy.noWatermarks(), "events");
    }

    /** The files are read in any order, so windows end with the input, when all is there. */
    private static DataStream<Tuple3<String, Long, Long>> counts(
            DataStream<String> lines, HashMap<String, String> campaigns) {
        WatermarkStrategy<Tuple2<String, Long>> byTime =
                WatermarkStrategy.<Tuple2<String, Long>>noWatermarks()
                        .withTimestampAssigner((view, before) -> view.f1);
        return lines.flatMap(new Views(campaigns))
                .returns(Types.TUPLE(Types.STRING, Types.LONG))
                .assignTimestampsAndWatermarks(byTime)
                .keyBy(view -> view.f0)
                .window(TumblingEventTimeWindows.of(Duration.ofSeconds(10)))
                .aggregate(new Count(), new WithSlot());
    }

    /** (campaign, time) of each view of a known ad. */
    static final class Views implements FlatMapFunction<String, Tuple2<String, Long>> {
        private static final long serialVersionUID = 1;
        private final HashMap<String, String> campaigns;
        private final Event event = new Event();
        private final Tuple2<String, Long> view = new Tuple2<>();

        Views(HashMap<String, String> campaigns) {
            this.campaigns = campaigns;
        }

        @Override
        public void flatMap(String line, Collector<Tuple2<String, Long>> out) throws IOException {
            event.read(line);
            view.f0 = event.isView ? campaigns.get(event.ad) : null;
            if (view.f0 != null) {
                view.f1 = Long.parseLong(event.time);
                out.collect(view);
            }
        }
    }

    static final class Count implements AggregateFunction<Tuple2<String, Long>, Long, Long> {
        private static final long serialVersionUID = 1;

        @Override
        public Long createAccumulator() {
            return 0L;
        }

        @Override
        public Long add(Tuple2<String, Long> view, Long count) {
            return count + 1;
        }

        @Override
        public Long getResult(Long count) {
            return count;
        }

        @Override
        public Long merge(Long a, Long b) {
            return a + b;
        }
    }

    static final class WithSlot
            extends ProcessWindowFunction<Long, Tuple3<String, Long, Long>, String, TimeWindow> {
        private static final long serialVersionUID = 1;

        @Override
        public void process(
                String campaign,
                Context context,
                Iterable<Long> counts,
                Collector<Tuple3<String, Long, Long>> out) {
            long slot = context.window().getStart() / 10000;
            out.collect(Tuple3.of(campaign, slot, counts.iterator().next()));
        }
    }
}
