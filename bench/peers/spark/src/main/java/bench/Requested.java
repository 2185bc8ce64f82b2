package bench;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import scala.Tuple2;

/** Requests of an access log, counted by "status,path" in each partition. */
final class Requested {
    private static final Pattern LINE =
            Pattern.compile("^\\S+ \\S+ \\S+ \\[[^]]*\\] \"\\S+ (\\S+) \\S+\" (\\d+) ");

    private Requested() {}

    static Iterator<Tuple2<String, Long>> byFields(Iterator<String> lines) {
        return counted(lines, Requested::fields);
    }

    static Iterator<Tuple2<String, Long>> byPattern(Iterator<String> lines) {
        Matcher matcher = LINE.matcher("");
        return counted(
                lines,
                line ->
                        matcher.reset(line).find() ? matcher.group(2) + "," + matcher.group(1) : null);
    }

    /** The request stands between the first two quotes, the status behind them. */
    private static String fields(String line) {
        int quote = line.indexOf('"');
        int path = line.indexOf(' ', quote + 1) + 1;
        int version = line.indexOf(' ', path);
        int status = line.indexOf('"', version) + 2;
        return line.substring(status, line.indexOf(' ', status)) + "," + line.substring(path, version);
    }

    private static Iterator<Tuple2<String, Long>> counted(
            Iterator<String> lines, Function<String, String> key) {
        HashMap<String, long[]> counts = new HashMap<>(16384);
        while (lines.hasNext()) {
            String found = key.apply(lines.next());
            if (found != null) {
                counts.computeIfAbsent(found, name -> new long[1])[0]++;
            }
        }
        List<Tuple2<String, Long>> found = new ArrayList<>(counts.size());
        counts.forEach((name, n) -> found.add(new Tuple2<>(name, n[0])));
        return found.iterator();
    }
}
