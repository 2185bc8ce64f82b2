package bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.Optional;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.api.java.JavaDStream;
import org.apache.spark.streaming.api.java.JavaPairDStream;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import scala.Tuple2;
import scala.reflect.ClassTag$;

/**
 * The jobs with the DStream API. Batches follow each other without a pause as soon as one takes
 * longer than the interval, which is short for that reason.
 */
final class DStreamJobs {
    private static final int INTERVAL_MS = 100;
    private static final JsonFactory JSON = new JsonFactory();

    private DStreamJobs() {}

    /** Seconds: of the batches, or over TCP from the start to the last result. */
    static double run(SparkSession session, Job job) throws Exception {
        JavaSparkContext spark = JavaSparkContext.fromSparkContext(session.sparkContext());
        JavaStreamingContext streaming =
                new JavaStreamingContext(spark, Durations.milliseconds(INTERVAL_MS));
        long began;
        try {
            define(job, spark, streaming, lines(job, streaming));
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
        return JavaDStream.fromDStream(
                new FileBatches(streaming.ssc(), job.batches),
                ClassTag$.MODULE$.apply(String.class));
    }

    private static void define(
            Job job, JavaSparkContext spark, JavaStreamingContext streaming, JavaDStream<String> lines)
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
                yahoo(lines, spark.broadcast(campaigns(job.tables.get("ads"))));
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

    static JavaPairDStream<String, Long> counted(JavaDStream<String> lines) {
        return lines.flatMap(line -> Arrays.asList(line.split(" ")).iterator())
                .mapToPair(word -> new Tuple2<>(word, 1L))
                .reduceByKey(Long::sum, 2);
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

    private static Map<String, String> campaigns(String path) throws IOException {
        Map<String, String> campaigns = new HashMap<>();
        for (String line : Files.readAllLines(Paths.get(path))) {
            String[] fields = line.split(",");
            campaigns.put(fields[0], fields[1]);
        }
        return campaigns;
    }

    private static void yahoo(JavaDStream<String> lines, Broadcast<Map<String, String>> ads) {
        JavaPairDStream<String, Long> views =
                lines.mapPartitionsToPair(part -> campaignsOfViews(part, ads.value()));
        write(views.reduceByKey(Long::sum, 2));
    }

    private static Iterator<Tuple2<String, Long>> campaignsOfViews(
            Iterator<String> lines, Map<String, String> ads) throws IOException {
        List<Tuple2<String, Long>> found = new ArrayList<>();
        while (lines.hasNext()) {
            String key = campaignOfView(lines.next(), ads);
            if (key != null) {
                found.add(new Tuple2<>(key, 1L));
            }
        }
        return found.iterator();
    }

    /** "campaign,slot" of an event if it is a view of a known ad. Read by the streaming parser. */
    private static String campaignOfView(String line, Map<String, String> ads) throws IOException {
        String ad = null;
        String time = null;
        boolean view = false;
        try (JsonParser parser = JSON.createParser(line)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                switch (name) {
                    case "ad_id":
                        ad = parser.getText();
                        break;
                    case "event_type":
                        view = parser.getText().equals("view");
                        break;
                    case "event_time":
                        time = parser.getText();
                        break;
                    default:
                        parser.skipChildren();
                }
            }
        }
        String campaign = view ? ads.get(ad) : null;
        return campaign == null ? null : campaign + "," + Long.parseLong(time) / 10000;
    }
}
