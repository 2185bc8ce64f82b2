package bench;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.streaming.api.java.JavaStreamingContext;

/**
 * Lines come over TCP; those that begin with "p" carry the time, in microseconds since 1970, for
 * which their sending was due. Tells how much later each of them was at the driver.
 */
final class Latency {
    private Latency() {}

    /** Microseconds, of `count` lines, or of those that came within 15 s. */
    static List<Long> run(SparkSession session, Job job) throws Exception {
        JavaStreamingContext streaming = Batches.every(session, job.intervalMs, job.blockMs);
        List<Long> latencies = Collections.synchronizedList(new ArrayList<>());
        streaming
                .socketTextStream("127.0.0.1", job.port, StorageLevel.MEMORY_ONLY())
                .filter(line -> line.startsWith("p"))
                .foreachRDD(
                        rdd -> {
                            List<String> lines = rdd.collect();
                            long now = System.currentTimeMillis() * 1000;
                            for (String line : lines) {
                                latencies.add(now - Long.parseLong(line.substring(2, 18)));
                            }
                        });
        streaming.start();
        long end = System.nanoTime() + 15_000_000_000L;
        while (latencies.size() < job.count && System.nanoTime() < end) {
            Thread.sleep(5);
        }
        streaming.stop(false, false);
        return new ArrayList<>(latencies);
    }
}
