import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** An example shop: it accepts POST /orders and fails, because nothing is in stock. */
public final class Shop {
    private static final Logger LOG = LoggerFactory.getLogger(Shop.class);

    public static void main(String[] arguments) throws IOException {
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8000"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/orders", Shop::answer).getFilters().add(new SessionFilter());
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.start();
    }

    private static void answer(HttpExchange exchange) throws IOException {
        byte[] body = exchange.getRequestBody().readAllBytes();
        int status = 201;
        try {
            order(new String(body, StandardCharsets.UTF_8));
        } catch (RuntimeException error) {
            LOG.error("order failed", error);
            status = 500;
        }
        exchange.sendResponseHeaders(status, -1);
        exchange.close();
    }

    private static void order(String order) {
        LOG.info("order received: {}", order);
        LOG.warn("stock:\n  lamp: none\n\n  chair: none");
        throw new IllegalStateException("no stock left\nfor " + order);
    }
}
