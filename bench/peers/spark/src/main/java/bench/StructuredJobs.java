package bench;

import static org.apache.spark.sql.functions.broadcast;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.desc;
import static org.apache.spark.sql.functions.explode;
import static org.apache.spark.sql.functions.from_json;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.max;
import static org.apache.spark.sql.functions.regexp_extract;
import static org.apache.spark.sql.functions.split;
import static org.apache.spark.sql.functions.sum;
import static org.apache.spark.sql.functions.timestamp_millis;
import static org.apache.spark.sql.functions.window;

import java.util.StringJoiner;
import java.util.function.BiConsumer;
import org.apache.spark.api.java.function.VoidFunction2;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.DataStreamReader;
import org.apache.spark.sql.streaming.DataStreamWriter;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.StreamingQueryProgress;
import org.apache.spark.sql.streaming.Trigger;
import org.apache.spark.sql.types.StructType;

/** The jobs with Structured Streaming. */
final class StructuredJobs {
    private StructuredJobs() {}

    /** Seconds: of the batches, or over TCP from the start to the last result. */
    static double run(SparkSession session, Job job) throws Exception {
        DataStreamWriter<Row> writer =
                define(session, job)
                        .outputMode("update")
                        .option("checkpointLocation", job.work + "/structured-" + System.nanoTime());
        double seconds = job.port > 0 ? overTcp(writer, job) : fromFiles(writer);
        Output.write(job.output);
        return seconds;
    }

    private static double fromFiles(DataStreamWriter<Row> writer) throws Exception {
        Output.expectBatches(Integer.MAX_VALUE);
        StreamingQuery query = writer.trigger(Trigger.AvailableNow()).start();
        query.awaitTermination();
        double seconds = 0;
        for (StreamingQueryProgress progress : query.recentProgress()) {
            if (progress.numInputRows() > 0) {
                seconds += progress.durationMs().get("triggerExecution") / 1e3;
            }
        }
        return seconds;
    }

    private static double overTcp(DataStreamWriter<Row> writer, Job job) throws Exception {
        Output.expectTotal(job.total);
        long began = System.nanoTime();
        StreamingQuery query = writer.start();
        try {
            Output.await();
            return (System.nanoTime() - began) / 1e9;
        } finally {
            if (query.exception().isDefined()) {
                query.exception().get().printStackTrace();
            }
            query.stop();
        }
    }

    private static DataStreamWriter<Row> define(SparkSession session, Job job) {
        switch (job.workload) {
            case "grep":
                return each(
                        text(session, job),
                        batch ->
                                Output.add(
                                        "all", batch.filter(col("value").like("%needle%")).count()));
            case "words":
                return each(
                        text(session, job),
                        batch -> rows(words(batch).groupBy("word").count(), Output::add));
            case "stateful":
                return each(
                        words(text(session, job)).groupBy("word").count(),
                        batch ->
                                rows(
                                        batch.orderBy(desc("count"), col("word")).limit(100),
                                        Output::put));
            case "yahoo":
                return each(yahoo(session, job), batch -> rows(batch, Output::put));
            case "csv":
                return each(bids(session, job), batch -> lines(sumsByAuction(batch)));
            case "combined":
                return each(
                        requests(session, job), batch -> rows(byStatus(batch), Output::add));
            case "regex":
                return each(
                        matches(text(session, job)), batch -> rows(byStatus(batch), Output::add));
            default:
                throw new IllegalArgumentException(job.workload);
        }
    }

    private static DataStreamReader files(SparkSession session, Job job) {
        DataStreamReader reader = session.readStream();
        if (job.batches.size() > 1) {
            reader = reader.option("maxFilesPerTrigger", job.batches.get(0).size());
        }
        return reader;
    }

    private static Dataset<Row> text(SparkSession session, Job job) {
        if (job.port == 0) {
            return files(session, job).text(job.folder);
        }
        return SocketLines.read(session, job.port);
    }

    private interface Batch {
        void take(Dataset<Row> batch);
    }

    private static DataStreamWriter<Row> each(Dataset<Row> stream, Batch batch) {
        VoidFunction2<Dataset<Row>, Long> take =
                (rows, number) -> {
                    long began = System.nanoTime();
                    batch.take(rows);
                    Output.batch(began);
                };
        return stream.writeStream().foreachBatch(take);
    }

    private static Dataset<Row> words(Dataset<Row> lines) {
        return lines.select(explode(split(col("value"), " ")).as("word"));
    }

    /** The last column is the value, those before it are the key. */
    private static void rows(Dataset<Row> batch, BiConsumer<String, Long> take) {
        for (Row row : batch.collectAsList()) {
            StringJoiner key = new StringJoiner(",");
            for (int i = 0; i < row.size() - 1; i++) {
                key.add(row.get(i).toString());
            }
            take.accept(key.toString(), row.getLong(row.size() - 1));
        }
    }

    /** All columns, as text. */
    private static void lines(Dataset<Row> batch) {
        for (Row row : batch.collectAsList()) {
            Output.line(row.mkString(","));
        }
    }

    private static final String BID =
            "auction LONG, bidder LONG, price LONG, channel STRING, url STRING, date_time LONG";

    private static Dataset<Row> bids(SparkSession session, Job job) {
        return files(session, job).schema(BID).csv(job.folder);
    }

    private static Dataset<Row> sumsByAuction(Dataset<Row> bids) {
        return bids.groupBy("auction").agg(count(lit(1)), sum("price"), max("price"));
    }

    private static final String REQUEST =
            "host STRING, ident STRING, user STRING, time STRING, zone STRING, request STRING, "
                    + "status STRING, bytes STRING, referer STRING, agent STRING";

    /** A log is nearly a CSV with blanks between its fields. */
    private static Dataset<Row> requests(SparkSession session, Job job) {
        return files(session, job)
                .schema(REQUEST)
                .option("sep", " ")
                .csv(job.folder)
                .select(col("status"), split(col("request"), " ").getItem(1).as("path"));
    }

    private static final String LINE =
            "^\\S+ \\S+ \\S+ \\[[^]]*\\] \"\\S+ (\\S+) \\S+\" (\\d+) ";

    private static Dataset<Row> matches(Dataset<Row> lines) {
        return lines.select(
                regexp_extract(col("value"), LINE, 2).as("status"),
                regexp_extract(col("value"), LINE, 1).as("path"));
    }

    private static Dataset<Row> byStatus(Dataset<Row> requests) {
        return requests.groupBy("status", "path").count();
    }

    private static final String EVENT = "ad_id STRING, event_type STRING, event_time STRING";

    private static Dataset<Row> events(SparkSession session, Job job) {
        if (job.port == 0) {
            return files(session, job).schema(EVENT).json(job.folder);
        }
        return text(session, job)
                .select(from_json(col("value"), StructType.fromDDL(EVENT)).as("event"))
                .select("event.*");
    }

    private static Dataset<Row> yahoo(SparkSession session, Job job) {
        Dataset<Row> ads =
                session.read().schema("ad_id STRING, campaign STRING").csv(job.tables.get("ads"));
        return events(session, job)
                .filter(col("event_type").equalTo("view"))
                .select(
                        col("ad_id"),
                        timestamp_millis(col("event_time").cast("long")).as("time"))
                .join(broadcast(ads), "ad_id")
                .withWatermark("time", "10 seconds")
                .groupBy(col("campaign"), window(col("time"), "10 seconds"))
                .count()
                .select(
                        col("campaign"),
                        col("window.start").cast("long").divide(10).cast("long"),
                        col("count"));
    }
}
