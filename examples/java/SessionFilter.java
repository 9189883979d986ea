import com.sun.net.httpserver.Filter;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import org.slf4j.MDC;

/** Puts the session token into the MDC for the time of one request. */
final class SessionFilter extends Filter {
    @Override
    public void doFilter(HttpExchange exchange, Chain chain) throws IOException {
        String token = SessionToken.of(exchange.getRequestHeaders().get(SessionToken.HEADER));
        try {
            if (token != null) {
                MDC.put(SessionToken.NAME, token);
            }
            chain.doFilter(exchange);
        } finally {
            // The next request of this thread is another visitor's.
            MDC.remove(SessionToken.NAME);
        }
    }

    @Override
    public String description() {
        return "the session token of OpenReplay, in the MDC";
    }
}
