package bench;

import static org.apache.spark.sql.functions.broadcast;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.desc;
import static org.apache.spark.sql.functions.explode;
import static org.apache.spark.sql.functions.split;
import static org.apache.spark.sql.functions.timestamp_millis;
import static org.apache.spark.sql.functions.window;

import java.util.Arrays;
import org.apache.spark.api.java.function.VoidFunction2;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.DataStreamReader;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.StreamingQueryProgress;
import org.apache.spark.sql.streaming.Trigger;

/** The jobs with Structured Streaming. */
final class StructuredJobs {
    private StructuredJobs() {}

    static double run(SparkSession session, Job job) throws Exception {
        Output.open(job.output, 0);
        StreamingQuery query =
                start(session, job)
                        .outputMode("update")
                        .option("checkpointLocation", job.work + "/structured-" + System.nanoTime())
                        .trigger(Trigger.AvailableNow())
                        .start();
        query.awaitTermination();
        Output.close();
        double seconds = 0;
        for (StreamingQueryProgress progress : query.recentProgress()) {
            if (progress.numInputRows() > 0) {
                seconds += progress.durationMs().get("triggerExecution") / 1e3;
            }
        }
        return seconds;
    }

    private static org.apache.spark.sql.streaming.DataStreamWriter<Row> start(
            SparkSession session, Job job) {
        DataStreamReader reader = session.readStream();
        if (job.batches.size() > 1) {
            reader = reader.option("maxFilesPerTrigger", job.batches.get(0).size());
        }
        switch (job.workload) {
            case "grep":
                return each(
                        reader.text(job.folder),
                        batch ->
                                Output.row(
                                        "all", batch.filter(col("value").like("%needle%")).count()));
            case "words":
                return each(
                        reader.text(job.folder), batch -> write(words(batch).groupBy("word").count()));
            case "stateful":
                return each(
                        words(reader.text(job.folder)).groupBy("word").count(),
                        batch -> write(batch.orderBy(desc("count"), col("word")).limit(100)));
            case "yahoo":
                return each(yahoo(session, reader, job), StructuredJobs::write);
            default:
                throw new IllegalArgumentException(job.workload);
        }
    }

    private interface Batch {
        void take(Dataset<Row> batch);
    }

    private static org.apache.spark.sql.streaming.DataStreamWriter<Row> each(
            Dataset<Row> stream, Batch batch) {
        VoidFunction2<Dataset<Row>, Long> take = (rows, number) -> batch.take(rows);
        return stream.writeStream().foreachBatch(take);
    }

    private static Dataset<Row> words(Dataset<Row> lines) {
        return lines.select(explode(split(col("value"), " ")).as("word"));
    }

    private static void write(Dataset<Row> rows) {
        for (Row row : rows.collectAsList()) {
            Object[] cells = new Object[row.size()];
            Arrays.setAll(cells, row::get);
            Output.row(cells);
        }
    }

    private static Dataset<Row> yahoo(SparkSession session, DataStreamReader reader, Job job) {
        Dataset<Row> ads =
                session.read().schema("ad_id STRING, campaign STRING").csv(job.tables.get("ads"));
        return reader.schema("ad_id STRING, event_type STRING, event_time STRING")
                .json(job.folder)
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
