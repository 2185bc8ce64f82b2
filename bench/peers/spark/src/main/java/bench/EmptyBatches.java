package bench;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.RDD;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.StreamingContext;
import org.apache.spark.streaming.Time;
import org.apache.spark.streaming.api.java.JavaDStream;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import org.apache.spark.streaming.dstream.InputDStream;
import scala.Option;
import scala.Tuple2;
import scala.reflect.ClassTag$;

/** Batches without rows, of one or two stages with so many tasks: what a batch costs anyway. */
final class EmptyBatches {
    private EmptyBatches() {}

    private static final class NoRows extends InputDStream<String> {
        private static final long serialVersionUID = 1;
        private final int tasks;

        NoRows(StreamingContext context, int tasks) {
            super(context, ClassTag$.MODULE$.apply(String.class));
            this.tasks = tasks;
        }

        @Override
        public void start() {}

        @Override
        public void stop() {}

        @Override
        public Option<RDD<String>> compute(Time time) {
            JavaSparkContext spark = JavaSparkContext.fromSparkContext(context().sparkContext());
            JavaRDD<String> none = spark.parallelize(new ArrayList<>(), tasks);
            return Option.apply(none.rdd());
        }
    }

    /** The median, in seconds, of the second half of `count` batches. */
    static double run(SparkSession session, Job job) throws Exception {
        JavaSparkContext spark = JavaSparkContext.fromSparkContext(session.sparkContext());
        JavaStreamingContext streaming =
                new JavaStreamingContext(spark, Durations.milliseconds(10));
        List<Long> times = Collections.synchronizedList(new ArrayList<>());
        JavaDStream<String> rows =
                JavaDStream.fromDStream(
                        new NoRows(streaming.ssc(), job.tasks),
                        ClassTag$.MODULE$.apply(String.class));
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
