package bench;

/** Stays, and runs the Yahoo benchmark on a mini cluster; answers with the seconds it ran. */
public final class Server {
    private Server() {}

    public static void main(String[] arguments) throws Exception {
        Requests.answer((request, answer) -> answer.put("seconds", Yahoo.run(request)));
        System.exit(0);
    }
}
