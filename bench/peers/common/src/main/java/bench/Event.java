package bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.HashMap;

/**
 * What the Yahoo benchmark wants of an event, read by the streaming parser. One object is for many
 * events, one after the other.
 */
final class Event implements Serializable {
    private static final long serialVersionUID = 1;
    private static final JsonFactory JSON = new JsonFactory();

    String ad;
    String time;
    boolean isView;

    void read(String line) throws IOException {
        ad = null;
        time = null;
        isView = false;
        try (JsonParser parser = JSON.createParser(line)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                switch (name) {
                    case "ad_id":
                        ad = parser.getText();
                        break;
                    case "event_type":
                        isView = parser.getText().equals("view");
                        break;
                    case "event_time":
                        time = parser.getText();
                        break;
                    default:
                        parser.skipChildren();
                }
            }
        }
    }

    /** The campaign of each ad. */
    static HashMap<String, String> campaigns(String path) throws IOException {
        HashMap<String, String> campaigns = new HashMap<>();
        for (String line : Files.readAllLines(Paths.get(path))) {
            String[] fields = line.split(",");
            campaigns.put(fields[0], fields[1]);
        }
        return campaigns;
    }
}
