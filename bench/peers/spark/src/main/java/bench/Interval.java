package bench;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import org.apache.spark.streaming.scheduler.BatchInfo;
import org.apache.spark.streaming.scheduler.StreamingListener;
import org.apache.spark.streaming.scheduler.StreamingListenerBatchCompleted;

/** Counts words that come over TCP, with batches of an interval, and tells how batches went. */
final class Interval {
    private Interval() {}

    private static final long PATIENCE_NS = 12_000_000_000L;

    /** What the streaming context tells of batches with records. */
    private static final class Completed implements StreamingListener {
        final List<long[]> times = Collections.synchronizedList(new ArrayList<>());
        volatile long records;

        @Override
        public void onBatchCompleted(StreamingListenerBatchCompleted completed) {
            BatchInfo batch = completed.batchInfo();
            records += batch.numRecords(); // only one thread tells of batches
            if (batch.numRecords() > 0) {
                times.add(
                        new long[] {
                            (Long) batch.processingDelay().get(), (Long) batch.totalDelay().get()
                        });
            }
        }
    }

    /**
     * (processing, total delay) in milliseconds of the batches until all lines were in one, of which
     * there are `total`; none if that takes too long.
     */
    static List<long[]> run(SparkSession session, Job job) throws Exception {
        JavaStreamingContext streaming = Batches.every(session, job.intervalMs, job.blockMs);
        Completed batches = new Completed();
        streaming.addStreamingListener(batches);
        DStreamJobs.counted(
                        streaming.socketTextStream(
                                "127.0.0.1", job.port, StorageLevel.MEMORY_ONLY()))
                .foreachRDD(rdd -> rdd.collect());
        streaming.start();
        long end = System.nanoTime() + PATIENCE_NS;
        while (batches.records < job.total && System.nanoTime() < end) {
            Thread.sleep(5);
        }
        streaming.stop(false, false);
        if (batches.records < job.total) {
            return List.of();
        }
        return new ArrayList<>(batches.times);
    }
}
