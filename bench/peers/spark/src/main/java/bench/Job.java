package bench;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import java.util.List;
import java.util.Map;

/** What is asked for. */
@JsonIgnoreProperties(ignoreUnknown = true)
public final class Job {
    public String api;
    public String workload;

    /** The folder of the input, and its files by batch. */
    public String folder;
    public List<List<String>> batches;

    public Map<String, String> tables;
    /** If the input comes over TCP: from where, and what all values of the result add up to. */
    public int port;
    public long total;

    public String output;
    public String work;

    /** Of windows: "count", "sum" or "max". */
    public String aggregate;

    /** Of empty batches, of latency, and of windows (count: of batches in one). */
    public int tasks;
    public int stages;
    public int count;
    public int intervalMs;
    public int blockMs;
}
