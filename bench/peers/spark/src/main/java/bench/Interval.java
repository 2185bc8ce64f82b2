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

    /** What the streaming context tells of batches with records. */
    private static final class Completed implements StreamingListener {
        final List<long[]> times = Collections.synchronizedList(new ArrayList<>());

        @Override
        public void onBatchCompleted(StreamingListenerBatchCompleted completed) {
            BatchInfo batch = completed.batchInfo();
            if (batch.numRecords() > 0) {
                times.add(
                        new long[] {
                            (Long) batch.processingDelay().get(), (Long) batch.totalDelay().get()
                        });
            }
        }
    }

    /** (processing, total delay) in milliseconds of the batches that ended in `count` seconds. */
    static List<long[]> run(SparkSession session, Job job) throws Exception {
        JavaStreamingContext streaming = Batches.every(session, job.intervalMs);
        Completed batches = new Completed();
        streaming.addStreamingListener(batches);
        DStreamJobs.counted(
                        streaming.socketTextStream(
                                "127.0.0.1", job.port, StorageLevel.MEMORY_ONLY()))
                .foreachRDD(rdd -> rdd.collect());
        streaming.start();
        Thread.sleep(job.count * 1000L);
        streaming.stop(false, false);
        return new ArrayList<>(batches.times);
    }
}
