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

    /** A batch with records: how many, what it took and was late, and when it ended, in ms. */
    static final class Batch {
        public final long records;
        public final long processing;
        public final long delay;
        public final long end;

        Batch(BatchInfo info) {
            records = info.numRecords();
            processing = (Long) info.processingDelay().get();
            delay = (Long) info.totalDelay().get();
            end = (Long) info.processingEndTime().get();
        }
    }

    /** What the streaming context tells of batches with records. */
    private static final class Completed implements StreamingListener {
        final List<Batch> told = Collections.synchronizedList(new ArrayList<>());
        volatile long records;

        @Override
        public void onBatchCompleted(StreamingListenerBatchCompleted completed) {
            BatchInfo batch = completed.batchInfo();
            records += batch.numRecords(); // only one thread tells of batches
            if (batch.numRecords() > 0) {
                told.add(new Batch(batch));
            }
        }
    }

    /** Until all lines were in a batch, of which there are `total`; none if that takes too long. */
    static List<Batch> run(SparkSession session, Job job) throws Exception {
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
        return new ArrayList<>(batches.told);
    }
}
