package bench;

/** Stays, and runs the Yahoo benchmark on a mini cluster; answers with the seconds it ran. */
public final class Server {
    private Server() {}

    public static void main(String[] arguments) throws Exception {
        Requests.answer(Yahoo::run);
        System.exit(0);
    }
}
