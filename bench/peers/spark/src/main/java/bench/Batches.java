package bench;

import java.io.Serializable;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkEnv;
import org.apache.spark.rdd.RDD;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.StreamingContext;
import org.apache.spark.streaming.Time;
import org.apache.spark.streaming.api.java.JavaDStream;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import org.apache.spark.streaming.dstream.InputDStream;
import org.apache.spark.api.java.JavaSparkContext;
import scala.Option;
import scala.reflect.ClassTag$;

/** Lines of which is known what is in which batch. */
final class Batches extends InputDStream<String> {
    private static final long serialVersionUID = 1;
    static final long BLOCK_MS = 50;
    private final Next next;

    /** The lines of the next batch, or null when there are no more. */
    interface Next extends Serializable {
        RDD<String> lines(SparkContext spark);
    }

    private Batches(StreamingContext context, Next next) {
        super(context, ClassTag$.MODULE$.apply(String.class));
        this.next = next;
    }

    static JavaDStream<String> of(JavaStreamingContext streaming, Next next) {
        return JavaDStream.fromDStream(
                new Batches(streaming.ssc(), next), ClassTag$.MODULE$.apply(String.class));
    }

    /**
     * A context for one job; its Spark stays when it is stopped. What a receiver takes is cut into
     * a block, which is a partition of its batch, every `blockMs` milliseconds.
     */
    static JavaStreamingContext every(SparkSession session, long ms, long blockMs) {
        SparkEnv.get().conf().set("spark.streaming.blockInterval", blockMs + "ms");
        return new JavaStreamingContext(
                JavaSparkContext.fromSparkContext(session.sparkContext()),
                Durations.milliseconds(ms));
    }

    @Override
    public void start() {}

    @Override
    public void stop() {}

    @Override
    public Option<RDD<String>> compute(Time time) {
        return Option.apply(next.lines(context().sparkContext()));
    }
}
