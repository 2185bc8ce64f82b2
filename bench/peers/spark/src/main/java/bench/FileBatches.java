package bench;

import java.util.List;
import org.apache.spark.rdd.RDD;
import org.apache.spark.streaming.StreamingContext;
import org.apache.spark.streaming.Time;
import org.apache.spark.streaming.dstream.InputDStream;
import scala.Option;
import scala.reflect.ClassTag$;

/** The lines of some files in each batch; as textFileStream, but it is known what is in which. */
final class FileBatches extends InputDStream<String> {
    private static final long serialVersionUID = 1;
    private final List<List<String>> batches;
    private int next;

    FileBatches(StreamingContext context, List<List<String>> batches) {
        super(context, ClassTag$.MODULE$.apply(String.class));
        this.batches = batches;
    }

    @Override
    public void start() {}

    @Override
    public void stop() {}

    @Override
    public Option<RDD<String>> compute(Time time) {
        if (next == batches.size()) {
            return Option.empty();
        }
        String files = String.join(",", batches.get(next++));
        return Option.apply(context().sparkContext().textFile(files, 2));
    }
}
