package bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.Arrays;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;

/**
 * One Spark application that stays: a line of JSON on standard input asks for a job, a line on
 * standard output answers with the seconds that its batches took.
 */
public final class Server {
    private static final ObjectMapper JSON = new ObjectMapper();

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
                        .set("spark.streaming.blockInterval", "50ms")
                        .set("spark.sql.shuffle.partitions", "2")
                        .set("spark.sql.streaming.noDataMicroBatches.enabled", "false")
                        .set("spark.sql.streaming.metricsEnabled", "false");
        SparkSession session = SparkSession.builder().config(conf).getOrCreate();
        session.sparkContext().setLogLevel("ERROR");
        return session;
    }

    private static void serve(SparkSession session, JsonNode request, ObjectNode answer)
            throws Exception {
        Job job = JSON.treeToValue(request, Job.class);
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
                answer.set("latencies", JSON.valueToTree(Latency.run(session, job)));
                break;
            case "interval":
                answer.set("batches", JSON.valueToTree(Interval.run(session, job)));
                break;
            default:
                answer.put("error", "no such api: " + job.api);
        }
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err);
        SparkSession session = session();
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = requests.readLine()) != null; ) {
            ObjectNode answer = JSON.createObjectNode();
            try {
                serve(session, JSON.readTree(line), answer);
            } catch (Exception e) {
                e.printStackTrace();
                answer.put("error", e + " " + Arrays.toString(e.getStackTrace()));
            }
            answers.println(JSON.writeValueAsString(answer));
            answers.flush();
        }
        session.stop();
    }
}
