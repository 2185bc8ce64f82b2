package bench;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** The results of the running job. There is one at a time: Spark serializes what closures hold. */
final class Output {
    private static final Map<String, Long> VALUES = new HashMap<>();
    private static final List<String> LINES = new ArrayList<>();
    private static long total;
    private static long totalAwaited;
    private static CountDownLatch left;
    private static long nanos;

    private Output() {}

    /** A job of so many batches. */
    static synchronized void expectBatches(int batches) {
        reset(Long.MAX_VALUE, batches);
    }

    /** A job that is done when all values add up to so much. */
    static synchronized void expectTotal(long awaited) {
        reset(awaited, 1);
    }

    private static void reset(long awaited, int count) {
        VALUES.clear();
        LINES.clear();
        total = 0;
        totalAwaited = awaited;
        left = new CountDownLatch(count);
        nanos = 0;
    }

    /** Adds to a key's value. */
    static synchronized void add(String key, long value) {
        VALUES.merge(key, value, Long::sum);
        total += value;
    }

    /** Replaces a key's value. */
    static synchronized void put(String key, long value) {
        Long old = VALUES.put(key, value);
        total += value - (old == null ? 0 : old);
    }

    /** A line of the result, where keys have several values. */
    static synchronized void line(String line) {
        LINES.add(line);
    }

    /** A batch is done that began at that nanoTime. */
    static synchronized void batch(long began) {
        nanos += System.nanoTime() - began;
        if (totalAwaited == Long.MAX_VALUE || total >= totalAwaited) {
            left.countDown();
        }
    }

    static void await() throws Exception {
        if (!left.await(100, TimeUnit.SECONDS)) {
            throw new IllegalStateException("not done after 100 s, at " + total + " of " + totalAwaited);
        }
    }

    /** Seconds that the batches took. */
    static synchronized double seconds() {
        return nanos / 1e9;
    }

    static synchronized void write(String path) throws Exception {
        try (PrintWriter writer = new PrintWriter(path, "UTF-8")) {
            LINES.forEach(line -> writer.print(line + "\n"));
            VALUES.forEach((key, value) -> writer.print(key + "," + value + "\n"));
        }
    }
}
