package bench;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.streaming.api.java.JavaDStream;
import scala.Tuple2;

/** Count, sum and max of bids by auction: added up in each partition before they are shuffled. */
final class Bids implements Serializable {
    private static final long serialVersionUID = 1;

    long count;
    long total;
    long most;

    private void add(long price) {
        count++;
        total += price;
        most = Math.max(most, price);
    }

    private static Bids both(Bids a, Bids b) {
        Bids sum = new Bids();
        sum.count = a.count + b.count;
        sum.total = a.total + b.total;
        sum.most = Math.max(a.most, b.most);
        return sum;
    }

    static void run(JavaDStream<String> lines) {
        lines.mapPartitionsToPair(Bids::ofPartition)
                .reduceByKey(Bids::both, 2)
                .foreachRDD(
                        rdd -> {
                            long began = System.nanoTime();
                            rdd.map(pair -> pair._1 + "," + pair._2.text())
                                    .collect()
                                    .forEach(Output::line);
                            Output.batch(began);
                        });
    }

    private String text() {
        return count + "," + total + "," + most;
    }

    /** The first field is the auction, the third the price. */
    private static Iterator<Tuple2<Long, Bids>> ofPartition(Iterator<String> lines) {
        HashMap<Long, Bids> sums = new HashMap<>(1 << 20);
        while (lines.hasNext()) {
            String line = lines.next();
            int first = line.indexOf(',');
            int second = line.indexOf(',', first + 1);
            int third = line.indexOf(',', second + 1);
            sums.computeIfAbsent(Long.parseLong(line, 0, first, 10), auction -> new Bids())
                    .add(Long.parseLong(line, second + 1, third, 10));
        }
        List<Tuple2<Long, Bids>> found = new ArrayList<>(sums.size());
        sums.forEach((auction, sum) -> found.add(new Tuple2<>(auction, sum)));
        return found.iterator();
    }
}
