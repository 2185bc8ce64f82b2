package bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;

/**
 * One Spark application that stays, and answers with the seconds that the batches of a job took.
 */
public final class Server {
    private Server() {}

    private static SparkSession session() {
        SparkConf conf =
                new SparkConf()
                        .setMaster("local[2]")
                        .setAppName("bench")
                        .set("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
                        .set("spark.kryo.unsafe", "true")
                        .set("spark.ui.enabled", "false")
                        .set("spark.ui.showConsoleProgress", "false")
                        .set("spark.default.parallelism", "2")
                        .set("spark.locality.wait", "0")
                        .set("spark.network.timeout", "24h") // it may be stopped for long
                        .set("spark.sql.shuffle.partitions", "2")
                        .set("spark.sql.streaming.noDataMicroBatches.enabled", "false")
                        .set("spark.sql.streaming.metricsEnabled", "false");
        SparkSession session = SparkSession.builder().config(conf).getOrCreate();
        session.sparkContext().setLogLevel("ERROR");
        return session;
    }

    private static void serve(SparkSession session, JsonNode request, ObjectNode answer)
            throws Exception {
        Job job = Requests.JSON.treeToValue(request, Job.class);
        switch (job.api) {
            case "dstream":
                answer.put("seconds", DStreamJobs.run(session, job));
                break;
            case "structured":
                answer.put("seconds", StructuredJobs.run(session, job));
                break;
            case "empty":
                answer.put("seconds", EmptyBatches.run(session, job));
                break;
            case "latency":
                answer.set("latencies", Requests.JSON.valueToTree(Latency.run(session, job)));
                break;
            case "interval":
                answer.set("batches", Requests.JSON.valueToTree(Interval.run(session, job)));
                break;
            case "window":
                answer.set("micros", Requests.JSON.valueToTree(Window.run(session, job)));
                break;
            default:
                answer.put("error", "no such api: " + job.api);
        }
    }

    public static void main(String[] arguments) throws Exception {
        SparkSession session = session();
        Requests.answer((request, answer) -> serve(session, request, answer));
        session.stop();
    }
}
