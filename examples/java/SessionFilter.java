import com.sun.net.httpserver.Filter;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import org.slf4j.MDC;

/** Puts the session token into the MDC while a request is handled. */
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
            // This thread may handle another visitor's request next.
            MDC.remove(SessionToken.NAME);
        }
    }

    @Override
    public String description() {
        return "Puts the OpenReplay session token into the MDC";
    }
}
