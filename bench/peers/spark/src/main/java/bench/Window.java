package bench;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.streaming.Duration;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.api.java.JavaPairDStream;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import scala.Tuple2;

/**
 * Counts, sums or maxima by key over so many batches, the window sliding by one of them; the top
 * 100 of each.
 */
final class Window {
    private static final int INTERVAL_MS = 100;
    private static final List<Long> MICROS = new ArrayList<>();
    private static long running; // what was made for an earlier run may still go on

    private Window() {}

    /** How long each batch took, in microseconds. */
    static List<Long> run(SparkSession session, Job job) throws Exception {
        JavaStreamingContext streaming = Batches.every(session, INTERVAL_MS, Batches.BLOCK_MS);
        Duration slide = Durations.milliseconds(INTERVAL_MS);
        long run = next();
        Output.expectBatches(job.batches.size());
        try {
            JavaPairDStream<String, Long> results =
                    "max".equals(job.aggregate)
                            ? maxima(streaming, job, slide)
                            : sums(streaming, job, slide);
            results.foreachRDD(
                    rdd -> {
                        long began = System.nanoTime();
                        List<Tuple2<String, Long>> top = rdd.top(100, new DStreamJobs.ByCount());
                        done(run, top, began);
                    });
            streaming.start();
            Output.await();
        } finally {
            streaming.stop(false, false);
        }
        Output.write(job.output);
        return micros();
    }

    /**
     * What leaves the window is subtracted, which is the faster way; keys that are gone are filtered
     * out (one whose values are all 0 with them, which is among no first ones); the checkpoint comes
     * every ten batches.
     */
    private static JavaPairDStream<String, Long> sums(
            JavaStreamingContext streaming, Job job, Duration slide) {
        streaming.checkpoint(job.work + "/spark-checkpoint-" + System.nanoTime());
        boolean counts = "count".equals(job.aggregate);
        JavaPairDStream<String, Long> sums =
                Batches.of(streaming, DStreamJobs.files(job.batches))
                        .mapPartitionsToPair(lines -> added(lines, counts))
                        .reduceByKeyAndWindow(
                                Long::sum,
                                (sum, gone) -> sum - gone,
                                slide.times(job.count),
                                slide,
                                2,
                                pair -> pair._2 > 0);
        sums.checkpoint(slide.times(10));
        return sums;
    }

    /** There is no inverse, and no checkpoint to ask for: what batches have is reduced again. */
    private static JavaPairDStream<String, Long> maxima(
            JavaStreamingContext streaming, Job job, Duration slide) {
        return Batches.of(streaming, DStreamJobs.files(job.batches))
                .mapPartitionsToPair(Window::highest)
                .reduceByKeyAndWindow(Math::max, slide.times(job.count), slide, 2);
    }

    private static synchronized long next() {
        MICROS.clear();
        return ++running;
    }

    private static synchronized List<Long> micros() {
        return new ArrayList<>(MICROS);
    }

    /** Lines of the result are "batch,key,count". Batches without input come after the last. */
    private static synchronized void done(
            long run, List<Tuple2<String, Long>> top, long began) {
        if (run != running) {
            return;
        }
        int batch = MICROS.size();
        MICROS.add((System.nanoTime() - began) / 1000);
        top.forEach(pair -> Output.line(batch + "," + pair._1 + "," + pair._2));
        Output.batch(began);
    }

    /** The key is all before the comma. */
    private static Iterator<Tuple2<String, Long>> added(Iterator<String> lines, boolean counts) {
        HashMap<String, long[]> sums = new HashMap<>(16384);
        while (lines.hasNext()) {
            String line = lines.next();
            int comma = line.indexOf(',');
            sums.computeIfAbsent(line.substring(0, comma), some -> new long[1])[0] +=
                    counts ? 1 : value(line, comma);
        }
        return pairs(sums);
    }

    private static Iterator<Tuple2<String, Long>> highest(Iterator<String> lines) {
        HashMap<String, long[]> maxima = new HashMap<>(16384);
        while (lines.hasNext()) {
            String line = lines.next();
            int comma = line.indexOf(',');
            long value = value(line, comma);
            long[] most =
                    maxima.computeIfAbsent(line.substring(0, comma), some -> new long[] {value});
            most[0] = Math.max(most[0], value);
        }
        return pairs(maxima);
    }

    private static long value(String line, int comma) {
        return Long.parseLong(line, comma + 1, line.length(), 10);
    }

    private static Iterator<Tuple2<String, Long>> pairs(HashMap<String, long[]> values) {
        List<Tuple2<String, Long>> found = new ArrayList<>(values.size());
        values.forEach((key, n) -> found.add(new Tuple2<>(key, n[0])));
        return found.iterator();
    }
}
