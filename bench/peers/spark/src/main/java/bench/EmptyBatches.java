package bench;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.streaming.api.java.JavaDStream;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import scala.Tuple2;

/** Batches without rows, of one or two stages with so many tasks: what a batch costs anyway. */
final class EmptyBatches {
    private EmptyBatches() {}

    /** The median, in seconds, of the second half of `count` batches. */
    static double run(SparkSession session, Job job) throws Exception {
        JavaStreamingContext streaming = Batches.every(session, 10, Batches.BLOCK_MS);
        int tasks = job.tasks;
        List<Long> times = Collections.synchronizedList(new ArrayList<>());
        JavaDStream<String> rows =
                Batches.of(
                        streaming,
                        spark ->
                                JavaSparkContext.fromSparkContext(spark)
                                        .<String>parallelize(new ArrayList<>(), tasks)
                                        .rdd());
        rows.foreachRDD(
                rdd -> {
                    long began = System.nanoTime();
                    if (job.stages == 1) {
                        rdd.count();
                    } else {
                        rdd.mapToPair(line -> new Tuple2<>(line, 1L))
                                .reduceByKey(Long::sum, job.tasks)
                                .collect();
                    }
                    times.add(System.nanoTime() - began);
                });
        streaming.start();
        while (times.size() < job.count) {
            Thread.sleep(5);
        }
        streaming.stop(false, false);
        List<Long> sorted = new ArrayList<>(times.subList(job.count / 2, job.count));
        Collections.sort(sorted);
        return sorted.get(sorted.size() / 2) / 1e9;
    }
}
