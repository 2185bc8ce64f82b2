package bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.execution.streaming.runtime.MemoryStream;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Lines that come over TCP, for Structured Streaming. Its own `socket` source keeps the lines of a
 * batch in linked lists, and finds each by its number: it takes minutes for a batch of some 100,000
 * lines. So a thread reads them here and gives them to a MemoryStream in blocks, each of which is a
 * partition; there is no use in small ones, as they all come at full speed.
 */
final class SocketLines {
    private static final int BLOCK = 20_000;

    private SocketLines() {}

    static Dataset<Row> read(SparkSession session, int port) {
        MemoryStream<String> stream = MemoryStream.apply(Encoders.STRING(), session);
        Thread reader =
                new Thread(
                        () -> {
                            try {
                                read(port, stream);
                            } catch (IOException e) {
                                e.printStackTrace();
                            }
                        });
        reader.setDaemon(true);
        reader.start();
        return stream.toDF();
    }

    private static void read(int port, MemoryStream<String> stream) throws IOException {
        try (Socket socket = new Socket("127.0.0.1", port);
                BufferedReader lines =
                        new BufferedReader(
                                new InputStreamReader(
                                        socket.getInputStream(), StandardCharsets.UTF_8),
                                1 << 16)) {
            List<String> block = new ArrayList<>();
            for (String line; (line = lines.readLine()) != null; ) {
                block.add(line);
                if (block.size() == BLOCK) {
                    add(stream, block);
                    block = new ArrayList<>();
                }
            }
            add(stream, block);
        }
    }

    private static void add(MemoryStream<String> stream, List<String> block) {
        stream.addData(CollectionConverters.asScala(block).toSeq());
    }
}
