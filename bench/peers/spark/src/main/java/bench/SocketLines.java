package bench;

import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.connector.catalog.SupportsRead;
import org.apache.spark.sql.connector.catalog.Table;
import org.apache.spark.sql.connector.catalog.TableCapability;
import org.apache.spark.sql.connector.catalog.TableProvider;
import org.apache.spark.sql.connector.expressions.Transform;
import org.apache.spark.sql.connector.read.InputPartition;
import org.apache.spark.sql.connector.read.PartitionReader;
import org.apache.spark.sql.connector.read.PartitionReaderFactory;
import org.apache.spark.sql.connector.read.Scan;
import org.apache.spark.sql.connector.read.ScanBuilder;
import org.apache.spark.sql.connector.read.streaming.MicroBatchStream;
import org.apache.spark.sql.connector.read.streaming.Offset;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * Lines that come over TCP, as a source of Structured Streaming. Its own `socket` source finds each
 * line of a batch by its number in a linked list, and takes minutes for some 100,000; a MemoryStream
 * has its rows written and read by Java serialization. So a thread reads blocks of whole lines here,
 * and the tasks, which are in the same process, take rows out of them where they lie: nothing of them
 * is copied, and what a task is sent is their numbers. A batch has all that came, in two partitions.
 */
public final class SocketLines implements TableProvider {
    private static final int BLOCK = 1 << 20;
    private static final int PARTITIONS = 2;
    private static final StructType SCHEMA = StructType.fromDDL("value STRING");

    /** Of each port that is read: blocks that are not committed, by number. */
    private static final Map<Integer, Map<Long, byte[]>> BLOCKS = new ConcurrentHashMap<>();

    static Dataset<Row> read(SparkSession session, int port) {
        return session.readStream()
                .format(SocketLines.class.getName())
                .option("port", port)
                .load();
    }

    @Override
    public StructType inferSchema(CaseInsensitiveStringMap options) {
        return SCHEMA;
    }

    @Override
    public Table getTable(
            StructType schema, Transform[] partitioning, Map<String, String> properties) {
        return new Lines(Integer.parseInt(properties.get("port")));
    }

    private record Lines(int port) implements SupportsRead, ScanBuilder, Scan {
        @Override
        public String name() {
            return "port " + port;
        }

        @Override
        public StructType schema() {
            return SCHEMA;
        }

        @Override
        public Set<TableCapability> capabilities() {
            return Set.of(TableCapability.MICRO_BATCH_READ);
        }

        @Override
        public ScanBuilder newScanBuilder(CaseInsensitiveStringMap options) {
            return this;
        }

        @Override
        public Scan build() {
            return this;
        }

        @Override
        public StructType readSchema() {
            return SCHEMA;
        }

        @Override
        public MicroBatchStream toMicroBatchStream(String checkpointLocation) {
            return new Stream(port);
        }
    }

    /** How many blocks there were. */
    private static final class Position extends Offset {
        final long blocks;

        Position(long blocks) {
            this.blocks = blocks;
        }

        @Override
        public String json() {
            return Long.toString(blocks);
        }
    }

    private static final class Stream implements MicroBatchStream {
        private final int port;
        private final Map<Long, byte[]> blocks = new ConcurrentHashMap<>();
        private volatile long count;
        private long committed;

        Stream(int port) {
            this.port = port;
            BLOCKS.put(port, blocks);
            Thread reader = new Thread(this::read);
            reader.setDaemon(true);
            reader.start();
        }

        private void read() {
            try (Socket socket = new Socket("127.0.0.1", port)) {
                InputStream input = socket.getInputStream();
                byte[] rest = new byte[0];
                for (byte[] next; (next = input.readNBytes(BLOCK)).length > 0; ) {
                    rest = add(rest, next);
                }
            } catch (IOException e) {
                e.printStackTrace();
            }
        }

        /** Whole lines become a block; what is behind the last one is left. */
        private byte[] add(byte[] rest, byte[] next) {
            int end = next.length;
            while (end > 0 && next[end - 1] != '\n') {
                end--;
            }
            byte[] block = Arrays.copyOf(rest, rest.length + end);
            System.arraycopy(next, 0, block, rest.length, end);
            blocks.put(count, block);
            count = count + 1;
            return Arrays.copyOfRange(next, end, next.length);
        }

        @Override
        public Offset initialOffset() {
            return new Position(0);
        }

        @Override
        public Offset latestOffset() {
            return new Position(count);
        }

        @Override
        public Offset deserializeOffset(String json) {
            return new Position(Long.parseLong(json));
        }

        @Override
        public InputPartition[] planInputPartitions(Offset start, Offset end) {
            long first = ((Position) start).blocks;
            long number = ((Position) end).blocks - first;
            List<InputPartition> found = new ArrayList<>();
            for (int i = 0; i < PARTITIONS; i++) {
                long from = first + number * i / PARTITIONS;
                long to = first + number * (i + 1) / PARTITIONS;
                if (from < to) {
                    found.add(new Some(port, from, to));
                }
            }
            return found.toArray(new InputPartition[0]);
        }

        @Override
        public PartitionReaderFactory createReaderFactory() {
            return new Readers();
        }

        @Override
        public void commit(Offset end) {
            while (committed < ((Position) end).blocks) {
                blocks.remove(committed++);
            }
        }

        @Override
        public void stop() {
            BLOCKS.remove(port, blocks);
        }
    }

    /** The blocks of a partition. */
    private record Some(int port, long from, long to) implements InputPartition {}

    private static final class Readers implements PartitionReaderFactory {
        private static final long serialVersionUID = 1;

        @Override
        public PartitionReader<InternalRow> createReader(InputPartition partition) {
            return new Reader((Some) partition);
        }
    }

    private static final class Reader implements PartitionReader<InternalRow> {
        private final Map<Long, byte[]> blocks;
        private final long to;
        private long next;
        private byte[] block = new byte[0];
        private int at;
        private UTF8String line;

        Reader(Some some) {
            blocks = BLOCKS.get(some.port);
            next = some.from;
            to = some.to;
        }

        @Override
        public boolean next() {
            while (at == block.length) {
                if (next == to) {
                    return false;
                }
                block = blocks.get(next++);
                at = 0;
            }
            int end = at;
            while (block[end] != '\n') {
                end++;
            }
            line = UTF8String.fromBytes(block, at, end - at);
            at = end + 1;
            return true;
        }

        @Override
        public InternalRow get() {
            return new GenericInternalRow(new Object[] {line});
        }

        @Override
        public void close() {}
    }
}
