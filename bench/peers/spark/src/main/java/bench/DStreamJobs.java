package bench;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.api.java.Optional;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.api.java.JavaDStream;
import org.apache.spark.streaming.api.java.JavaPairDStream;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import scala.Tuple2;

/**
 * The jobs with the DStream API. Batches follow each other without a pause as soon as one takes
 * longer than the interval, which is short for that reason.
 */
final class DStreamJobs {
    private static final int INTERVAL_MS = 100;

    private DStreamJobs() {}

    /** Seconds: of the batches, or over TCP from the start to the last result. */
    static double run(SparkSession session, Job job) throws Exception {
        JavaStreamingContext streaming = Batches.every(session, INTERVAL_MS, Batches.BLOCK_MS);
        long began;
        try {
            define(job, streaming, lines(job, streaming));
            began = System.nanoTime();
            streaming.start();
            Output.await();
        } finally {
            streaming.stop(false, false);
        }
        double seconds = job.port > 0 ? (System.nanoTime() - began) / 1e9 : Output.seconds();
        Output.write(job.output);
        return seconds;
    }

    private static JavaDStream<String> lines(Job job, JavaStreamingContext streaming) {
        if (job.port > 0) {
            Output.expectTotal(job.total);
            return streaming.socketTextStream(
                    "127.0.0.1", job.port, StorageLevel.MEMORY_ONLY());
        }
        Output.expectBatches(job.batches.size());
        return Batches.of(streaming, files(job.batches));
    }

    static Batches.Next files(List<List<String>> batches) {
        AtomicInteger next = new AtomicInteger();
        return spark ->
                next.get() < batches.size()
                        ? spark.textFile(String.join(",", batches.get(next.getAndIncrement())), 2)
                        : null;
    }

    private static void define(
            Job job, JavaStreamingContext streaming, JavaDStream<String> lines)
            throws IOException {
        switch (job.workload) {
            case "grep":
                grep(lines);
                break;
            case "words":
                words(lines);
                break;
            case "stateful":
                streaming.checkpoint(job.work + "/spark-checkpoint");
                stateful(lines);
                break;
            case "yahoo":
                yahoo(
                        lines,
                        streaming
                                .sparkContext()
                                .broadcast(Event.campaigns(job.tables.get("ads"))));
                break;
            case "csv":
                Bids.run(lines);
                break;
            case "combined":
                write(lines.mapPartitionsToPair(Requested::byFields).reduceByKey(Long::sum, 2));
                break;
            case "regex":
                write(lines.mapPartitionsToPair(Requested::byPattern).reduceByKey(Long::sum, 2));
                break;
            default:
                throw new IllegalArgumentException(job.workload);
        }
    }

    private static void grep(JavaDStream<String> lines) {
        JavaDStream<String> found = lines.filter(line -> line.contains("needle"));
        found.foreachRDD(
                rdd -> {
                    long began = System.nanoTime();
                    Output.add("all", rdd.count());
                    Output.batch(began);
                });
    }

    /**
     * Words are counted in each partition before they are shuffled, in half the time that flatMap
     * and mapToPair take.
     */
    static JavaPairDStream<String, Long> counted(JavaDStream<String> lines) {
        return lines.mapPartitionsToPair(DStreamJobs::countWords).reduceByKey(Long::sum, 2);
    }

    private static Iterator<Tuple2<String, Long>> countWords(Iterator<String> lines) {
        HashMap<String, long[]> counts = new HashMap<>(16384);
        while (lines.hasNext()) {
            String line = lines.next();
            int from = 0;
            for (int to; (to = line.indexOf(' ', from)) >= 0; from = to + 1) {
                counts.computeIfAbsent(line.substring(from, to), word -> new long[1])[0]++;
            }
            counts.computeIfAbsent(line.substring(from), word -> new long[1])[0]++;
        }
        return pairs(counts);
    }

    private static Iterator<Tuple2<String, Long>> pairs(HashMap<String, long[]> counts) {
        List<Tuple2<String, Long>> found = new ArrayList<>(counts.size());
        counts.forEach((key, n) -> found.add(new Tuple2<>(key, n[0])));
        return found.iterator();
    }

    private static void words(JavaDStream<String> lines) {
        write(counted(lines));
    }

    private static void write(JavaPairDStream<String, Long> counts) {
        counts.foreachRDD(
                rdd -> {
                    long began = System.nanoTime();
                    rdd.collect().forEach(pair -> Output.add(pair._1, pair._2));
                    Output.batch(began);
                });
    }

    /** The words of a batch are added up before they meet the state, which is less to update. */
    private static void stateful(JavaDStream<String> lines) {
        JavaPairDStream<String, Long> state =
                counted(lines)
                        .updateStateByKey(
                                (List<Long> added, Optional<Long> old) -> {
                                    long sum = old.orElse(0L);
                                    for (long n : added) {
                                        sum += n;
                                    }
                                    return Optional.of(sum);
                                },
                                2);
        state.checkpoint(Durations.milliseconds(10 * INTERVAL_MS));
        state.foreachRDD(
                rdd -> {
                    long began = System.nanoTime();
                    rdd.top(100, new ByCount()).forEach(pair -> Output.put(pair._1, pair._2));
                    Output.batch(began);
                });
    }

    /** More is greater; of equally many the later word is less. */
    static final class ByCount implements Comparator<Tuple2<String, Long>>, java.io.Serializable {
        private static final long serialVersionUID = 1;

        @Override
        public int compare(Tuple2<String, Long> a, Tuple2<String, Long> b) {
            int byCount = Long.compare(a._2, b._2);
            return byCount != 0 ? byCount : b._1.compareTo(a._1);
        }
    }

    private static void yahoo(JavaDStream<String> lines, Broadcast<HashMap<String, String>> ads) {
        JavaPairDStream<String, Long> views =
                lines.mapPartitionsToPair(part -> campaignsOfViews(part, ads.value()));
        write(views.reduceByKey(Long::sum, 2));
    }

    /** "campaign,slot" of the views of known ads, added up before they are shuffled. */
    private static Iterator<Tuple2<String, Long>> campaignsOfViews(
            Iterator<String> lines, Map<String, String> ads) throws IOException {
        HashMap<String, long[]> counts = new HashMap<>();
        Event event = new Event();
        while (lines.hasNext()) {
            event.read(lines.next());
            String campaign = event.isView ? ads.get(event.ad) : null;
            if (campaign != null) {
                String key = campaign + "," + Long.parseLong(event.time) / 10000;
                counts.computeIfAbsent(key, slot -> new long[1])[0]++;
            }
        }
        return pairs(counts);
    }
}
