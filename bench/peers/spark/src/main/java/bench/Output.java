package bench;

import java.io.PrintWriter;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** The results of the running job. There is one at a time: Spark serializes what closures hold. */
final class Output {
    private static PrintWriter writer;
    private static CountDownLatch batchesLeft;
    private static long nanos;

    private Output() {}

    static synchronized void open(String path, int batches) throws Exception {
        writer = new PrintWriter(path, "UTF-8");
        batchesLeft = new CountDownLatch(batches);
        nanos = 0;
    }

    static synchronized void row(Object... cells) {
        for (int i = 0; i < cells.length; i++) {
            writer.print(i == 0 ? "" : ",");
            writer.print(cells[i]);
        }
        writer.print('\n');
    }

    /** A batch is done that began at that nanoTime. */
    static synchronized void batch(long began) {
        nanos += System.nanoTime() - began;
        batchesLeft.countDown();
    }

    static void await() throws Exception {
        if (!batchesLeft.await(5, TimeUnit.MINUTES)) {
            throw new IllegalStateException("not done after five minutes");
        }
    }

    /** Seconds that the batches took. */
    static synchronized double close() {
        writer.close();
        return nanos / 1e9;
    }
}
