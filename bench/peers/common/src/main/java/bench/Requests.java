package bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.Arrays;

/** A line of JSON on standard input asks for a job, a line on standard output answers. */
final class Requests {
    static final ObjectMapper JSON = new ObjectMapper();

    private Requests() {}

    interface Service {
        void serve(JsonNode request, ObjectNode answer) throws Exception;
    }

    /** Until nobody asks any more. Whatever else is written to standard output goes to the log. */
    static void answer(Service service) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = requests.readLine()) != null; ) {
            ObjectNode answer = JSON.createObjectNode();
            try {
                service.serve(JSON.readTree(line), answer);
            } catch (Throwable e) {
                e.printStackTrace();
                answer.put("error", e + " " + Arrays.toString(e.getStackTrace()));
            }
            answers.println(JSON.writeValueAsString(answer));
            answers.flush();
        }
    }
}
