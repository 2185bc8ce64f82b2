package bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;

/**
 * Stays, and runs the Yahoo benchmark on a mini cluster: a line of JSON on standard input asks, a
 * line on standard output answers with the seconds that the job ran.
 */
public final class Server {
    private static final ObjectMapper JSON = new ObjectMapper();

    private Server() {}

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = requests.readLine()) != null; ) {
            ObjectNode answer = JSON.createObjectNode();
            try {
                JsonNode request = JSON.readTree(line);
                answer.put("seconds", Yahoo.run(request));
            } catch (Exception e) {
                e.printStackTrace();
                answer.put("error", e.toString());
            }
            answers.println(JSON.writeValueAsString(answer));
            answers.flush();
        }
        System.exit(0);
    }
}
